"""Layers with sums of two products beyond 16 bits, told from a file and seen on a core that cuts them off."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import pytest
import small_runs
import u8s8_files
from cpus import AVX2, VNNI, machine, needed
from hypothesis import example, given
from hypothesis import strategies as st
from onnx import TensorProto
from u8s8_files import Layer

from edgecnn.formats.onnx import saturation
from edgecnn.formats.onnx.saturation import fused, kernels, operands, pairs, rates

PAIRED = [
    Layer("Conv", 8, 16, (1, 1)),
    Layer("Conv", 7, 16, (1, 1)),
    Layer("Conv", 8, 16, (3, 3)),
    Layer("Conv", 3, 16, (3, 3), zero_point=0),
    Layer("Conv", 1, 8, (3, 3)),
    Layer("Conv", 8, 8, (3, 3), groups=2),
    Layer("Conv", 6, 8, (3, 3), groups=2),
    Layer("Conv", 8, 16, (3, 3), groups=8),
    Layer("Conv", 6, 8, (5,)),
    Layer("QLinearConv", 5, 16, (3, 3)),
    Layer("QLinearConv", 4, 8, (2, 2, 2)),
    Layer("Gemm", 63, 10),
    Layer("Gemm", 64, 10, zero_point=0),
    Layer("QGemm", 33, 10),
    Layer("MatMul", 63, 10),
    Layer("MatMulInteger", 15, 10, zero_point=0),
    Layer("DynamicQuantizeLinear", 32, 10),
]
WIDENED = [Layer("Conv", 8, 8, (3, 3), groups=8), Layer("QLinearConv", 5, 5, (3, 3), groups=5)]
"""Depthwise: one input channel a filter, and one filter an input channel."""

UNSIGNED = ("QUInt8", "QUInt8")
SIGNED = ("QInt8", "QInt8")
MIXED = ("QUInt8", "QInt8")
DENSE = {"stem", "pointwise", "dense"}
"""The layers of the net that are not depthwise."""

SHOWN = np.concatenate([u8s8_files.pictures(3), np.full_like(u8s8_files.pictures(1), 255)])
"""Noise, and a white picture."""

small = st.integers(-128, 127)


# The rule


@given(small, small)
@example(127, 1)
@example(127, 2)
@example(-128, 0)
@example(-128, -1)
@example(64, 64)
def test_a_pair_of_weights_can_pass_16_bits_exactly_if_some_input_does_it(first: int, second: int) -> None:
    extremes = itertools.product((0, 255), repeat=2)
    brute = any(not -(2**15) <= a * first + b * second < 2**15 for a, b in extremes)
    assert pairs.can_pass(np.array([first, second], np.int32)) == brute


@given(small, small, st.integers(0, 255), st.integers(0, 255))
def test_where_no_extreme_input_passes_no_other_does(first: int, second: int, a: int, b: int) -> None:
    if not pairs.can_pass(np.array([first, second], np.int32)):
        assert -(2**15) <= a * first + b * second < 2**15


@given(st.lists(st.integers(-64, 64), min_size=1, max_size=9))
def test_seven_bits_never_pass(row: list[int]) -> None:
    assert not pairs.passing(np.array([row], np.int8)).any()


def test_the_last_of_an_odd_row_stands_alone() -> None:
    assert pairs.paired(np.array([1, 2, 3], np.int8)).tolist() == [[1, 2], [3, 0]]
    assert pairs.passing(np.array([[100, -100, 100], [0, 100, 100]], np.int8)).tolist() == [False, False]
    assert pairs.passing(np.array([[0, 0, 100, 100]], np.int8)).all()


# The layers, on a core that cuts off


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("saturation")


@pytest.fixture(scope="module")
def layers(folder: Path) -> dict[str, Path]:
    return {str(layer): u8s8_files.write(layer, folder) for layer in [*PAIRED, *WIDENED]}


@pytest.fixture(scope="module")
def files(folder: Path) -> dict[str, Path]:
    """The net as `quantize_static` may make it."""
    source = u8s8_files.net(folder / "net.onnx")
    made = {}
    for form, types, per_channel in itertools.product(("QDQ", "QOperator"), (MIXED, SIGNED, UNSIGNED), (False, True)):
        name = f"{form}-{'-'.join(types)}{'-per-channel' * per_channel}"
        made[name] = u8s8_files.quantised(source, folder / f"{name}.onnx", form, types, per_channel)
    for form in ("QDQ", "QOperator"):
        target = folder / f"{form}-reduced.onnx"
        made[f"{form}-reduced"] = u8s8_files.quantised(source, target, form, reduce_range=True, per_channel=True)
    return made


def bright(path: Path) -> npt.NDArray[Any]:
    """The input at which every pair that can pass 16 bits does so: such weights have one sign."""
    entry = onnx.load(path).graph.input[0].type.tensor_type
    shape = [dimension.dim_value for dimension in entry.shape.dim]
    dtype = np.float32 if entry.elem_type == TensorProto.FLOAT else np.uint8
    return np.full((1, *shape), 255, dtype)


@pytest.fixture(scope="module")
def haswell(folder: Path, layers: dict[str, Path], files: dict[str, Path]) -> dict[Path, npt.NDArray[Any]]:
    """Return the outputs of each file, and of its exact version beside it, on a Haswell; one start for all."""
    asked = [(path, bright(path)) for path in layers.values()]
    asked += [(path, SHOWN) for path in files.values()]
    for path, values in list(asked):
        rates.write_exact(path, exact(path))
        asked.append((exact(path), values))
    outputs = u8s8_files.on_haswell(asked, folder)
    return {path: output for (path, _), output in zip(asked, outputs, strict=True)}


def exact(path: Path) -> Path:
    return path.with_suffix(".exact")


@needed
@pytest.mark.parametrize("layer", [str(layer) for layer in (*PAIRED, *WIDENED)])
def test_the_channels_that_are_named_are_those_that_differ(
    layer: str, layers: dict[str, Path], haswell: dict[Path, npt.NDArray[Any]]
) -> None:
    path = layers[layer]
    cut, whole = haswell[path], u8s8_files.here(exact(path), bright(path))
    outputs = np.unique(np.nonzero(cut != whole)[1])
    named = [channel for layer in saturation.exposure(path).layers for channel in layer.channels]
    assert named == outputs.tolist()
    assert bool(named) == (layer in map(str, PAIRED))


@needed
def test_weights_made_unsigned_answer_there_as_here_bit_for_bit(haswell: dict[Path, npt.NDArray[Any]]) -> None:
    for path, output in haswell.items():
        if path.suffix == ".exact":
            shown = bright(path.with_suffix(".onnx")) if "-zero" in path.stem else SHOWN
            assert (output == u8s8_files.here(path, shown)).all(), path.name


@needed
def test_a_quantised_file_differs_there_exactly_if_layers_are_named(
    files: dict[str, Path], haswell: dict[Path, npt.NDArray[Any]]
) -> None:
    differs = {name: not np.array_equal(haswell[path], haswell[exact(path)]) for name, path in files.items()}
    assert differs == {name: bool(saturation.exposure(path).layers) for name, path in files.items()}


# Files


@pytest.mark.parametrize("form", ["QDQ", "QOperator"])
@pytest.mark.parametrize("end", ["", "-per-channel"])
def test_a_file_of_quantize_static_is_named_with_its_layers(form: str, end: str, files: dict[str, Path]) -> None:
    exposure = saturation.exposure(files[f"{form}-QUInt8-QInt8{end}"])
    assert {layer.name.removesuffix("_quant") for layer in exposure.layers} == DENSE
    assert (exposure.of, exposure.unsigned_by_signed) == (4, 3)
    assert all(0 < len(layer.channels) <= layer.of for layer in exposure.layers)


@pytest.mark.parametrize("end", ["", "-per-channel"])
def test_int8_activations_of_a_qdq_file_become_uint8_on_x86(end: str, files: dict[str, Path]) -> None:
    """ONNX Runtime's pass QDQS8ToU8Transformer: such a file, the quantiser's default, is cut off as well."""
    assert saturation.exposure(files[f"QDQ-QInt8-QInt8{end}"]).layers
    assert not saturation.exposure(files[f"QOperator-QInt8-QInt8{end}"]).layers


def test_per_channel_weights_of_operators_are_int8_though_asked_to_be_uint8(files: dict[str, Path]) -> None:
    exposure = saturation.exposure(files["QOperator-QUInt8-QUInt8-per-channel"])
    assert {layer.name for layer in exposure.layers} == {"stem_quant", "pointwise_quant"}


@pytest.mark.parametrize("name", ["QDQ-reduced", "QOperator-reduced"])
def test_seven_bits_leave_the_sums_room(name: str, files: dict[str, Path]) -> None:
    exposure = saturation.exposure(files[name])
    assert (exposure.layers, exposure.unsigned_by_signed) == ((), 3)


@pytest.mark.parametrize("name", ["QDQ-QUInt8-QUInt8", "QDQ-QUInt8-QUInt8-per-channel", "QOperator-QUInt8-QUInt8"])
def test_uint8_weights_are_never_added_in_pairs(name: str, files: dict[str, Path]) -> None:
    exposure = saturation.exposure(files[name])
    assert (exposure.layers, exposure.of, exposure.unsigned_by_signed) == ((), 4, 0)


@pytest.mark.parametrize("precision", ["int8", "fp32"])
def test_our_own_files_lose_nothing(precision: str) -> None:
    assert not saturation.exposure(small_runs.written("dscnn", "onnx", precision).path).layers


def test_float_weights_that_the_runtime_quantises_itself_are_found(tmp_path: Path) -> None:
    """Its pass WeightBiasQuantization, for a convolution between int8 values."""
    path = u8s8_files.write(Layer("Conv", 8, 16, (3, 3)), tmp_path)
    model = onnx.load(path)
    (coder,) = (node for node in model.graph.node if node.input[0] == "w")
    (weight,) = (constant for constant in model.graph.initializer if constant.name == "w")
    values = onnx.numpy_helper.to_array(weight).astype(np.float32)
    weight.CopyFrom(onnx.numpy_helper.from_array(values, coder.output[0]))
    bias = next(node for node in model.graph.node if node.input[0] == "bias")
    for node in (coder, bias):
        model.graph.node.remove(node)
    del next(node for node in model.graph.node if node.op_type == "Conv").input[2:]
    onnx.save(model, path)
    assert [layer.name for layer in saturation.exposure(path).layers] == ["layer"]


def test_an_arm_machine_sees_what_x86_will_run(files: dict[str, Path]) -> None:
    """There the runtime leaves such values int8, so they are made uint8 before it fuses."""
    model = onnx.load(files["QDQ-QInt8-QInt8"])
    fused._as_on_x86(model)
    constants = {constant.name: constant.data_type for constant in model.graph.initializer}
    coders = [node for node in model.graph.node if node.op_type in ("QuantizeLinear", "DequantizeLinear")]
    of_activations = [constants[node.input[2]] for node in coders if node.input[0] not in constants]
    assert of_activations
    assert set(of_activations) == {TensorProto.UINT8}


# How often


@pytest.mark.parametrize("layer", [layer for layer in PAIRED if layer.operator != "DynamicQuantizeLinear"], ids=str)
def test_sums_are_counted_as_a_loop_over_all_of_them_does(layer: Layer, layers: dict[str, Path]) -> None:
    inputs = np.random.default_rng(0).integers(180, 256, (3, *layer.shape), dtype=np.uint8)
    (counted,) = rates.count(layers[str(layer)], list(inputs))
    expected, sums = 0, 0
    for x in inputs:
        parts = np.split(x, layer.groups, axis=1)  # (1, C / groups, ...) each, one window
        for part, weight in zip(parts, np.split(u8s8_files.weights(layer), layer.groups), strict=True):
            rows, row = (np.moveaxis(values, 1, -1).reshape(len(values), -1) for values in (weight, part))
            expected += u8s8_files.passing_sums(rows, row)
            sums += len(rows) * -(-rows.shape[1] // 2)
    assert (counted.passed, counted.sums) == (expected, sums)
    assert counted.passed > 0


@pytest.mark.parametrize(
    "options",
    [
        {"pads": [1, 1, 1, 1]},
        {"pads": [0, 1, 2, 1], "strides": [2, 1]},
        {"dilations": [2, 1], "pads": [2, 0, 2, 0]},
        {"auto_pad": "SAME_UPPER", "strides": [2, 2]},
        {"auto_pad": "SAME_LOWER", "strides": [2, 2]},
    ],
    ids=str,
)
def test_windows_are_taken_as_the_convolution_takes_them(options: dict[str, Any], tmp_path: Path) -> None:
    """The rows that are counted, times the weights, are what the runtime computes."""
    layer = Layer("QLinearConv", 5, 16, (3, 3))
    model = onnx.load(u8s8_files.write(layer, tmp_path))
    (node,) = model.graph.node
    node.attribute.extend(onnx.helper.make_attribute(name, value) for name, value in options.items())
    del node.input[8]
    del model.graph.input[0].type.tensor_type.shape.dim[:]
    x = np.random.default_rng(0).integers(0, 256, (1, 5, 8, 7), dtype=np.uint8)
    for size in x.shape:
        model.graph.input[0].type.tensor_type.shape.dim.add().dim_value = size
    path = tmp_path / "windows.onnx"
    onnx.save(model, path)
    (kernel,) = kernels.read(fused.read(path))
    ((rows, channels),) = operands.rows(kernel, x, fused.read(path))
    sums = (rows.astype(np.int64) - layer.zero_point) @ kernel.rows.T  # (M, K)
    rates.write_exact(path, tmp_path / "exact.onnx")
    got = u8s8_files.here(tmp_path / "exact.onnx", x[None])  # (1, K, H, W)
    steps = np.clip(np.rint((sums / u8s8_files.STEP).astype(np.float32)) + u8s8_files.ZERO_POINT, 0, 255)
    assert len(channels) == 16
    assert (steps == np.moveaxis(got[0], 0, -1).reshape(-1, 16)).all()


def test_a_file_without_such_layers_has_no_rates(files: dict[str, Path]) -> None:
    assert rates.count(files["QDQ-reduced"], list(u8s8_files.pictures(2))) == ()


def test_a_dynamic_file_is_counted_as_it_quantises(layers: dict[str, Path]) -> None:
    layer = next(layer for layer in PAIRED if layer.operator == "DynamicQuantizeLinear")
    x = np.random.default_rng(0).uniform(0, 1, layer.shape).astype(np.float32)
    (counted,) = rates.count(layers[str(layer)], [x])
    bytes_ = np.clip(np.rint(x / np.float32(x.max() / 255)), 0, 255)
    assert counted.passed == u8s8_files.passing_sums(u8s8_files.weights(layer), bytes_)


# The cause


def test_a_cpu_that_cuts_off_is_named_with_what_to_do(
    files: dict[str, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = files["QDQ-QUInt8-QInt8"]
    said = saturation.cause(path, "onnxruntime", machine(monkeypatch, tmp_path, AVX2))
    assert said == (
        f"{path.name} multiplies uint8 by int8, and AVX2 without VNNI cuts sums of two products off at 16 bits in "
        f"3 layers: export it again, or `edgecnn doctor {path}`."
    )


@pytest.mark.parametrize(
    ("name", "runtime", "flags"),
    [
        ("QDQ-QUInt8-QInt8", "onnxruntime", VNNI),
        ("QDQ-QUInt8-QInt8", "litert", AVX2),
        ("QDQ-reduced", "onnxruntime", AVX2),
    ],
)
def test_without_all_of_file_runtime_and_cpu_it_is_no_cause(
    name: str, runtime: str, flags: str, files: dict[str, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert saturation.cause(files[name], runtime, machine(monkeypatch, tmp_path, flags)) is None


def test_a_file_that_does_not_load_has_no_known_cause(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "broken.onnx").write_bytes(b"nothing")
    facts = machine(monkeypatch, tmp_path, AVX2)
    assert saturation.cause(tmp_path / "broken.onnx", "onnxruntime", facts) is None
