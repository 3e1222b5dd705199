"""Every format: what it writes, what travels inside, and what it says of files that others made or broke."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import io
import itertools
import json
import platform
import zipfile
from collections import Counter
from collections.abc import Callable
from importlib import util
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import pytest
import small_runs
import tiny_models
import torch
from ai_edge_litert.interpreter import Interpreter
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from edgecnn import formats
from edgecnn.common import files, plugins
from edgecnn.common.silence import quietly
from edgecnn.errors import EnvironmentUnfit, MissingPackage, ModelFileError
from edgecnn.formats import _describing
from edgecnn.formats.tflite import flatbuffer
from edgecnn.nets import graph as dataflow
from edgecnn.onboard import tensors
from edgecnn.pipeline.export import check
from edgecnn.records.artifact import Description
from edgecnn.records.plans import ExportPlan
from edgecnn.testing import model_files

FORMATS = plugins.own_names("edgecnn.formats")
DEPLOYED = ("onnx", "tflite")
"""Those that travel as a file; a C array is compiled in."""
PRECISIONS = ("fp32", "int8")


def described(net: str, format_name: str, precision: str, **plan: Any) -> Description:
    return small_runs.written(net, format_name, precision, **plan).description


# What every format promises


@pytest.mark.parametrize("check", model_files.FORMAT_CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", FORMATS)
def test_every_format_keeps_its_contract(name: str, check: Callable[[str], None]) -> None:
    check(name)


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("name", FORMATS)
def test_a_format_writes_what_it_then_describes(name: str, precision: str) -> None:
    file = small_runs.written("dscnn", name, precision)
    said = file.description
    assert file.path.suffix == formats.get(name).SUFFIX
    assert formats.name_of(file.path) == name == said.format
    assert said == formats.describe(file.path)
    assert said.precision == precision
    assert said.bytes <= file.path.stat().st_size
    assert said.sha256 == files.sha256(file.path)
    assert said.labels == small_runs.CLASSES
    assert (said.input.name, said.output.name) == ("input", "logits")
    assert said.output.shape == (1, 4)
    assert said.transposes == said.quantize_pairs == 0
    assert (said.float_operators == 0) is (precision == "int8")


@pytest.mark.parametrize("name", FORMATS)
def test_a_format_writes_the_same_bytes_twice_and_says_nothing(
    name: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    first = small_runs.written("mlp", name, "int8").path.read_bytes()
    second = tmp_path / f"again{formats.get(name).SUFFIX}"
    formats.get(name).write(small_runs.exportable("mlp"), "int8", ExportPlan(name="test"), second)
    assert second.read_bytes() == first
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("name", FORMATS)
def test_a_missing_exporter_is_named_before_any_work(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    formats.get(name).check()
    monkeypatch.setattr(util, "find_spec", lambda package: None)
    with pytest.raises(MissingPackage) as caught:
        formats.get(name).check()
    assert caught.value.hint == "pip install 'edgecnn[train]'"


@pytest.mark.parametrize(("system", "machine"), [("Linux", "aarch64"), ("Windows", "AMD64"), ("Darwin", "x86_64")])
def test_tflite_is_refused_where_its_converter_has_no_build(
    system: str, machine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platform, "machine", lambda: machine)
    monkeypatch.setattr(platform, "system", lambda: system)
    with pytest.raises(EnvironmentUnfit, match=f"no build for {system} on {machine}"):
        formats.get("tflite").check()


# One quantisation, two files


@pytest.mark.parametrize("net", ["dscnn", "mlp", "resnet"])
def test_every_activation_of_the_onnx_file_has_its_scale_in_the_tflite_file(net: str) -> None:
    onnx_file, tflite_file = (small_runs.written(net, name, "int8").path for name in ("onnx", "tflite"))
    model = onnx.load(onnx_file)
    constants = {constant.name: numpy_helper.to_array(constant) for constant in model.graph.initializer}
    coders = [node for node in model.graph.node if node.op_type == "QuantizeLinear"]
    coders += [node for node in model.graph.node if node.input[0] == "input"]
    of_onnx = {(float(constants[node.input[1]]), int(constants[node.input[2]]) - 128) for node in coders}
    loaded = flatbuffer.load(tflite_file.read_bytes())
    of_tflite = {
        (float(tensor.quantization.scale[0]), int(tensor.quantization.zeroPoint[0]))
        for tensor in loaded.subgraphs[0].tensors
        if not flatbuffer.constant(loaded, tensor)
    }
    assert len(of_onnx) >= 3
    assert of_onnx <= of_tflite


def test_both_formats_round_a_weight_that_lies_between_two_steps_to_the_same_one(tmp_path: Path) -> None:
    model = small_runs.exportable("mlp")
    with quietly():
        torn = dataclasses.replace(model, observed=copy.deepcopy(model.observed))
    for name in dataflow.layers(torn.observed):  # type: ignore[arg-type]
        weight = torn.observed.get_parameter(f"{name}.weight")  # (K, C)
        with torch.no_grad():
            largest = weight.abs().amax(1, keepdim=True)
            step = largest.double() / 127
            halves = ((weight / step).floor() + 0.5).clamp(-126.5, 126.5) * step
            weight.copy_(torch.where(weight.abs() == largest, weight, halves.float()))
    held = []
    for name in DEPLOYED:
        path = tmp_path / f"torn{formats.get(name).SUFFIX}"
        formats.get(name).write(torn, "int8", ExportPlan(name="test"), path)
        held.append(int8_weights(path))
    assert sum(len(weights) for weights in held[0]) > 1000
    assert held[0] == held[1]


def int8_weights(path: Path) -> list[list[int]]:
    """Return each layer's sorted int8 weights, smallest layer first; layouts differ between formats."""
    if path.suffix == ".onnx":
        constants = [numpy_helper.to_array(tensor) for tensor in onnx.load(path).graph.initializer]
    else:
        model = flatbuffer.load(path.read_bytes())
        constants = [
            np.frombuffer(bytes(model.buffers[tensor.buffer].data), dtype=np.int8).reshape(tensor.shape)
            for tensor in model.subgraphs[0].tensors
            if flatbuffer.dtype_name(tensor) == "int8" and flatbuffer.constant(model, tensor)
        ]
    weights = [sorted(array.ravel().tolist()) for array in constants if array.dtype == np.int8 and array.ndim > 1]
    return sorted(weights, key=len)


