"""The first layer that differs: aligned between formats, found by search, and exactly the one that was changed."""

from __future__ import annotations

import math
from pathlib import Path

import altered
import numpy as np
import pytest
import small_runs
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from edgecnn.checks.verify import layers, prefixes, show, weights
from edgecnn.checks.verify.align import align, kind
from edgecnn.checks.verify.layers import Tolerance
from edgecnn.checks.verify.replay import Seat
from edgecnn.pipeline.bench.candidates import Candidate
from edgecnn.records.artifact import Artifact

IMAGES = small_runs.splits((1, 8, 8)).test.load_all()
SHOWN = list(range(8))
RUNTIMES = {"onnx": "onnxruntime", "tflite": "litert"}


def seat(file: Artifact) -> Seat:
    return Seat(Candidate(file.name, file, RUNTIMES[file.description.format], True, None), None)


def file(path: Path, like: Artifact) -> Artifact:
    return small_runs.artifact(path, like.preprocessing)


@given(differs=st.lists(st.booleans(), min_size=0, max_size=40))
def test_walking_finds_the_very_first_and_bisection_a_step_from_equal_to_different(differs: list[bool]) -> None:
    differs = [*differs, True]
    tried: set[int] = set()

    def probe(place: int) -> bool:
        tried.add(place)
        return differs[place]

    assert layers.search(len(differs), probe, walk=True) == (differs.index(True), True)
    tried.clear()
    place, walked = layers.search(len(differs), probe, walk=False)
    assert (differs[place], walked) == (True, False)
    assert place == 0 or not differs[place - 1]
    assert len(tried) <= math.ceil(math.log2(len(differs) + 1))


@pytest.mark.parametrize(("first", "other"), [
    ("Conv", "DEPTHWISE_CONV_2D"), ("Gemm", "FULLY_CONNECTED"), ("Add", "ADD"), ("QLinearConv", "CONV_2D"),
    ("QLinearAdd", "ADD"), ("MaxPool", "MAX_POOL_2D"), ("ReduceMean", "MEAN"),
    ("QLinearGlobalAveragePool", "AVERAGE_POOL_2D"), ("Clip", "RELU6"), ("Softmax", "SOFTMAX"),
])  # fmt: skip
def test_formats_call_one_kind_of_layer_differently(first: str, other: str) -> None:
    assert kind(first) == kind(other)
    assert kind("Conv") != kind("Add")


@pytest.mark.parametrize("net", ["dscnn", "mlp"])
def test_int8_layers_of_both_formats_correspond_by_their_scales(net: str) -> None:
    onnx, tflite = (prefixes.tensors(small_runs.written(net, name, "int8").path) for name in ("onnx", "tflite"))
    pairs = align(onnx, tflite, across=True)
    assert len(pairs) >= len([tensor for tensor in tflite if kind(tensor.operator) in ("conv", "dense", "add", "mean")])
    assert all(pair.same_scale for pair in pairs)
    assert pairs[-1].before.name == pairs[-1].after.name == "logits"


@pytest.mark.parametrize("net", ["dscnn", "mlp"])
def test_float_layers_of_both_formats_correspond_so_that_all_agree(net: str, tmp_path: Path) -> None:
    onnx, tflite = (small_runs.written(net, name, "fp32") for name in ("onnx", "tflite"))
    np.save(tmp_path / "shown.npy", small_runs.splits(small_runs.SHAPES[net]).test.images[:4])
    pairs = align(prefixes.tensors(onnx.path), prefixes.tensors(tflite.path), across=True)
    assert len(pairs) >= altered.weighted_layers(tflite.path)
    for pair in pairs:
        a = seat(onnx).inner(pair.before, tmp_path / "shown.npy")
        b = seat(tflite).inner(pair.after, tmp_path / "shown.npy")
        closest = min(float(np.abs(order(a) - b).max()) for order in pair.orders())
        assert closest <= 1e-4 * max(1.0, float(np.abs(b).max()))


