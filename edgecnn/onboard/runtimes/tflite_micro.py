"""TensorFlow Lite for Microcontrollers on this machine, with its reference kernels: C arrays.

It answers as a microcontroller does, bit for bit if that runs the reference kernels too. How long it takes here says
nothing.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.common.signals import ending_signal
from edgecnn.errors import EnvironmentUnfit, MissingPackage, ModelFileError
from edgecnn.onboard import c_array
from edgecnn.onboard.opening import opening
from edgecnn.onboard.runtimes import KernelProfile
from edgecnn.onboard.runtimes._stderr import notes_apart

FORMATS = ("c",)
PACKAGE = "tflite-micro"
ON_BOARDS = False

LARGEST_ARENA_BYTES = 1 << 26


def import_engine() -> None:
    """Import the engine. Raises MissingPackage."""
    try:
        from tflite_micro import runtime  # noqa: F401
    except ImportError as error:
        raise MissingPackage(PACKAGE, None, "Running C arrays as a microcontroller does") from error


def open_session(path: Path, num_threads: int, lowered: bool = False, output: str | None = None) -> MicroSession:
    """Load a C array in an arena of the size that its header states; it has one thread and one output only."""
    import_engine()
    try:
        with opening(path):
            array = c_array.read(path)
            return _start(array.data, array.arena_bytes, path)
    except EnvironmentUnfit:  # it takes too much memory
        raise
    except Exception as error:
        reason = str(error).partition("\n")[0].rstrip(".")
        raise ModelFileError(f"TensorFlow Lite for Microcontrollers refuses {path}: {reason}.") from error


def lower(path: Path, target: Path) -> None:
    """Copy the file, for the engine optimises nothing."""
    target.write_bytes(path.read_bytes())


def profile(lowered: Path, num_threads: int, x: npt.NDArray[Any], num_runs: int) -> tuple[KernelProfile, ...]:
    """Return no profile, for its times would say nothing."""
    return ()


def arena_bytes(data: bytes) -> int:
    """Find the smallest tensor arena in which a TFLite model runs here, by bisection.

    What the engine records of its allocations is not enough, for planning needs memory for a moment that it then gives
    back. A pointer takes 8 bytes here and 4 on a microcontroller, which therefore needs less, while kernels with
    scratch buffers of their own (CMSIS-NN, ESP-NN) may need more. The search runs in a process of its own, because a
    model may crash the engine.

    Returns:
        The arena in bytes, a multiple of `c_array.ALIGNMENT`.

    Raises:
        ModelFileError: The model does not run in 64 MiB, or it crashes the engine.
    """
    import_engine()
    done = subprocess.run([sys.executable, "-P", "-m", __name__], input=data, capture_output=True, check=False)
    if name := ending_signal(done.returncode):
        raise ModelFileError(f"TensorFlow Lite for Microcontrollers ended with {name} over the model.")
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip()
        raise ModelFileError(f"TensorFlow Lite for Microcontrollers does not run the model: {said}.")
    return int(done.stdout)


def _least_arena_bytes(data: bytes) -> int:
    """Find what `arena_bytes` returns, in this process."""
    step = c_array.ALIGNMENT
    too_small, enough = 0, 1024
    while not _runs(data, enough * step):
        too_small, enough = enough, enough * 2
        if enough * step > LARGEST_ARENA_BYTES:
            sys.exit(_refusal(data))
    while enough - too_small > 1:
        middle = (too_small + enough) // 2
        too_small, enough = (too_small, middle) if _runs(data, middle * step) else (middle, enough)
    return enough * step


class MicroSession:
    """An interpreter in its arena."""

    def __init__(self, interpreter: Any, data: bytes, path: Path) -> None:
        self._interpreter = interpreter
        self._path = path
        self._data = data  # the engine reads weights from here

    def load(self, x: npt.NDArray[Any]) -> None:
        try:
            self._interpreter.set_input(x, 0)
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
        return np.array(self._interpreter.get_output(0))

    def __call__(self, x: npt.NDArray[Any]) -> npt.NDArray[Any]:
        with opening(self._path):
            self.load(x)
            self.invoke()
            return self.fetch()

    def _failed(self, error: Exception) -> ModelFileError:
        reason = str(error).partition("\n")[0].rstrip(".")
        return ModelFileError(f"TensorFlow Lite for Microcontrollers cannot run {self._path.name}: {reason}.")


def _start(data: bytes, arena: int, path: Path = Path("the model")) -> MicroSession:
    """Start an interpreter in an arena of so many bytes."""
    from tflite_micro import runtime

    with notes_apart():
        return MicroSession(runtime.Interpreter.from_bytes(data, arena_size=arena), data, path)


def _runs(data: bytes, arena: int) -> bool:
    """Return whether a model runs in an arena of so many bytes."""
    try:
        session = _start(data, arena)
        with notes_apart():
            session.invoke()
    except (ModelFileError, RuntimeError):
        return False
    return True


def _refusal(data: bytes) -> str:
    """Return the engine's first words about a model that does not run in the largest arena."""
    from tflite_micro import runtime

    with notes_apart() as notes:
        try:
            runtime.Interpreter.from_bytes(data, arena_size=LARGEST_ARENA_BYTES).invoke()
        except RuntimeError as error:
            notes.seek(0)
            said = notes.read().decode(errors="replace").strip() or str(error)
            return said.partition("\n")[0].strip().rstrip(".")
    return "it needs a larger arena"


if __name__ == "__main__":
    print(_least_arena_bytes(sys.stdin.buffer.read()))
