"""The precision word of a file, for every width."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import one_layer
import onnx
import pytest
from one_layer import Tensor
from onnx import TensorProto, helper

from edgecnn import formats
from edgecnn.formats import _describing

RNG = np.random.default_rng(0)


@pytest.mark.parametrize(
    ("floats", "integers", "weights", "io", "word"),
    [
        (3, {}, {"float32": 9}, "float32", "fp32"),
        (3, {}, {}, "float32", "fp32"),
        (3, {}, {"float16": 90, "float32": 9}, "float32", "fp16"),
        (3, {}, {"float16": 1, "float32": 90}, "float32", "fp32"),
        (3, {}, {"bfloat16": 9}, "float32", "bf16"),
        (3, {}, {"float64": 9}, "float64", "fp64"),
        (3, {}, {"float8_e4m3fn": 9}, "float32", "fp8"),
        (3, {}, {"int8": 9, "float32": 1}, "float32", "dynamic"),
        (3, {}, {"int4": 9, "int8": 9}, "float32", "int4-weights"),
        (3, {}, {"uint2": 9}, "float32", "int2-weights"),
        (0, {"int8": 4}, {"int8": 9, "int32": 1}, "int8", "int8"),
        (0, {"uint8": 4}, {"int8": 9}, "uint8", "int8"),
        (0, {"int8": 4}, {"int8": 9}, "float32", "int8-mixed"),
        (2, {"int8": 4}, {"int8": 9}, "int8", "int8-mixed"),
        (0, {"int16": 4}, {"int8": 9, "int64": 1}, "int16", "int16x8"),
        (0, {"int16": 4}, {"int8": 9}, "float32", "int16x8-mixed"),
        (0, {"int16": 4}, {"int16": 9}, "int16", "int16"),
        (0, {"int16": 4, "int8": 1}, {"int8": 9}, "int16", "int16x8-mixed"),
        (0, {"int8": 4}, {"int4": 9}, "int8", "int8x4"),
    ],
)
def test_every_width_has_its_word(
    floats: int, integers: Mapping[str, int], weights: Mapping[str, int], io: str, word: str
) -> None:
    chosen = _describing.word(float_operators=floats, integer_operators=integers, weights=weights, io=(io, io))
    assert chosen == word


@pytest.mark.parametrize(
    ("dtype", "weight", "word"),
    [
        ("FLOAT32", "FLOAT32", "fp32"),
        ("FLOAT32", "INT8", "dynamic"),
        ("FLOAT32", "INT4", "int4-weights"),
        ("FLOAT32", "INT2", "int2-weights"),
        ("INT8", "INT8", "int8"),
        ("INT8", "INT4", "int8x4"),
        ("INT16", "INT8", "int16x8"),
        ("INT16", "INT4", "int16x4"),
    ],
)
def test_a_tflite_layer_of_each_width(dtype: str, weight: str, word: str, tmp_path: Path) -> None:
    held = (
        np.zeros(8, np.float32) if weight == "FLOAT32" else np.zeros({"INT8": 8, "INT4": 4, "INT2": 2}[weight], np.int8)
    )
    scales = [None if kind == "FLOAT32" else 0.1 for kind in (dtype, weight)]
    tensors = [
        Tensor("x", (1, 4), dtype, scales[0]),
        Tensor("w", (2, 4), weight, scales[1], values=held),
        Tensor("y", (1, 2), dtype, scales[0]),
    ]
    description = formats.describe(one_layer.write(tmp_path / "one.tflite", "one", tensors))
    assert (description.precision, description.parameters) == (word, 8)


def test_pixels_that_are_integers_make_no_integer_net(tmp_path: Path) -> None:
    tensors = [
        Tensor("x", (1, 4), "UINT8"),  # without a scale: plain pixels
        Tensor("w", (2, 4), "FLOAT32", values=np.zeros(8, np.float32)),
        Tensor("y", (1, 2), "FLOAT32"),
    ]
    assert formats.describe(one_layer.write(tmp_path / "one.tflite", "one", tensors)).precision == "fp32"


def saved(path: Path, nodes: list[Any], constants: list[Any], domain: str = "", dtype: int = TensorProto.FLOAT) -> Path:
    """x (1, 32) -> y (1, 4)."""
    graph = helper.make_graph(
        nodes,
        "one",
        [helper.make_tensor_value_info("x", dtype, [1, 32])],
        [helper.make_tensor_value_info("y", dtype, [1, 4])],
        constants,
    )
    opsets = [helper.make_opsetid("", 21), *([helper.make_opsetid(domain, 1)] if domain else [])]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=10), path)
    return path


def packed(name: str, dtype: int, dims: list[int]) -> Any:
    bits = {TensorProto.INT4: 4, TensorProto.UINT4: 4}.get(dtype, 8)
    return helper.make_tensor(name, dtype, dims, bytes(int(np.prod(dims)) * bits // 8), raw=True)


@pytest.mark.parametrize(
    ("dtype", "word"),
    [(TensorProto.INT8, "dynamic"), (TensorProto.INT4, "int4-weights"), (TensorProto.UINT4, "int4-weights")],
)
@pytest.mark.parametrize("block", [0, 16])
def test_onnx_weights_behind_a_dequantize_keep_their_width(dtype: int, word: str, block: int, tmp_path: Path) -> None:
    scale = np.ones((2, 4) if block else (), np.float32)
    nodes = [
        helper.make_node("DequantizeLinear", ["w", "s"], ["wf"], **({"block_size": block, "axis": 0} if block else {})),
        helper.make_node("MatMul", ["x", "wf"], ["y"]),
    ]
    constants = [packed("w", dtype, [32, 4]), onnx.numpy_helper.from_array(scale, "s")]
    description = formats.describe(saved(tmp_path / "one.onnx", nodes, constants))
    assert (description.precision, description.parameters) == (word, 128)
    assert description.macs == 128


@pytest.mark.parametrize("bits", [2, 4, 8])
def test_matmul_nbits_tells_its_width_and_its_macs(bits: int, tmp_path: Path) -> None:
    blob = helper.make_tensor("b", TensorProto.UINT8, [4, 1, 32 * bits // 8], bytes(4 * 32 * bits // 8), raw=True)
    scales = onnx.numpy_helper.from_array(np.ones(4, np.float32), "s")
    node = helper.make_node(
        "MatMulNBits", ["x", "b", "s"], ["y"], domain="com.microsoft", K=32, N=4, bits=bits, block_size=32
    )
    path = saved(tmp_path / "one.onnx", [node], [blob, scales], "com.microsoft")
    description = formats.describe(path)
    assert description.precision == ("dynamic" if bits == 8 else f"int{bits}-weights")
    assert (description.parameters, description.macs) == (128, 128)


def test_activations_of_16_bits_run_in_float_on_onnx_runtime_and_are_called_so(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "s", "z"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "s", "z"], ["d"]),
        helper.make_node("DequantizeLinear", ["w", "s"], ["wf"]),
        helper.make_node("MatMul", ["d", "wf"], ["m"]),
        helper.make_node("QuantizeLinear", ["m", "s", "z"], ["qm"]),
        helper.make_node("DequantizeLinear", ["qm", "s", "z"], ["y"]),
    ]
    constants = [
        packed("w", TensorProto.INT8, [32, 4]),
        onnx.numpy_helper.from_array(np.float32(0.1), "s"),
        onnx.numpy_helper.from_array(np.uint16(7), "z"),
    ]
    description = formats.describe(saved(tmp_path / "one.onnx", nodes, constants))
    assert (description.precision, description.float_operators) == ("int16x8-mixed", 1)


@pytest.mark.parametrize(("dtype", "word"), [(TensorProto.FLOAT16, "fp16"), (TensorProto.DOUBLE, "fp64")])
def test_onnx_floats_of_other_widths(dtype: int, word: str, tmp_path: Path) -> None:
    kind = helper.tensor_dtype_to_np_dtype(dtype)
    weights = onnx.numpy_helper.from_array(RNG.normal(size=(32, 4)).astype(kind), "w")
    path = saved(tmp_path / "one.onnx", [helper.make_node("MatMul", ["x", "w"], ["y"])], [weights], dtype=dtype)
    assert formats.describe(path).precision == word


def test_a_graph_of_onnx_runtimes_own_integer_operators_has_none_in_float(tmp_path: Path) -> None:
    names = ["s", "z"]
    own = {"domain": "com.microsoft"}
    nodes = [
        helper.make_node("QuantizeLinear", ["x", *names], ["q"]),
        helper.make_node("QLinearAdd", ["q", *names, "q", *names, *names], ["a"], **own),
        helper.make_node("QLinearSigmoid", ["a", *names, *names], ["g"], **own),
        helper.make_node("Reshape", ["g", "to"], ["r"]),
        helper.make_node("QLinearMatMul", ["r", *names, "w", *names, *names], ["m"]),
        helper.make_node("DequantizeLinear", ["m", *names], ["y"]),
    ]
    constants = [
        onnx.numpy_helper.from_array(RNG.integers(0, 9, (32, 4)).astype(np.uint8), "w"),
        onnx.numpy_helper.from_array(np.float32(0.1), "s"),
        onnx.numpy_helper.from_array(np.uint8(7), "z"),
        onnx.numpy_helper.from_array(np.array([1, 32], np.int64), "to"),
    ]
    description = formats.describe(saved(tmp_path / "one.onnx", nodes, constants, "com.microsoft"))
    assert (description.precision, description.float_operators) == ("int8-mixed", 0)
