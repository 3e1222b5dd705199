"""Training: reproducible, resumable after a kill, and it never looks at the test split."""

from __future__ import annotations

import csv
import dataclasses
import io
import itertools
import json
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from machines import AVX2, ZEN_4

from edgecnn import data, nets
from edgecnn.common import files
from edgecnn.errors import GateFailed, PlanError, RunError
from edgecnn.pipeline.train import checkpoint, optimizer, resources, train_step
from edgecnn.pipeline.train.checkpoint import Epoch
from edgecnn.pipeline.train.loop import RISING_EPOCHS, overfits
from edgecnn.pipeline.train.optimizer import learning_rate
from edgecnn.pipeline.train.resources import Facts
from edgecnn.pipeline.train.train import train
from edgecnn.pipeline.train.train_step import TrainContext
from edgecnn.records import plans
from edgecnn.records.recipe import DataPlan, OptimPlan, Recipe
from edgecnn.records.run import Run, Taken, open_run

SHORT = ("epochs=2", "num_threads=1", "precision=fp32", "net.width=8", "net.depth=1")


def recipe(*overrides: str) -> Recipe:
    return plans.load_recipe("dscnn-digits", (*SHORT, *overrides))


def test_a_short_run_learns_the_digits(digits_run: Run) -> None:
    assert digits_run.validation_top1_percent > 85
    assert digits_run.input_shape == (1, 8, 8)


