"""A duel: equal budgets, equal tuning, and a kill that changes nothing."""

from __future__ import annotations

import dataclasses
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecnn import data, nets
from edgecnn.common import config
from edgecnn.data._cut import stratified
from edgecnn.errors import PlanError, RunError, UsageError
from edgecnn.nets import budget
from edgecnn.records import plans
from edgecnn.records.run import open_run
from edgecnn.studies import findings
from edgecnn.studies.duel import duel, families, plot
from edgecnn.studies.duel import runs as trainings
from edgecnn.studies.duel.plan import DuelPlan, check, epochs
from edgecnn.studies.findings import Cell, Contender, Duel

SMALL = ("epochs=3", "net.width=8", "net.depth=1", "batch_size=64")
COMMAND = "edgecnn duel dscnn-digits"


def plan(**changes: object) -> DuelPlan:
    recipe = plans.load_recipe("dscnn-digits", SMALL)
    asked = {"fractions": (0.3, 1.0), "repeats": 2, "trials": 1, "trial_fraction": 0.3, "min_steps": 20, **changes}
    return config.build(DuelPlan, {"recipe": recipe, **asked}, "duel")


@pytest.fixture(scope="session")
def digits_duel(tmp_path_factory: pytest.TempPathFactory) -> tuple[Duel, Path]:
    """All three families on the digits; tests must not change its folder."""
    folder = tmp_path_factory.mktemp("duel")
    return duel.run(plan(), folder, COMMAND), folder


def lasting(cell: Cell) -> Cell:
    """A cell without what a clock said."""
    return dataclasses.replace(cell, train_seconds=0.0)


def settled(contender: Contender) -> tuple[object, ...]:
    """Return the fields of a contender that no clock and no memory decides."""
    return (
        contender.net,
        contender.optim,
        contender.augment,
        contender.trials,
        contender.bytes,
        contender.int8_top1_percent,
        contender.precision,
        contender.params,
    )


def test_a_duel_is_read_back_as_it_was_written(digits_duel: tuple[Duel, Path]) -> None:
    result, folder = digits_duel
    assert findings.read(Duel, folder / duel.RESULT) == dataclasses.replace(
        result, settings=json.loads(json.dumps(result.settings))
    )
    assert (folder / duel.PICTURE).read_bytes().startswith(b"\x89PNG")


def test_every_family_is_trained_on_every_share_as_often_as_asked(digits_duel: tuple[Duel, Path]) -> None:
    result, folder = digits_duel
    assert [contender.family for contender in result.contenders] == ["dscnn", "mlp", "vit"]
    assert {(cell.family, cell.fraction, len(cell.top1_percents)) for cell in result.cells} == {
        (family, fraction, 2) for family in ("dscnn", "mlp", "vit") for fraction in (0.3, 1.0)
    }
    for family in ("dscnn", "mlp", "vit"):
        small, large = (data.load(open_run(folder / "runs" / f"{family}-{f}-1").recipe.data) for f in ("0.3", "1"))
        assert set(small.train_indices) < set(large.train_indices)
        assert len(small.train) == next(cell.pictures for cell in result.cells if cell.fraction == 0.3)


def test_two_repeats_differ_in_seed_and_in_pictures(digits_duel: tuple[Duel, Path]) -> None:
    runs = [open_run(digits_duel[1] / "runs" / f"dscnn-0.3-{repeat}") for repeat in (0, 1)]
    assert [run.recipe.seed for run in runs] == [0, 1]
    first, second = (set(data.load(run.recipe.data).train_indices) for run in runs)
    assert first != second


def test_accuracy_is_that_of_the_kept_net_on_the_whole_test_split(digits_duel: tuple[Duel, Path]) -> None:
    result, folder = digits_duel
    from edgecnn.nets.inference import logits

    run = open_run(folder / "runs" / "mlp-1-1")
    test = data.load(run.recipe.data).test
    correct = logits(nets.restore(run), test.load_all(), run.mean, run.std).argmax(1).numpy() == test.labels
    cell = next(cell for cell in result.cells if (cell.family, cell.fraction) == ("mlp", 1.0))
    assert cell.top1_percents[1] == pytest.approx(100 * correct.mean())


def test_all_contenders_cost_the_same_within_five_percent(digits_duel: tuple[Duel, Path]) -> None:
    result, _ = digits_duel
    assert result.budget_value == result.contenders[0].params
    for contender in result.contenders:
        assert contender.params == pytest.approx(result.budget_value, rel=budget.TOLERANCE)
        assert contender.budget_ratio == pytest.approx(contender.params / result.budget_value)


def test_a_file_with_float_operators_is_never_called_int8(digits_duel: tuple[Duel, Path]) -> None:
    result, _ = digits_duel
    for contender in result.contenders:
        assert (contender.precision == "int8") == (contender.float_operators == 0)
    vit = result.contenders[2]
    assert vit.precision == "int8-mixed"
    assert any("int8-mixed, not int8" in sentence and "vit" in sentence for sentence in result.sentences)


