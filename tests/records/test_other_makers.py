"""Features of other makers' files that ours do not have: each kind once, as bench/foreign_files.py met it."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import tiny_models
from onnx import TensorProto, helper, numpy_helper

from edgecnn import formats
from edgecnn.checks.doctor import file
from edgecnn.checks.doctor import model as answers
from edgecnn.checks.doctor.finding import Finding
from edgecnn.common import sizes
from edgecnn.errors import ModelFileError
from edgecnn.formats.tflite import flatbuffer
from edgecnn.onboard import runtimes
from edgecnn.onboard.runtimes import litert
from edgecnn.records import foreign
from edgecnn.records.artifact import TensorSpec


def looked_at(path: Path, size: str | None = None) -> dict[str, Finding]:
    """The last finding of each subject."""
    description, findings = file.open_model(path, sizes.parse(size) if size else ())
    return {finding.subject: finding for finding in [*findings, *file.findings(path, description)]}


def saved(
    path: Path,
    nodes: list[Any],
    constants: dict[str, Any] | None = None,
    inputs: dict[str, Any] | None = None,
    output: Any = None,
    opset: int = 17,
    dtype: int = TensorProto.FLOAT,
    **domains: int,
) -> Path:
    """x -> y, with the sizes of the inputs and of the output as they are declared."""
    graph = helper.make_graph(
        nodes,
        "other",
        [helper.make_tensor_value_info(name, dtype, shape) for name, shape in (inputs or {"x": [1, 4]}).items()],
        [helper.make_tensor_value_info("y", dtype, output)],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in (constants or {}).items()],
    )
    opsets = [helper.make_opsetid("", opset), *(helper.make_opsetid(name, 1) for name in domains)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), path)
    return path


@pytest.mark.parametrize("declared", [["n", "m"], [1, 4], ["a", "b", "c"]], ids=["open", "fixed", "of another rank"])
def test_an_output_whose_size_depends_on_what_is_shown_is_read_each_time(declared: list[Any], tmp_path: Path) -> None:
    """Detectors' boxes are like that, or a maker declares the size wrong: ONNX Runtime only warns of it."""
    nodes = [helper.make_node("NonZero", ["x"], ["places"]), helper.make_node("Cast", ["places"], ["y"], to=1)]
    path = saved(tmp_path / "boxes.onnx", nodes, output=declared)
    session = runtimes.get("onnxruntime").open_session(path, 1)
    shown = np.array([[[0, 5, 0, 0]], [[1, 2, 3, 4]], [[0, 0, 0, 9]]], np.float32)
    for x in shown:
        assert np.array_equal(session(x), np.array(np.nonzero(x)))
    session.invoke()
    assert session.fetch().tolist() == [[0], [3]]


@pytest.mark.parametrize(("batch", "is_kept"), [(1, True), ("batch", True), (None, False)])
def test_an_output_of_a_known_size_is_written_where_it_was(batch: Any, is_kept: bool, tmp_path: Path) -> None:
    """So that a bench measures no allocation: a batch that is open has the input's size if it has the input's name."""
    path = saved(
        tmp_path / "fixed.onnx", [helper.make_node("Relu", ["x"], ["y"])], inputs={"x": [batch, 4]}, output=[batch, 4]
    )
    session: Any = runtimes.get("onnxruntime").open_session(path, 1)
    session(np.ones((1, 4), np.float32))
    assert session._is_kept is is_kept
    place = session._binding.get_outputs()[0].data_ptr()
    session(np.full((1, 4), 2, np.float32))
    assert (session._binding.get_outputs()[0].data_ptr() == place) or not is_kept
    assert session.fetch().tolist() == [[2, 2, 2, 2]]
    if batch != 1:
        assert session(np.ones((2, 4), np.float32)).tolist() == [[1] * 4] * 2


