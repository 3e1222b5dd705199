"""Distillation beyond one's own data set: a teacher of another size, and pictures without a class."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from data_samples import class_folders
from photo_folders import photograph
from PIL import Image
from torch import nn

from edgecnn import data
from edgecnn.errors import DataError, PlanError, RunError
from edgecnn.nets import device
from edgecnn.pipeline.export import check
from edgecnn.pipeline.train import pictures, seen
from edgecnn.pipeline.train.distillation import Teacher
from edgecnn.pipeline.train.train import train
from edgecnn.records import plans
from edgecnn.records.recipe import Recipe
from edgecnn.records.run import Run

SHORT = ("epochs=2", "num_threads=1", "precision=fp32", "batch_size=4", "net.width=8", "net.depth=1", "augment.shift=0")


@pytest.fixture(scope="module")
def birds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classes with a test split of their own."""
    root = tmp_path_factory.mktemp("data") / "birds"
    class_folders(root / "train", ("hen", "owl"), count=12)
    class_folders(root / "test", ("hen", "owl"), count=3, seed=500)
    return root


@pytest.fixture(scope="module")
def teacher(birds: Path) -> Run:
    return train(recipe(birds, "data.size=12"), birds.parent / "runs" / "teacher")


@pytest.fixture
def others(tmp_path: Path) -> Path:
    """Eight pictures of anything, in folders as they came."""
    folder = tmp_path / "others"
    (folder / "phone").mkdir(parents=True)
    for seed in range(8):
        photograph(7000 + seed).save(folder / "phone" / f"{seed}.png")
    return folder


def recipe(birds: Path, *overrides: str) -> Recipe:
    return plans.load_recipe("dscnn-digits", (*SHORT, "data.channels=3", *overrides), str(birds))


def student(birds: Path, teacher: Run, *overrides: str) -> Recipe:
    return recipe(birds, "data.size=8", f"distill.teacher={str(teacher.folder)!r}", *overrides)


def test_a_teacher_of_another_size_sees_each_picture_in_its_own(birds: Path, teacher: Run) -> None:
    plan = student(birds, teacher, "distill.weight=1.0")
    assert plan.distill is not None
    splits = data.load(plan.data)
    classes = splits.train.classes
    asked = Teacher(plan.distill, (3, 8, 8), classes, device.CPU, pictures.load(plan.data, splits))
    asked.ask("student", mirrored=True)
    images = data.load(teacher.recipe.data).train.load_all()
    mirrored = torch.arange(len(images)) % 2 == 1
    known = asked.known(torch.arange(len(images)), mirrored)
    assert known is not None
    shown = np.where(mirrored[:, None, None, None].numpy(), images[:, :, ::-1], images)
    expected = torch.from_numpy(check.reference_logits(teacher, shown))
    torch.testing.assert_close(
        asked.logits(torch.zeros(len(images), 3, 8, 8), 0, 1, known), expected, rtol=1e-3, atol=1e-3
    )


def test_a_student_of_another_size_learns_what_its_teacher_says(birds: Path, teacher: Run, tmp_path: Path) -> None:
    def apart(run: Run) -> float:
        ours, theirs = (
            torch.from_numpy(check.reference_logits(each, data.load(each.recipe.data).train.load_all()))
            for each in (run, teacher)
        )
        return float(F.kl_div(ours.log_softmax(1), theirs.log_softmax(1), reduction="batchmean", log_target=True))

    longer = ("epochs=15", "augment.flip=true", "optim.label_smoothing=0.0")
    taught = train(student(birds, teacher, "distill.weight=1.0", *longer), tmp_path / "taught")
    alone = train(recipe(birds, "data.size=8", *longer), tmp_path / "alone")
    assert apart(taught) < apart(alone)