@pytest.mark.parametrize("name", DEPLOYED)
def test_resnet8_has_the_weights_and_macs_that_mlperf_tiny_states(name: str) -> None:
    said = described("resnet", name, "int8")
    classes_missing = 10 - 4  # MLPerf Tiny's has ten classes: 77,706 parameters, 12,501,632 MACs
    assert said.parameters == 77_706 - 65 * classes_missing
    assert said.macs == 12_501_632 - 64 * classes_missing
    assert said.float_operators == 0


@pytest.mark.parametrize("net", ["dscnn", "mlp"])
def test_all_four_files_count_the_same_weights_and_macs(net: str) -> None:
    counts = {
        (described(net, name, precision).parameters, described(net, name, precision).macs)
        for name in FORMATS
        for precision in PRECISIONS
    }
    assert len(counts) == 1


def test_int8_needs_a_quarter_of_the_activation_memory() -> None:
    for name in FORMATS:
        full, eighth = (described("dscnn", name, precision).planned_activation_peak_bytes for precision in PRECISIONS)
        assert full == 4 * eighth


@pytest.mark.parametrize("name", DEPLOYED)
def test_a_vit_is_called_int8_mixed(name: str) -> None:
    said = described("vit", name, "int8")
    assert said.precision == "int8-mixed"
    assert said.float_operators > 0
    assert said.quantize_pairs > 0
    assert said.input.dtype in ("int8", "uint8")


@pytest.mark.parametrize("net", ["dscnn", "resnet", "mlp"])
def test_onnx_runtime_finds_no_float_operator_where_the_card_says_so(net: str, tmp_path: Path) -> None:
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimised.onnx")
    options.log_severity_level = 3
    path = small_runs.written(net, "onnx", "int8").path
    onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    run = Counter(node.op_type for node in onnx.load(tmp_path / "optimised.onnx").graph.node)
    assert run.keys().isdisjoint({"DequantizeLinear", "QuantizeLinear", "Conv", "Gemm", "Add", "Relu", "ReduceMean"})