def branching(path: Path) -> Path:
    """A convolution of four channels if the brightest pixel is above 0.5, else one of eight that are averaged away."""

    def branch(name: str, channels: int) -> Any:
        weight = numpy_helper.from_array(np.ones((channels, 3, 3, 3), np.float32), f"{name} weight")
        nodes = [
            helper.make_node("Conv", ["x", f"{name} weight"], [f"{name} map"]),
            helper.make_node("ReduceMean", [f"{name} map"], [f"{name} mean"]),
        ]
        ends = [helper.make_tensor_value_info(f"{name} mean", TensorProto.FLOAT, None)]
        return helper.make_graph(nodes, name, [], ends, [weight])

    nodes = [
        helper.make_node("ReduceMax", ["x"], ["brightest"], keepdims=0),
        helper.make_node("Greater", ["brightest", "half"], ["is bright"]),
        helper.make_node("If", ["is bright"], ["y"], then_branch=branch("bright", 4), else_branch=branch("dark", 8)),
    ]
    return saved(path, nodes, {"half": np.float32(0.5)}, {"x": [1, 3, 8, 8]}, output=[1, 1, 1, 1])


def test_what_stands_in_branches_is_counted(tmp_path: Path) -> None:
    description = formats.describe(branching(tmp_path / "branches.onnx"))
    assert description.parameters == (4 + 8) * 3 * 3 * 3
    assert description.operators == {"Conv": 2, "Greater": 1, "If": 1, "ReduceMax": 1, "ReduceMean": 2}
    assert description.float_operators == 6
    assert description.macs is None  # which branch is taken decides
    map_of_eight, picture, mean = 8 * 6 * 6 * 4, 3 * 8 * 8 * 4, 4
    # the map beside its mean, the picture and the result; and the condition, one byte
    assert description.planned_activation_peak_bytes == map_of_eight + mean + picture + mean + 1


def test_the_precision_word_looks_into_branches(tmp_path: Path) -> None:
    path = branching(tmp_path / "branches.onnx")
    model = onnx.load(path)
    for attribute in model.graph.node[2].attribute:
        (weight,) = attribute.g.initializer
        half = numpy_helper.to_array(weight).astype(np.float16)
        weight.CopyFrom(numpy_helper.from_array(half, "half weight"))
        cast = helper.make_node("Cast", ["half weight"], [attribute.g.node[0].input[1]], to=TensorProto.FLOAT)
        attribute.g.node.insert(0, cast)
    onnx.save(model, path)
    assert formats.describe(path).precision == "fp16"


def test_what_a_branch_reads_from_around_it_is_read(tmp_path: Path) -> None:
    path = branching(tmp_path / "branches.onnx")
    model = onnx.load(path)
    nodes = [helper.make_node("Mul", ["x", "half"], ["dimmed"]), helper.make_node("Exp", ["x"], ["idle"])]
    for node in reversed(nodes):
        model.graph.node.insert(0, node)
    for attribute in model.graph.node[4].attribute:
        attribute.g.node[0].input[0] = "dimmed"
    onnx.save(model, path)
    assert looked_at(path)["unused"].evidence == "nobody reads idle"
    assert looked_at(path)["answers"].level == "ok"


def test_a_file_that_forgets_to_import_a_domain_is_read_all_the_same(tmp_path: Path) -> None:
    nodes = [helper.make_node("Quant", ["x"], ["q"], domain="maker.custom"), helper.make_node("Relu", ["q"], ["y"])]
    path = saved(tmp_path / "forgot.onnx", nodes, output=[1, 4])
    assert formats.describe(path).operators == {"Quant": 1, "Relu": 1}
    assert "No opset import for domain 'maker.custom'" in looked_at(path)["loading"].evidence


def test_a_recurrent_layer_costs_its_weights_at_every_step(tmp_path: Path) -> None:
    """A GRU has three gates, each a product with what comes in and one with what it remembers."""
    steps, features, hidden = 7, 5, 4
    weights = {
        "w": np.ones((1, 3 * hidden, features), np.float32),
        "r": np.ones((1, 3 * hidden, hidden), np.float32),
    }
    nodes = [helper.make_node("GRU", ["x", "w", "r"], ["y"], hidden_size=hidden)]
    path = saved(tmp_path / "gru.onnx", nodes, weights, {"x": [steps, 1, features]}, output=[steps, 1, 1, hidden])
    assert formats.describe(path).macs == steps * 3 * hidden * (features + hidden)


