"""Pictures that a run has learnt are never tested on, whatever has become of its folder since."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from data_samples import class_folders, picture
from typer.testing import CliRunner

from edgecnn import data
from edgecnn.cli import app
from edgecnn.data import fashion_mnist
from edgecnn.errors import DataError, RunError
from edgecnn.pipeline.export import export
from edgecnn.pipeline.train import seen
from edgecnn.pipeline.train.train import train
from edgecnn.records import plans
from edgecnn.records.plans import ExportPlan
from edgecnn.records.run import Run, open_run

SHORT = ("epochs=1", "num_threads=1", "precision=fp32", "data.size=12", "net.width=8", "net.depth=1", "batch_size=4")
FP32 = ExportPlan(name="fp32", format=("onnx",), precision=("fp32",))


def trained(pictures: Path, folder: Path, *changes: str) -> Run:
    return train(plans.load_recipe("dscnn-digits", (*SHORT, *changes), str(pictures)), folder)


@pytest.fixture
def animals(tmp_path: Path) -> Path:
    return class_folders(tmp_path / "animals", count=20)


@pytest.fixture
def pair(tmp_path: Path) -> Path:
    """train/ and test/, given."""
    class_folders(tmp_path / "pair" / "train", count=12)
    class_folders(tmp_path / "pair" / "test", count=6, seed=500)
    return tmp_path / "pair"


def leak(pair: Path, count: int = 2) -> None:
    """Pictures that were learnt move to test/."""
    for i in range(count):
        shutil.move(pair / "train" / "cat" / f"{i:03}.png", pair / "test" / "cat" / f"moved {i}.png")


def test_a_run_keeps_the_digests_of_what_it_learnt_and_validated(animals: Path, tmp_path: Path) -> None:
    run = trained(animals, tmp_path / "run")
    splits, record = data.load(run.recipe.data), seen.read(run)
    assert record is not None
    assert record.learnt == {digest[:32] for digest in splits.train.digests()}
    assert record.chosen_by == {digest[:32] for digest in splits.validation.digests()}


def test_pictures_that_are_added_are_tested_on_and_learnt_ones_are_not(animals: Path, tmp_path: Path) -> None:
    run = trained(animals, tmp_path / "run")
    before = data.load(run.recipe.data).test
    for label, name in enumerate(("cat", "dog")):
        for i in range(20):
            picture(7000 + 100 * label + i).save(animals / name / f"new {i}.png")
    after = seen.splits_of(open_run(run.folder)).test
    record = seen.read(run)
    assert record is not None
    assert set(before.digests()) < set(after.digests())
    assert not {digest[:32] for digest in after.digests()} & record.all
    (made,) = export.export(run, FP32)
    assert made.verdict is not None
    assert made.verdict.n == len(after)


def test_a_test_picture_that_was_learnt_is_refused_with_counts_and_one_way_out(pair: Path, tmp_path: Path) -> None:
    run = trained(pair, tmp_path / "run")
    leak(pair)
    with pytest.raises(DataError) as caught:
        export.export(run, FP32)
    assert caught.value.sentence.startswith("run has seen 2 of the 14 test pictures: it learnt ")
    assert caught.value.hint == "--only-unseen tests on the other 12"
    (made,) = export.export(run, dataclasses.replace(FP32, only_unseen=True))
    assert made.verdict is not None
    assert made.verdict.n == 12


def test_bench_and_verify_hold_to_it_too(pair: Path, tmp_path: Path) -> None:
    run = trained(pair, tmp_path / "run")
    export.export(run, FP32)
    leak(pair)
    quick = [
        "--rounds",
        "1",
        "--num-runs",
        "1",
        "--warmup-runs",
        "0",
        "--min-secs",
        "0",
        "-o",
        str(tmp_path / "r.json"),
    ]
    file = str(run.artifacts / "run-fp32.onnx")
    for words in (
        ["bench", str(run.folder), *quick],
        ["bench", file, "--data", str(pair), "-s", "num_runs=1", *quick],
        ["verify", str(run.folder)],
        ["verify", file, "--data", str(pair)],
    ):
        refused = CliRunner().invoke(app, words)
        assert isinstance(refused.exception, DataError)
        assert "has seen 2 of the 14" in str(refused.exception)
    allowed = CliRunner().invoke(app, ["bench", str(run.folder), *quick, "--only-unseen"])
    assert allowed.exit_code == 0, allowed.output
    assert "it is tested on the other 12" in allowed.output
    report = json.loads((tmp_path / "r.json").read_text())
    assert report["measurements"][0]["accuracy"]["n"] == 12
    assert CliRunner().invoke(app, ["verify", str(run.folder), "--only-unseen"]).exit_code == 0


def test_a_training_that_starts_from_it_holds_nothing_out_that_it_learnt(pair: Path, tmp_path: Path) -> None:
    run = trained(pair, tmp_path / "run")
    leak(pair)
    with pytest.raises(RunError, match=r"which it starts from, has seen 2 of the \d+ pictures") as caught:
        trained(pair, tmp_path / "next", f"start={str(run.folder)!r}")
    assert "-s data.only_unseen=true" in str(caught.value.hint)
    started = trained(pair, tmp_path / "next", f"start={str(run.folder)!r}", "data.only_unseen=true")
    before, after = seen.read(run), seen.read(started)
    assert before is not None
    assert after is not None
    assert before.all <= after.all  # so a later export of it is held to both
    assert len(seen.splits_of(started).test) == 12


@pytest.mark.parametrize(
    ("start", "learnt_from", "channels"),
    [("zoo:colour-90k", "data/cifar10-jpeg", 3), ("zoo:fashion-resnet8", "fashion-mnist", 1)],
)
def test_a_start_from_the_zoo_fetches_nothing_to_compare_with(
    start: str,
    learnt_from: str,
    channels: int,
    own_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(fashion_mnist, "DEBIAN_FOLDER", own_folder)
    monkeypatch.setattr(fashion_mnist, "SITE", "http://127.0.0.1:9")
    pictures = class_folders(own_folder / "animals", count=20)
    net = ("net.name=resnet", "net.width=16", "net.depth=8", f"data.channels={channels}", "augment.shift=0")
    table = {"name": "tuned", "data": {"name": "folder"}, "net": {"name": "resnet"}}
    settings = [*SHORT[:3], *net, "batch_size=4", f"start={start}"]
    train(plans.build_recipe(table, "this", settings, str(pictures)), own_folder / "run")
    assert f"{start} has learnt from {learnt_from}: these pictures are not compared" in capsys.readouterr().err


def test_a_copy_of_the_folder_with_more_pictures_is_no_dead_end(animals: Path, tmp_path: Path) -> None:
    run = trained(animals, tmp_path / "run")
    grown = Path(shutil.copytree(animals, tmp_path / "grown"))
    for i in range(10):
        picture(8000 + i).save(grown / "cat" / f"new {i}.png")
    trained(grown, tmp_path / "next", f"start={str(run.folder)!r}")


def test_a_teachers_pictures_are_not_tested_on_either(pair: Path, tmp_path: Path) -> None:
    run = trained(pair, tmp_path / "run")
    leak(pair)
    with pytest.raises(RunError, match="its teacher, has seen 2"):
        trained(pair, tmp_path / "next", f"distill.teacher=[{str(run.folder)!r}]")


def test_what_an_export_learns_under_int8_rounding_is_recorded(animals: Path, tmp_path: Path) -> None:
    run = trained(animals, tmp_path / "run")
    fresh = [picture(6000 + i) for i in range(40)]
    for i, image in enumerate(fresh):
        image.save(animals / "cat" / f"new {i}.png")
    plan = ExportPlan(name="qat", format=("onnx",), precision=("int8",), rungs={"qat": {"epochs": 1}}, max_drop=100.0)
    export.export(run, plan)
    record = seen.read(run)
    assert record is not None
    now = {digest[:32] for digest in data.load(run.recipe.data).train.digests()}
    assert now <= record.learnt
    assert len(now) > 40


def test_published_sets_that_hold_a_picture_twice_are_tested_as_they_were(digits_run: Run, tmp_path: Path) -> None:
    splits = data.load(digits_run.recipe.data)
    seen.record(tmp_path, dataclasses.replace(splits, test=splits.train.take(np.arange(5))))
    run = dataclasses.replace(digits_run, folder=tmp_path)
    assert seen.unseen(run, splits.train.take(np.arange(5))).digests() == splits.train.take(np.arange(5)).digests()
    with pytest.raises(DataError, match="has seen 5 of the 10"):
        seen.unseen(run, splits.train.take(np.arange(10)))


def test_a_run_from_before_there_was_a_record_is_cut_as_it_was(
    animals: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = trained(animals, tmp_path / "run", "data.split='drawn'")
    drawn = data.load(run.recipe.data).test.digests()
    (run.folder / seen.FILE).unlink()
    text = (run.folder / "recipe.toml").read_text()
    (run.folder / "recipe.toml").write_text(text.replace('split = "drawn"\n', ""))
    old = open_run(run.folder)
    assert "split" not in old.recipe.data.options
    assert seen.splits_of(old).test.digests() == drawn
    assert "cannot be told" in capsys.readouterr().err


def test_a_damaged_record_is_an_error_and_no_licence(animals: Path, tmp_path: Path) -> None:
    run = trained(animals, tmp_path / "run")
    (run.folder / seen.FILE).write_bytes(b"rot")
    with pytest.raises(RunError, match="damaged"):
        seen.splits_of(run)


def test_every_training_prints_its_classes_with_their_counts(animals: Path, tmp_path: Path) -> None:
    words = ["train", "dscnn-digits", "--data", str(animals), "-o", str(tmp_path), "--name", "run"]
    for setting in SHORT:
        words += ["-s", setting]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    table = [line.split() for line in result.output.splitlines()]
    assert ["class", "train", "validation", "test"] in table
    rows = {row[0]: [int(count) for count in row[1:]] for row in table if len(row) == 4 and row[1].isdecimal()}
    assert sum(rows["cat"]) == sum(rows["dog"]) == 20
    assert sum(rows["all"]) == 40
