"""Distillation: a student that sees its teacher's logits follows them, and a teacher of other pictures is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from edgecnn import data
from edgecnn.errors import RunError
from edgecnn.pipeline.export import check
from edgecnn.pipeline.train.distillation import Teacher
from edgecnn.pipeline.train.train import train
from edgecnn.records import plans
from edgecnn.records.recipe import DistillPlan, Recipe
from edgecnn.records.run import Run

SHORT = ("epochs=3", "num_threads=1", "precision=fp32", "net.width=8", "net.depth=1")
LONGER = ("epochs=10", "net.width=16", "optim.label_smoothing=0.0")


def recipe(*overrides: str) -> Recipe:
    return plans.load_recipe("dscnn-digits", (*SHORT, *overrides))


def test_the_teacher_sees_its_students_pixels_in_its_own_normalisation(digits_run: Run) -> None:
    images = data.load(digits_run.recipe.data).test.images[:16]
    teacher = Teacher(DistillPlan(teacher=(str(digits_run.folder),)), (1, 8, 8), digits_run.labels)
    mean, std = 17.0, 41.0  # not the teacher's
    inputs = (torch.from_numpy(images).float().permute(0, 3, 1, 2) - mean) / std
    expected = check.reference_logits(digits_run, images)
    np.testing.assert_allclose(teacher.logits(inputs, mean, std), expected, rtol=1e-3, atol=1e-3)


def test_of_two_teachers_the_mean_of_their_logits_is_learnt(digits_run: Run, tmp_path: Path) -> None:
    other = train(recipe("epochs=1"), tmp_path / "other")
    images = data.load(digits_run.recipe.data).test.images[:16]
    both = Teacher(DistillPlan(teacher=(str(digits_run.folder), str(other.folder))), (1, 8, 8), digits_run.labels)
    inputs = torch.from_numpy(images).float().permute(0, 3, 1, 2)
    expected = (check.reference_logits(digits_run, images) + check.reference_logits(other, images)) / 2
    np.testing.assert_allclose(both.logits(inputs, 0.0, 1.0), expected, rtol=1e-3, atol=1e-3)


def test_the_loss_is_the_labels_at_no_weight_and_nothing_for_a_perfect_student(digits_run: Run) -> None:
    teacher = Teacher(DistillPlan(teacher=(str(digits_run.folder),), weight=1.0), (1, 8, 8), digits_run.labels)
    logits = torch.randn(5, 10, generator=torch.Generator().manual_seed(0))
    assert teacher.loss(logits, logits, torch.tensor(3.0)).item() == pytest.approx(0, abs=1e-6)
    other = torch.randn(5, 10, generator=torch.Generator().manual_seed(1))
    half = Teacher(DistillPlan(teacher=(str(digits_run.folder),), weight=0.5), (1, 8, 8), digits_run.labels)
    whole = teacher.loss(logits, other, torch.tensor(3.0)).item()
    assert half.loss(logits, other, torch.tensor(3.0)).item() == pytest.approx((3.0 + whole) / 2)
    t = 4.0
    by_hand = (F.softmax(other / t, 1) * (F.log_softmax(other / t, 1) - F.log_softmax(logits / t, 1))).sum(1).mean()
    assert whole == pytest.approx(t * t * by_hand.item(), rel=1e-4)


def test_a_student_agrees_more_with_its_teacher_than_one_without(digits_run: Run, tmp_path: Path) -> None:
    images = data.load(digits_run.recipe.data).test.load_all()
    taught = check.reference_logits(digits_run, images)

    def distance(run: Run) -> float:
        own = torch.from_numpy(check.reference_logits(run, images))
        return float(F.kl_div(own.log_softmax(1), torch.from_numpy(taught).softmax(1), reduction="batchmean"))

    student = recipe(f"distill.teacher={str(digits_run.folder)!r}", "distill.weight=1.0", *LONGER)
    alone = recipe(*LONGER)
    assert distance(train(student, tmp_path / "student")) < distance(train(alone, tmp_path / "alone"))


def test_a_teacher_of_other_pictures_is_refused_before_anything_is_written(digits_run: Run, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="other pictures"):
        Teacher(DistillPlan(teacher=(str(digits_run.folder),)), (3, 32, 32), digits_run.labels)
    with pytest.raises(RunError, match="no run folder"):
        train(recipe("distill.teacher='/nowhere'"), tmp_path / "run")
    assert not (tmp_path / "run").exists()
