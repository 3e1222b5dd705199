"""Limits on what a file may ask for: no number in a recipe or a model takes hours or the machine."""

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import onnx
import pytest
import tiny_models
import torch
from jobs import job_of
from onnx import TensorProto, helper
from PIL import Image

from edgecnn import formats, nets
from edgecnn.common import config, magic, wire
from edgecnn.data import shapes
from edgecnn.errors import ModelFileError, PlanError
from edgecnn.formats.tflite import flatbuffer, outline
from edgecnn.nets import budget
from edgecnn.onboard import archive
from edgecnn.onboard.job import Timing
from edgecnn.records import model_files, plans
from edgecnn.records.recipe import NetPlan, Recipe

KERNEL = tiny_models.weights(8, 8, 1, 10)
SHAPE, CLASSES = (1, 8, 8), 10


@pytest.mark.parametrize(
    "change",
    [
        "epochs=1000000000",
        "qat_epochs=1000000000",
        "batch_size=99999999999",
        "num_threads=2147483648",
        "seed=-1",
        "optim.lr=inf",
        "optim.weight_decay=nan",
        "optim.bias_lr=inf",
        "augment.shift=2147483648",
        "augment.cutout=99999999999999999999",
        "augment.mixup=128.0",
        "augment.cutmix=1e-300",
        "augment.mixup=inf",
        "data.seed=-1",
        "data.fraction_seed=-1",
    ],
)
def test_a_recipe_asks_for_no_number_without_end(change: str) -> None:
    with pytest.raises(PlanError, match=change.partition("=")[0].rpartition(".")[2]):
        plans.load(Recipe, "dscnn-digits", [change])


@pytest.mark.parametrize(
    ("net", "options"),
    [
        ("dscnn", {"depth": 2147483648}),
        ("dscnn", {"depth": 1001}),
        ("dscnn", {"width": 1048576}),
        ("dscnn", {"width": 100_000}),
        ("dscnn", {"growth": float("inf")}),
        ("dscnn", {"growth": float("nan")}),
        ("dscnn", {"growth": 1e5, "width": 100_000, "stages": 4}),
        ("dscnn", {"kernel": 99_999}),
        ("mlp", {"hidden": 65536, "depth": 1000}),
        ("mlp", {"depth": 65536}),
        ("vit", {"depth": 65536}),
        ("vit", {"dim": 100_000}),
        ("resnet", {"depth": 60002}),
        ("resnet", {"growth": 50_000.0}),
    ],
)
def test_a_net_beyond_the_limits_is_refused_before_it_is_built(net: str, options: dict[str, float]) -> None:
    with pytest.raises(PlanError, match=r"\[net\]"):
        nets.build(NetPlan(name=net, options=options), SHAPE, CLASSES)


def test_a_net_is_refused_without_moving_the_random_numbers() -> None:
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    with pytest.raises(PlanError, match="weights"):
        nets.build(NetPlan(name="mlp", options={"hidden": 50_000, "last": 50_000}), SHAPE, CLASSES)
    assert torch.equal(torch.rand(1), expected)


def test_a_budget_that_no_net_can_spend_is_refused() -> None:
    plan = NetPlan(name="mlp", options={"hidden": 8, "last": 8})
    with pytest.raises(PlanError, match="does not come within"):
        budget.solve(plan, SHAPE, CLASSES, target=10**15)


@pytest.mark.parametrize("options", [{"count": 10**12}, {"test": 10**12}, {"size": 10**9}])
def test_pictures_without_end_are_not_generated(options: dict[str, int]) -> None:
    with pytest.raises(PlanError, match="pictures of"):
        shapes.load(**options)  # type: ignore[arg-type]


def nested(depth: int) -> bytes:
    """An ONNX file whose graph holds `depth` graphs within each other."""
    graph = b""
    for _ in range(depth):
        node = wire.nested(4, b"If") + wire.nested(5, wire.nested(6, graph))
        graph = wire.nested(1, node)
    return b"\x08\x08" + wire.nested(7, graph)


@pytest.mark.parametrize("content", [nested(2_000), b"\x08\x08" + wire.nested(7, wire.nested(1, b"") * 150_000)])
def test_a_graph_too_deep_or_with_too_many_parts_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(content)
    with pytest.raises(ModelFileError, match="more than"):
        model_files.files_beside(path)
    with pytest.raises(ModelFileError, match="more than"):
        formats.describe(path)


def test_a_tflite_file_with_too_many_operators_is_refused(tmp_path: Path) -> None:
    path = tiny_models.linear_tflite(tmp_path / "m.tflite", KERNEL)
    model = flatbuffer.load(path.read_bytes())
    model.subgraphs[0].operators *= flatbuffer.MOST_OPERATORS
    path.write_bytes(flatbuffer.dump(model))
    with pytest.raises(ModelFileError, match="more than 20,000 operators"):
        formats.describe(path)


