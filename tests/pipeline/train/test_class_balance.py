"""Classes of very different numbers of pictures: what the loss and the draw make of them, and what is said."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import photo_folders
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from edgecnn.checks.evaluate import evaluate, score, show
from edgecnn.common import stats
from edgecnn.data import Split
from edgecnn.errors import PlanError
from edgecnn.pipeline.export import export
from edgecnn.pipeline.train import class_balance
from edgecnn.pipeline.train.train import train
from edgecnn.records import evaluation, labels, plans
from edgecnn.records.evaluation import ClassScore
from edgecnn.records.plans import ExportPlan
from edgecnn.records.recipe import DataPlan, NetPlan, OptimPlan, Recipe

COUNTS = st.lists(st.integers(1, 40), min_size=2, max_size=6)


def split_of(counts: list[int]) -> Split:
    numbers = np.repeat(np.arange(len(counts)), counts)
    images = np.zeros((len(numbers), 1, 1, 1), np.uint8)
    return Split(images, numbers, tuple(map(str, range(len(counts)))))


@given(COUNTS)
def test_weights_make_every_class_count_alike_and_are_one_on_average(counts: list[int]) -> None:
    weights = class_balance.weights(split_of(counts))
    shares = weights * torch.tensor(counts)
    assert torch.allclose(shares, shares[0].expand_as(shares))
    assert float(shares.sum()) == pytest.approx(sum(counts))


def test_the_weighted_loss_of_an_epoch_is_the_mean_of_the_classes_losses() -> None:
    training = split_of([30, 6, 3])
    numbers = torch.from_numpy(training.labels)
    logits = torch.randn(39, 3, generator=torch.Generator().manual_seed(0)).double()
    targets = F.one_hot(numbers, 3).double()
    weighted = F.cross_entropy(logits, targets, weight=class_balance.weights(training))
    each = F.cross_entropy(logits, numbers, reduction="none")
    assert float(weighted) == pytest.approx(float(torch.stack([each[numbers == k].mean() for k in range(3)]).mean()))


def test_a_balanced_draw_shows_all_classes_as_often_by_the_generator_alone() -> None:
    training = split_of([900, 90, 10])
    drawn, again = (class_balance.order(training, "balanced", torch.Generator().manual_seed(4)) for _ in range(2))
    assert np.array_equal(drawn, again)
    assert len(drawn) == 1000
    assert np.bincount(training.labels[drawn]) == pytest.approx([1000 / 3] * 3, abs=60)
    shuffled = class_balance.order(training, "shuffled", torch.Generator().manual_seed(4))
    assert np.array_equal(np.sort(shuffled), np.arange(1000))


def test_both_at_once_would_count_rare_classes_twice() -> None:
    with pytest.raises(PlanError, match="both balance the classes"):
        plans.load_recipe("dscnn-digits", ["data.sampling=balanced", "optim.class_weights=balanced"])


def test_other_data_keep_how_they_are_drawn() -> None:
    recipe = plans.load_recipe("dscnn-digits", ["data.sampling=balanced"])
    assert recipe.data.sampling == "balanced"


@pytest.mark.parametrize(
    ("counts", "words"),
    [([12, 120], "from 12 to 120"), ([10, 29], ""), ([10, 30], "from 10 to 30"), ([0, 0], ""), ([], "")],
)
def test_counts_are_called_uneven_from_three_times_on(counts: list[int], words: str) -> None:
    assert labels.uneven(counts) == words


@given(COUNTS, st.randoms(use_true_random=False))
def test_balanced_accuracy_is_the_mean_recall_within_its_interval(counts: list[int], random: object) -> None:
    rows = [
        ClassScore(label=str(k), recall=stats.wilson(random.randint(0, n), n), precision=None)  # type: ignore[attr-defined]
        for k, n in enumerate(counts)
    ]
    mean, low, high = evaluation.balanced_accuracy([*rows, ClassScore(label="none", recall=None, precision=None)])
    assert mean == pytest.approx(np.mean([row.recall.percent for row in rows if row.recall]))
    assert -1e-9 <= low <= mean <= high <= 100 + 1e-9
    assert low < high


def test_the_interval_of_a_balanced_accuracy_holds_it_about_as_often_as_it_says() -> None:
    """Classes of 100, 20 and 8 pictures, recalled with 0.9, 0.8 and 0.6: 2,000 test splits."""
    rng = np.random.default_rng(0)
    counts, shares = [100, 20, 8], [0.9, 0.8, 0.6]
    held = 0
    for _ in range(2000):
        correct = [int(rng.binomial(n, p)) for n, p in zip(counts, shares, strict=True)]
        table = np.diag(correct)
        table[[0, 1, 2], [1, 2, 0]] = np.array(counts) - correct
        _, low, high = evaluation.balanced_accuracy(score.class_scores(table, ("a", "b", "c")))
        held += int(low <= 100 * np.mean(shares) <= high)
    assert 0.93 < held / 2000 < 0.985


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Recipe:
    """Few photographs, most of them of one class, in the test split as well."""
    folder, seed = tmp_path_factory.mktemp("uneven"), 0
    for place, count in (("train/daisy", 4), ("train/poppy", 12), ("test/daisy", 2), ("test/poppy", 8)):
        (folder / place).mkdir(parents=True)
        for _ in range(count):
            photo_folders.photograph(seed := seed + 1).save(folder / place / f"{seed}.png")
    return Recipe(
        name="uneven",
        data=DataPlan(name="folder", options={"path": str(folder), "size": 8}),
        net=NetPlan(name="dscnn", options={"width": 8, "stages": 1, "depth": 1}),
        epochs=2, batch_size=4, num_threads=1, precision="fp32",
    )  # fmt: skip


@pytest.fixture(autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "uneven-cache"))


@pytest.mark.parametrize(
    ("balanced", "sentence"),
    [
        ({}, "so the rare ones count little"),
        ({"optim": OptimPlan(class_weights="balanced")}, "classes count alike: their weights in the loss are 0."),
        ({"data": "balanced"}, "classes are drawn equally often"),
    ],
)
def test_a_training_says_what_it_makes_of_uneven_classes_and_resumes_exactly(
    balanced: dict[str, object], sentence: str, recipe: Recipe, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    if "data" in balanced:
        recipe = dataclasses.replace(recipe, data=dataclasses.replace(recipe.data, sampling="balanced"))
    else:
        recipe = dataclasses.replace(recipe, **balanced)  # type: ignore[arg-type]
    whole = train(recipe, tmp_path / "whole")
    assert sentence in capfd.readouterr().err

    def kill(epoch: int, net: torch.nn.Module) -> None:
        if epoch == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(recipe, tmp_path / "killed", watch=kill)
    assert train(recipe, tmp_path / "killed", resume=True).weights_sha256 == whole.weights_sha256


def test_an_evaluation_shows_the_balanced_accuracy_of_uneven_classes(
    recipe: Recipe, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = train(recipe, tmp_path / "run")
    export.export(run, ExportPlan(name="t", format=("onnx",), precision=("fp32", "int8"), max_drop=100.0))
    calibrated = (run.folder / "artifacts" / "calibration.json").read_text()
    evaluated = evaluate.evaluate(run.folder)
    show.show(evaluated)
    said = capsys.readouterr().out
    counts = [scored.recall.n for scored in evaluated.files[0].classes if scored.recall]
    assert ("balanced accuracy" in said) == bool(labels.uneven(counts))
    assert labels.uneven(counts)
    recalls = [scored.recall.percent for scored in evaluated.files[0].classes if scored.recall]
    assert evaluated.files[0].balanced_percent == pytest.approx(np.mean(recalls))
    balanced = dataclasses.replace(recipe, optim=OptimPlan(class_weights="balanced"))
    other = train(balanced, tmp_path / "other")
    again = export.export(other, ExportPlan(name="t", format=("onnx",), precision=("int8",), max_drop=100.0))
    assert (other.folder / "artifacts" / "calibration.json").read_text() == calibrated
    assert len(again) == 1