def test_a_dense_layer_on_a_colour_picture_costs_no_transpose() -> None:
    images = small_runs.pictures(16, small_runs.SHAPES["mlp"], seed=4).load_all()
    reference = check.reference_logits(small_runs.exportable("mlp").run, images)
    file = small_runs.written("mlp", "tflite", "fp32")
    assert file.description.transposes == 0
    assert np.abs(check.outputs(file, images) - reference).max() < 1e-4


# Bytes in, bytes out


@pytest.mark.parametrize("name", FORMATS)
def test_int8_input_takes_pixels_as_they_are(name: str) -> None:
    spec = described("dscnn", name, "int8").input
    run = small_runs.exportable("dscnn").run
    assert spec.scale == np.float32(1 / run.std)
    assert spec.zero_point == run.mean - (128 if spec.dtype == "int8" else 0)


@pytest.mark.parametrize("io", ["int8", "uint8", "float32"])
@pytest.mark.parametrize("name", DEPLOYED)
def test_the_type_of_the_edges_changes_no_logit(name: str, io: str) -> None:
    images = small_runs.pictures(16, small_runs.SHAPES["mlp"], seed=4).load_all()
    plain, other = small_runs.written("mlp", name, "int8"), small_runs.written("mlp", name, "int8", io=io)
    logits, same = (tensors.decode(check.outputs(file, images), file.description.output) for file in (plain, other))
    assert np.allclose(same, logits, rtol=0, atol=1e-6)
    said = other.description
    assert (said.input.dtype, said.output.dtype) == (io, io)
    assert said.precision == ("int8-mixed" if io == "float32" else "int8")
    native = io == plain.description.input.dtype
    assert (said.quantize_pairs == 0) is native
    assert native is (other.path.read_bytes() == plain.path.read_bytes())


# Half precision


@pytest.mark.parametrize("name", DEPLOYED)
def test_fp16_halves_the_weights_and_moves_no_logit_by_more_than_their_rounding(name: str) -> None:
    images = small_runs.pictures(16, small_runs.SHAPES["mlp"], seed=4).load_all()
    full, half = (small_runs.written("mlp", name, precision) for precision in ("fp32", "fp16"))
    assert half.description.precision == "fp16"
    assert 0.5 < half.description.bytes / full.description.bytes < 0.65
    for count in ("parameters", "macs", "float_operators", "planned_activation_peak_bytes", "quantize_pairs"):
        assert getattr(half.description, count) == getattr(full.description, count)
    logits, rounded = check.outputs(full, images), check.outputs(half, images)
    assert 0 < np.abs(rounded - logits).max() < 4 * 2**-11 * np.abs(logits).max()


def test_xnnpack_runs_an_fp16_file_whole_and_onnx_runtime_unpacks_it_when_it_is_loaded(tmp_path: Path) -> None:
    interpreter = Interpreter(model_path=str(small_runs.written("dscnn", "tflite", "fp16").path))
    interpreter.allocate_tensors()
    kept = [operator["op_name"] for operator in interpreter._get_ops_details()]
    assert kept.count("DELEGATE") == 1
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimised.onnx")
    options.log_severity_level = 3
    path = small_runs.written("dscnn", "onnx", "fp16").path
    onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    assert "Cast" not in {node.op_type for node in onnx.load(tmp_path / "optimised.onnx").graph.node}


@pytest.mark.parametrize("name", DEPLOYED)
def test_a_weight_that_half_precision_cannot_hold_is_refused(name: str, tmp_path: Path) -> None:
    model = small_runs.exportable("mlp")
    net = copy.deepcopy(model.net)
    with torch.no_grad():
        next(iter(net.parameters())).view(-1)[0] = 1e6
    with pytest.raises(EnvironmentUnfit, match=r"holds 1e\+06, and half precision ends at 65504"):
        formats.get(name).write(
            dataclasses.replace(model, net=net), "fp16", ExportPlan(name="test"), tmp_path / f"a.{name}"
        )


