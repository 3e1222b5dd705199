"""LiteRT (the successor of TensorFlow Lite), with its XNNPACK kernels: .tflite files."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.errors import MissingPackage, ModelFileError
from edgecnn.runtimes import Kernel
from edgecnn.runtimes._stderr import notes_apart

FORMATS = ("tflite",)
PACKAGE = "ai-edge-litert"
ON_BOARDS = True


def import_engine() -> None:
    try:
        import ai_edge_litert.interpreter  # noqa: F401
    except ImportError as error:
        raise MissingPackage(PACKAGE, None, "Running .tflite files") from error


def open(path: Path, num_threads: int, lowered: bool = False, output: str | None = None) -> LiteRTSession:
    import_engine()
    from ai_edge_litert.interpreter import Interpreter

    try:
        with notes_apart():
            interpreter = Interpreter(model_path=str(path), num_threads=num_threads)
            interpreter.allocate_tensors()
    except (ValueError, RuntimeError) as error:
        reason = str(error).strip().partition("\n")[0].rstrip(".")
        raise ModelFileError(f"LiteRT refuses {path}: {reason}.") from error
    if len(interpreter.get_input_details()) != 1:
        raise ModelFileError(f"{path} has {len(interpreter.get_input_details())} inputs; a picture fills one.")
    return LiteRTSession(interpreter, output)


def lower(path: Path, target: Path) -> None:
    """The file itself: its operators are run one by one, and XNNPACK gives each a kernel of its own."""
    shutil.copyfile(path, target)


def profile(lowered: Path, num_threads: int, x: npt.NDArray[Any], num_runs: int) -> tuple[Kernel, ...]:
    """None: the Python package has no profiler."""
    return ()


class LiteRTSession:
    """One interpreter. It runs every operator XNNPACK knows there and the others on its own kernels."""

    def __init__(self, interpreter: Any, output: str | None = None) -> None:
        self._interpreter = interpreter
        self._input = interpreter.get_input_details()[0]["index"]
        details = interpreter.get_output_details()
        self._output = next((one for one in details if one["name"] == output), details[0])["index"]

    def load(self, x: npt.NDArray[Any]) -> None:
        self._interpreter.set_tensor(self._input, x)

    def invoke(self) -> None:
        self._interpreter.invoke()

    def fetch(self) -> npt.NDArray[Any]:
        return np.asarray(self._interpreter.get_tensor(self._output))

    def __call__(self, x: npt.NDArray[Any]) -> npt.NDArray[Any]:
        self.load(x)
        self.invoke()
        return self.fetch()