def test_every_file_has_latency_memory_and_accuracy(digits_duel: tuple[Duel, Path]) -> None:
    for contender in digits_duel[0].contenders:
        assert contender.p50_low_ms is not None
        assert contender.p50_ms is not None
        assert contender.p50_high_ms is not None
        assert 0 < contender.p50_low_ms <= contender.p50_ms <= contender.p50_high_ms
        assert contender.peak_rss_bytes
        assert contender.test_n == 359


def test_what_is_printed_fits_eighty_columns_and_holds_every_sentence(
    digits_duel: tuple[Duel, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    duel.show(digits_duel[0])
    shown = capsys.readouterr()
    assert max(map(len, shown.out.splitlines())) <= 80
    for sentence in digits_duel[0].sentences:
        assert sentence in " ".join(shown.out.split())
    assert shown.err == ""


def test_a_duel_that_is_asked_for_again_trains_nothing_again(digits_duel: tuple[Duel, Path]) -> None:
    result, folder = digits_duel
    before = {path: path.stat().st_mtime_ns for path in folder.glob("runs/*/*")}
    again = duel.run(plan(), folder, COMMAND)
    assert {path: path.stat().st_mtime_ns for path in folder.glob("runs/*/*")} == before
    assert dataclasses.replace(again, date=result.date) == result


def test_another_duel_in_the_same_folder_is_refused(digits_duel: tuple[Duel, Path]) -> None:
    with pytest.raises(RunError, match=r"dscnn-trial-1 holds a run of another duel"):
        duel.run(plan(min_steps=40), digits_duel[1], COMMAND)


def test_a_duel_killed_in_a_training_ends_with_the_results_of_one_that_was_not(
    digits_duel: tuple[Duel, Path], tmp_path: Path
) -> None:
    asked = plan(families=("dscnn", "mlp"))
    script = (
        "import sys\nfrom pathlib import Path\n"
        "from edgecnn.records import plans\nfrom edgecnn.studies.duel import duel\n"
        "from edgecnn.studies.duel.plan import DuelPlan\n"
        f"plan = DuelPlan(recipe=plans.load_recipe('dscnn-digits', {SMALL!r}), families=('dscnn', 'mlp'), "
        f"fractions={asked.fractions!r}, repeats=2, trials=1, trial_fraction=0.3, min_steps=20)\n"
        "duel.run(plan, Path(sys.argv[1]), 'edgecnn duel')"
    )
    process = subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], stderr=subprocess.DEVNULL)
    begun = tmp_path / "runs" / "dscnn-1-0" / "checkpoint.pt"
    while not begun.exists():
        assert process.poll() is None
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert not (begun.parent / "run.json").exists()
    assert not (tmp_path / duel.RESULT).exists()

    resumed, whole = duel.run(asked, tmp_path, COMMAND), digits_duel[0]
    kept = [lasting(cell) for cell in whole.cells if cell.family != "vit"]
    assert [lasting(cell) for cell in resumed.cells] == kept
    assert [settled(contender) for contender in resumed.contenders] == [
        settled(contender) for contender in whole.contenders[:2]
    ]
    assert resumed.crossovers == tuple(crossover for crossover in whole.crossovers if "vit" not in crossover.sentence)


def test_a_training_in_a_process_of_its_own_ends_with_the_same_weights(
    digits_duel: tuple[Duel, Path], tmp_path: Path
) -> None:
    here = open_run(digits_duel[1] / "runs" / "mlp-0.3-1")
    with trainings.claimed(tmp_path) as lock:
        (there,) = trainings.finish([here.recipe], tmp_path / "runs", 2, "training", lock)
    assert there is not None
    assert there.weights.read_bytes() == here.weights.read_bytes()


def test_two_duels_do_not_share_a_folder(tmp_path: Path) -> None:
    with (
        trainings.claimed(tmp_path),
        pytest.raises(RunError, match="Another duel, or a training it left behind, is at work"),
        trainings.claimed(tmp_path),
    ):
        pass
    with trainings.claimed(tmp_path):
        pass


@given(st.integers(1, 100_000), st.integers(1, 2000), st.sampled_from([2, 32, 128]), st.integers(1, 50))
def test_every_training_has_its_least_steps_and_never_fewer_epochs_than_the_recipe(
    pictures: int, min_steps: int, batch_size: int, least: int
) -> None:
    recipe = dataclasses.replace(plan().recipe, batch_size=batch_size, epochs=least)
    steps_per_epoch = max(1, pictures // batch_size)
    planned = epochs(recipe, pictures, min_steps)
    assert planned >= least
    assert planned * steps_per_epoch >= min_steps
    assert planned == least or (planned - 1) * steps_per_epoch < min_steps


@pytest.mark.parametrize("by", ["params", "macs"])
@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32), (1, 8, 8)])
def test_every_family_is_scaled_to_within_five_percent(by: str, shape: tuple[int, int, int]) -> None:
    recipe = plans.load_recipe("dscnn-digits", ["net.width=32"])
    target = budget.cost(recipe.net, shape, 10, by)
    for family in ("dscnn", "mlp", "vit"):
        net = families.fit(family, recipe, shape, 10, target, by)
        assert budget.cost(net, shape, 10, by) == pytest.approx(target, rel=budget.TOLERANCE)