@pytest.mark.parametrize("suffix", [".onnx", ".tflite", ".h"])
@pytest.mark.parametrize("kind", ["pipe", "device", "folder", "empty"])
def test_what_is_no_regular_file_is_never_opened(kind: str, suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"m{suffix}"
    {
        "pipe": lambda: os.mkfifo(path),
        "device": lambda: path.symlink_to("/dev/zero"),
        "folder": path.mkdir,
        "empty": path.touch,
    }[kind]()
    with pytest.raises(ModelFileError, match="is empty" if kind == "empty" else "is no regular file"):
        formats.describe(path)
    if kind != "empty":
        with pytest.raises(ModelFileError, match="is no regular file"), magic.view(path):
            pass


def test_a_file_that_is_cut_while_it_is_read_is_one_sentence(tmp_path: Path) -> None:
    """It is read as memory: beyond its new end the kernel sends SIGBUS."""
    path = tmp_path / "m.onnx"
    path.write_bytes(b"\0" * 1_000_000)
    code = (
        "import sys, os; from pathlib import Path; from edgecnn import cli; from edgecnn.checks import inspect\n"
        "from edgecnn.common import magic; from edgecnn.onboard import opening\n"
        "def look(target, **_):\n"
        "    path = Path(target)\n"
        "    with opening.opening(path), magic.view(path) as data:\n"
        "        os.truncate(path, 0)\n"
        "        data[500_000]\n"
        "inspect.inspect = look\n"
        "cli.main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "inspect", str(path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert f"error: {path} was open: the process that read it was ended by SIGBUS." in done.stderr


def filled(path: Path) -> Path:
    """An ONNX file of a few bytes whose sum has 2.56 GB."""
    fill = helper.make_node("ConstantOfShape", ["sizes"], ["filled"])
    add = helper.make_node("Add", ["x", "filled"], ["y"])
    source = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 1, 8, 8])
    result = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    sizes = helper.make_tensor("sizes", TensorProto.INT64, [4], [1000, 10_000, 8, 8])
    graph = helper.make_graph([fill, add], "huge", [source], [result], [sizes])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8), path)
    return path


def test_a_shape_of_gigabytes_is_refused_when_it_is_run(tmp_path: Path) -> None:
    path = filled(tmp_path / "huge.onnx")
    done = subprocess.run(
        [sys.executable, "-m", "edgecnn", "doctor", str(path)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, "Traceback" in done.stderr) == (1, False)
    assert "allocate" in done.stdout or "memory" in done.stdout


def test_a_measuring_process_is_bounded_by_itself(tmp_path: Path) -> None:
    archive.write_worker(tmp_path / "worker.pyz")
    job = job_of(tiny_models.linear_onnx(tmp_path / "m.onnx", KERNEL), "onnxruntime")
    filled(tmp_path / "m.onnx")
    job = dataclasses.replace(job, window=Timing(warmup_runs=0, num_runs=1, min_secs=0.0))
    done = subprocess.run(
        [sys.executable, str(tmp_path / "worker.pyz"), "run"],
        input=json.dumps(config.table_of(job)),
        capture_output=True,
        text=True,
        check=False,
    )
    error = json.loads(done.stdout)["error"]
    assert error["kind"] in ("ModelFileError", "EnvironmentUnfit")
    assert "allocate" in error["sentence"] or "memory" in error["sentence"]


@pytest.mark.parametrize("verb", ["doctor", "predict"])
@pytest.mark.parametrize(("place", "number"), [(148, 0), (280, 1)])
def test_a_file_that_brings_the_engine_down_ends_the_command_with_a_sentence(
    place: int, number: int, verb: str, tmp_path: Path
) -> None:
    """LiteRT may end by SIGSEGV over either, refuse it, or answer."""
    path = tiny_models.linear_tflite(tmp_path / "m.tflite", tiny_models.weights(4, 4, 1, 3), int8=True)
    content = bytearray(path.read_bytes())
    content[place : place + 4] = number.to_bytes(4, "little")
    path.write_bytes(content)
    Image.new("L", (4, 4)).save(tmp_path / "picture.png")
    pictures = [str(tmp_path / "picture.png")] if verb == "predict" else []
    command = [sys.executable, "-m", "edgecnn", "--quiet", verb, str(path), *pictures]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1, 2, 64)
    assert done.returncode == 0 or done.stderr.startswith("error: ")


def test_names_that_are_no_text_are_read_all_the_same(tmp_path: Path) -> None:
    path = tiny_models.linear_tflite(tmp_path / "m.tflite", KERNEL, int8=True)
    model = flatbuffer.load(path.read_bytes())
    for tensor in model.subgraphs[0].tensors:
        tensor.name = b"\xfb\xff"
    path.write_bytes(flatbuffer.dump(model))
    assert formats.describe(path).input.name == "\ufffd\ufffd"
    assert outline.read(path).inputs == ("\ufffd\ufffd",)


@pytest.mark.parametrize("verb", ["bench", "eval", "inspect", "predict", "train"])
def test_a_name_that_no_file_can_have_is_one_sentence(verb: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "edgecnn", verb, "ä" * 200]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 64
    assert done.stderr.splitlines() == [
        f"error: No file has a name this long: {'ä' * 60}...",
        "hint: 400 bytes; most systems take 255",
    ]
