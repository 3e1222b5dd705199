"""The package as a library: names that cost nothing until they are used, verbs that return records, a model to call."""

from __future__ import annotations

import ast
import dataclasses
import doctest
import io
import json
import re
import shutil
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import small_bundles
import tiny_models
from PIL import Image, ImageOps

import edgecnn
from edgecnn.errors import DataError, ModelFileError, PlanError, RunError, UsageError
from edgecnn.onboard.runner import contents
from edgecnn.pipeline.deploy import bundle
from edgecnn.records import plans, resolve
from edgecnn.records.recipe import Recipe

ROOT = Path(edgecnn.__file__).parents[1]
QUICK: dict[str, Any] = {"epochs": 1, "num_threads": 1, "precision": "fp32"}
BRIEF: dict[str, Any] = {"rounds": 1, "num_runs": 5, "min_secs": 0, "limit": 40}
HOSTILE = "<script>alert('1')</script>\u202e"
VERBS = (
    "load_recipe",
    "train",
    "export",
    "calibrate",
    "load_model",
    "bench",
    "evaluate",
    "verify",
    "inspect",
    "doctor",
)
"""In the order in which their examples use what the ones before have made."""


@pytest.fixture(scope="module")
def exported(digits_run: edgecnn.Run, tmp_path_factory: pytest.TempPathFactory) -> list[edgecnn.Artifact]:
    """ONNX and TFLite files of the digits' run, fp32 and int8."""
    folder = shutil.copytree(digits_run.folder, tmp_path_factory.mktemp("api") / "digits")
    return edgecnn.export(folder, max_drop=100)


@pytest.fixture(scope="module")
def run(exported: list[edgecnn.Artifact]) -> edgecnn.Run:
    """The run of these files."""
    return edgecnn.open_run(exported[0].path.parents[1])


@pytest.fixture(scope="module")
def colour(tmp_path_factory: pytest.TempPathFactory) -> edgecnn.Model:
    """A model of colour pictures, 8 x 8, that answers in float."""
    return edgecnn.load_model(small_bundles.exported(tmp_path_factory.mktemp("colour"), "onnx"))


# Names