def test_onnx_for_arm_has_int8_activations_and_the_same_logits() -> None:
    images = small_runs.pictures(16, small_runs.SHAPES["mlp"], seed=4).load_all()
    any_cpu, arm = (small_runs.written("mlp", "onnx", "int8", target=target) for target in ("any", "dotprod"))
    assert (any_cpu.description.input.dtype, arm.description.input.dtype) == ("uint8", "int8")
    unsigned, signed = check.outputs(any_cpu, images), check.outputs(arm, images)
    assert np.array_equal(unsigned.astype(np.int32) - 128, signed.astype(np.int32))


def int8_filters(path: Path) -> list[npt.NDArray[np.int32]]:
    """The 8-bit weights of a file's layers with several inputs, less their zero points: (K, ...) each, inputs last."""
    model = onnx.load(path)
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    coders = {node.output[0]: node for node in model.graph.node if node.op_type == "DequantizeLinear"}
    filters = []
    for node in model.graph.node:
        if node.op_type in ("Conv", "Gemm", "MatMul"):
            weight, _, zero_point = (constants[name] for name in coders[node.input[1]].input)
            transposed = any(attribute.name == "transB" and attribute.i for attribute in node.attribute)
            if node.op_type != "Conv" and not transposed:
                weight = weight.T
            if node.op_type != "Conv" or weight.shape[1] > 1:
                filters.append(np.moveaxis(weight.astype(np.int32) - np.int32(zero_point.flat[0]), 1, -1))
    assert filters
    return filters


@pytest.mark.parametrize("net", ["dscnn", "mlp", "resnet"])
def test_int8_weights_of_onnx_leave_room_for_the_sums_of_their_products(net: str) -> None:
    for weight in int8_filters(small_runs.written(net, "onnx", "int8").path):
        rows = weight.reshape(len(weight), -1)
        pairs = np.pad(rows, ((0, 0), (0, rows.shape[1] % 2))).reshape(len(rows), -1, 2)
        assert 255 * np.maximum(pairs, 0).sum(2).max() < 2**15
        assert -255 * np.minimum(pairs, 0).sum(2).min() <= 2**15


@pytest.mark.parametrize("net", ["dscnn", "mlp", "resnet"])
def test_weights_of_the_full_range_are_uint8_in_onnx_and_the_same_numbers_in_tflite(net: str) -> None:
    full = {name: small_runs.written(net, name, "int8", weight_range="full") for name in DEPLOYED}
    safe = small_runs.written(net, "onnx", "int8")
    assert full["onnx"].description.precision == "int8"
    types = {numpy_helper.to_array(tensor).dtype.name for tensor in onnx.load(full["onnx"].path).graph.initializer}
    assert "uint8" in types
    largest = max(np.abs(weight).max() for weight in int8_filters(full["onnx"].path))
    assert largest == 127
    assert any(
        np.abs(a).sum() > np.abs(b).sum()
        for a, b in zip(int8_filters(full["onnx"].path), int8_filters(safe.path), strict=True)
    )
    images = small_runs.pictures(16, small_runs.SHAPES[net], seed=4).load_all()
    onnx_steps = check.outputs(full["onnx"], images).astype(np.int32) - 128
    assert np.abs(onnx_steps - check.outputs(full["tflite"], images)).max() <= 1


def test_onnx_is_written_for_old_runtimes() -> None:
    for precision in PRECISIONS:
        path = small_runs.written("dscnn", "onnx", precision).path
        model = onnx.load(path)
        assert (model.opset_import[0].version, model.ir_version) == (18, 8)
        assert not any(node.metadata_props or node.doc_string for node in model.graph.node)
    biases = [node for node in model.graph.node if node.op_type in ("Conv", "Gemm")]
    writers = {node.output[0]: node for node in model.graph.node}
    assert all(writers[node.input[2]].op_type == "DequantizeLinear" for node in biases)


# What travels inside


