"""Model files small enough to know every number in: one linear layer from pixels to logits."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import one_layer
from one_layer import Tensor

Weights = npt.NDArray[np.float32]


def weights(height: int, width: int, channels: int, classes: int, seed: int = 0) -> Weights:
    """Whole numbers from -3 to 3, (K, H, W, C): every product and sum is exact in float32."""
    drawn = np.random.default_rng(seed).integers(-3, 4, (classes, height, width, channels))
    return drawn.astype(np.float32)


def linear_onnx(
    path: Path,
    kernel: Weights,
    tail: Sequence[tuple[str, dict[str, Any]]] = (),
    output: Sequence[int] | None = None,
    notes: Mapping[str, str] | None = None,
) -> Path:
    """float32 NCHW pixels -> logits, and through the operators of a tail, such as ("Sigmoid", {}).

    output: The shape behind the tail.
    notes: Metadata of the file.
    """
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    classes, height, width, channels = kernel.shape
    flat = kernel.transpose(3, 1, 2, 0).reshape(-1, classes)  # (CHW, K)
    names = [*(f"t{number}" for number in range(len(tail))), "y"]
    ends = [
        helper.make_node(kind, [before], [after], **attributes)
        for (kind, attributes), before, after in zip(tail, names[:-1], names[1:], strict=True)
    ]
    is_number = any(kind == "ArgMax" for kind, _ in tail)
    graph = helper.make_graph(
        [helper.make_node("Flatten", ["x"], ["flat"]), helper.make_node("MatMul", ["flat", "w"], [names[0]]), *ends],
        "linear",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, channels, height, width])],
        [
            helper.make_tensor_value_info(
                "y", TensorProto.INT64 if is_number else TensorProto.FLOAT, [1, classes] if output is None else output
            )
        ],
        [numpy_helper.from_array(np.ascontiguousarray(flat), "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(model, dict(notes or {}))
    onnx.save(model, path)
    return path


def linear_tflite(path: Path, kernel: Weights, int8: bool = False) -> Path:
    """float32 NHWC pixels, or the int8 pixels (pixel - 128), -> logits."""
    classes, height, width, channels = kernel.shape
    flat = kernel.reshape(classes, -1)  # (K, HWC)
    dtype, stored = ("INT8", np.int8) if int8 else ("FLOAT32", np.float32)
    scale = 1.0 if int8 else None
    reach = 3 * 255 * height * width * channels / 127 if int8 else None  # no logit can saturate
    tensors = [
        Tensor("x", (1, height, width, channels), dtype, scale, -128),
        Tensor("w", flat.shape, dtype, scale, values=flat.astype(stored)),
        Tensor("y", (1, classes), dtype, reach),
    ]
    return one_layer.write(path, "linear", tensors)


def with_sigmoid(path: Path) -> Path:
    """The TFLite file with a LOGISTIC behind its last operator."""
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(path.read_bytes(), 0))
    graph, code, operator, made = model.subgraphs[0], schema.OperatorCodeT(), schema.OperatorT(), schema.TensorT()
    before = graph.tensors[graph.outputs[0]]
    made.name, made.shape, made.type, made.buffer = "sigmoid", before.shape, before.type, 0
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.LOGISTIC
    code.version, operator.opcodeIndex = 1, len(model.operatorCodes)
    operator.inputs, operator.outputs = [graph.outputs[0]], [len(graph.tensors)]
    model.operatorCodes.append(code)
    graph.tensors.append(made)
    graph.operators.append(operator)
    graph.outputs = operator.outputs
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    path.write_bytes(bytes(builder.Output()))
    return path


def with_metadata(path: Path, metadata: bytes, files: Mapping[str, str]) -> Path:
    """The TFLite file with the tables of its metadata inside and text files in an archive behind it."""
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(path.read_bytes(), 0))
    note, buffer = schema.MetadataT(), schema.BufferT()
    note.name, note.buffer = "TFLITE_METADATA", len(model.buffers)
    buffer.data = np.frombuffer(metadata, np.uint8)
    model.buffers.append(buffer)
    model.metadata = [note]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    path.write_bytes(bytes(builder.Output()))
    with zipfile.ZipFile(path, "a") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return path


def linear_c(path: Path, kernel: Weights, int8: bool = False) -> Path:
    """The TFLite file as a C array in a header."""
    from edgecnn.onboard import c_array
    from edgecnn.onboard.runtimes import tflite_micro

    data = linear_tflite(path, kernel, int8).read_bytes()
    labels = tuple(f"class {label}" for label in range(len(kernel)))
    array = c_array.CArray(name="linear", data=data, arena_bytes=tflite_micro.arena_bytes(data), labels=labels)
    path.write_text(c_array.write(array, ["One linear layer."]))
    return path


def logits(kernel: Weights, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Return the output of the float files for uint8 pictures (N, H, W, C): (N, K), exactly."""
    return images.reshape(len(images), -1).astype(np.float32) @ kernel.reshape(len(kernel), -1).T
