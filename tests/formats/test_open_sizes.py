"""Sizes that a file leaves open: asked for, followed everywhere, refused where they contradict the file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import tiny_models
from onnx import TensorProto, helper, numpy_helper

from edgecnn import formats
from edgecnn.checks import inspect, selftest
from edgecnn.checks.doctor import doctor
from edgecnn.checks.doctor.model import ExaminedModel
from edgecnn.common import sizes
from edgecnn.errors import ModelFileError, UsageError
from edgecnn.formats.tflite import flatbuffer
from edgecnn.onboard import measure, runtimes
from edgecnn.onboard.job import Job
from edgecnn.pipeline.bench import bench
from edgecnn.records import plans
from edgecnn.records.foreign import assumed_preprocessing

SUITE = ["rounds=1", "num_runs=2", "warmup_runs=0", "min_secs=0.0"]


def convolution(path: Path, shape: Sequence[Any] | None, head: int | None = None, output: Any = (None, 3)) -> Path:
    """NCHW float pixels -> a 3x3 convolution to 3 channels, then their means, or a dense layer of `head` inputs."""
    rng = np.random.default_rng(0)
    constants = {"w": rng.normal(size=(3, 3, 3, 3)), "v": rng.normal(size=(head or 3, 3))}
    nodes = [helper.make_node("Conv", ["x", "w"], ["c"], pads=[1, 1, 1, 1])]
    if head is None:
        nodes.append(helper.make_node("GlobalAveragePool", ["c"], ["p"]))
    nodes.append(helper.make_node("Flatten", ["c" if head else "p"], ["f"]))
    nodes.append(helper.make_node("MatMul", ["f", "v"], ["y"]))
    graph = helper.make_graph(
        nodes,
        "open",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, output)],
        [numpy_helper.from_array(value.astype(np.float32), name) for name, value in constants.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def resizable(path: Path) -> Path:
    """NHWC float pixels -> MEAN over height and width, which are -1 in the signature and 1 in the shape."""
    from ai_edge_litert import schema_py_generated as schema

    model, graph = schema.ModelT(), schema.SubGraphT()
    model.version, model.buffers, graph.name = 3, [schema.BufferT(), schema.BufferT()], "main"
    model.buffers[1].data = np.frombuffer(np.array([1, 2], np.int32).tobytes(), np.uint8)
    graph.tensors = [schema.TensorT() for _ in range(3)]
    for tensor, name, shape in zip(graph.tensors, ("x", "axes", "y"), ([1, 1, 1, 3], [2], [1, 3]), strict=True):
        tensor.name, tensor.shape, tensor.buffer = name, np.array(shape, np.int32), 0
    graph.tensors[0].shapeSignature = np.array([-1, -1, -1, 3], np.int32)
    graph.tensors[1].type, graph.tensors[1].buffer = schema.TensorType.INT32, 1
    operator, code = schema.OperatorT(), schema.OperatorCodeT()
    operator.inputs, operator.outputs = np.array([0, 1], np.int32), np.array([2], np.int32)
    operator.builtinOptionsType, operator.builtinOptions = (
        schema.BuiltinOptions.ReducerOptions,
        schema.ReducerOptionsT(),
    )
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.MEAN
    code.version = 1
    graph.operators, graph.inputs, graph.outputs = [operator], np.array([0], np.int32), np.array([2], np.int32)
    model.operatorCodes, model.subgraphs = [code], [graph]
    path.write_bytes(flatbuffer.dump(model))
    return path


@pytest.fixture
def open_onnx(tmp_path: Path) -> Path:
    return convolution(tmp_path / "open.onnx", ["batch", 3, "height", "width"])


@pytest.fixture
def open_tflite(tmp_path: Path) -> Path:
    return resizable(tmp_path / "open.tflite")


@pytest.mark.parametrize(
    ("wanted", "stated", "layout", "settled"),
    [
        ((1, 3, 64, 48), (0, 3, 0, 0), "NCHW", (1, 3, 64, 48)),
        ((64, 48), (0, 3, 0, 0), "NCHW", (1, 3, 64, 48)),
        ((64, 48), (0, 0, 0, 3), "NHWC", (1, 64, 48, 3)),
        ((64, 48, 3), (1, 3, 0, 0), "NCHW", (1, 3, 64, 48)),
        ((3, 64, 48), (1, 3, 0, 0), "NCHW", (1, 3, 64, 48)),
        ((64, 48), (1, 3, 64, 48), "NCHW", (1, 3, 64, 48)),
        ((16000,), (0, 0), "NK", (1, 16000)),
        ((16000,), (0,), "", (16000,)),
        ((64, 48), (3, 0, 0), "", (3, 64, 48)),
        ((1, 3, 64, 48), None, "", (1, 3, 64, 48)),
        ((64, 48), (1, 3, 32, 32), "NCHW", None),
        ((1, 1, 64, 48), (1, 3, 0, 0), "NCHW", None),
        ((64,), (1, 3, 0, 0), "NCHW", None),
        ((3, 4, 3), (1, 0, 0, 0), "NCHW", None),
    ],
)
def test_a_size_fills_what_is_open_and_never_changes_what_is_fixed(
    wanted: tuple[int, ...], stated: tuple[int, ...] | None, layout: str, settled: tuple[int, ...] | None
) -> None:
    assert sizes.settle(wanted, stated, layout) == settled


@pytest.mark.parametrize("text", ["", "3x", "0x4", "-1x3", "1.5x2", "large"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is not a size"):
        sizes.parse(text)


def test_a_batch_alone_is_one_and_other_first_sizes_are_not(tmp_path: Path) -> None:
    batch = formats.describe(convolution(tmp_path / "a.onnx", ["N", 3, 8, 8]))
    assert (batch.input.shape, batch.input.open, batch.macs) == ((1, 3, 8, 8), (), 64 * 3 * 27 + 9)
    height = formats.describe(convolution(tmp_path / "b.onnx", ["height", 3, 8, 8]))
    assert height.input.open == ("0 (height)",)


def test_every_verb_that_runs_a_file_asks_for_its_size(open_onnx: Path, open_tflite: Path, tmp_path: Path) -> None:
    suite = plans.load(plans.Suite, "default", SUITE)
    for path in (open_onnx, open_tflite):
        with pytest.raises(UsageError, match=r"open.* leaves the size of") as asked:
            bench.bench([path], suite)
        assert "--input 1x" in (asked.value.hint or "")
        with pytest.raises(UsageError, match="leaves the size of"):
            doctor.doctor(path)
        with pytest.raises(UsageError, match="leaves the size of"):
            selftest.record(path, tmp_path / "golden.npz")


def test_a_shape_that_is_not_stated_at_all_is_asked_for(tmp_path: Path) -> None:
    path = convolution(tmp_path / "shapeless.onnx", None)
    with pytest.raises(UsageError, match=r"the size of its input 'x' open"):
        formats.require_sizes(path, formats.describe(path))
    assert formats.describe(path, (1, 3, 8, 8)).macs == 64 * 3 * 27 + 9


def test_inspect_says_what_is_open_and_what_needs_no_size(open_onnx: Path, capsys: pytest.CaptureFixture[str]) -> None:
    inspect.show(inspect.inspect(open_onnx))
    out = capsys.readouterr().out
    assert "x: float32 1x3x?x? NCHW" in out
    assert f"parameters      {3 * 27 + 9}" in out
    assert "MACs            open, as the input's size is" in out
    inspect.show(inspect.inspect(open_onnx, input_size=(8, 8)))
    assert f"MACs            {64 * 3 * 27 + 9:,}" in capsys.readouterr().out


def test_a_size_is_followed_to_macs_memory_and_the_report(open_onnx: Path, open_tflite: Path) -> None:
    suite = plans.load(plans.Suite, "default", [*SUITE, 'input="16x8"'])
    report = bench.bench([open_onnx, open_tflite], suite)
    by_name = {measurement.file: measurement for measurement in report.measurements}
    assert by_name["open.onnx"].input_shape == (1, 3, 16, 8)
    assert by_name["open.onnx"].macs == 128 * 3 * 27 + 9
    assert by_name["open.tflite"].input_shape == (1, 16, 8, 3)
    assert by_name["open.tflite"].planned_activation_peak_bytes == 4 * (128 * 3 + 3)
    assert report.suite["input"] == "16x8"
    assert "--input 16x8" in report.command


@pytest.mark.parametrize("name", ["open_onnx", "open_tflite"])
def test_a_file_answers_for_the_size_it_is_given(name: str, request: pytest.FixtureRequest) -> None:
    path: Path = request.getfixturevalue(name)
    description = formats.describe(path, (16, 8))
    job = Job(
        model=str(path),
        input=description.input,
        output=description.output,
        preprocessing=assumed_preprocessing(description.input),
        runtime=runtimes.for_format(description.format)[0],
        num_threads=1,
    )
    x = measure.random_input(job.input, job.preprocessing)
    assert x.shape == description.input.shape
    session = runtimes.get(job.runtime).open_session(path, 1)
    first = session(x)
    assert first.shape == (1, 3)
    other = np.ascontiguousarray(x.repeat(2, axis=1 if job.input.layout == "NHWC" else 2))
    session(other)
    assert np.array_equal(session(x), first)  # a size in between leaves nothing behind


def test_golden_data_have_the_size_given(open_onnx: Path, tmp_path: Path) -> None:
    golden = tmp_path / "golden.npz"
    selftest.record(open_onnx, golden, input_size="16x8")
    assert np.load(golden)["images"].shape[1:] == (16, 8, 3)
    (replayed,) = selftest.selftest(open_onnx, golden=golden, input_size="16x8").replayed
    assert replayed.comparison.verdict == "identical"


def test_a_size_that_contradicts_the_file_is_refused(tmp_path: Path) -> None:
    fixed = convolution(tmp_path / "fixed.onnx", [1, 3, 8, 8])
    assert formats.describe(fixed, (8, 8)).input.shape == (1, 3, 8, 8)
    with pytest.raises(UsageError, match=r"fixed.onnx takes 1x3x8x8, which --input 16x16 does not fit"):
        formats.describe(fixed, (16, 16))
    small = tiny_models.linear_tflite(tmp_path / "fixed.tflite", tiny_models.weights(4, 4, 3, 5))
    with pytest.raises(UsageError, match=r"takes 1x4x4x3, which --input 8x8 does not fit"):
        formats.describe(small, (8, 8))


def test_sizes_of_the_output_that_the_file_leaves_open_are_asked_of_the_runtime(tmp_path: Path) -> None:
    nodes = [helper.make_node("NonZero", ["x"], ["n"]), helper.make_node("Shape", ["n"], ["y"])]
    constant = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 4, 4])
    result = helper.make_tensor_value_info("y", TensorProto.INT64, ["values"])
    path = tmp_path / "output.onnx"
    graph = helper.make_graph(nodes, "open", [constant], [result])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    assert formats.describe(path).output.shape == (2,)
    classes = formats.describe(convolution(tmp_path / "classes.onnx", [1, 3, 8, 8], output=[None, None]))
    assert classes.output.shape == (1, 3)


def test_what_an_engine_raises_when_it_runs_is_one_sentence(tmp_path: Path) -> None:
    path = convolution(tmp_path / "head.onnx", ["batch", 3, "height", "width"], head=3 * 8 * 8)
    with pytest.raises(ModelFileError, match=r"ONNX Runtime cannot run head.onnx: in MatMul: .*") as refused:
        bench.bench([path], plans.load(plans.Suite, "default", [*SUITE, 'input="16x16"']))
    assert "\n" not in refused.value.sentence
    examination = doctor.doctor(path, input_size="16x16")
    doctor.judge(examination)
    (answers,) = (finding for finding in examination.findings if finding.subject == "answers")
    assert answers.level == "warn"  # the size may be to blame, and no fault of the file
    assert "cannot run head.onnx" in answers.evidence
    bench.bench([path], plans.load(plans.Suite, "default", [*SUITE, 'input="8x8"']))


def test_an_input_that_an_engine_refuses_is_one_sentence(tmp_path: Path) -> None:
    kernel = tiny_models.weights(4, 4, 3, 5)
    for path in (
        tiny_models.linear_onnx(tmp_path / "a.onnx", kernel),
        tiny_models.linear_tflite(tmp_path / "a.tflite", kernel),
        tiny_models.linear_c(tmp_path / "a.h", kernel),
    ):
        session = runtimes.get(runtimes.for_format(formats.name_of(path))[0]).open_session(path, 1)
        for x in (np.zeros((1, 2, 2, 3), np.float32), np.zeros(formats.describe(path).input.shape, np.float64)):
            with pytest.raises(ModelFileError, match=f"cannot run {path.name}: "):
                session(x)


def test_an_input_without_a_batch_is_looked_at_too(tmp_path: Path) -> None:
    nodes = [helper.make_node("Flatten", ["x"], ["y"], axis=0)]
    path = tmp_path / "one.onnx"
    graph = helper.make_graph(
        nodes,
        "one",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [3, 4, 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 48])],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    model = ExaminedModel(path, formats.describe(path))
    assert model.answers(np.zeros((2, 3, 4, 4), np.float32)).shape == (2, 48)
    doctor.judge(doctor.doctor(path))


def test_one_open_size_is_filled_where_it_is_the_only_one(tmp_path: Path) -> None:
    path = resizable(tmp_path / "row.tflite")
    model = flatbuffer.load(path.read_bytes())
    sound = model.subgraphs[0].tensors[0]
    sound.shape, sound.shapeSignature = np.array([1], np.int32), np.array([-1], np.int32)
    axes = np.array([0], np.int32)
    model.buffers[1].data, model.subgraphs[0].tensors[1].shape = axes.view(np.uint8), np.array([1], np.int32)
    model.subgraphs[0].tensors[2].shape = np.array([], np.int32)
    path.write_bytes(flatbuffer.dump(model))
    assert formats.describe(path).input.open == ("0",)
    assert formats.describe(path, (160,)).input.shape == (160,)
    assert runtimes.get("litert").open_session(path, 1)(np.full(160, 3, np.float32)) == 3
