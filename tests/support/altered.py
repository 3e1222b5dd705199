"""Model files with one number changed on purpose, in the place a test names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.formats.onnx import graph as _onnx_graph
from edgecnn.formats.tflite import flatbuffer

WEIGHTED = {"onnx": {"Conv", "Gemm", "MatMul"}, "tflite": {"CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"}}


def weighted_layers(path: Path) -> int:
    """Return how many operators of a file have weights."""
    return len(_tflite_weighted(_tflite(path)) if path.suffix == ".tflite" else _onnx_weighted(_onnx(path)))


def change_weight(path: Path, layer: int, place: int, target: Path) -> Path:
    """`target`: the file with one weight of its `layer`-th weighted operator as far from itself as it can be."""
    if path.suffix == ".tflite":
        model = _tflite(path)
        graph = model.subgraphs[0]
        tensor = graph.tensors[_tflite_weighted(model)[layer].inputs[1]]
        weights = np.array(flatbuffer.values(model, tensor, flatbuffer.dtype_name(tensor)))
        model.buffers[tensor.buffer].data = np.frombuffer(_flipped(weights, place).tobytes(), np.uint8)
        target.write_bytes(flatbuffer.dump(model))
        return target
    from onnx import numpy_helper

    model = _onnx(path)
    name = _onnx_weighted(model)[layer]
    (held,) = (tensor for tensor in model.graph.initializer if tensor.name == name)
    held.CopyFrom(numpy_helper.from_array(_flipped(numpy_helper.to_array(held), place), name))
    target.write_bytes(model.SerializeToString())
    return target


def change_scale(path: Path, operator: int, factor: float, target: Path) -> str:
    """`target`: a TFLite file whose `operator`-th operator's output has another scale; returns the tensor's name."""
    model = _tflite(path)
    graph = model.subgraphs[0]
    tensor = graph.tensors[graph.operators[operator].outputs[0]]
    tensor.quantization.scale = np.asarray(tensor.quantization.scale, np.float32) * np.float32(factor)
    target.write_bytes(flatbuffer.dump(model))
    name: str = tensor.name.decode()
    return name


def _flipped(weights: npt.NDArray[Any], place: int) -> npt.NDArray[Any]:
    """A copy with one value at the far end of its type's range, or at ten times the largest."""
    changed = weights.copy()
    flat = changed.reshape(-1)
    place %= flat.size
    far = 127 if changed.dtype == np.int8 else 10 * np.abs(flat).max()
    flat[place] = -far if flat[place] > 0 else far
    return changed


def _tflite(path: Path) -> Any:
    return flatbuffer.load(path.read_bytes())


def _tflite_weighted(model: Any) -> list[Any]:
    return [
        operator
        for operator in model.subgraphs[0].operators
        if flatbuffer.operator_name(model, operator) in WEIGHTED["tflite"]
    ]


def _onnx(path: Path) -> Any:
    import onnx

    return onnx.load(path)


def _onnx_weighted(model: Any) -> list[str]:
    """Names of the weights, in the order of their operators."""
    graph = _onnx_graph.read(model)
    weighted = []
    for node in graph.nodes:
        if node.op_type in WEIGHTED["onnx"]:
            coder = graph.producer.get(node.input[1])
            weighted.append(coder.input[0] if coder is not None else node.input[1])
    return weighted
