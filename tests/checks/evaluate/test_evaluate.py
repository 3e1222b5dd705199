"""`edgecnn eval`: all files of a run, or one of any make, on real pictures."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import kept_pictures
import pytest
import tiny_models
from checkout import ROOT
from PIL import Image

import edgecnn
import edgecnn.data
from edgecnn.checks.evaluate import evaluate as verb
from edgecnn.checks.evaluate import show
from edgecnn.errors import DataError, GateFailed, Undecided, UsageError
from edgecnn.records import evaluation, plans, shown_pictures
from edgecnn.records.evaluation import Evaluation
from edgecnn.records.recipe import DataPlan

DIGITS = DataPlan(name="digits")


@pytest.fixture(scope="module")
def run_folder(digits_run: edgecnn.Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on the digits with TFLite files, fp32 and int8."""
    folder = shutil.copytree(digits_run.folder, tmp_path_factory.mktemp("eval") / "digits")
    edgecnn.export(folder, format=("tflite",), max_drop=100)
    return folder


@pytest.fixture(scope="module")
def evaluated(run_folder: Path) -> Evaluation:
    return verb.evaluate(run_folder)


def test_a_files_accuracy_is_that_of_its_check(run_folder: Path, evaluated: Evaluation) -> None:
    for file in evaluated.files:
        card = json.loads((run_folder / "artifacts" / f"{file.file}.json").read_text())
        assert file.top1.percent == pytest.approx(card["verdict"]["top1_percent"])
        assert file.n == card["verdict"]["n"]
        assert sum(map(sum, file.confusion)) == file.n


def test_int8_is_held_against_float_class_by_class(evaluated: Evaluation) -> None:
    (rounding,) = evaluated.roundings
    assert rounding.int8_file.endswith("-int8.tflite")
    assert rounding.float_file.endswith("-fp32.tflite")
    assert [change.label for change in rounding.classes] == list("0123456789")


def test_the_record_and_its_pictures_lie_in_the_run(run_folder: Path, evaluated: Evaluation) -> None:
    assert evaluated.folder == run_folder / "evaluation"
    table = json.loads((evaluated.folder / evaluation.FILE).read_text())
    assert table["command"] == f"edgecnn eval {run_folder}"
    assert "folder" not in table
    for name in ("confusion.png", "mistakes.png"):
        with Image.open(evaluated.folder / name) as drawn:
            assert min(drawn.size) > 300


def test_the_record_reads_back_and_says_of_every_picture_whether_it_was_right(evaluated: Evaluation) -> None:
    assert evaluated.folder is not None
    assert evaluation.read(evaluated.folder) == evaluated
    for file in evaluated.files:
        correct = evaluation.correct(file)
        assert correct is not None
        assert (len(correct), correct.sum()) == (file.n, file.top1.successes)
        assert not correct[[mistake.index for mistake in file.mistakes]].any()
    assert len({file.pictures_sha256 for file in evaluated.files}) == 1


def test_the_pictures_it_tells_of_are_kept_with_their_true_classes(evaluated: Evaluation) -> None:
    assert evaluated.folder is not None
    kept, told = shown_pictures.read(evaluated.folder), evaluation.shown(evaluated)
    assert kept is not None
    digits = edgecnn.data.load(DIGITS).test
    assert (kept.images == digits.load_all()[kept.indices]).all()
    assert (kept.truth == digits.labels[kept.indices]).all()
    assert [mistake.index for mistake in told.mistakes] == kept.indices[: len(told.mistakes)].tolist()
    assert kept.picture_at(10**9) is None


def test_an_early_record_without_bits_still_reads(tmp_path: Path, evaluated: Evaluation) -> None:
    table = evaluation.to_table(evaluated)
    for file in table["files"]:
        del file["correct_bits"], file["pictures_sha256"]
    (tmp_path / evaluation.FILE).write_text(json.dumps(table))
    early = evaluation.read(tmp_path)
    assert [evaluation.correct(file) for file in early.files] == [None, None]
    assert shown_pictures.read(tmp_path) is None


@pytest.mark.parametrize("damage", [b"", b"[]", b'{"schema_version": 2}', b"\x00"])
def test_what_is_no_evaluation_is_refused(tmp_path: Path, damage: bytes) -> None:
    with pytest.raises(UsageError, match="There is no evaluation"):
        evaluation.read(tmp_path)
    (tmp_path / evaluation.FILE).write_bytes(damage)
    (tmp_path / shown_pictures.FILE).write_bytes(damage)
    with pytest.raises(UsageError, match="is not an evaluation"):
        evaluation.read(tmp_path)
    with pytest.raises(UsageError, match="is not the test pictures"):
        shown_pictures.read(tmp_path)


