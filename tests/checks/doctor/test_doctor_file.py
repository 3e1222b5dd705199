"""A model file, whoever made it: each fault is put into one on purpose, and found with its evidence."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import centroid_models
import flatbuffers
import numpy as np
import onnx
import pytest
import small_runs
import tiny_models
from onnx import TensorProto, helper, numpy_helper

from edgecnn.checks.doctor import doctor, examination, file, operators, promises, show
from edgecnn.checks.doctor import model as answers
from edgecnn.checks.doctor.finding import Finding, Level
from edgecnn.errors import GateFailed, MissingPackage
from edgecnn.formats.tflite import flatbuffer, outline
from edgecnn.onboard import runtimes
from edgecnn.records import artifact as artifacts
from edgecnn.records.artifact import TensorSpec

KERNEL = tiny_models.weights(4, 4, 3, 5)


def looked_at(path: Path, board: dict[str, str] | None = None) -> dict[str, Finding]:
    """The gravest finding of each subject."""
    description, findings = file.open_model(path)
    result: dict[str, Finding] = {}
    rank: list[Level] = ["ok", "note", "warn", "wrong"]
    for finding in [*findings, *file.findings(path, description, board)]:
        if finding.subject not in result or rank.index(finding.level) > rank.index(result[finding.subject].level):
            result[finding.subject] = finding
    return result


def onnx_model(path: Path, nodes: list[Any], constants: dict[str, Any], shape: list[Any], opset: int = 17) -> Path:
    """x float -> y float of any shape."""
    graph = helper.make_graph(
        nodes,
        "other",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8), path)
    return path


def changed_onnx(source: Path, target: Path, change: Callable[[Any], None]) -> Path:
    model = onnx.load(source)
    change(model)
    onnx.save(model, target)
    return target


def changed_tflite(source: Path, target: Path, change: Callable[[Any], None]) -> Path:
    model = flatbuffer.load(source.read_bytes())
    change(model)
    target.write_bytes(flatbuffer.dump(model))
    return target


@pytest.mark.parametrize("format_name", ["onnx", "tflite"])
@pytest.mark.parametrize("net", ["dscnn", "mlp"])
def test_our_own_int8_files_are_well(net: str, format_name: str) -> None:
    levels = {finding.level for finding in looked_at(small_runs.written(net, format_name, "int8").path).values()}
    assert levels <= {"ok", "note"}  # a note: these have no card


def test_a_c_array_is_looked_into_too() -> None:
    findings = looked_at(small_runs.written("dscnn", "c", "int8").path)
    assert findings["format"].evidence.startswith("c,")
    assert findings["answers"].level == "ok"


# What it is


@pytest.mark.parametrize(("name", "suffix"), [("onnx", ".tflite"), ("tflite", ".onnx"), ("tflite", ".bin")])
def test_a_file_of_another_format_than_its_name_says_is_recognised(name: str, suffix: str, tmp_path: Path) -> None:
    writer = {"onnx": tiny_models.linear_onnx, "tflite": tiny_models.linear_tflite}[name]
    findings = looked_at(writer(tmp_path / f"model{suffix}", KERNEL))
    assert (findings["format"].level, findings["answers"].level) == ("wrong", "ok")
    assert f"it is {name}" in findings["format"].evidence


@pytest.mark.parametrize(
    ("name", "level"),
    [
        ("net-int8.onnx", "wrong"),
        ("net_full_integer_quant.onnx", "wrong"),
        ("net-fp16.onnx", "wrong"),
        ("net-fp32.onnx", "ok"),
        ("net.onnx", "ok"),
    ],
)
def test_the_precision_in_a_name_is_held_against_the_operators(name: str, level: str, tmp_path: Path) -> None:
    finding = looked_at(tiny_models.linear_onnx(tmp_path / name, KERNEL))["precision"]
    assert finding.level == level
    assert "2 of 2 operators compute in float" in finding.evidence


def test_a_mixed_file_called_int8_is_told_by_the_operators_that_stayed_float(tmp_path: Path) -> None:
    path = tmp_path / "vit-int8.tflite"
    shutil.copyfile(small_runs.written("vit", "tflite", "int8").path, path)
    findings = looked_at(path)
    assert findings["precision"].level == "warn"  # the name promises int8, and not that all of it is
    assert "it is int8-mixed" in findings["precision"].evidence
    assert "islands compute in float" in findings["float islands"].evidence
    assert "only quantise or dequantise" in findings["coders"].evidence


# Where it runs


def test_an_opset_newer_than_the_runtime_here_or_on_the_board_is_wrong(tmp_path: Path) -> None:
    path = tiny_models.linear_onnx(tmp_path / "a.onnx", KERNEL)
    assert looked_at(path)["runtime"].level == "ok"
    newer = changed_onnx(path, tmp_path / "b.onnx", lambda model: setattr(model.opset_import[0], "version", 20))
    assert looked_at(newer)["runtime"].level == "note"  # a Python 3.11 board may have 1.15
    old_board = looked_at(newer, {"onnxruntime": "1.16.3"})["runtime"]
    assert old_board.level == "wrong"
    assert "the board has 1.16.3" in old_board.evidence
    assert "--onnx-for" in (old_board.mend or "")
    future = changed_onnx(path, tmp_path / "c.onnx", lambda model: setattr(model, "ir_version", 40))
    assert looked_at(future)["runtime"].level == "wrong"


def test_operators_of_no_runtime_are_named(tmp_path: Path) -> None:
    def custom(model: Any) -> None:
        model.graph.node[0].domain, model.graph.node[0].op_type = "my.company", "Sharpen"
        model.opset_import.append(helper.make_opsetid("my.company", 1))

    path = changed_onnx(tiny_models.linear_onnx(tmp_path / "a.onnx", KERNEL), tmp_path / "b.onnx", custom)
    findings = looked_at(path)
    assert "my.company.Sharpen" in findings["operators"].evidence
    assert findings["loading"].level == "wrong"


def test_buffers_behind_the_flatbuffer_are_counted(tmp_path: Path) -> None:
    path = tiny_models.linear_tflite(tmp_path / "outside.tflite", KERNEL)
    model = flatbuffer.load(path.read_bytes())
    payload = bytes(model.buffers[1].data)
    model.buffers[1].data, head = None, b"  "
    for _ in range(2):
        model.buffers[1].offset, model.buffers[1].size = len(head), len(payload)
        builder = flatbuffers.Builder(1024)
        builder.Finish(model.Pack(builder), b"TFL3")
        head = bytes(builder.Output())
    path.write_bytes(head + payload)
    assert outline.read(path).outside_bytes == len(payload)
    finding = looked_at(path)["weights"]
    assert finding.level == "warn"
    assert f"{len(payload)} bytes lie behind the flatbuffer" in finding.evidence


def test_weights_in_a_file_of_their_own_are_named(tmp_path: Path) -> None:
    model = onnx.load(tiny_models.linear_onnx(tmp_path / "a.onnx", tiny_models.weights(8, 8, 3, 9)))
    path = tmp_path / "b.onnx"
    onnx.save_model(model, path, save_as_external_data=True, location="weights.bin", size_threshold=16)
    finding = looked_at(path)["weights"]
    assert finding.level == "warn"
    assert f"{8 * 8 * 3 * 9 * 4:,} bytes of weights lie in weights.bin" in finding.evidence


def test_sizes_that_are_not_fixed_are_listed(tmp_path: Path) -> None:
    def free(model: Any) -> None:
        model.graph.input[0].type.tensor_type.shape.dim[0].dim_param = "batch"

    path = changed_onnx(tiny_models.linear_onnx(tmp_path / "a.onnx", KERNEL), tmp_path / "b.onnx", free)
    assert looked_at(path)["shape"].evidence == "not fixed: input x, dimension 0 (batch)"

    def open_tflite(model: Any) -> None:
        model.subgraphs[0].tensors[0].shapeSignature = np.array([-1, 4, 4, 3], np.int32)

    path = changed_tflite(tiny_models.linear_tflite(tmp_path / "a.tflite", KERNEL), tmp_path / "b.tflite", open_tflite)
    assert looked_at(path)["shape"].evidence == "not fixed: input x, dimension 0"


# What costs time


def test_a_transpose_at_the_input_is_a_warning_and_one_inside_a_note(tmp_path: Path) -> None:
    conv = helper.make_node("Conv", ["a", "w"], ["c"])
    nodes = [
        helper.make_node("Transpose", ["x"], ["a"], perm=[0, 3, 1, 2]),
        conv,
        helper.make_node("Flatten", ["c"], ["y"]),
    ]
    weights = {"w": np.random.default_rng(0).normal(size=(2, 3, 3, 3)).astype(np.float32)}
    at_input = looked_at(onnx_model(tmp_path / "a.onnx", nodes, weights, [1, 6, 6, 3]))["transposes"]
    assert (at_input.level, "NHWC" in (at_input.mend or "")) == ("warn", True)
    vit = looked_at(small_runs.written("vit", "onnx", "fp32").path)["transposes"]
    assert vit.level == "note"


def test_values_nobody_reads_and_further_outputs_are_told(tmp_path: Path) -> None:
    def more(model: Any) -> None:
        model.graph.node.append(helper.make_node("Relu", ["y"], ["idle"]))
        model.graph.node.append(helper.make_node("Neg", ["y"], ["second"]))
        model.graph.output.append(helper.make_tensor_value_info("second", TensorProto.FLOAT, [1, 5]))

    findings = looked_at(changed_onnx(tiny_models.linear_onnx(tmp_path / "a.onnx", KERNEL), tmp_path / "b.onnx", more))
    assert findings["unused"].evidence == "nobody reads idle"
    assert findings["outputs"].evidence.startswith("2 outputs (y, second)")


# What costs accuracy


def per_tensor(model: Any) -> None:
    """One scale for all channels of each depthwise convolution, all but the first channel nearly zero."""
    graph = model.subgraphs[0]
    for operator in graph.operators:
        if flatbuffer.operator_name(model, operator) == "DEPTHWISE_CONV_2D":
            weight = graph.tensors[operator.inputs[1]]
            channels = flatbuffer.shape(weight)[-1]
            stored = flatbuffer.values(model, weight, np.int8)
            assert stored is not None
            small = stored.reshape(-1, channels).copy()
            small[:, 1:] = small[:, 1:] // 60
            model.buffers[weight.buffer].data = small.ravel().view(np.uint8)
            for tensor in (weight, graph.tensors[operator.inputs[2]]):
                tensor.quantization.scale = tensor.quantization.scale[:1]
                tensor.quantization.zeroPoint = tensor.quantization.zeroPoint[:1]


def test_one_scale_for_all_channels_of_a_depthwise_layer_shows_what_it_leaves_them(tmp_path: Path) -> None:
    source = small_runs.written("dscnn", "tflite", "int8").path
    assert "depthwise" not in looked_at(source)
    finding = looked_at(changed_tflite(source, tmp_path / "per-tensor.tflite", per_tensor))["depthwise"]
    assert finding.level == "warn"
    assert "one scale for all channels" in finding.evidence
    assert "127 of 127 steps" in finding.evidence


@pytest.mark.parametrize("group", [1, 4])
def test_in_onnx_a_depthwise_layer_is_one_whose_groups_are_its_channels(group: int, tmp_path: Path) -> None:
    weight = np.ones((4, 4 // group, 3, 3), np.int8)
    weight[0] = 127
    nodes = [
        helper.make_node("DequantizeLinear", ["w", "s", "z"], ["wf"]),
        helper.make_node("Conv", ["x", "wf"], ["c"], group=group),
        helper.make_node("Flatten", ["c"], ["y"]),
    ]
    constants = {"w": weight, "s": np.float32(0.1), "z": np.int8(0)}
    findings = looked_at(onnx_model(tmp_path / "a.onnx", nodes, constants, [1, 4, 5, 5]))
    assert ("depthwise" in findings) is (group == 4)


@pytest.mark.parametrize(
    ("scale", "zero_point", "level", "words"),
    [
        (1 / 255, -128, "ok", "0 .. 1"),
        (2 / 255, -1, "ok", "-0.99"),
        (1.0, -128, "ok", "0 .. 255"),
        (1 / 95.85, -50, "ok", "(pixel - 78)"),
        (1 / 255**2, -128, "warn", "divided by 255 twice"),
        (9.0 / 255, 0, "warn", "random normal numbers"),
        (0.3, -100, "warn", "neither raw pixels"),
        (0.0, 0, "wrong", "scale 0.0"),
        (float("nan"), 0, "wrong", "scale nan"),
        (0.1, 300, "wrong", "zero point 300"),
    ],
)
def test_the_inputs_scale_tells_what_it_was_calibrated_on(
    scale: float, zero_point: int, level: str, words: str
) -> None:
    spec = TensorSpec(name="x", shape=(1, 4, 4, 3), dtype="int8", layout="NHWC", scale=scale, zero_point=zero_point)
    (finding,) = file._input(spec)
    assert finding.level == level
    assert words in finding.evidence


# What it answers


def test_a_model_that_answers_the_same_for_everything_is_wrong(tmp_path: Path) -> None:
    path = tiny_models.linear_onnx(tmp_path / "zero.onnx", 0 * KERNEL)
    finding = looked_at(path)["answers"]
    assert finding.level == "wrong"
    assert "the same 5 numbers for 34 different inputs" in finding.evidence
    path = tiny_models.linear_tflite(tmp_path / "zero.tflite", 0 * KERNEL, int8=True)
    assert looked_at(path)["answers"].level == "wrong"


def test_outputs_that_are_not_numbers_are_wrong(tmp_path: Path) -> None:
    finding = looked_at(tiny_models.linear_onnx(tmp_path / "nan.onnx", KERNEL * np.float32("nan")))["answers"]
    assert finding.level == "wrong"
    assert "are not numbers" in finding.evidence


def test_an_int8_output_whose_scale_is_too_small_is_told(tmp_path: Path) -> None:
    def narrow(model: Any) -> None:
        model.subgraphs[0].tensors[2].quantization.scale = np.array([1.0], np.float32)

    source = tiny_models.linear_tflite(tmp_path / "a.tflite", KERNEL, int8=True)
    assert "output scale" not in looked_at(source)
    assert looked_at(changed_tflite(source, tmp_path / "b.tflite", narrow))["output scale"].level == "warn"


# Its card, and the verb


def test_a_card_of_another_file_and_labels_of_another_count_are_wrong(tmp_path: Path) -> None:
    path = tmp_path / "a.tflite"
    shutil.copyfile(small_runs.written("dscnn", "tflite", "int8").path, path)
    file = small_runs.artifact(path, small_runs.exportable("dscnn").preprocessing)
    assert looked_at(path)["card"].level == "ok"  # its own metadata say what to feed
    artifacts.write_card(file)
    assert looked_at(path)["card"].level == "ok"
    table = json.loads(artifacts.card_path(path).read_text())
    artifacts.card_path(path).write_text(json.dumps({**table, "labels": ["one"]}))
    assert "changed after it was written" in looked_at(path)["card"].evidence
    artifacts.write_card(dataclasses.replace(file, labels=("one",)))
    assert "names 1 classes for 4 outputs" in looked_at(path)["card"].evidence
    path.write_bytes(path.read_bytes() + b"\0")
    assert looked_at(path)["card"].level == "wrong"


def test_the_verb_passes_with_notes_and_fails_on_what_is_wrong(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fine = doctor.doctor(tiny_models.linear_onnx(tmp_path / "net-fp32.onnx", KERNEL))
    show.show(fine)
    assert "note   card" in capsys.readouterr().out
    doctor.judge(fine)
    misnamed = doctor.doctor(tiny_models.linear_onnx(tmp_path / "net-int8.onnx", KERNEL))
    with pytest.raises(GateFailed, match="precision") as caught:
        doctor.judge(misnamed)
    assert caught.value.exit_code == 1
    findings = json.loads(examination.to_json(misnamed))["findings"]
    assert {finding["subject"] for finding in findings} >= {"precision", "answers"}
    assert capsys.readouterr().out == ""


def test_on_this_machine_as_a_board_it_answers_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tiny_models.linear_tflite(tmp_path / "a.tflite", KERNEL, int8=True)
    show.show(doctor.doctor(path, board="local"))
    assert "answers identical to here" in " ".join(capsys.readouterr().out.split())


def test_files_with_a_bias_of_another_maker_are_well(tmp_path: Path) -> None:
    weights = np.random.default_rng(0).normal(size=(5, 6, 6, 1))
    path = centroid_models.tflite_file(tmp_path / "c.tflite", weights, np.ones(5), 1.0, -128, 5000.0)
    assert looked_at(path)["answers"].level == "ok"
    assert looked_at(centroid_models.onnx_file(tmp_path / "c.onnx", weights, np.ones(5)))["answers"].level == "ok"


def test_how_an_output_names_the_class_is_said(tmp_path: Path) -> None:
    kernel = tiny_models.weights(4, 4, 3, 3)
    number = tiny_models.linear_onnx(tmp_path / "n.onnx", kernel, [("ArgMax", {"axis": 1, "keepdims": 0})], [1])
    assert "the class itself (ArgMax, int64), one of 3" in looked_at(number)["output"].evidence
    sigmoid = tiny_models.linear_onnx(tmp_path / "s.onnx", kernel[:1], [("Sigmoid", {})])
    assert looked_at(sigmoid)["output"].level == "ok"
    assert (
        "no class can be told"
        in looked_at(tiny_models.linear_onnx(tmp_path / "one.onnx", kernel[:1]))["output"].evidence
    )


def test_labels_beside_a_file_and_what_its_metadata_say_of_pixels_are_taken(tmp_path: Path) -> None:
    notes = {"Image.NominalPixelRange": "Normalized_0_1"}
    path = tiny_models.linear_onnx(tmp_path / "net.onnx", tiny_models.weights(4, 4, 3, 2), notes=notes)
    assert looked_at(path)["labels"].level == "note"
    (tmp_path / "labels.txt").write_text("0 red\n1 green\n")
    seen = looked_at(path)
    assert (seen["labels"].level, seen["card"].level) == ("ok", "ok")
    assert "red, green, by labels.txt beside it" in seen["labels"].evidence
    assert "by its ONNX metadata: pixel / 255" in seen["card"].evidence


# What a name does not promise, and what a runtime is asked


@pytest.mark.parametrize(
    "name", ["mixed_fruits", "half-ripe", "dynamic_gestures", "best-dynamic-batch", "filters_f32", "quant_finance"]
)
@pytest.mark.parametrize("writer", [tiny_models.linear_onnx, tiny_models.linear_tflite])
def test_everyday_words_in_a_name_promise_nothing(
    writer: Callable[[Path, Any], Path], name: str, tmp_path: Path
) -> None:
    path = writer(tmp_path / name, KERNEL)
    assert looked_at(path)["precision"].level == "ok"


@pytest.mark.parametrize(
    ("name", "promised"),
    [
        ("net-int8", ("int8",)),
        ("net_fp16", ("fp16",)),
        ("net_full_integer_quant", ("full_integer_quant", "integer_quant")),
        ("mobilenet_v1_0.25_uint8", ("uint8",)),
        ("print8", ()),
        ("fp16ish", ()),
    ],
)
def test_a_mark_is_a_promise_where_it_stands_alone(name: str, promised: tuple[str, ...]) -> None:
    assert promises.marks(name) == promised


def detector(path: Path, custom: str) -> Path:
    """Boxes and scores (1, 6, 4 and 2) sliced off the input, through a custom operator to boxes, classes and scores."""
    from ai_edge_litert import schema_py_generated as schema
    from flatbuffers import flexbuffers

    model, graph = schema.ModelT(), schema.SubGraphT()
    model.version, model.buffers, graph.tensors, graph.operators = 3, [schema.BufferT()], [], []
    graph.name = "main"

    def tensor(name: str, shape: list[int], values: Any = None) -> int:
        made = schema.TensorT()
        made.name, made.shape, made.buffer, made.type = name, np.array(shape, np.int32), 0, schema.TensorType.FLOAT32
        if values is not None:
            made.type = schema.TensorType.INT32 if values.dtype == np.int32 else made.type
            made.buffer = len(model.buffers)
            model.buffers.append(schema.BufferT())
            model.buffers[-1].data = np.frombuffer(values.tobytes(), np.uint8)
        graph.tensors.append(made)
        return len(graph.tensors) - 1

    def operator(code: int, inputs: list[int], outputs: list[int]) -> Any:
        made = schema.OperatorT()
        made.opcodeIndex, made.inputs, made.outputs = code, np.array(inputs, np.int32), np.array(outputs, np.int32)
        graph.operators.append(made)
        return made

    anchors = np.tile(np.array([0.5, 0.5, 0.2, 0.2], np.float32), (6, 1))
    boxes = tensor("boxes", [1, 6, 4])
    begin, size = (tensor(f"{i}", [3], np.array(values, np.int32)) for i, values in enumerate(([0, 0, 0], [1, 6, 2])))
    scores, held = tensor("scores", [1, 6, 2]), tensor("anchors", [6, 4], anchors)
    detections = [tensor(f"found {i}", shape) for i, shape in enumerate(([1, 3, 4], [1, 3], [1, 3], [1]))]
    cut = operator(0, [boxes, begin, size], [scores])
    cut.builtinOptionsType, cut.builtinOptions = schema.BuiltinOptions.SliceOptions, schema.SliceOptionsT()
    options = flexbuffers.Builder()
    with options.Map():
        for key, value in {"max_detections": 3, "max_classes_per_detection": 1, "num_classes": 1}.items():
            options.Int(key, value)
        for key in ("y_scale", "x_scale", "h_scale", "w_scale", "nms_iou_threshold", "nms_score_threshold"):
            options.Float(key, 0.5)
    last = operator(1, [boxes, scores, held], detections)
    last.customOptions = np.frombuffer(bytes(options.Finish()), np.uint8)
    model.operatorCodes = [schema.OperatorCodeT(), schema.OperatorCodeT()]
    codes = (schema.BuiltinOperator.SLICE, schema.BuiltinOperator.CUSTOM)
    for code, builtin in zip(model.operatorCodes, codes, strict=True):
        code.builtinCode, code.deprecatedBuiltinCode, code.version = builtin, builtin, 1
    model.operatorCodes[1].customCode = custom
    graph.inputs, graph.outputs, model.subgraphs = [boxes], detections, [graph]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    path.write_bytes(bytes(builder.Output()))
    return path


def test_a_custom_operator_that_the_runtime_here_has_is_not_missing(tmp_path: Path) -> None:
    findings = looked_at(detector(tmp_path / "detect.tflite", "TFLite_Detection_PostProcess"))
    assert findings["operators"].level == "ok"
    assert "has them" in findings["operators"].evidence
    assert [finding.subject for finding in findings.values() if finding.level == "wrong"] == []


@pytest.mark.parametrize("custom", ["FlexErf", "edgetpu-custom-op"])
def test_a_custom_operator_that_it_lacks_is_named(custom: str, tmp_path: Path) -> None:
    finding = looked_at(detector(tmp_path / "lacking.tflite", custom))["operators"]
    assert finding.level == "wrong"
    assert custom in finding.evidence


def test_without_a_runtime_here_nobody_says_whether_it_has_an_operator(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = detector(tmp_path / "detect.tflite", "TFLite_Detection_PostProcess")
    description, _ = file.open_model(path)
    graph = outline.read(path)

    def missing() -> None:
        raise MissingPackage("ai-edge-litert", None, "Running .tflite files")

    monkeypatch.setattr(runtimes.get("litert"), "import_engine", missing)
    (finding,) = operators.findings(graph, operators.ask(path, description, graph))
    assert finding.level == "note"
    assert "no ai-edge-litert here to ask" in finding.evidence


def test_labels_of_a_map_of_classes_are_no_fault(tmp_path: Path) -> None:
    nodes = [helper.make_node("Conv", ["x", "w"], ["y"])]
    path = onnx_model(tmp_path / "map.onnx", nodes, {"w": np.ones((3, 1, 1, 1), np.float32)}, [1, 1, 8, 8])
    model = onnx.load(path)
    del model.graph.output[:]
    model.graph.output.append(helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 3, 8, 8]))
    helper.set_model_props(model, {"labels": json.dumps(["sky", "road", "car"])})
    onnx.save(model, path)
    assert "labels" not in looked_at(path)


def test_a_file_of_several_inputs_is_told_and_not_called_wrong(tmp_path: Path) -> None:
    pair = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 4]) for name in ("a", "b", "c")]
    graph = helper.make_graph([helper.make_node("Add", ["a", "b"], ["c"])], "two", pair[:2], pair[2:])
    path = tmp_path / "two.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    findings = looked_at(path)
    assert findings["inputs"].level == "note"
    assert [finding.subject for finding in findings.values() if finding.level == "wrong"] == []


def test_a_large_net_is_shown_fewer_pictures() -> None:
    assert answers.pictures_for(1_000_000) == answers.NOISE
    assert answers.pictures_for(4_000_000_000) == 5
    assert answers.pictures_for(10**12) == answers.pictures_for(None) == answers.FEWEST


def test_the_scale_of_16_bit_input_is_symmetric_by_nature() -> None:
    spec = TensorSpec(name="x", shape=(1, 8, 8, 1), dtype="int16", layout="NHWC", scale=0.0078, zero_point=0)
    (finding,) = file._input(spec)
    assert finding.level == "ok"
    assert "-255" in finding.evidence


def test_a_net_of_filled_weights_is_called_a_stand_in_and_not_wrong(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("ConstantOfShape", ["s"], ["w"], value=helper.make_tensor("v", TensorProto.FLOAT, [1], [0.5])),
        helper.make_node("Conv", ["x", "w"], ["c"]),
        helper.make_node("GlobalAveragePool", ["c"], ["p"]),
        helper.make_node("Sub", ["p", "p"], ["y"]),
    ]
    shape = helper.make_tensor("s", TensorProto.INT64, [4], [3, 1, 1, 1])
    sizes = [
        helper.make_tensor_value_info(n, TensorProto.FLOAT, d) for n, d in (("x", [1, 1, 8, 8]), ("y", [1, 3, 1, 1]))
    ]
    graph = helper.make_graph(nodes, "light", sizes[:1], sizes[1:], [shape])
    path = tmp_path / "light.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    finding = looked_at(path)["answers"]
    assert finding.level == "note"
    assert "filled with one number each" in finding.evidence