def test_a_teacher_of_other_classes_stays_refused(teacher: Run, tmp_path: Path) -> None:
    elsewhere = class_folders(tmp_path / "elsewhere", ("hen", "wren"), count=8, seed=9000)
    with pytest.raises(RunError, match="other pictures or classes"):
        train(student(elsewhere, teacher), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_pictures_without_a_class_are_learnt_from_and_no_test_picture_is(
    birds: Path, teacher: Run, others: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(birds / "test" / "hen" / "000.png", others / "phone" / "copy.png")
    with Image.open(birds / "test" / "hen" / "001.png") as asked:
        asked.resize((60, 60)).save(others / "phone" / "larger.png")
    (others / "broken.jpg").write_bytes(b"\xff\xd8 no picture")
    (others / "raw.cr2").write_bytes(b"raw")
    told = (f"data.unlabelled={str(others)!r}", "epochs=1")
    plain = train(student(birds, teacher, "epochs=1"), tmp_path / "plain")
    capsys.readouterr()
    run = train(student(birds, teacher, *told), tmp_path / "run")
    said = " ".join(capsys.readouterr().err.split())
    assert "left out 1 .cr2" in said
    assert "left out 1 of 11 pictures that cannot be read" in said
    assert "left out 2 of 11 pictures that are copies of pictures held out" in said
    assert "8 without a class" in said
    assert run.weights_sha256 != plain.weights_sha256
    learnt = seen.read(run)
    before = seen.read(plain)
    assert learnt is not None
    assert before is not None
    assert len(learnt.learnt - before.learnt) == 8
    assert learnt.chosen_by == before.chosen_by
    digests = {digest[:32] for digest in data.load(run.recipe.data).test.digests()}
    assert not digests & learnt.all


def test_what_is_learnt_of_them_is_the_teachers_logits_alone(birds: Path, teacher: Run) -> None:
    plan = student(birds, teacher, "distill.weight=0.5").distill
    assert plan is not None
    asked = Teacher(plan, (3, 12, 12), teacher.labels)
    logits, taught = torch.randn(2, 5, 2, generator=torch.Generator().manual_seed(0))
    alone = torch.full((5,), 7.0)
    none = asked.loss(logits, taught, alone, torch.zeros(5, dtype=torch.bool))
    assert none.item() == pytest.approx(asked.loss(logits, taught, torch.tensor(0.0)).item() * 2, rel=1e-5)
    every = asked.loss(logits, taught, alone, torch.ones(5, dtype=torch.bool))
    assert every.item() == pytest.approx(asked.loss(logits, taught, torch.tensor(7.0)).item(), rel=1e-5)


def test_a_kill_changes_nothing(birds: Path, teacher: Run, others: Path, tmp_path: Path) -> None:
    told = student(birds, teacher, f"data.unlabelled={str(others)!r}", "augment.flip=true")

    class Killed(BaseException):
        pass

    def kill(epoch: int, net: nn.Module) -> None:
        if epoch == 1:
            raise Killed

    parts = student(birds, teacher, f"data.unlabelled={str(others)!r}", "data.larger=1.5", "augment.resized_crop=0.5")
    assert len(train(parts, tmp_path / "parts").labels) == 2
    whole = train(told, tmp_path / "whole")
    with pytest.raises(Killed):
        train(told, tmp_path / "killed", watch=kill)
    photograph(99).save(others / "one_more.png")
    with pytest.raises(RunError, match="have changed"):
        train(told, tmp_path / "killed", resume=True)
    (others / "one_more.png").unlink()
    assert train(told, tmp_path / "killed", resume=True).weights_sha256 == whole.weights_sha256


def test_pictures_without_a_class_need_a_teacher_and_a_folder(birds: Path, teacher: Run, tmp_path: Path) -> None:
    with pytest.raises(PlanError, match="for what a teacher knows"):
        recipe(birds, "data.unlabelled=somewhere")
    with pytest.raises(PlanError, match="do not have"):
        student(birds, teacher, "data.unlabelled=somewhere", "augment.mixup=0.2")
    with pytest.raises(DataError, match="There is no folder"):
        train(student(birds, teacher, f"data.unlabelled={str(tmp_path / 'nowhere')!r}"), tmp_path / "run")
    only_test = tmp_path / "only"
    shutil.copytree(birds / "test" / "hen", only_test)
    with pytest.raises(DataError, match="all are left out"):
        train(student(birds, teacher, f"data.unlabelled={str(only_test)!r}"), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_the_teacher_waits_until_the_head_has_learnt(birds: Path, teacher: Run, others: Path, tmp_path: Path) -> None:
    started = ("learn=head-then-all", "head_epochs=1", "epochs=1", f"start={str(teacher.folder)!r}")
    told = student(birds, teacher, *started, f"data.unlabelled={str(others)!r}", "augment.flip=true")
    assert train(told, tmp_path / "run").start_sha256 == teacher.weights_sha256
