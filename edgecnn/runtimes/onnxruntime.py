"""ONNX Runtime on its CPU provider: .onnx files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.errors import MissingPackage, ModelFileError

FORMATS = ("onnx",)
PACKAGE = "onnxruntime"

ERRORS_ONLY = 3


def import_engine() -> None:
    try:
        import onnxruntime  # noqa: F401
    except ImportError as error:
        raise MissingPackage(PACKAGE, None, "Running .onnx files") from error


def open(path: Path, num_threads: int) -> OnnxRuntimeSession:
    import_engine()
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = num_threads
    options.inter_op_num_threads = 1
    options.log_severity_level = ERRORS_ONLY
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its errors share no class of their own
        reason = str(error).strip().partition("\n")[0].rpartition(" : ")[2].rstrip(".")
        raise ModelFileError(f"ONNX Runtime refuses {path}: {reason}.") from error
    if len(session.get_inputs()) != 1:
        raise ModelFileError(f"{path} has {len(session.get_inputs())} inputs; a picture fills one.")
    return OnnxRuntimeSession(session)


class OnnxRuntimeSession:
    """One inference session whose input stays bound to one buffer, so that `invoke` copies nothing."""

    def __init__(self, session: Any) -> None:
        self._session = session
        self._binding = session.io_binding()
        self._input = session.get_inputs()[0].name
        self._output = session.get_outputs()[0].name
        self._buffer: npt.NDArray[Any] | None = None

    def load(self, x: npt.NDArray[Any]) -> None:
        if self._buffer is None or self._buffer.shape != x.shape or self._buffer.dtype != x.dtype:
            import onnxruntime

            self._buffer = np.array(x, order="C")
            # On the CPU an OrtValue is a view of the array: what is written there later is what runs.
            self._binding.bind_ortvalue_input(self._input, onnxruntime.OrtValue.ortvalue_from_numpy(self._buffer))
            self._binding.bind_output(self._output, "cpu")  # again: the last shape's output cannot hold this one's
        else:
            np.copyto(self._buffer, x)

    def invoke(self) -> None:
        self._session.run_with_iobinding(self._binding)

    def fetch(self) -> npt.NDArray[Any]:
        return np.asarray(self._binding.copy_outputs_to_cpu()[0])

    def __call__(self, x: npt.NDArray[Any]) -> npt.NDArray[Any]:
        self.load(x)
        self.invoke()
        return self.fetch()