def test_a_run_folder_holds_all_that_the_next_step_reads(digits_run: Run) -> None:
    names = {path.name for path in digits_run.folder.iterdir()}
    assert {"recipe.toml", "run.json", "model.safetensors", "metrics.csv", "environment.json", "curves.png"} <= names
    assert "checkpoint.pt" not in names
    assert open_run(digits_run.folder) == digits_run
    assert (digits_run.folder / "curves.png").read_bytes().startswith(b"\x89PNG")
    with (digits_run.folder / "metrics.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [int(row["epoch"]) for row in rows] == list(range(1, digits_run.recipe.epochs + 1))


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(tmp_path: Path) -> None:
    first = train(recipe(), tmp_path / "a").weights.read_bytes()
    assert train(recipe(), tmp_path / "b").weights.read_bytes() == first
    assert train(recipe("seed=1"), tmp_path / "c").weights.read_bytes() != first


def test_training_does_not_disturb_the_callers_random_numbers(tmp_path: Path) -> None:
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    train(recipe("epochs=1"), tmp_path / "run")
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize("optim", ["sgd", "adam", "adamw"])
def test_a_run_killed_in_the_middle_of_an_epoch_resumes_to_the_same_bits(tmp_path: Path, optim: str) -> None:
    settings = (
        "epochs=6",
        "net.dropout=0.2",
        "optim.ema=0.98",
        f"optim.name={optim}",
        "optim.lr=0.01",
        "optim.bias_lr=4.0",
        "augment.cutmix=1.0",
        "small.side=0.75",
    )
    whole = train(recipe(*settings), tmp_path / "whole")

    killed = tmp_path / "killed"
    changes = itertools.chain.from_iterable(("-s", setting) for setting in (*SHORT, *settings))
    command = [sys.executable, "-m", "edgecnn", "train", "dscnn-digits", *changes, "--output", str(tmp_path)]
    process = subprocess.Popen([*command, "--name", "killed"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not (killed / "checkpoint.pt").exists():
        assert process.poll() is None
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert not (killed / "run.json").exists()

    done = (killed / "metrics.csv").read_text().count("\n") - 1
    assert 1 <= done < 6
    resumed = train(plans.load_recipe(str(killed / "recipe.toml")), killed, resume=True)
    assert resumed.weights.read_bytes() == whole.weights.read_bytes()


def test_resuming_before_the_first_checkpoint_starts_anew(tmp_path: Path) -> None:
    whole = train(recipe(), tmp_path / "whole")
    early = tmp_path / "early"
    early.mkdir()
    (early / "recipe.toml").write_text((whole.folder / "recipe.toml").read_text())
    assert train(recipe(), early, resume=True).weights.read_bytes() == whole.weights.read_bytes()


def test_a_checkpoint_of_another_recipe_is_refused_and_the_difference_named(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "recipe.toml").write_text(plans.dump(recipe()))
    with pytest.raises(RunError, match="another recipe: optim differ"):
        train(recipe("optim.lr=0.5"), folder, resume=True)


OLD, NEW = (dataclasses.replace(machine, cpus=(0,)) for machine in (AVX2, ZEN_4))
"""One core each: two threads of tiny kernels cost more than they bring."""


def taken_of(machine: Facts, folder: Path, *overrides: str, resume: bool = False) -> Taken:
    """Train on that machine and return the resources that were taken."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(resources, "here", lambda: machine)
        run = train(recipe("precision=auto", "num_threads=auto", *overrides), folder, resume)
    assert run.training == open_run(folder).training
    assert run.training
    return run.training


def stopped(machine: Facts, folder: Path, *overrides: str) -> None:
    """A training on that machine that was ended after its first epoch."""

    def end(epoch: int, _: torch.nn.Module) -> None:
        if epoch:
            raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(resources, "here", lambda: machine)
        with pytest.raises(KeyboardInterrupt):
            train(recipe("precision=auto", "num_threads=auto", *overrides), folder, watch=end)


def test_a_run_tells_what_it_took_of_its_machine_and_its_recipe_does_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for machine, precision in ((OLD, "fp32"), (NEW, "bf16")):
        taken = taken_of(machine, tmp_path / precision, "epochs=1")
        assert (taken.precision, taken.num_threads, taken.device, taken.isa) == (
            precision, 1, "cpu", machine.isa,
        )  # fmt: skip
        assert f", {precision} on cpu with 1 thread" in capsys.readouterr().err
        written = plans.load_recipe(str(tmp_path / precision / "recipe.toml"))
        assert (written.precision, written.num_threads, written.device) == ("auto", "auto", "auto")
    weights = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("fp32", "bf16")]
    assert weights[0] != weights[1]


def test_a_resume_on_another_cpu_keeps_the_precision_and_says_that_bits_may_differ(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stopped(NEW, tmp_path / "run")
    capsys.readouterr()
    taken = taken_of(OLD, tmp_path / "run", resume=True)
    said = capsys.readouterr().err
    assert (taken.precision, taken.isa) == ("bf16", "AVX2")
    assert said.count("bits may differ") == 1
    assert "8 to 14 times slower" in said


def test_a_resume_where_it_began_ends_with_the_bits_of_a_run_that_was_not_stopped(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    taken_of(NEW, tmp_path / "whole")
    stopped(NEW, tmp_path / "run")
    taken_of(NEW, tmp_path / "run", resume=True)
    weights = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("whole", "run")]
    assert weights[0] == weights[1]
    assert "bits may differ" not in capsys.readouterr().err


def test_a_resume_may_name_another_precision_and_the_threads(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stopped(NEW, tmp_path / "run")
    before = (tmp_path / "run" / "recipe.toml").read_text()
    taken = taken_of(NEW, tmp_path / "run", "precision=fp32", "num_threads=1", resume=True)
    assert (taken.precision, taken.why_num_threads) == ("fp32", "asked for")
    assert "so far in bf16 on cpu with 1 thread (" in capsys.readouterr().err
    assert (tmp_path / "run" / "recipe.toml").read_text() == before


def test_a_resume_that_names_nothing_takes_what_the_run_was_begun_with(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "recipe.toml").write_text(plans.dump(recipe("precision=bf16", "num_threads=1", "epochs=1")))
    taken = taken_of(OLD, folder, "epochs=1", resume=True)
    assert (taken.precision, taken.why_precision) == ("bf16", "asked for")
    assert taken.why_num_threads == "asked for"


def test_a_run_from_before_this_was_written_down_loads(digits_run: Run, tmp_path: Path) -> None:
    shutil.copytree(digits_run.folder, tmp_path / "old")
    facts = json.loads((tmp_path / "old" / "run.json").read_text())
    del facts["training"]
    (tmp_path / "old" / "run.json").write_text(json.dumps(facts | {"device": "cpu"}))
    assert open_run(tmp_path / "old") == dataclasses.replace(digits_run, folder=tmp_path / "old", training=None)


def test_a_broken_checkpoint_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "recipe.toml").write_text(plans.dump(recipe()))
    (folder / "checkpoint.pt").write_bytes(b"PK\x03\x04 cut short")
    with pytest.raises(RunError, match=r"checkpoint\.pt is not a checkpoint"):
        train(recipe(), folder, resume=True)


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, bytes]:
    """A training that ended after its first epoch, and the weights it would have had."""

    class PowerCut(Exception):
        pass

    def cut(epoch: int, _net: object) -> None:
        if epoch == 1:
            raise PowerCut

    folder = tmp_path_factory.mktemp("begun") / "run"
    with pytest.raises(PowerCut):
        train(recipe(), folder, watch=cut)
    return folder, train(recipe(), folder.with_name("whole")).weights.read_bytes()


@given(place=st.integers(0, 10**6), bit=st.integers(0, 7))
@settings(max_examples=40)
def test_a_checkpoint_with_a_flipped_bit_is_never_resumed(begun: tuple[Path, bytes], place: int, bit: int) -> None:
    content = bytearray((begun[0] / "checkpoint.pt").read_bytes())
    content[place % len(content)] ^= 1 << bit
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(shutil.copytree(begun[0], Path(scratch, "run")))
        (folder / "checkpoint.pt").write_bytes(content)
        with pytest.raises(RunError, match=r"checkpoint\.pt is not a checkpoint of this run"):
            train(recipe(), folder, resume=True)


def test_a_checkpoint_from_before_its_digest_goes_on_unless_its_checksums_differ(
    begun: tuple[Path, bytes], tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(begun[0], tmp_path / "run"))
    content = (folder / "checkpoint.pt").read_bytes()
    old = content[len(checkpoint.MAGIC) + 32 :]
    assert old.startswith(b"PK")
    middle = len(old) // 2
    (folder / "checkpoint.pt").write_bytes(old[:middle] + bytes([old[middle] ^ 64]) + old[middle + 1 :])
    with pytest.raises(RunError, match="is not a checkpoint of this run: it is damaged"):
        train(recipe(), folder, resume=True)
    (folder / "checkpoint.pt").write_bytes(old)
    assert train(recipe(), folder, resume=True).weights.read_bytes() == begun[1]


def test_a_checkpoint_that_names_the_learning_rates_scale_as_it_once_was_goes_on(
    begun: tuple[Path, bytes], tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(begun[0], tmp_path / "run"))
    content = (folder / "checkpoint.pt").read_bytes()[len(checkpoint.MAGIC) + 32 :]
    table = torch.load(io.BytesIO(content), weights_only=True)
    for group in table["optimizer"]["param_groups"]:
        group["times"] = group.pop("lr_scale")
    torch.save(table, folder / "checkpoint.pt")
    assert train(recipe(), folder, resume=True).weights.read_bytes() == begun[1]


def test_a_run_knows_the_digest_of_its_weights(digits_run: Run) -> None:
    assert digits_run.weights_sha256 == files.sha256(digits_run.weights)
    assert open_run(digits_run.folder).weights_sha256 == digits_run.weights_sha256


def test_of_two_trainings_into_one_name_one_is_told_who_the_other_is(tmp_path: Path) -> None:
    words = [
        "train",
        "dscnn-digits",
        *(word for setting in SHORT for word in ("-s", setting)),
        "--output",
        str(tmp_path),
    ]
    command = [sys.executable, "-m", "edgecnn", *words, "--name", "run"]
    both = [
        subprocess.Popen([*command, "-s", f"seed={seed}"], stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for seed in (1, 2)
    ]
    ends = [(process.communicate()[1], process.returncode) for process in both]
    assert sorted(code for _, code in ends) == [0, RunError.exit_code]
    (refusal,) = (said for said, code in ends if code)
    assert "Another training is at work" in refusal or "holds a run already" in refusal
    winner = 1 + next(i for i, (_, code) in enumerate(ends) if code == 0)
    run = open_run(tmp_path / "run")
    assert run.recipe.seed == winner
    alone = train(dataclasses.replace(run.recipe, seed=winner), tmp_path / "alone")
    assert alone.weights.read_bytes() == run.weights.read_bytes()


def test_a_finished_run_is_not_trained_over(digits_run: Run) -> None:
    before = digits_run.weights.read_bytes()
    with pytest.raises(RunError, match="holds a run already"):
        train(digits_run.recipe, digits_run.folder)
    assert train(digits_run.recipe, digits_run.folder, resume=True) == digits_run
    assert digits_run.weights.read_bytes() == before


def test_training_never_looks_at_the_test_split(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    splits = data.load(recipe().data)

    class Untouchable:
        """A test split that shows its labels and digests, and nothing more."""

        labels, digests = splits.test.labels, splits.test.digests

        def __getattr__(self, name: str) -> object:
            raise AssertionError(f"training read test.{name}")

    blind = dataclasses.replace(splits, test=Untouchable())  # type: ignore[arg-type]
    monkeypatch.setattr(data, "load", lambda plan: blind)
    train(recipe("epochs=1"), tmp_path / "run")


def test_an_augmentation_the_labels_do_not_survive_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PlanError, match="'flip' does not fit 'digits'"):
        train(recipe("augment.flip=true"), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_loss_that_is_no_number_stops_the_training(tmp_path: Path) -> None:
    with pytest.raises(GateFailed, match=r"The training loss became (nan|inf) in epoch 1"):
        train(recipe("optim.name=sgd", "optim.lr=1e30"), tmp_path / "run")
    assert not (tmp_path / "run" / "model.safetensors").exists()


def test_bf16_and_every_augmentation_train(tmp_path: Path) -> None:
    run = train(recipe("precision=bf16", "augment.cutout=2", "augment.jitter=0.2", "epochs=1"), tmp_path / "run")
    assert run.validation_n == len(data.load(run.recipe.data).validation)


def test_baselines_cost_what_the_cnn_costs(tmp_path: Path, digits_run: Run) -> None:
    for name in ("mlp-digits", "vit-digits"):
        run = train(plans.load_recipe(name, ("epochs=1", "num_threads=1", "precision=fp32")), tmp_path / name)
        assert run.recipe.budget is None
        assert run.params == pytest.approx(digits_run.params, rel=0.05)


@given(st.integers(2, 5000), st.floats(0, 0.9), st.sampled_from(["one-cycle", "cosine"]))
def test_the_learning_rate_rises_to_its_peak_and_falls_to_nothing(steps: int, warmup: float, schedule: str) -> None:
    optim = OptimPlan(lr=0.5, warmup=warmup, schedule=schedule)  # type: ignore[arg-type]
    rates = np.array([learning_rate(optim, step, steps) for step in range(steps)])
    peak = int(rates.argmax())
    assert rates.min() > 0
    assert rates.max() <= 0.5
    assert (np.diff(rates[: peak + 1]) > 0).all()
    assert (np.diff(rates[peak:]) < 0).all()
    assert learning_rate(optim, steps, steps) == pytest.approx(0, abs=1e-12)


@given(st.integers(2, 5000), st.floats(0.001, 0.999))
def test_an_exponential_schedule_falls_by_one_factor_a_step_to_its_end(steps: int, end: float) -> None:
    optim = OptimPlan(lr=0.5, warmup=0.0, schedule="exponential", end=end)
    rates = np.array([learning_rate(optim, step, steps) for step in range(steps + 1)])
    assert rates[0] == 0.5
    assert rates[-1] == pytest.approx(0.5 * end)
    np.testing.assert_allclose(rates[1:] / rates[:-1], end ** (1 / steps))


@pytest.mark.parametrize("setting", ["optim.schedule=exponential", "optim.end=0.1"])
def test_an_exponential_schedule_and_no_other_says_where_it_ends(setting: str) -> None:
    with pytest.raises(PlanError, match="needs an end between 0 and 1"):
        recipe(setting)


def test_adams_weight_decay_is_a_penalty_in_the_loss() -> None:
    def after_one_step(decay: float, penalty: float) -> torch.Tensor:
        torch.manual_seed(0)
        net = torch.nn.Linear(3, 2)
        state = optimizer.fresh_state(net, OptimPlan(name="adam", lr=0.1, weight_decay=decay))
        loss = net(torch.ones(4, 3)).square().sum() + penalty / 2 * net.weight.square().sum()
        loss.backward()
        state.optimizer.step()
        return net.weight.detach()

    torch.testing.assert_close(after_one_step(0.3, 0.0), after_one_step(0.0, 0.3))


@given(st.integers(0, 2**32 - 1), st.integers(1, 40))
def test_pixel_statistics_are_those_of_all_pixels(seed: int, n: int) -> None:
    images = np.random.default_rng(seed).integers(0, 256, (n, 3, 5, 2), dtype=np.uint8)
    mean, std = data.pixel_statistics(images)
    assert mean == round(float(images.mean()))
    assert std == pytest.approx(max(1.0, float(images.astype(np.float64).std())), abs=1e-3)


def history(train_losses: list[float], validation_losses: list[float]) -> list[Epoch]:
    pairs = zip(train_losses, validation_losses, strict=True)
    return [Epoch(i + 1, 0.1, t, 0.0, v, 0.0, 1.0, 1.0) for i, (t, v) in enumerate(pairs)]


def test_overfitting_is_validation_loss_rising_while_training_loss_falls() -> None:
    falling, rising = [4.0, 3.0, 2.0, 1.0], [1.0, 2.0, 3.0, 4.0]
    assert len(falling) - 1 == RISING_EPOCHS
    assert overfits(history(falling, rising))
    assert not overfits(history(falling, falling))
    assert not overfits(history(rising, rising))
    assert not overfits(history(falling[:3], rising[:3]))
    assert not overfits(history(falling, [1.0, 2.0, 3.0, 2.9]))


def test_alternating_flips_show_both_sides_of_every_picture_in_two_epochs() -> None:
    splits = data.load(DataPlan(name="digits"))
    ctx = TrainContext(recipe("augment.flip=true", "augment.alternate=true"), splits.train, 0.0, 1.0, None)
    first, second, third = (train_step.flip_mask(ctx, epoch) for epoch in range(3))
    assert torch.equal(first, ~second)
    assert torch.equal(first, third)
    assert 0.4 < first.float().mean() < 0.6


def test_batch_norms_shifts_alone_learn_at_their_own_rate() -> None:
    net = nets.build(recipe().net, (1, 8, 8), 10)
    state = optimizer.fresh_state(net, OptimPlan(bias_lr=8.0))
    optimizer.set_learning_rate(state.optimizer, 0.5)
    rates = {id(p): group["lr"] for group in state.optimizer.param_groups for p in group["params"]}
    assert len(rates) == len(list(net.parameters()))
    for name, parameter in net.named_parameters():
        assert rates[id(parameter)] == (4.0 if name.endswith("bn.bias") else 0.5)