def test_more_trials_begin_with_the_same_ones_and_vary_rate_augmentation_and_decay() -> None:
    recipe = plans.load_recipe("dscnn-fashion")
    for family in ("dscnn", "mlp", "vit"):
        grid = families.settings(family, recipe, 12)
        assert list(families.settings(family, recipe, 4)) == list(grid[:4])
        assert len({repr(trial) for trial in grid}) == 12
        assert {trial.augment.used() for trial in grid} == {("flip", "shift"), ()}
    assert families.settings("dscnn", recipe, 1)[0].optim == recipe.optim
    with pytest.raises(PlanError, match="The grid of mlp has 12 settings, not 13"):
        families.settings("mlp", recipe, 13)


def test_a_vit_gets_the_smallest_patch_that_leaves_at_most_64_tokens() -> None:
    recipe = plans.load_recipe("dscnn-fashion")
    patches = {
        side: families.start("vit", recipe, (1, side, side), 10, 80_000, "params").options["patch"]
        for side in (8, 28, 32, 64, 224)
    }
    assert patches == {8: 2, 28: 4, 32: 4, 64: 8, 224: 28}
    with pytest.raises(PlanError, match="No square patch cuts 97 x 89 pixels"):
        families.start("vit", recipe, (1, 97, 89), 10, 80_000, "params")


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"fractions": (0.1, 1.5)}, r"the fraction 1.5 should lie above 0"),
        ({"fractions": ()}, r"the fraction 0 should lie above 0"),
        ({"families": ("dscnn",)}, "at least two different families"),
        ({"families": ("dscnn", "dscnn")}, "at least two different families"),
        ({"repeats": 0}, "repeats = 0 should be at least 1"),
        ({"budget": "joules"}, "budget cannot be 'joules'"),
        ({"board": ()}, "a duel needs a board"),
    ],
)
def test_a_plan_that_cannot_be_is_refused(changes: dict[str, object], sentence: str) -> None:
    with pytest.raises(PlanError, match=sentence):
        plan(**changes)


def test_what_cannot_be_trained_is_refused_before_any_work(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="There is no net named 'vlt'"):
        duel.run(plan(families=("dscnn", "vlt")), tmp_path / "duel", COMMAND)
    with pytest.raises(PlanError, match="'mlp-digits' is itself scaled to 'dscnn-digits'"):
        check(DuelPlan(recipe=plans.load_recipe("mlp-digits")))
    with pytest.raises(UsageError, match="cannot train 0 nets at a time"):
        duel.run(plan(), tmp_path / "duel", COMMAND, jobs=0)
    with pytest.raises(PlanError, match="'flip' does not fit 'digits'"):
        duel.run(DuelPlan(recipe=plans.load_recipe("dscnn-digits", ["augment.flip=true"])), tmp_path / "duel", COMMAND)
    with pytest.raises(PlanError, match="The grid of dscnn has 12 settings, not 50"):
        duel.run(plan(trials=50), tmp_path / "duel", COMMAND)
    assert not (tmp_path / "duel").exists()


def test_a_generated_data_set_is_duelled_past_sixty_thousand_pictures() -> None:
    """Only the plan: its shares, epochs and nets; training on as many is not for a test."""
    recipe = plans.load_recipe("dscnn-digits", ["data.name=shapes", "data.count=70_000"])
    asked = DuelPlan(recipe=recipe)
    labels = np.arange(70_000, dtype=np.int64) % 10
    assert recipe.data.options["count"] == 70_000
    assert epochs(recipe, int(stratified(labels, 0.01, 0).sum()), asked.min_steps) == 100


def test_the_picture_without_times_has_no_panel_of_them(digits_duel: tuple[Duel, Path], tmp_path: Path) -> None:
    from matplotlib.image import imread

    untimed = tuple(dataclasses.replace(contender, p50_ms=None) for contender in digits_duel[0].contenders)
    plot.draw(dataclasses.replace(digits_duel[0], contenders=untimed), tmp_path / "untimed.png")
    plot.draw(digits_duel[0], tmp_path / "timed.png")
    assert imread(tmp_path / "untimed.png").shape == imread(tmp_path / "timed.png").shape
    assert (tmp_path / "untimed.png").read_bytes() != (tmp_path / "timed.png").read_bytes()
