"""Files of other makes that are slow on purpose: transposes, a float island among int8, one heavy layer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

CHANNELS, SIDE, CLASSES = 8, 12, 5


def heavy_onnx(path: Path) -> Path:
    """float32 NCHW: a 3x3 convolution of 97 % of the MACs between two small ones."""
    from onnx import helper

    rng = np.random.default_rng(0)
    weights = {
        "small": rng.normal(size=(64, 3, 1, 1)),
        "heavy": rng.normal(size=(64, 64, 3, 3)),
        "last": rng.normal(size=(16, 64, 1, 1)),
    }
    nodes, source = [], "x"
    for name, weight in weights.items():
        pads = [1, 1, 1, 1] if weight.shape[2] == 3 else [0, 0, 0, 0]
        nodes.append(helper.make_node("Conv", [source, f"{name}_w"], [name], name=name, pads=pads))
        source = name
    return _saved_onnx(path, nodes, weights, [1, 3, 32, 32], [1, 16, 32, 32], "last")


def island_onnx(path: Path) -> Path:
    """float32 NCHW to logits: a QDQ convolution, an Elu that no int8 kernel takes, a transpose, a dense layer."""
    from onnx import helper

    rng = np.random.default_rng(1)
    weights = {
        "conv_w": rng.normal(size=(CHANNELS, 3, 3, 3)),
        "dense_w": rng.normal(size=(SIDE * SIDE * CHANNELS, CLASSES)),
        "scale": np.array(0.05),
    }
    coders = [("QuantizeLinear", "x", "xq"), ("DequantizeLinear", "xq", "xd")]
    nodes = [helper.make_node(kind, [a, "scale", "zero"], [b], name=b) for kind, a, b in coders]
    nodes.append(helper.make_node("Conv", ["xd", "conv_w"], ["conv"], name="conv", pads=[1, 1, 1, 1]))
    nodes.append(helper.make_node("QuantizeLinear", ["conv", "scale", "zero"], ["cq"], name="cq"))
    nodes.append(helper.make_node("DequantizeLinear", ["cq", "scale", "zero"], ["cd"], name="cd"))
    nodes.append(helper.make_node("Elu", ["cd"], ["elu"], name="elu"))
    nodes.append(helper.make_node("Transpose", ["elu"], ["moved"], name="moved", perm=[0, 2, 3, 1]))
    nodes.append(helper.make_node("Reshape", ["moved", "flat"], ["row"], name="row"))
    nodes.append(helper.make_node("MatMul", ["row", "dense_w"], ["y"], name="dense"))
    return _saved_onnx(path, nodes, weights, [1, 3, SIDE, SIDE], [1, CLASSES], "y")


def _saved_onnx(
    path: Path, nodes: list[Any], weights: dict[str, Any], source: list[int], result: list[int], output: str
) -> Path:
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    named = {name if name.endswith("_w") or name == "scale" else f"{name}_w": w for name, w in weights.items()}
    constants = [numpy_helper.from_array(value.astype(np.float32), name) for name, value in named.items()]
    constants.append(numpy_helper.from_array(np.array(128, np.uint8), "zero"))
    constants.append(numpy_helper.from_array(np.array([1, -1], np.int64), "flat"))
    used = {name for node in nodes for name in node.input}
    graph = helper.make_graph(
        nodes,
        "made elsewhere",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, source)],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, result)],
        [tensor for tensor in constants if tensor.name in used],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def island_tflite(path: Path) -> Path:
    """int8 NHWC to int8 logits: DEQUANTIZE, TANH in float, QUANTIZE, two TRANSPOSEs, RESHAPE, FULLY_CONNECTED."""
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    model, graph = schema.ModelT(), schema.SubGraphT()
    model.version, model.description = 3, "made elsewhere"
    model.buffers, model.operatorCodes = [schema.BufferT()], []
    graph.name, graph.tensors, graph.operators = "main", [], []
    types = schema.TensorType

    def tensor(shape: tuple[int, ...], kind: int, data: Any = None, scale: float = 0.05) -> int:
        made = schema.TensorT()
        made.name, made.shape, made.type, made.buffer = f"t{len(graph.tensors)}", list(shape), kind, 0
        if kind == types.INT8:
            made.quantization = schema.QuantizationParametersT()
            made.quantization.scale, made.quantization.zeroPoint = [scale], [0]
        if data is not None:
            held = schema.BufferT()
            held.data = np.frombuffer(data.tobytes(), np.uint8)
            model.buffers.append(held)
            made.buffer = len(model.buffers) - 1
        graph.tensors.append(made)
        return len(graph.tensors) - 1

    def operator(name: str, inputs: list[int], output: int, version: int, options: Any = None) -> None:
        code, made = schema.OperatorCodeT(), schema.OperatorT()
        number = getattr(schema.BuiltinOperator, name)
        code.builtinCode, code.deprecatedBuiltinCode, code.version = number, min(number, 127), version
        model.operatorCodes.append(code)
        made.opcodeIndex, made.inputs, made.outputs = len(model.operatorCodes) - 1, inputs, [output]
        if options is not None:
            made.builtinOptionsType = getattr(schema.BuiltinOptions, type(options).__name__.removesuffix("T"))
            made.builtinOptions = options
        graph.operators.append(made)

    nhwc, nchw = (1, SIDE, SIDE, CHANNELS), (1, CHANNELS, SIDE, SIDE)
    values = SIDE * SIDE * CHANNELS
    x = tensor(nhwc, types.INT8)
    real, squashed = tensor(nhwc, types.FLOAT32), tensor(nhwc, types.FLOAT32)
    back, moved, returned = tensor(nhwc, types.INT8), tensor(nchw, types.INT8), tensor(nhwc, types.INT8)
    there = tensor((4,), types.INT32, np.array([0, 3, 1, 2], np.int32))
    home = tensor((4,), types.INT32, np.array([0, 2, 3, 1], np.int32))
    flat, row = tensor((2,), types.INT32, np.array([1, values], np.int32)), tensor((1, values), types.INT8)
    drawn = np.random.default_rng(2).integers(-9, 9, (CLASSES, values), dtype=np.int8)
    weight, y = tensor((CLASSES, values), types.INT8, drawn, 0.1), tensor((1, CLASSES), types.INT8, scale=5.0)
    operator("DEQUANTIZE", [x], real, 2)
    operator("TANH", [real], squashed, 1)
    operator("QUANTIZE", [squashed], back, 1)
    operator("TRANSPOSE", [back, there], moved, 2)
    operator("TRANSPOSE", [moved, home], returned, 2)
    operator("RESHAPE", [returned, flat], row, 1)
    operator("FULLY_CONNECTED", [row, weight, -1], y, 4, schema.FullyConnectedOptionsT())
    graph.inputs, graph.outputs, model.subgraphs = [x], [y], [graph]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    path.write_bytes(bytes(builder.Output()))
    return path