@pytest.mark.parametrize(("dtype", "word"), [("DOUBLE", "fp64"), ("FLOAT16", "fp16"), ("INT64", "int64")])
def test_a_file_that_learnt_nothing_has_the_type_it_computes_with(dtype: str, word: str, tmp_path: Path) -> None:
    nodes = [helper.make_node("Add", ["x", "x"], ["y"])]
    path = saved(tmp_path / "sum.onnx", nodes, output=[1, 4], dtype=getattr(TensorProto, dtype))
    assert formats.describe(path).precision == word


def test_names_that_nobody_gave_choose_no_output(tmp_path: Path) -> None:
    """An output whose size is open has as many values as there are names: none."""
    nodes = [helper.make_node("Relu", ["x"], ["y"]), helper.make_node("NonZero", ["x"], ["state"])]
    path = saved(tmp_path / "state.onnx", nodes, output=[1, 4])
    model = onnx.load(path)
    model.graph.output.append(helper.make_tensor_value_info("state", TensorProto.INT64, [2, "n"]))
    onnx.save(model, path)
    assert foreign.known(path, formats.describe(path)).artifact.description.output.name == "y"


def test_an_opset_that_onnx_runtime_never_promised_is_told(tmp_path: Path) -> None:
    nodes = [helper.make_node("Add", ["x", "x"], ["y"])]
    findings = looked_at(saved(tmp_path / "old.onnx", nodes, output=[1, 4], opset=6))
    assert findings["runtime"].level == "note"
    assert "opset 7 and newer" in findings["runtime"].evidence
    assert "Could not find an implementation for Add(6)" in findings["loading"].evidence
    findings = looked_at(saved(tmp_path / "oldest.onnx", nodes, output=[1, 4], opset=7))
    assert (findings["runtime"].level, findings["answers"].level) == ("ok", "ok")


def test_what_is_no_picture_is_not_judged_as_one(tmp_path: Path) -> None:
    """Features of sound: no normalisation of pixels, no layout of theirs, no folder of pictures that finds it out."""
    spec = TensorSpec(name="x", shape=(1, 3, 40), dtype="int8", layout="", scale=26 / 255, zero_point=-128)
    (finding,) = file._input(spec)
    assert (finding.level, "pixel" in finding.evidence) == ("ok", False)
    assert "0 .. 26" in finding.evidence
    nodes = [helper.make_node("Transpose", ["x"], ["t"], perm=[0, 2, 1]), helper.make_node("Relu", ["t"], ["y"])]
    seen = looked_at(saved(tmp_path / "sound.onnx", nodes, inputs={"x": [1, 3, 40]}, output=[1, 40, 3]))
    assert seen["transposes"].level == "note"
    assert (seen["card"].level, seen["card"].mend) == ("note", None)


@pytest.mark.parametrize(("scale", "zero_point", "is_told"), [(1 / 256, 0, False), (4.0, 128, True)])
def test_probabilities_at_the_end_of_their_range_are_no_fault(scale: float, zero_point: int, is_told: bool) -> None:
    spec = TensorSpec(name="y", shape=(1, 2), dtype="uint8", layout="NK", scale=scale, zero_point=zero_point)
    sure = np.array([[0, 255], [255, 0], [3, 252]], np.uint8)
    assert [finding.subject for finding in answers._range(sure, spec)] == ["output scale"] * is_told


def test_filled_weights_stay_filled_in_another_shape(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("ConstantOfShape", ["eight"], ["flat"], value=numpy_helper.from_array(np.float32([0.5]))),  # type: ignore[arg-type]
        helper.make_node("Reshape", ["flat", "shape"], ["w"]),
        helper.make_node("MatMul", ["x", "w"], ["z"]),
        helper.make_node("Softmax", ["z"], ["y"]),
    ]
    constants = {"eight": np.int64([8]), "shape": np.int64([4, 2])}  # type: ignore[arg-type]
    finding = looked_at(saved(tmp_path / "light.onnx", nodes, constants, output=[1, 2]))["answers"]
    assert finding.level == "note"
    assert "filled with one number each" in finding.evidence