def test_the_import_loads_no_numpy_and_no_torch_and_neither_do_the_names() -> None:
    code = (
        "import sys, edgecnn; dir(edgecnn); edgecnn.__version__\n"
        "print(sorted(sys.modules.keys() & {'numpy', 'torch', 'PIL', 'typer', 'onnx', 'edgecnn.errors'}))\n"
        "edgecnn.Recipe, edgecnn.Report, edgecnn.Run, edgecnn.inspect, edgecnn.load_model\n"
        "print(sorted(sys.modules.keys() & {'torch', 'typer', 'onnxruntime'}))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n[]\n"


def test_every_public_name_is_there_and_is_listed() -> None:
    assert dir(edgecnn) == sorted(edgecnn.__all__)
    assert {*VERBS, "Recipe", "ExportPlan", "Suite", "Run", "Artifact", "Report", "open_run"} <= set(dir(edgecnn))
    for name in edgecnn.__all__:
        assert getattr(edgecnn, name) is getattr(edgecnn, name)


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'edgecnn' has no attribute 'trian'"):
        _ = edgecnn.trian  # type: ignore[attr-defined]


def test_a_type_checker_sees_each_name_where_it_is_imported_from() -> None:
    tree = ast.parse(Path(edgecnn.__file__).read_text(encoding="utf-8"))
    (block,) = (node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING")
    seen = {f"{node.module}.{node.names[0].name}" for node in block.body if isinstance(node, ast.ImportFrom)}
    real = {f"edgecnn.{module}.{name}" for name, module in edgecnn._MODULES.items()}
    assert seen == real | {"edgecnn.errors"}
    assert {name.rpartition(".")[2] for name in seen} == set(edgecnn.__all__) - {"__version__"}


# Documentation


def test_the_examples_of_the_docstrings_are_true(own_folder: Path) -> None:
    said = io.StringIO()
    for name in VERBS:
        (example,) = doctest.DocTestFinder(recurse=False).find(
            getattr(edgecnn, name), name, globs={"edgecnn": edgecnn, "np": np}
        )
        assert example.examples, f"{name} shows no example"
        results = doctest.DocTestRunner().run(example, out=said.write)
        assert results.failed == 0, said.getvalue()


def test_the_python_of_the_tutorial_runs(own_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = (ROOT / "docs" / "pages" / "tutorials" / "first-model.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"^```python\n(.*?)^```", page, flags=re.DOTALL | re.MULTILINE)
    Image.fromarray(np.full((20, 20), 90, np.uint8)).save("digit.png")
    exec(code, {})
    label, score = capsys.readouterr().out.split()
    assert label in "0123456789"
    assert 0 < float(score) <= 1


# What words stand for


def test_keywords_mean_what_the_settings_of_the_command_line_mean() -> None:
    wanted = plans.load_recipe("dscnn-digits", ["epochs=2", "optim.lr=0.01", "net.width=8", "start='runs/a'"])
    said: dict[str, Any] = {
        "epochs": np.int64(2),
        "optim": {"lr": 0.01},
        "net.width": 8,
        "start": Path("runs/a"),
        "seed": None,
    }
    assert edgecnn.load_recipe("dscnn-digits", **said) == wanted
    assert edgecnn.load_recipe(edgecnn.load_recipe("dscnn-digits"), **said) == wanted
    assert edgecnn.load_recipe("dscnn-digits", settings=["epochs=7", "net.width=8"], **said) == wanted


def test_a_plan_is_a_name_a_path_or_itself(tmp_path: Path) -> None:
    default = resolve.find_plan(edgecnn.ExportPlan, "default")
    (tmp_path / "mine.toml").write_text(plans.dump(default))
    assert resolve.find_plan(edgecnn.ExportPlan, tmp_path / "mine.toml") == default
    assert resolve.find_plan(edgecnn.ExportPlan, default) is default
    changed = resolve.find_plan(
        edgecnn.ExportPlan, default, resolve.overrides((), {"precision": ("int8",), "rungs": {"mixed": {}}})
    )
    assert changed == dataclasses.replace(default, precision=("int8",), rungs={"mixed": {}})


def test_data_is_a_name_or_a_folder(tmp_path: Path) -> None:
    assert edgecnn.load_recipe("dscnn-digits", data="shapes").data.name == "shapes"
    assert edgecnn.load_recipe("dscnn-digits", data={"fraction": 0.5}).data.fraction == 0.5
    here = edgecnn.load_recipe("dscnn-digits", data=tmp_path).data
    assert (here.name, here.options["path"]) == ("folder", str(tmp_path))


@pytest.mark.parametrize(
    ("call", "error", "sentence", "hint"),
    [
        (lambda: edgecnn.train("dscnn-digit"), PlanError, "no recipe named 'dscnn-digit'", "mean 'dscnn-digits'"),
        (lambda: edgecnn.train("dscnn-digits", epoch=2), PlanError, "unknown key 'epoch'", "mean 'epochs'"),
        (lambda: edgecnn.train("dscnn-digits", seed=object()), PlanError, "seed cannot be a object", "numbers, texts"),
        (lambda: edgecnn.train("dscnn-digits", "runs/-x"), UsageError, "begins like an option", "begin it with"),
        (lambda: edgecnn.export("runs/nowhere"), RunError, "There is no run folder runs/nowhere", "edgecnn train"),
        (lambda: edgecnn.bench("a.onnx", "fast"), PlanError, "There is no suite named 'fast'", "known: "),
        (lambda: edgecnn.bench("a.onnx", round=3), PlanError, "unknown key 'round'", "mean 'rounds'"),
        (lambda: edgecnn.bench([]), UsageError, "There is nothing to measure", "name a run"),
        (lambda: edgecnn.verify("a.onnx"), ModelFileError, "There is no file a.onnx", "edgecnn export"),
        (lambda: edgecnn.inspect("dscnn-digit"), PlanError, "no recipe named", "mean 'dscnn-digits'"),
        (lambda: edgecnn.doctor("a.onnx"), ModelFileError, "There is no file a.onnx", "name an .onnx"),
        (lambda: edgecnn.load_model("a.onnx"), ModelFileError, "There is no file a.onnx", "edgecnn export"),
        (lambda: edgecnn.PictureOptions(std=0.0), UsageError, "std = 0.0 is no number", "127.5"),
    ],
)
def test_what_is_not_there_is_named_with_the_nearest(
    call: Callable[[], object], error: type[UsageError], sentence: str, hint: str, own_folder: Path
) -> None:
    with pytest.raises(error, match=re.escape(sentence)) as caught:
        call()
    assert hint in (caught.value.hint or "")
    assert not list(own_folder.iterdir())


# The verbs


def test_a_training_is_put_under_runs_and_goes_on_by_its_folder(own_folder: Path) -> None:
    run = edgecnn.train("dscnn-digits", name="small", **QUICK)
    assert run.folder == Path("runs/small")
    assert edgecnn.train("runs/small", resume=True) == run
    with pytest.raises(RunError, match="holds a run already"):
        edgecnn.train(run.recipe, run.folder)
    other = edgecnn.train(run.recipe, "elsewhere", seed=1)
    assert (other.folder, other.recipe) == (Path("elsewhere"), dataclasses.replace(run.recipe, seed=1))


def test_the_verbs_take_runs_and_artifacts_and_print_nothing_on_stdout(
    run: edgecnn.Run, exported: list[edgecnn.Artifact], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    onnx = [file for file in exported if file.description.format == "onnx"]
    report = edgecnn.bench(onnx, data="digits", output=tmp_path / "report.json", **BRIEF)
    assert [measurement.file for measurement in report.measurements] == [file.name for file in onnx]
    assert {measurement.accuracy.n for measurement in report.measurements if measurement.accuracy} == {BRIEF["limit"]}
    matrix = edgecnn.verify(run, limit=20, output=tmp_path / "parity")
    assert [answer.file for answer in matrix.answers] == [run.name, *sorted(file.name for file in exported)]
    net = edgecnn.inspect(run)
    assert net == edgecnn.inspect(run.folder)
    assert net.macs == run.macs
    file = edgecnn.inspect(onnx[0])
    assert file.description == onnx[0].description
    assert "wrong" not in [finding.level for finding in edgecnn.doctor(onnx[0]).findings]
    assert capfd.readouterr().out == ""


def test_a_recipe_is_inspected_as_it_would_be_changed() -> None:
    wide, narrow = edgecnn.inspect("dscnn-digits"), edgecnn.inspect("dscnn-digits", net={"width": 8})
    assert narrow.macs < wide.macs
    recipe = edgecnn.load_recipe("dscnn-digits", net={"width": 8})
    assert isinstance(recipe, Recipe)
    assert edgecnn.inspect(recipe) == narrow


# A model


def test_a_model_answers_as_the_program_of_its_bundle_does(exported: list[edgecnn.Artifact], tmp_path: Path) -> None:
    shown = tmp_path / "shown"
    shown.mkdir()
    rng = np.random.default_rng(0)
    for number, size in enumerate([(8, 8), (31, 20), (9, 40)]):
        Image.fromarray(rng.integers(0, 256, (*size, 3), dtype=np.uint8)).save(shown / f"{number}.png")
    assert len(exported) == 4
    for file in exported:
        folder = tmp_path / file.name
        bundle.make(file).write(folder)
        done = subprocess.run(
            [sys.executable, folder / contents.PROGRAM, "classify", shown], capture_output=True, text=True, check=True
        )
        device = [json.loads(line) for line in done.stdout.splitlines()]
        for model in (edgecnn.load_model(file), edgecnn.load_model(str(file.path)), edgecnn.load_model(folder)):
            for line in device:
                assert model(line["picture"]).table()["top"] == line["top"]


def lying_on_its_side(picture: Image.Image, path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    picture.save(path, exif=exif)


def sixteen_bits_a_pixel(picture: Image.Image, path: Path) -> None:
    Image.fromarray(np.asarray(picture.convert("L"), np.uint16) * 257).save(path)


def white_is_zero(picture: Image.Image, path: Path) -> None:
    sixteen_bits_a_pixel(picture, path)
    data = path.read_bytes()
    entry = struct.pack("<HHII", 262, 3, 1, 1)  # photometric interpretation: black is zero
    assert data.count(entry) == 1
    path.write_bytes(data.replace(entry, struct.pack("<HHII", 262, 3, 1, 0)))


PICTURES: dict[str, Callable[[Image.Image, Path], None]] = {
    "colour.png": lambda picture, path: picture.save(path),
    "turned.jpg": lying_on_its_side,
    "grey.png": lambda picture, path: picture.convert("L").save(path),
    "sixteen-bit.png": sixteen_bits_a_pixel,
    "palette.gif": lambda picture, path: picture.save(path),
    "transparent.png": lambda picture, path: picture.convert("RGBA").resize((31, 17)).rotate(30).save(path),
    "cmyk.tif": lambda picture, path: picture.convert("CMYK").save(path),
    "turned.tif": lying_on_its_side,
    "white-is-zero.tif": white_is_zero,
}


@pytest.mark.parametrize("name", PICTURES)
def test_path_bytes_image_and_array_get_the_same_answer(name: str, colour: edgecnn.Model, tmp_path: Path) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (5, 9, 3), dtype=np.uint8)
    path = tmp_path / name
    PICTURES[name](Image.fromarray(pixels).resize((27, 16)), path)
    expected = colour(path).top
    assert len(expected) == len(colour.labels)
    assert colour(str(path)).top == colour(path.read_bytes()).top == expected
    with Image.open(path) as image:
        before = dict(image.info)
        assert colour(image).top == expected
        assert colour(image).top == expected
        assert image.info == before
        upright = ImageOps.exif_transpose(image)
        if upright.mode in ("L", "RGB", "RGBA"):
            assert colour(np.asarray(upright)).top == expected


def test_a_batch_is_answered_picture_by_picture(colour: edgecnn.Model) -> None:
    shown = small_bundles.images(3)
    singly = [colour(image).top for image in shown]
    assert [answer.top for answer in colour(shown)] == singly
    assert [answer.top for answer in colour(list(shown))] == singly
    assert [answer.top for answer in colour([small_bundles.picture(image) for image in shown])] == singly
    assert colour([]) == []


def test_as_many_classes_are_told_as_are_asked_for(colour: edgecnn.Model) -> None:
    answer = colour(small_bundles.images(1)[0], top=1)
    assert answer.top == ((answer.label, answer.score),)
    assert answer.label in colour.labels


@pytest.mark.parametrize(
    ("picture", "sentence"),
    [
        (np.zeros((8, 8, 3), np.float32), "array of float32 is no picture"),
        (np.zeros((8, 8, 5), np.uint8), "array of 8 x 8 x 5 is no picture"),
        (np.zeros((0, 8), np.uint8), "array of 0 x 8 is no picture"),
        (Image.new("F", (8, 8)), "32-bit float pixels have no stated white"),
        (b"no picture", "Cannot read a picture of 10 bytes"),
        ("nowhere.png", "Cannot read nowhere.png"),
        (7, "A int is no picture"),
    ],
)
def test_what_is_no_picture_is_one_sentence(picture: Any, sentence: str, colour: edgecnn.Model) -> None:
    with pytest.raises(DataError, match=re.escape(sentence)):
        colour(picture)


def test_a_file_that_takes_no_picture_is_refused_when_it_is_loaded(tmp_path: Path) -> None:
    path = tiny_models.linear_onnx(tmp_path / "four.onnx", tiny_models.weights(8, 8, 4, 3))
    with pytest.raises(ModelFileError, match="takes 4 channels"):
        edgecnn.load_model(path)


def test_a_run_is_asked_which_of_its_files(run: edgecnn.Run) -> None:
    with pytest.raises(UsageError, match="is a run, not a model file") as caught:
        edgecnn.load_model(run.folder)
    assert "digits-int8.tflite" in (caught.value.hint or "")


def test_a_file_without_a_card_is_fed_as_it_is_said(
    exported: list[edgecnn.Artifact], run: edgecnn.Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (carded,) = (file for file in exported if file.name.endswith("fp32.tflite"))
    bare = shutil.copy(carded.path, tmp_path / "bare.tflite")
    image = np.random.default_rng(2).integers(0, 256, (8, 8), dtype=np.uint8)
    wanted = edgecnn.load_model(carded)(image).top
    assert edgecnn.load_model(bare)(image).top == wanted  # by its own metadata
    assert "bare.tflite takes 8 x 8 x 1 grey" in capsys.readouterr().err
    other = edgecnn.load_model(bare, pictures=edgecnn.PictureOptions(mean=127.5, std=127.5))
    assert other(image).top != wanted


# Notebooks


def rendered(record: Any) -> str:
    text: str = record._repr_html_()
    assert text.startswith("<table><caption>")
    assert "<script" not in text
    assert "\u202e" not in text
    return text


def test_a_notebook_shows_tables_in_which_strangers_are_escaped(
    run: edgecnn.Run, exported: list[edgecnn.Artifact], tmp_path: Path
) -> None:
    escaped = "&lt;script&gt;alert(&#x27;1&#x27;)&lt;/script&gt;\\u202e"
    labels = (HOSTILE, *run.labels[1:])
    assert escaped in rendered(dataclasses.replace(run, labels=labels))
    assert escaped in rendered(dataclasses.replace(exported[0], labels=labels))

    report = edgecnn.bench(exported[0], output=tmp_path / "report.json", **BRIEF)
    (measured,) = report.measurements
    assert escaped in rendered(dataclasses.replace(report, measurements=(dataclasses.replace(measured, file=HOSTILE),)))

    matrix = edgecnn.verify(exported[0], data="digits", limit=20)
    assert escaped in rendered(dataclasses.replace(matrix, data=HOSTILE))

    file = edgecnn.inspect(exported[0])
    assert escaped in rendered(dataclasses.replace(file, name=HOSTILE))
    assert escaped in rendered(dataclasses.replace(edgecnn.inspect(run), name=HOSTILE))

    examination = edgecnn.doctor(exported[0])
    assert escaped in rendered(dataclasses.replace(examination, path=Path(HOSTILE)))


def test_a_table_has_the_cells_that_the_command_prints(
    exported: list[edgecnn.Artifact], capsys: pytest.CaptureFixture[str]
) -> None:
    from edgecnn.pipeline.export import show

    show.show(exported[:1])
    printed = capsys.readouterr().out.splitlines()[-1].split()
    text = re.sub(r"<[^>]+>", " ", rendered(exported[0])).split()
    assert [cell for cell in printed[1:] if cell not in text] == []
