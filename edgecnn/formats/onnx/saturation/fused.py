"""The graph into which ONNX Runtime turns a file before running it on x86-64, obtained on any machine."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgecnn.common import scratch
from edgecnn.errors import ModelFileError
from edgecnn.formats.onnx.saturation.kernels import raised
from edgecnn.onboard import runtimes
from edgecnn.onboard.opening import opening
from edgecnn.records import model_files

FATAL_ONLY = 4
"""Log severity; it would otherwise also print the errors that it raises."""


def read(path: Path) -> Any:
    """Return the ModelProto of a file with fused operators, in ONNX's own layouts.

    Raises:
        ModelFileError: ONNX Runtime refuses the file.
        MissingPackage: ONNX Runtime is not installed.
    """
    import onnx

    with scratch.folder() as folder:
        plain, fused = folder / "plain.onnx", folder / "fused.onnx"
        # One whole file: weights in other files are named relative to the model's folder, which `plain` is not in.
        _write(model_files.whole(path), plain, "ORT_ENABLE_BASIC")
        model = onnx.load(plain)
        _as_on_x86(model)
        onnx.save(model, plain)
        _write(plain, fused, "ORT_ENABLE_EXTENDED")
        return onnx.load(fused)


def takes(path: Path, key: str, value: str) -> bool:
    """Return whether ONNX Runtime loads a file with this entry in the session's configuration.

    Raises:
        MissingPackage: ONNX Runtime is not installed.
    """
    try:
        with opening(path):
            session(path, entries={key: value})
    except ModelFileError:
        return False
    return True


def session(model: Path | bytes, entries: Mapping[str, str] | None = None, **options: Any) -> Any:
    """Open an InferenceSession on one thread.

    Args:
        model: The file, or its bytes.
        entries: Configuration entries of the session.
        options: Attributes of its SessionOptions.

    Raises:
        ModelFileError: ONNX Runtime refuses the file.
        MissingPackage: ONNX Runtime is not installed.
    """
    runtimes.get("onnxruntime").import_engine()
    import onnxruntime

    chosen = onnxruntime.SessionOptions()
    chosen.intra_op_num_threads = 1
    chosen.log_severity_level = FATAL_ONLY
    for key, entry in (entries or {}).items():
        chosen.add_session_config_entry(key, entry)
    for name, value in options.items():
        setattr(chosen, name, value)
    source = str(model) if isinstance(model, Path) else model
    try:
        return onnxruntime.InferenceSession(source, chosen, providers=["CPUExecutionProvider"])
    except MemoryError:
        raise
    except Exception as error:  # its errors have no common base class
        reason = str(error).strip().partition("\n")[0].rpartition(" : ")[2].rstrip(".")
        raise ModelFileError(f"ONNX Runtime refuses the file: {reason}.") from error


def _write(source: Path | bytes, target: Path, level: str) -> None:
    import onnxruntime

    levels = onnxruntime.GraphOptimizationLevel
    session(source, graph_optimization_level=getattr(levels, level), optimized_model_filepath=str(target))


def _as_on_x86(model: Any) -> None:
    """Do what ONNX Runtime does only on x86-64: change an int8 value that is quantised for one reader to uint8.

    This is its pass QDQS8ToU8Transformer. On ARM such a value stays int8, so the graph would not be what x86 runs.
    """
    from onnx import TensorProto, numpy_helper

    graph = model.graph
    constants = {constant.name: constant for constant in graph.initializer}
    outputs = {value.name for value in graph.output}
    readers: dict[str, list[Any]] = {}
    for node in graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    for node in graph.node:
        behind = readers.get(node.output[0], [])
        if node.op_type != "QuantizeLinear" or node.output[0] in outputs or len(behind) != 1:
            continue
        coders = (node, behind[0])
        if behind[0].op_type != "DequantizeLinear" or any(len(coder.input) < 3 for coder in coders):
            continue
        zero_points = [constants.get(coder.input[2]) for coder in coders]
        if any(zero_point is None or zero_point.data_type != TensorProto.INT8 for zero_point in zero_points):
            continue
        values = [numpy_helper.to_array(zero_point) for zero_point in zero_points]
        if any(value.size != 1 for value in values) or values[0] != values[1]:
            continue
        name = f"{node.input[2]}_of_uint8"
        if name not in constants:
            constants[name] = numpy_helper.from_array(raised(values[0]), name)
            graph.initializer.append(constants[name])
        for coder in coders:
            coder.input[2] = name
    del graph.value_info[:]