def test_what_engines_say_is_told_apart(tmp_path: Path) -> None:
    """ONNX Runtime lists the values of a node before it says what is wrong; LiteRT joins sentences without a space."""
    nodes = [helper.make_node("Quant", ["x"], ["y"], domain="maker.custom")]
    with pytest.raises(ModelFileError, match=r"refuses \S+forgot.onnx: No opset import for domain 'maker.custom'"):
        runtimes.get("onnxruntime").open_session(saved(tmp_path / "forgot.onnx", nodes, output=[1, 4]), 1)
    joined = RuntimeError("XNNPack delegate failed to reshape runtimeNode number 27 (Delegate) failed to prepare.")
    assert litert._reason(joined) == (
        "XNNPack delegate failed to reshape runtime: Node number 27 (Delegate) failed to prepare"
    )


def test_a_detector_may_find_more_in_one_picture_than_in_another(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Greater", ["x", "half"], ["is bright"]),
        helper.make_node("NonZero", ["is bright"], ["places"]),
        helper.make_node("Cast", ["places"], ["y"], to=TensorProto.FLOAT),
    ]
    path = saved(tmp_path / "d.onnx", nodes, {"half": np.float32(0.5)}, {"x": [1, 3, 4, 4]}, output=[4, "found"])
    finding = looked_at(path)["answers"]
    assert finding.level == "note"
    assert "0 to 192 values" in finding.evidence  # four places of each of 48 values


def test_an_even_input_that_is_divided_by_its_deviation_is_no_broken_file(tmp_path: Path) -> None:
    """Some nets normalise each sound or picture by itself: what is black, or silent, has no deviation."""
    nodes = [
        helper.make_node("ReduceMean", ["x"], ["mean"]),
        helper.make_node("Sub", ["x", "mean"], ["off"]),
        helper.make_node("Abs", ["off"], ["distance"]),
        helper.make_node("ReduceMean", ["distance"], ["deviation"]),
        helper.make_node("Div", ["off", "deviation"], ["y"]),
    ]
    finding = looked_at(saved(tmp_path / "even.onnx", nodes, inputs={"x": [1, 64]}, output=[1, 64]))["answers"]
    assert finding.level == "warn"
    assert "4 of 68 outputs are not numbers, all for inputs of one value" in finding.evidence


@pytest.mark.parametrize(("last", "reading"), [("Identity", "probability"), ("Neg", "scores")])
def test_an_output_means_what_all_branches_mean(last: str, reading: str, tmp_path: Path) -> None:
    """A second net looks again where the first is sure, as one of openWakeWord's does; both end in a sigmoid."""

    def branch(name: str, node: Any) -> Any:
        return helper.make_graph([node], name, [], [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 1])])

    nodes = [
        helper.make_node("ReduceMean", ["x"], ["z"], axes=[1]),
        helper.make_node("Sigmoid", ["z"], ["p"]),
        helper.make_node("Greater", ["p", "half"], ["is sure"]),
        helper.make_node(
            "If",
            ["is sure"],
            ["y"],
            then_branch=branch("again", helper.make_node("Sigmoid", ["z"], ["again"])),
            else_branch=branch("first", helper.make_node(last, ["p"], ["first"])),
        ),
    ]
    path = saved(tmp_path / "twice.onnx", nodes, {"half": np.float32([[0.5]])}, output=[1, 1])  # type: ignore[arg-type]
    assert formats.describe(path).output.reading == reading


def test_further_signatures_of_a_tflite_file_leave_its_macs_open(tmp_path: Path) -> None:
    path = tiny_models.linear_tflite(tmp_path / "one.tflite", tiny_models.weights(4, 4, 3, 5))
    assert formats.describe(path).macs == 4 * 4 * 3 * 5
    model = flatbuffer.load(path.read_bytes())
    model.subgraphs.append(copy.deepcopy(model.subgraphs[0]))
    path.write_bytes(flatbuffer.dump(model))
    assert formats.describe(path).macs is None