def test_onnx_carries_labels_preprocessing_and_origin() -> None:
    path = small_runs.written("dscnn", "onnx", "int8").path
    notes = {note.key: note.value for note in onnx.load(path).metadata_props}
    assert json.loads(notes["labels"]) == list(small_runs.CLASSES)
    assert json.loads(notes["preprocessing"])["height"] == 8
    assert (notes["run"], notes["target"]) == ("dscnn", "any")
    assert notes["run_sha256"] == small_runs.exportable("dscnn").run_sha256
    assert json.loads(notes["calibration"])["split"] == "train"


def test_tflite_carries_labels_where_a_zip_reader_finds_them_and_still_loads() -> None:
    path = small_runs.written("dscnn", "tflite", "int8").path
    with zipfile.ZipFile(path) as archive:
        assert archive.read("labels.txt").decode().splitlines() == list(small_runs.CLASSES)
    interpreter = Interpreter(model_path=str(path))
    interpreter.allocate_tensors()
    assert interpreter.get_signature_list() == {"serving_default": {"inputs": ["input"], "outputs": ["logits"]}}


class Table:
    """A flatbuffer table read by the places of its fields in the schema."""

    def __init__(self, data: bytes, place: int | None = None) -> None:
        self.data = data
        if place is None:
            place = flatbuffers.encode.Get(flatbuffers.packer.uoffset, data, 0)
        self.table = flatbuffers.table.Table(data, place)

    def _offset(self, field: int) -> int:
        offset: int = self.table.Offset(4 + 2 * field)
        assert offset, f"field {field} is not set"
        return offset + int(self.table.Pos)

    def text(self, field: int) -> str:
        return bytes(self.table.String(self._offset(field))).decode()

    def byte(self, field: int) -> int:
        return self.data[self._offset(field)]

    def inner(self, field: int) -> Table:
        return Table(self.data, self.table.Indirect(self._offset(field)))

    def first(self, field: int) -> Table:
        start = self.table.Vector(self._offset(field) - self.table.Pos)
        return Table(self.data, self.table.Indirect(start))

    def first_float(self, field: int) -> float:
        start = self.table.Vector(self._offset(field) - self.table.Pos)
        return float(flatbuffers.encode.Get(flatbuffers.packer.float32, self.data, start))


@pytest.mark.parametrize(("precision", "mean", "std"), [("int8", 120.0, 70.0), ("fp32", 0.0, 1.0)])
def test_tflite_metadata_says_what_the_input_stands_for(precision: str, mean: float, std: float) -> None:
    model = flatbuffer.load(small_runs.written("dscnn", "tflite", precision).path.read_bytes())
    (note,) = (note for note in model.metadata if note.name == b"TFLITE_METADATA")
    data = bytes(model.buffers[note.buffer].data)
    assert data[4:8] == b"M001"
    root = Table(data)
    assert root.text(0) == "dscnn"
    picture, logits = root.first(3).first(2), root.first(3).first(3)
    assert (picture.text(0), logits.text(0)) == ("image", "logits")
    assert picture.inner(3).byte(0) == 2  # ContentProperties: ImageProperties
    assert picture.inner(3).inner(1).byte(0) == 2  # ColorSpaceType: GRAYSCALE
    options = picture.first(4)
    assert options.byte(0) == 1  # ProcessUnitOptions: NormalizationOptions
    assert (options.inner(1).first_float(0), options.inner(1).first_float(1)) == (mean, std)
    assert logits.first(6).text(0) == "labels.txt"
    assert logits.first(6).byte(2) == 2  # AssociatedFileType: TENSOR_AXIS_LABELS


@pytest.mark.parametrize("precision", PRECISIONS)
def test_tflite_buffers_are_inside_and_aligned(precision: str) -> None:
    from ai_edge_litert import schema_py_generated as schema

    data = small_runs.written("dscnn", "tflite", precision).path.read_bytes()
    packed = schema.Model.GetRootAs(data, 0)
    filled = [packed.Buffers(i) for i in range(packed.BuffersLength()) if packed.Buffers(i).DataLength()]
    assert len(filled) > 5
    for buffer in filled:
        start = buffer._tab.Vector(buffer._tab.Offset(4))
        assert start % 16 == 0
        assert buffer.Offset() == buffer.Size() == 0


