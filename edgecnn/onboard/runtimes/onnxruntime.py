"""ONNX Runtime on its CPU provider: .onnx files."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.common import documents, scratch
from edgecnn.errors import MissingPackage, ModelFileError
from edgecnn.onboard.opening import opening
from edgecnn.onboard.runtimes import KernelProfile
from edgecnn.records import model_files

FORMATS = ("onnx",)
PACKAGE = "onnxruntime"
ON_BOARDS = True

SILENT = 4
"""The log level above fatal, for what goes wrong is in the error that is raised."""
KERNEL_MARK = "_kernel_time"
SETTLING_RUNS = 3
SMALL_INSIDE = "save it with tensors under 1,024 bytes inside: onnx.save(..., size_threshold=1024)"
"""What helps a model in several files, whose constant shapes must lie inside."""
DTYPES = {"float": "float32", "double": "float64"}
"""Its names for NumPy's types, where they differ."""


def import_engine() -> None:
    """Import the engine. Raises MissingPackage."""
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingPackage(PACKAGE, None, "Running .onnx files") from error
    onnxruntime.disable_telemetry_events()  # beside ORT_DISABLE_TELEMETRY, which an older one does not read


def open_session(path: Path, num_threads: int, lowered: bool = False, output: str | None = None) -> OnnxRuntimeSession:
    """Load an .onnx file; raises as `Runtime.open_session` does."""
    options = _options(num_threads, lowered)
    with opening(path):
        return OnnxRuntimeSession(_load(path, options), path, output)


def lower(path: Path, target: Path) -> None:
    """Write the fused graph, in the engine's own operators and layouts, which fits this CPU only."""
    options = _options(1, lowered=False)
    options.optimized_model_filepath = str(target)
    # ONNX Runtime would write paths of weights in other files, and `target` lies in another folder.
    _load(path, options, model_files.whole(path))


def profile(lowered: Path, num_threads: int, x: npt.NDArray[Any], num_runs: int) -> tuple[KernelProfile, ...]:
    """Profile a lowered file, in whole microseconds; a few are the profiler's, which looks at shapes as it times."""
    options = _options(num_threads, lowered=True)
    options.enable_profiling = True
    with scratch.folder() as folder:
        options.profile_file_prefix = str(folder / "profile")
        engine = _load(lowered, options)
        session = OnnxRuntimeSession(engine, lowered)
        session.load(x)
        for _ in range(num_runs + SETTLING_RUNS):
            session.invoke()
        events = documents.read(Path(engine.end_profiling()))
    events_by_place: dict[int, list[Any]] = {}
    for event in events:
        if event["name"].endswith(KERNEL_MARK) and event.get("cat") == "Node":
            events_by_place.setdefault(int(event["args"]["node_index"]), []).append(event)
    return tuple(_kernel(place, runs) for place, runs in events_by_place.items())


def _kernel(place: int, runs: list[Any]) -> KernelProfile:
    """Put together all runs of the operator at one place."""
    arguments = runs[-1]["args"]
    outputs = [next(iter(output.items())) for output in arguments["output_type_shape"]]
    return KernelProfile(
        place=place,
        operator=arguments["op_name"],
        dtypes=tuple(DTYPES.get(dtype, dtype) for dtype, _ in outputs),
        shapes=tuple(tuple(shape) for _, shape in outputs),
        times_ms=tuple(run["dur"] / 1000 for run in runs[SETTLING_RUNS:]),
    )


def _options(num_threads: int, lowered: bool) -> Any:
    import_engine()
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = num_threads
    options.inter_op_num_threads = 1
    options.log_severity_level = SILENT
    if lowered:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return options


def _load(path: Path, options: Any, data: bytes | None = None) -> Any:
    """Load a file, or the bytes of one."""
    import onnxruntime

    try:
        return onnxruntime.InferenceSession(data or str(path), options, providers=["CPUExecutionProvider"])
    except MemoryError:
        raise
    except Exception as error:  # its errors share no class of their own
        reason = _reason(error)
        hint = SMALL_INSIDE if "external tensors" in reason else None
        raise ModelFileError(f"ONNX Runtime refuses {path}: {reason}.", hint) from error


def _reason(error: Exception) -> str:
    """Return the part of the engine's message that says what is wrong, on one line."""
    said = str(error).strip().partition("\n Please fix")[0].removeprefix("Error in execution: ")
    said = re.sub(r"^Non-zero status code returned while running (\S+) node\. .*?Status Message: ", r"in \1: ", said)
    said = re.sub(
        r"^.*\) -> \(.*\) , Error ", "", said, flags=re.DOTALL
    )  # leave out names and types of a node's values
    said = re.sub(r"(\S*/)?\w+\.(cc|h):\d+ (.*?\) )?", "", said)
    return " ".join(said.rpartition(" : ")[2].split()).rstrip(".")


class OnnxRuntimeSession:
    """An inference session whose input stays bound to one buffer, so that `invoke` copies nothing.

    The output stays bound too if its sizes are those that the file declares, or those of the input by their names.
    ONNX Runtime refuses to write into a bound output if a size depends on the input's values, or is declared wrong,
    which it accepts in a new one.
    """

    def __init__(self, session: Any, path: Path, output: str | None = None) -> None:
        self._session = session
        self._path = path
        self._binding = session.io_binding()
        self._input, self._input_shape = session.get_inputs()[0].name, session.get_inputs()[0].shape
        outputs = {node.name: node for node in session.get_outputs()}
        self._output = output if output in outputs else next(iter(outputs))
        self._declared = outputs[self._output].shape
        self._expected: list[Any] = []
        self._is_kept = False
        self._buffer: npt.NDArray[Any] | None = None

    def load(self, x: npt.NDArray[Any]) -> None:
        try:
            self._load(x)
        except MemoryError:
            raise
        except Exception as error:
            raise self._failed(error) from error

    def _load(self, x: npt.NDArray[Any]) -> None:
        if len(self._session.get_inputs()) != 1:
            raise ValueError(f"it has {len(self._session.get_inputs())} inputs, and a picture fills one")
        if self._buffer is None or self._buffer.shape != x.shape or self._buffer.dtype != x.dtype:
            import onnxruntime

            self._buffer = np.array(x, order="C")
            # On the CPU an OrtValue is a view of the array, so what is written there later is what runs.
            self._binding.bind_ortvalue_input(self._input, onnxruntime.OrtValue.ortvalue_from_numpy(self._buffer))
            sizes = {
                name: size for name, size in zip(self._input_shape, x.shape, strict=False) if isinstance(name, str)
            }
            self._expected = [sizes.get(size, size) for size in self._declared]  # a batch has the same name in both
            self._is_kept = False  # an output of the last shape cannot hold this one's
        else:
            np.copyto(self._buffer, x)

    def invoke(self) -> None:
        try:
            if self._is_kept:
                self._session.run_with_iobinding(self._binding)
                return
            self._binding.bind_output(self._output, "cpu")
            self._session.run_with_iobinding(self._binding)
            self._is_kept = self._binding.get_outputs()[0].shape() == self._expected
        except MemoryError:
            raise
        except Exception as error:
            raise self._failed(error) from error

    def fetch(self) -> npt.NDArray[Any]:
        return np.asarray(self._binding.copy_outputs_to_cpu()[0])

    def __call__(self, x: npt.NDArray[Any]) -> npt.NDArray[Any]:
        with opening(self._path):
            self.load(x)
            self.invoke()
            return self.fetch()

    def _failed(self, error: Exception) -> ModelFileError:
        return ModelFileError(f"ONNX Runtime cannot run {self._path.name}: {_reason(error)}.")
