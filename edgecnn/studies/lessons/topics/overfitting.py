"""Overfitting: when validation loss begins to rise with few pictures, and what each remedy does about it.

If a net has more weights than pictures, its training loss goes on falling after the loss on unseen pictures has begun
to rise (Goodfellow, Bengio and Courville, 2016, Deep Learning, section 5.2). Each remedy changes one thing of the same
training: more pictures, augmentation, weight decay, dropout (Srivastava et al., 2014, JMLR 15:1929), fewer weights, or
stopping where validation was best (Prechelt, 1998, "Early Stopping - But When?").
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgecnn.common import plotting
from edgecnn.data import Split
from edgecnn.pipeline.train import seen
from edgecnn.records.recipe import AugmentPlan, DataPlan, NetPlan, OptimPlan, Recipe
from edgecnn.records.run import Run
from edgecnn.studies.findings import Claim, Number
from edgecnn.studies.lessons import LessonResult, Setting, curves, estimates, training

TITLE = "Few pictures and no augmentation: where validation turns, and what each remedy does to it"

NOTHING, STOPPED = "no remedy", "early stop"
REMEDIES = ("more data", "augmentation", "weight decay", "dropout", "smaller net")

SEEDS = 3

Hits = npt.NDArray[np.bool_]


def measure(setting: Setting) -> LessonResult:
    seeds = range(SEEDS)
    runs = {
        name: [training.trained_and_kept(recipe(name, setting.quick, seed), setting.runs) for seed in seeds]
        for name in (NOTHING, *REMEDIES)
    }
    test = seen.splits_of(runs[NOTHING][0]).test
    hits = {name: [hits_at(run, run.recipe.epochs, test) for run in ran] for name, ran in runs.items()}
    turns = [turning_epoch(run) for run in runs[NOTHING]]
    hits[STOPPED] = [hits_at(run, turn, test) for run, turn in zip(runs[NOTHING], turns, strict=True)]
    losses = {name: [curves.curve(run, "validation_loss")[-1] for run in ran] for name, ran in runs.items()}
    losses[STOPPED] = [min(curves.curve(run, "validation_loss")) for run in runs[NOTHING]]

    epochs = runs[NOTHING][0].recipe.epochs
    turn = estimates.number("epoch of the lowest validation loss, no remedy", turns, "")
    left = estimates.number("epochs after the lowest validation loss, no remedy", [epochs - turn for turn in turns], "")
    rise = estimates.number(
        "validation loss, last epoch less its lowest, no remedy",
        [last - lowest for last, lowest in zip(losses[NOTHING], losses[STOPPED], strict=True)],
        "nats",
    )
    gap = {
        name: estimates.number(
            f"validation less training loss at the end, {name}",
            [loss - curves.curve(run, "train_loss")[-1] for loss, run in zip(losses[name], runs[name], strict=True)],
            "nats",
        )
        for name in runs
    }
    top1 = {name: estimates.share(f"test top-1, {name}", correct) for name, correct in hits.items()}
    ahead = {
        name: estimates.lead(f"test top-1, {name} ahead of no remedy", hits[name], hits[NOTHING])
        for name in (*REMEDIES, STOPPED)
    }
    lower = {
        name: estimates.number(
            f"validation loss at the end, no remedy less {name}",
            [before - after for before, after in zip(losses[NOTHING], losses[name], strict=True)],
            "nats",
        )
        for name in (*REMEDIES, STOPPED)
    }
    picture = "overfitting.png"
    _draw(runs, top1, turn, setting.folder / picture)
    return LessonResult(
        numbers=(turn, left, rise, *gap.values(), *top1.values(), *ahead.values(), *lower.values()),
        claims=(
            Claim(
                expected="Validation loss turns and rises while training loss still falls.",
                measured=f"Lowest in epoch {estimates.text(turn, signed=False)}, of {epochs}; "
                f"from there to the end {estimates.text(rise)}.",
                holds=estimates.all_of([estimates.is_above(left), estimates.is_above(rise)]),
            ),
            *(
                Claim(
                    expected=f"{remedy.capitalize()} lowers the validation loss and raises the accuracy.",
                    measured=f"Validation loss lower by {estimates.text(lower[remedy], signed=False)}; "
                    f"test top-1 {estimates.text(ahead[remedy])}.",
                    holds=estimates.all_of([estimates.is_above(lower[remedy]), estimates.is_above(ahead[remedy])]),
                )
                for remedy in (*REMEDIES, STOPPED)
            ),
        ),
        pictures={picture: "Training and validation loss against epoch without and with each remedy, and test top-1"},
        settings={
            "recipe": estimates.settings(runs[NOTHING][0].recipe),
            "remedies": {name: _changed(runs[name][0].recipe, runs[NOTHING][0].recipe) for name in REMEDIES},
            "pictures": {name: round(len(seen.splits_of(ran[0]).train)) for name, ran in runs.items()},
            "seeds": len(seeds),
        },
    )


def recipe(remedy: str, quick: bool, seed: int) -> Recipe:
    """Return the recipe of a remedy: on a fiftieth of Fashion-MNIST, or on 200 shapes of 16 x 16 pixels if quick."""
    if quick:
        shapes = {"count": 1000, "test": 500, "size": 16, "smallest": 8, "largest": 14, "clutter": 0.2}
        plan, width, small = DataPlan(name="shapes", validation=0.2, fraction=0.25, options=shapes), 24, 8
        net = {"width": width, "stages": 2, "depth": 1}
    else:
        plan, width, small = DataPlan(name="fashion-mnist", validation=0.02, fraction=0.02), 32, 8
        net = {"width": width, "stages": 2, "depth": 2, "stem_stride": 2}
    plain = Recipe(
        name=f"{remedy.replace(' ', '-')}-{seed}",
        data=replace(plan, fraction_seed=seed),
        net=NetPlan(name="dscnn", options=net),
        optim=OptimPlan(lr=0.01, weight_decay=0.0, warmup=0.1),
        epochs=12 if quick else 24,
        batch_size=16 if quick else 32,
        seed=seed,
        num_threads=1,
        precision="fp32",
    )
    more = replace(plain.data, fraction=4 * plan.fraction)
    changes = {
        NOTHING: {},
        "more data": {"data": more, "epochs": plain.epochs // 4},  # the number of steps stays equal
        "augmentation": {"augment": AugmentPlan(flip=True, shift=2, cutout=4 if quick else 8)},
        "weight decay": {"optim": replace(plain.optim, weight_decay=0.5)},
        "dropout": {"net": NetPlan(name="dscnn", options={**net, "dropout": 0.5})},
        "smaller net": {"net": NetPlan(name="dscnn", options={**net, "width": small})},
    }
    return replace(plain, **changes[remedy])  # type: ignore[arg-type]


def turning_epoch(run: Run) -> int:
    """Return the epoch, from 1, after which validation loss was lowest."""
    return 1 + int(np.argmin(curves.curve(run, "validation_loss")))


def hits_at(run: Run, epoch: int, test: Split) -> Hits:
    """Return whether the net after `epoch` classifies each test picture correctly, (N,)."""
    from edgecnn.nets.inference import logits

    answers = logits(training.at_epoch(run, epoch), test.load_all(), run.mean, run.std).argmax(1).numpy()
    correct: Hits = answers == test.labels
    return correct


def _changed(remedy: Recipe, plain: Recipe) -> dict[str, object]:
    before = estimates.settings(plain)
    return {key: value for key, value in estimates.settings(remedy).items() if value != before[key]}


def _draw(runs: Mapping[str, Sequence[Run]], top1: Mapping[str, Number], turn: Number, path: Path) -> None:
    figure, grid = plotting.panels(4, 2, width=13, height=3.0)
    panels = grid.ravel()
    untreated = runs[NOTHING]
    for axes, (name, ran) in zip(panels, runs.items(), strict=False):
        if name != NOTHING:
            axes.sharey(panels[0])
            axes.plot(range(1, untreated[0].recipe.epochs + 1), curves.mean(untreated, "validation_loss"), color="0.7")
        curves.draw(axes, ran, "train_loss", "training", "--", color=plotting.BLUE)
        curves.draw(axes, ran, "validation_loss", "validation", color=plotting.VERMILION)
        axes.set_title(name)
        curves.dress(axes, "loss, nats", is_log=True)
    panels[0].axvline(turn.value, color="black", linewidth=0.8, linestyle=":", label="validation turns")
    panels[0].legend(frameon=False, fontsize="small")
    for axes in panels[len(runs) :]:
        axes.remove()
    last = figure.add_subplot(grid[1, 2].get_gridspec()[1, 2:])
    for position, (name, accuracy) in enumerate(top1.items()):
        plotting.with_intervals(last, [position], [accuracy], name, color=plotting.BLUE, marker="o")
    last.set_xticks(range(len(top1)), [name.replace(" ", "\n") for name in top1], fontsize="small")
    last.set(ylabel="test top-1, %")
    last.grid(alpha=0.3)
    plotting.save(figure, path)