# Files that others made


def onnx_file(path: Path, nodes: list[Any], constants: dict[str, Any], x: Any, y: Any, opset: int = 18) -> Description:
    graph = helper.make_graph(
        nodes,
        "other",
        [helper.make_tensor_value_info("x", *x)],
        [helper.make_tensor_value_info("y", *y)],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    onnx.save(model, path)
    return formats.describe(path)


def test_a_float_onnx_file_with_transposes_is_counted_by_hand(tmp_path: Path) -> None:
    said = onnx_file(
        tmp_path / "nhwc.onnx",
        [
            helper.make_node("Transpose", ["x"], ["a"], perm=[0, 3, 1, 2]),
            helper.make_node("Conv", ["a", "w", "b"], ["c"], pads=[1, 1, 1, 1]),
            helper.make_node("Relu", ["c"], ["d"]),
            helper.make_node("Transpose", ["d"], ["y"], perm=[0, 2, 3, 1]),
        ],
        {"w": np.ones((5, 3, 3, 3), np.float32), "b": np.ones(5, np.float32)},
        (TensorProto.FLOAT, ["n", 6, 4, 3]),
        (TensorProto.FLOAT, None),
    )
    assert (said.precision, said.transposes, said.float_operators) == ("fp32", 2, 4)
    assert (said.macs, said.parameters) == (6 * 4 * 5 * 27, 5 * 27 + 5)
    assert said.planned_activation_peak_bytes == 4 * (120 + 120)  # the convolution's output and the Relu's
    assert (said.input.shape, said.input.layout) == ((1, 6, 4, 3), "NHWC")
    assert said.labels == ()


def test_quantised_edges_of_an_onnx_file_run_as_operators_of_their_own(tmp_path: Path) -> None:
    numbers = {"s": np.float32(0.1), "z": np.uint8(0), "ws": np.float32(0.1), "wz": np.int8(0)}
    said = onnx_file(
        tmp_path / "edges.onnx",
        [
            helper.make_node("QuantizeLinear", ["x", "s", "z"], ["xq"]),
            helper.make_node("DequantizeLinear", ["xq", "s", "z"], ["xf"]),
            helper.make_node("DequantizeLinear", ["w", "ws", "wz"], ["wf"]),
            helper.make_node("MatMul", ["xf", "wf"], ["m"]),
            helper.make_node("QuantizeLinear", ["m", "s", "z"], ["mq"]),
            helper.make_node("DequantizeLinear", ["mq", "s", "z"], ["mf"]),
            helper.make_node("Tanh", ["mf"], ["y"]),
        ],
        {**numbers, "w": np.ones((8, 4), np.int8)},
        (TensorProto.FLOAT, [1, 8]),
        (TensorProto.FLOAT, [1, 4]),
    )
    assert said.precision == "int8-mixed"
    assert said.float_operators == 1  # the Tanh: there is no int8 kernel for it
    assert said.quantize_pairs == 2  # of the input, and before the Tanh
    assert said.planned_activation_peak_bytes == 4 * 8 + 8  # the float input beside its bytes
    assert (said.macs, said.parameters) == (32, 32)


def test_a_relu_that_the_scale_does_not_apply_keeps_its_convolution_in_float(tmp_path: Path) -> None:
    def said(zero_point: int) -> Description:
        return onnx_file(
            tmp_path / f"relu{zero_point}.onnx",
            [
                helper.make_node("DequantizeLinear", ["x", "s", "z"], ["xf"]),
                helper.make_node("DequantizeLinear", ["w", "s", "wz"], ["wf"]),
                helper.make_node("MatMul", ["xf", "wf"], ["m"]),
                helper.make_node("Relu", ["m"], ["r"]),
                helper.make_node("QuantizeLinear", ["r", "s", "z"], ["y"]),
            ],
            {"s": np.float32(0.1), "z": np.uint8(zero_point), "w": np.ones((8, 4), np.int8), "wz": np.int8(0)},
            (TensorProto.UINT8, [1, 8]),
            (TensorProto.UINT8, [1, 4]),
        )

    assert (said(0).precision, said(0).float_operators) == ("int8", 0)
    assert (said(9).precision, said(9).float_operators) == ("dynamic", 2)


def test_int8_operators_of_the_older_kind_are_int8(tmp_path: Path) -> None:
    said = onnx_file(
        tmp_path / "qoperator.onnx",
        [helper.make_node("QLinearMatMul", ["x", "s", "z", "w", "s", "wz", "s", "z"], ["y"])],
        {"s": np.float32(0.1), "z": np.uint8(0), "w": np.ones((8, 4), np.int8), "wz": np.int8(0)},
        (TensorProto.UINT8, [1, 8]),
        (TensorProto.UINT8, [1, 4]),
    )
    assert (said.precision, said.macs, said.parameters) == ("int8", 32, 32)


def test_weights_alone_in_int8_are_called_dynamic(tmp_path: Path) -> None:
    said = onnx_file(
        tmp_path / "dynamic.onnx",
        [
            helper.make_node("DynamicQuantizeLinear", ["x"], ["q", "s", "z"]),
            helper.make_node("MatMulInteger", ["q", "w", "z"], ["m"]),
            helper.make_node("Cast", ["m"], ["f"], to=TensorProto.FLOAT),
            helper.make_node("Mul", ["f", "s"], ["y"]),
        ],
        {"w": np.ones((8, 4), np.int8)},
        (TensorProto.FLOAT, [1, 8]),
        (TensorProto.FLOAT, [1, 4]),
    )
    assert (said.precision, said.parameters) == ("dynamic", 32)


@pytest.mark.parametrize(("int8", "precision", "width"), [(False, "fp32", 4), (True, "int8", 1)])
def test_a_tflite_file_of_another_writer_is_counted_by_hand(
    int8: bool, precision: str, width: int, tmp_path: Path
) -> None:
    path = tiny_models.linear_tflite(tmp_path / "other.tflite", tiny_models.weights(4, 5, 3, 7), int8=int8)
    said = formats.describe(path)
    assert (said.precision, said.macs, said.parameters) == (precision, 4 * 5 * 3 * 7, 4 * 5 * 3 * 7)
    assert said.planned_activation_peak_bytes == width * (60 + 7)
    assert (said.input.shape, said.input.layout, said.output.layout) == ((1, 4, 5, 3), "NHWC", "NK")
    assert said.operators == {"FULLY_CONNECTED": 1}


def test_a_tflite_file_with_float_activations_and_int8_weights_is_dynamic(tmp_path: Path) -> None:
    from ai_edge_litert import schema_py_generated as schema

    path = tiny_models.linear_tflite(tmp_path / "hybrid.tflite", tiny_models.weights(2, 2, 1, 3), int8=True)
    model = flatbuffer.load(path.read_bytes())
    for index in (0, 2):
        model.subgraphs[0].tensors[index].type = schema.TensorType.FLOAT32
    path.write_bytes(flatbuffer.dump(model))
    assert (formats.describe(path).precision, formats.describe(path).float_operators) == ("dynamic", 1)


def test_buffers_behind_the_flatbuffer_are_found_and_brought_inside(tmp_path: Path) -> None:
    from ai_edge_litert import schema_py_generated as schema

    kernel = tiny_models.weights(2, 2, 1, 3)
    path = tiny_models.linear_tflite(tmp_path / "outside.tflite", kernel)
    model = flatbuffer.load(path.read_bytes())
    payload = bytes(model.buffers[1].data)
    model.buffers[1].data = None
    head = b"  "
    for _ in range(2):  # the second time the length of the head is known
        model.buffers[1].offset, model.buffers[1].size = len(head), len(payload)
        builder = flatbuffers.Builder(1024)
        builder.Finish(model.Pack(builder), b"TFL3")
        head = bytes(builder.Output())
    inside = flatbuffer.load(head + payload)
    assert bytes(inside.buffers[1].data) == payload
    packed = schema.Model.GetRootAs(flatbuffer.dump(inside), 0)
    assert packed.Buffers(1).DataLength() == len(payload)
    assert packed.Buffers(1).Offset() == 0
    path.write_bytes(head)
    with pytest.raises(ModelFileError, match="a buffer lies beyond its end"):
        formats.describe(path)


# Files that are broken, or no model at all


@pytest.mark.parametrize("content", [b"", b"x", b"not a model\n" * 99, b"\x89PNG\r\n\x1a\n" + bytes(500), bytes(64)])
@pytest.mark.parametrize("name", FORMATS)
def test_what_is_no_model_is_refused_in_one_sentence(name: str, content: bytes, tmp_path: Path) -> None:
    path = tmp_path / f"file{formats.get(name).SUFFIX}"
    path.write_bytes(content)
    with pytest.raises(ModelFileError) as caught:
        formats.describe(path)
    assert caught.value.sentence.startswith(f"{path} is no model file: it is ")
    assert "\n" not in caught.value.sentence


def test_an_onnx_graph_with_a_hole_is_refused_by_the_name_of_the_value(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="a Relu reads 'nowhere', which nothing wrote"):
        onnx_file(
            tmp_path / "hole.onnx",
            [helper.make_node("Relu", ["nowhere"], ["y"])],
            {},
            (TensorProto.FLOAT, [1, 8]),
            (TensorProto.FLOAT, [1, 8]),
        )


@pytest.mark.parametrize("name", FORMATS)
def test_one_formats_file_is_not_anothers(name: str, tmp_path: Path) -> None:
    for other in set(FORMATS) - {name}:
        path = tmp_path / f"file{formats.get(name).SUFFIX}"
        path.write_bytes(small_runs.written("mlp", other, "fp32").path.read_bytes())
        with pytest.raises(ModelFileError):
            formats.describe(path)


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("name", FORMATS)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_damaged_file_is_described_or_refused_never_more(name: str, precision: str, data: st.DataObject) -> None:
    whole = small_runs.written("dscnn", name, precision).path
    content = bytearray(whole.read_bytes())
    if data.draw(st.booleans(), label="cut"):
        content = content[: data.draw(st.integers(0, len(content) - 1), label="bytes kept")]
    else:
        for _ in range(data.draw(st.integers(1, 12), label="flips")):
            place = data.draw(st.integers(0, len(content) - 1))
            content[place] ^= 1 << data.draw(st.integers(0, 7))
    broken = whole.with_name(f"damaged{whole.suffix}")
    broken.write_bytes(content)
    with contextlib.suppress(ModelFileError):
        assert formats.describe(broken).sha256 == files.sha256(broken)


def test_a_zip_archive_without_a_label_file_gives_no_labels(tmp_path: Path) -> None:
    path = tiny_models.linear_tflite(tmp_path / "other.tflite", tiny_models.weights(2, 2, 1, 3))
    stream = io.BytesIO(path.read_bytes())
    with zipfile.ZipFile(stream, "a") as archive:
        archive.writestr("readme.md", "hello")
    path.write_bytes(stream.getvalue())
    assert formats.describe(path).labels == ()


# The activation peak


def test_a_tensor_lives_until_its_last_reader() -> None:
    chain = [(["x"], ["a"]), (["a"], ["b"]), (["b", "x"], ["y"])]
    sizes = {"x": 10, "a": 3, "b": 4, "y": 1}
    assert _describing.peak_bytes(chain, sizes, ["x"], ["y"]) == 17  # x is held for the shortcut


@given(
    widths=st.lists(st.integers(1, 99), min_size=2, max_size=12),
    shortcut=st.integers(0, 10),
)
def test_the_peak_lies_between_the_largest_step_and_the_sum(widths: list[int], shortcut: int) -> None:
    names = [str(i) for i in range(len(widths))]
    steps = [([names[i]], [names[i + 1]]) for i in range(len(names) - 1)]
    steps[-1][0].append(names[min(shortcut, len(names) - 2)])
    sizes = dict(zip(names, widths, strict=True))
    peak = _describing.peak_bytes(steps, sizes, names[:1], names[-1:])
    assert max(a + b for a, b in itertools.pairwise(widths)) <= peak <= sum(widths)