@pytest.mark.parametrize("precision", ["fp32", "int8"])
@pytest.mark.parametrize("format_name", ["onnx", "tflite"])
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(draw=st.data())
def test_a_changed_weight_is_found_at_exactly_its_layer(
    format_name: str, precision: str, tmp_path: Path, draw: st.DataObject
) -> None:
    whole = small_runs.written("dscnn", format_name, precision)
    count = altered.weighted_layers(whole.path)
    layer = draw.draw(st.integers(0, count - 1), "layer")
    place = draw.draw(st.integers(0, 10_000), "weight")
    changed = file(altered.change_weight(whole.path, layer, place, tmp_path / f"changed.{format_name}"), whole)
    np.save(tmp_path / "shown.npy", IMAGES[SHOWN])
    before, after = (seat(file).outputs(tmp_path / "shown.npy") for file in (whole, changed))
    assume(
        not np.allclose(before, after, rtol=1e-4, atol=0)
    )  # a weight of a channel that nothing reads changes nothing
    difference = layers.first_difference(seat(whole), seat(changed), IMAGES, SHOWN, Tolerance())
    assert difference is not None
    weighted = [tensor for tensor in prefixes.tensors(whole.path) if kind(tensor.operator) in ("conv", "dense")]
    assert difference.before == difference.after == weighted[layer].name
    assert difference.weights is not None
    assert (difference.weights.differing, difference.same_file) == (1, False)


def test_across_formats_a_changed_weight_is_found_too(tmp_path: Path) -> None:
    onnx, tflite = (small_runs.written("dscnn", name, "int8") for name in ("onnx", "tflite"))
    changed = file(altered.change_weight(tflite.path, 2, 5, tmp_path / "changed.tflite"), tflite)
    difference = layers.first_difference(seat(onnx), seat(changed), IMAGES, SHOWN, Tolerance(lsb=1))
    assert difference is not None
    assert difference.after == [tensor for tensor in prefixes.tensors(tflite.path) if "CONV" in tensor.operator][2].name
    assert difference.weights is not None
    assert difference.weights.differing == 1
    assert difference.walked


def test_a_changed_scale_inside_is_found_at_its_layer(tmp_path: Path) -> None:
    whole = small_runs.written("dscnn", "tflite", "int8")
    name = altered.change_scale(whole.path, 1, 1.5, tmp_path / "changed.tflite")
    changed = file(tmp_path / "changed.tflite", whole)
    difference = layers.first_difference(seat(whole), seat(changed), IMAGES, SHOWN, Tolerance())
    assert difference is not None
    assert (difference.before, difference.max_lsb) == (name, None)
    assert difference.scales[1] == pytest.approx(1.5 * difference.scales[0])


def test_a_file_has_no_first_difference_from_itself() -> None:
    whole = seat(small_runs.written("dscnn", "onnx", "int8"))
    assert layers.first_difference(whole, whole, IMAGES, SHOWN, Tolerance()) is None


@pytest.mark.parametrize("precision", ["fp32", "int8"])
@pytest.mark.parametrize("net", ["dscnn", "mlp"])
def test_weights_are_compared_across_layouts(net: str, precision: str) -> None:
    onnx, tflite = (small_runs.written(net, name, precision) for name in ("onnx", "tflite"))
    pairs = align(prefixes.tensors(onnx.path), prefixes.tensors(tflite.path), across=True)
    held = [weights.compare(onnx.path, pair.before, tflite.path, pair.after) for pair in pairs]
    counted = [
        weights for weights, pair in zip(held, pairs, strict=True) if kind(pair.before.operator) in ("conv", "dense")
    ]
    assert len(counted) == altered.weighted_layers(tflite.path)
    first = 1 if precision == "fp32" else 0  # TFLite folds the division by the deviation into the first layer
    assert all(weights is not None and weights.values > 1 and weights.differing == 0 for weights in counted[first:])


def test_what_stands_between_and_has_no_counterpart_is_named(tmp_path: Path) -> None:
    """The files begin with operators of two kinds; the dense layer behind them is the first that corresponds."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    def written(name: str, operator: str, constant: float) -> Artifact:
        graph = helper.make_graph(
            [
                helper.make_node(operator, ["x", "c"], ["changed"]),
                helper.make_node("Flatten", ["changed"], ["flat"]),
                helper.make_node("MatMul", ["flat", "w"], [f"{operator} logits"]),
            ],
            name,
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 1, 8, 8])],
            [helper.make_tensor_value_info(f"{operator} logits", TensorProto.FLOAT, [1, 4])],
            [
                numpy_helper.from_array(np.float32(constant), "c"),
                numpy_helper.from_array(np.ones((64, 4), np.float32), "w"),
            ],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        onnx.save(model, tmp_path / f"{name}.onnx")
        return file(tmp_path / f"{name}.onnx", small_runs.written("dscnn", "onnx", "fp32"))

    before, after = written("scaled", "Mul", 2.0), written("shifted", "Add", 2.0)
    difference = layers.first_difference(seat(before), seat(after), IMAGES, SHOWN, Tolerance())
    assert difference is not None
    assert difference.before_operator == "MatMul"
    assert difference.uncompared == ("Mul changed", "Add changed")
    assert "could not be compared: Mul, Add" in show.cause(difference)