def test_the_function_returns_the_record_and_a_notebook_shows_it_as_tables(run_folder: Path, tmp_path: Path) -> None:
    result = edgecnn.evaluate(run_folder, limit=40, output=tmp_path / "out")
    assert [file.n for file in result.files] == [40, 40]
    html = result._repr_html_()
    assert html.count("<table>") == 2
    assert "class by class" in html
    assert result.files[0].file in html


def test_it_is_shown_in_80_columns(evaluated: Evaluation, capsys: pytest.CaptureFixture[str]) -> None:
    show.show(evaluated)
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines[1:] if len(line) > 80] == []  # the first names the machine, which may be long
    told = "\n".join(lines)
    assert "true class by row, answer by column" in told
    assert "int8 - float, pp" in told


def test_a_class_under_the_limit_fails_and_one_about_it_cannot_be_told(evaluated: Evaluation) -> None:
    verb.judge(evaluated, None)
    verb.judge(evaluated, 0.0)
    with pytest.raises(GateFailed, match=r"has a recall of .*, under 100 %"):
        verb.judge(evaluated, 100.0)
    recall = min(s.recall.percent for file in evaluated.files for s in file.classes if s.recall)
    with pytest.raises(Undecided, match="would settle it"):
        verb.judge(evaluated, recall, strict=True)


def test_a_loose_file_is_evaluated_and_nothing_is_written(tmp_path: Path) -> None:
    file = tiny_models.linear_onnx(tmp_path / "linear.onnx", tiny_models.weights(8, 8, 1, 10))
    result = verb.evaluate(file, DIGITS, limit=50)
    assert result.folder is None
    assert (result.files[0].n, result.files[0].runtime) == (50, "onnxruntime")
    assert [path.name for path in tmp_path.iterdir()] == ["linear.onnx"]


def test_a_loose_file_needs_pictures(tmp_path: Path) -> None:
    file = tiny_models.linear_onnx(tmp_path / "linear.onnx", tiny_models.weights(8, 8, 1, 10))
    with pytest.raises(UsageError, match="which pictures this file is for"):
        verb.evaluate(file)


def pictures(folder: Path, learnt: str = "train", tested: str = "test") -> Path:
    """A folder of two classes of grey pictures, six of each to learn and six others to test."""
    for place, step in ((learnt, 0), (tested, 1)):
        for label, least in (("a", 10), ("b", 130)):
            (folder / place / label).mkdir(parents=True)
            for number in range(6):
                Image.new("L", (8, 8), least + 20 * number + step).save(folder / place / label / f"{number}.png")
    return folder


def test_mistakes_bear_the_names_of_the_pictures_files(tmp_path: Path) -> None:
    folder = pictures(tmp_path / "pictures")
    file = tiny_models.linear_onnx(tmp_path / "linear.onnx", tiny_models.weights(8, 8, 1, 2))
    plan = DataPlan(name="folder", options={"path": str(folder)})
    (scored,) = verb.evaluate(file, plan, output=tmp_path / "out").files
    assert scored.mistakes
    for mistake in scored.mistakes:
        assert Path(mistake.picture).parent == folder / "test" / mistake.truth


@pytest.mark.parametrize("way", ["parquet", "webdataset"])
def test_mistakes_in_a_file_of_many_pictures_bear_their_places_in_it(
    way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    place = kept_pictures.WAYS[way](tmp_path / "pictures", kept_pictures.files(6))
    file = tiny_models.linear_onnx(tmp_path / "linear.onnx", tiny_models.weights(8, 8, 1, 2))
    (scored,) = verb.evaluate(file, plans.data_plan(str(place)), output=tmp_path / "out").files
    form = {
        "parquet": rf"{place}/data/all-0000\d-of-00002\.parquet:\d",
        "webdataset": rf"{place}/all-00000\d\.tar:(cat|dog)/00\d\.png",
    }[way]
    assert scored.mistakes
    assert all(re.fullmatch(form, mistake.picture) for mistake in scored.mistakes)


def test_pictures_that_the_run_has_learnt_are_refused(tmp_path: Path) -> None:
    run = edgecnn.train(
        "mlp-digits",
        tmp_path / "run",
        data=str(pictures(tmp_path / "pictures")),
        settings=["data.size=8", "data.channels=1", "epochs=1", "batch_size=4"],
    )
    edgecnn.export(run, format=("onnx",), precision=("fp32",), max_drop=100)
    swapped = pictures(tmp_path / "swapped", learnt="test", tested="train")
    with pytest.raises(DataError, match=f"{run.name}.*(seen|learnt)"):
        verb.evaluate(run.folder, DataPlan(name="folder", options={"path": str(swapped)}))


def test_the_zoo_is_evaluated_without_a_trace_in_it(tmp_path: Path) -> None:
    folder = ROOT / "models" / "zoo" / "fashion-10k"
    result = verb.evaluate(folder, limit=100, output=tmp_path / "out")
    assert result.command == "edgecnn eval zoo:fashion-10k --limit 100"
    assert not (folder / "evaluation").exists()
