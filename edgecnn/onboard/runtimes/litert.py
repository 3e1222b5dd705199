"""LiteRT (the successor of TensorFlow Lite), with its XNNPACK kernels: .tflite files."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.errors import EnvironmentUnfit, MissingPackage, ModelFileError
from edgecnn.onboard.opening import opening
from edgecnn.onboard.runtimes import KernelProfile
from edgecnn.onboard.runtimes._stderr import notes_apart

FORMATS = ("tflite",)
PACKAGE = "ai-edge-litert"
ON_BOARDS = True


def import_engine() -> None:
    """Import the engine. Raises MissingPackage."""
    try:
        import ai_edge_litert.interpreter  # noqa: F401
    except ImportError as error:
        raise MissingPackage(PACKAGE, None, "Running .tflite files") from error


def open_session(path: Path, num_threads: int, lowered: bool = False, output: str | None = None) -> LiteRTSession:
    """Load a .tflite file; raises as `Runtime.open_session` does."""
    import_engine()
    from ai_edge_litert.interpreter import Interpreter

    try:
        with opening(path), notes_apart():
            interpreter = Interpreter(model_path=str(path), num_threads=num_threads)
            inputs = interpreter.get_input_details()
            if not _waits(inputs):
                interpreter.allocate_tensors()
            return LiteRTSession(interpreter, path, output)
    except EnvironmentUnfit:  # it takes too much memory
        raise
    except Exception as error:  # over a damaged file its reader raises anything
        raise ModelFileError(f"LiteRT refuses {path}: {_reason(error)}.") from error


def lower(path: Path, target: Path) -> None:
    """Copy the file: its operators are run one by one, and XNNPACK has a kernel for each."""
    shutil.copyfile(path, target)


def profile(lowered: Path, num_threads: int, x: npt.NDArray[Any], num_runs: int) -> tuple[KernelProfile, ...]:
    """Return no profile, for the Python package has no profiler."""
    return ()


def _waits(inputs: Any) -> bool:
    """Return whether a file gets its memory with its first input, because more than its batch is open."""
    signature = inputs[0]["shape_signature"]
    return len(inputs) == 1 and -1 in (signature[1:] if len(signature) > 1 else signature)


def _reason(error: Exception) -> str:
    """Return what the engine says, without its advice to build it anew, and the operator it speaks of."""
    said = re.split(r"\n| Make sure | See instructions: ", str(error).strip())[0].rstrip(". ")
    said = re.sub(r"(?<=\w)(Node number)", r": \1", said)  # it joins two sentences without a space
    node = re.search(r"Node number \d+ \((.+?)\) failed to", str(error))
    said = said or type(error).__name__
    return f"{said} ({node[1]})" if node and node[1] not in said else said


class LiteRTSession:
    """An interpreter that runs the operators that XNNPACK knows there, and all others on its own kernels.

    If the input has open sizes, it gets its memory with the first input, and anew with an input of another size.
    """

    def __init__(self, interpreter: Any, path: Path, output: str | None = None) -> None:
        self._interpreter = interpreter
        self._path = path
        inputs = interpreter.get_input_details()
        self._is_resizable = -1 in inputs[0]["shape_signature"]
        self._shape = None if _waits(inputs) else tuple(inputs[0]["shape"])
        self._input = interpreter.get_input_details()[0]["index"]
        details = interpreter.get_output_details()
        self._output = next((detail for detail in details if detail["name"] == output), details[0])["index"]

    def load(self, x: npt.NDArray[Any]) -> None:
        try:
            if len(self._interpreter.get_input_details()) != 1:
                raise ValueError(f"it has {len(self._interpreter.get_input_details())} inputs, and a picture fills one")
            if self._is_resizable and x.shape != self._shape:
                with notes_apart():
                    self._interpreter.resize_tensor_input(self._input, x.shape, strict=True)
                    self._interpreter.allocate_tensors()
                self._shape = x.shape
            self._interpreter.set_tensor(self._input, x)
        except MemoryError:
            raise
        except Exception as error:
            raise self._failed(error) from error

    def invoke(self) -> None:
        try:
            self._interpreter.invoke()
        except MemoryError:
            raise
        except Exception as error:
            raise self._failed(error) from error

    def fetch(self) -> npt.NDArray[Any]:
        return np.asarray(self._interpreter.get_tensor(self._output))

    def __call__(self, x: npt.NDArray[Any]) -> npt.NDArray[Any]:
        with opening(self._path):
            self.load(x)
            self.invoke()
            return self.fetch()

    def _failed(self, error: Exception) -> ModelFileError:
        return ModelFileError(f"LiteRT cannot run {self._path.name}: {_reason(error)}.")
