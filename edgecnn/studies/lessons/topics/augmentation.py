"""Augmentation: what each change of the training pictures gains, and a guard that finds harmful ones.

A change that preserves the label adds training pictures for free (Simard, Steinkraus and Platt, 2003, ICDAR); one that
turns a 6 into a 9 teaches wrong labels. Which changes are harmful depends on the classes: a mirrored coat is a coat,
but a mirrored left arrow is a right one. It is measured (`guard`): nets trained without any change classify changed
validation pictures.
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
from edgecnn.studies.lessons import LessonResult, Setting, estimates, guard, predictions
from edgecnn.studies.lessons import curves as _curves
from edgecnn.studies.lessons.guard import CHANGES, ShownSwap, Swap
from edgecnn.studies.lessons.training import trained

TITLE = "Validation accuracy with and without each augmentation, and which classes a change turns into others"

HARMLESS = ("shift by 1", "a tenth brighter")
SIDEWAYS = ("left", "right")
ASKED = (("digits", "half turn", "6", "9"), ("digits", "mirror", "2", "5"), ("arrows", "mirror", "left", "right"))
"""(data, change, two classes) that are always reported, whether or not the guard finds them."""


def measure(setting: Setting) -> LessonResult:
    seeds = range(1 if setting.quick else 3)
    plans = augmentations(setting.quick)
    runs = {
        name: [trained(recipe(name, plan, setting.quick, seed), setting.runs) for seed in seeds]
        for name, plan in plans.items()
    }
    validation = seen.splits_of(runs["none"][0]).validation
    hits = {name: [_hits(run, validation) for run in ran] for name, ran in runs.items()}
    top1 = {name: estimates.share(f"validation top-1, {name}", correct) for name, correct in hits.items()}
    ahead = {
        name: estimates.lead(f"{name} ahead of none", hits[name], hits["none"]) for name in plans if name != "none"
    }

    guarded = {name: trained(plan, setting.runs) for name, plan in guarded_recipes(setting.quick).items()}
    shown = {name: ShownSwap(run) for name, run in guarded.items()}
    swaps = {name: {change: net.swaps(change) for change in CHANGES} for name, net in shown.items()}
    directions = [(name, change, *pair) for name, change, *both in ASKED for pair in (both, both[::-1])]
    confusions = {key: shown[key[0]].called(*key[1:]) for key in directions}

    mirrored = trained(
        replace(guarded["arrows"].recipe, name="arrows-mirrored", augment=AugmentPlan(flip=True)), setting.runs
    )
    arrows = shown["arrows"].split
    sideways = arrows.take(np.flatnonzero(np.isin(arrows.labels, [arrows.classes.index(name) for name in SIDEWAYS])))
    plain_hits, mirrored_hits = ([_hits(run, sideways)] for run in (guarded["arrows"], mirrored))
    harm = estimates.lead("left and right arrows, trained with mirrors, ahead of without", mirrored_hits, plain_hits)

    curves, tables = "augmentation.png", "augmentation-guard.png"
    _draw_curves(runs, top1, setting.folder / curves)
    _draw_guard(shown, setting.folder / tables)
    return LessonResult(
        numbers=(
            *top1.values(),
            *ahead.values(),
            *confusions.values(),
            *_counts(swaps),
            estimates.share("left and right arrows right, trained without mirrors", plain_hits),
            estimates.share("left and right arrows right, trained with mirrors", mirrored_hits),
            harm,
        ),
        claims=(
            *(
                Claim(
                    expected=f"{name.capitalize()} raises validation accuracy.",
                    measured=f"Ahead of no augmentation by {estimates.text(gain)}.",
                    holds=estimates.is_above(gain),
                )
                for name, gain in ahead.items()
            ),
            *_guard_claims(swaps, confusions),
            Claim(
                expected="Trained with the change the guard warns of, the net can no longer tell those classes.",
                measured=f"Left and right arrows, trained with mirrors, ahead of without: {estimates.text(harm)}.",
                holds=estimates.opposite(estimates.is_above(harm)),
            ),
        ),
        pictures={
            curves: "Validation accuracy against epoch with and without each augmentation",
            tables: "What a net trained without the change calls the classes once the pictures are changed",
        },
        settings={
            "recipe": estimates.settings(runs["none"][0].recipe),
            "augmentations": {name: {key: getattr(plan, key) for key in plan.used()} for name, plan in plans.items()},
            "guarded": {name: estimates.settings(run.recipe) for name, run in guarded.items()},
            "seeds": len(seeds),
        },
    )


def augmentations(quick: bool) -> dict[str, AugmentPlan]:
    """Return each augmentation alone, in a strength that fits the pictures; the digits data set forbids mirroring."""
    if quick:
        return {
            "none": AugmentPlan(),
            "shift": AugmentPlan(shift=1),
            "cutout": AugmentPlan(cutout=2),
            "jitter": AugmentPlan(jitter=0.2),
        }
    return {
        "none": AugmentPlan(),
        "flip": AugmentPlan(flip=True),
        "shift": AugmentPlan(shift=2),
        "cutout": AugmentPlan(cutout=8),
        "jitter": AugmentPlan(jitter=0.2),
    }


def recipe(name: str, plan: AugmentPlan, quick: bool, seed: int) -> Recipe:
    """Return a recipe with few pictures, to leave room for gains: 4 % of Fashion-MNIST, or 300 digits if quick."""
    net = {"width": 16, "stages": 2, "depth": 1} if quick else {"width": 32, "stages": 2, "depth": 2, "stem_stride": 2}
    few = DataPlan(name="digits", validation=0.3, fraction=0.3)
    return Recipe(
        name=f"{name.replace(' ', '-')}-{seed}",
        data=few if quick else DataPlan(name="fashion-mnist", validation=0.05, fraction=0.04),
        net=NetPlan(name="dscnn", options=net),
        optim=OptimPlan(lr=0.01),
        augment=plan,
        epochs=15 if quick else 10,
        batch_size=32,
        seed=seed,
        num_threads=1,
        precision="fp32",
    )


def guarded_recipes(quick: bool) -> dict[str, Recipe]:
    """Return the recipes of the guard's nets, without augmentation: digits, and arrows in four directions."""
    arrows = {
        "count": 1600 if quick else 6000, "test": 10, "task": "direction", "size": 16, "smallest": 8, "largest": 14,
        "clutter": 0.2,
    }  # fmt: skip
    common = {"optim": OptimPlan(lr=0.01), "num_threads": 1, "precision": "fp32"}
    return {
        "digits": Recipe(
            name="digits",
            data=DataPlan(name="digits", validation=0.4),
            net=NetPlan(name="dscnn", options={"width": 16, "stages": 2, "depth": 1}),
            epochs=15 if quick else 30,
            batch_size=32,
            **common,  # type: ignore[arg-type]
        ),
        "arrows": Recipe(
            name="arrows",
            data=DataPlan(name="shapes", validation=0.3, options=arrows),
            net=NetPlan(name="dscnn", options={"width": 16, "stages": 3, "depth": 1}),
            epochs=6,
            batch_size=32,
            **common,  # type: ignore[arg-type]
        ),
    }


def _hits(run: Run, split: Split) -> npt.NDArray[np.bool_]:
    correct: npt.NDArray[np.bool_] = predictions.float_classes(run, split.load_all()) == split.labels
    return correct


def _counts(swaps_by_data: Mapping[str, Mapping[str, Sequence[Swap]]]) -> list[Number]:
    return [
        Number(name=f"{name}, {change}: pairs of classes that go over to each other", value=len(pairs), unit="")
        for name, by_change in swaps_by_data.items()
        for change, pairs in by_change.items()
    ]


def _guard_claims(
    swaps: Mapping[str, Mapping[str, Sequence[Swap]]], confusions: Mapping[tuple[str, ...], Number]
) -> tuple[Claim, ...]:
    def pairs(data_name: str, change: str) -> list[set[str]]:
        return [{swap.first, swap.second} for swap in swaps[data_name][change]]

    def ways(data_name: str, change: str, first: str, second: str) -> str:
        forth, back = confusions[data_name, change, first, second], confusions[data_name, change, second, first]
        shares = [estimates.text(share, False) for share in (forth, back)]
        return f"{first} called {second} {shares[0]}; {second} called {first} {shares[1]}"

    def words(data_name: str, changes: Sequence[str]) -> str:
        parts = [
            f"{change}: {', '.join(f'{swap.first} and {swap.second}' for swap in swaps[data_name][change]) or 'none'}"
            for change in changes
        ]
        return "; ".join(parts)

    return (
        Claim(
            expected="The guard finds that a half turn makes a 6 a 9 and a 9 a 6.",
            measured=f"Digits that go over to each other, {words('digits', ['half turn'])}; "
            f"{ways('digits', 'half turn', '6', '9')}.",
            holds={"6", "9"} in pairs("digits", "half turn"),
        ),
        Claim(
            expected="It confirms what the digits' list says: mirrored, a 2 reads as a 5.",
            measured=f"Digits that go over to each other, {words('digits', ['mirror', 'upside down'])}; "
            f"{ways('digits', 'mirror', '2', '5')}.",
            holds={"2", "5"} in pairs("digits", "mirror"),
        ),
        Claim(
            expected="Where no list warns, it finds that a mirror swaps left and right, and nothing else.",
            measured=f"Arrows that go over to each other, {words('arrows', ['mirror', 'upside down', 'half turn'])}.",
            holds=pairs("arrows", "mirror") == [set(SIDEWAYS)],
        ),
        Claim(
            expected="It warns of no change that leaves the label as it is.",
            measured="; ".join(f"{name}, {words(name, HARMLESS)}" for name in swaps) + ".",
            holds=not any(swaps[name][change] for name in swaps for change in HARMLESS),
        ),
    )


def _draw_curves(runs: Mapping[str, Sequence[Run]], top1: Mapping[str, Number], path: Path) -> None:
    figure, (left, right) = plotting.panels(2)
    colours = ("black", *plotting.COLOURS)
    for position, ((name, ran), colour) in enumerate(zip(runs.items(), colours, strict=False)):
        _curves.draw(left, ran, "validation_top1_percent", name, color=colour)
        plotting.with_intervals(right, [position], [top1[name]], name, color=colour, marker="o")
    _curves.dress(left, "validation top-1, %")
    best = max(accuracy.value for accuracy in top1.values())
    left.set_ylim(best - 25, best + 3)
    left.legend(frameon=False, fontsize="small")
    right.set_xticks(range(len(top1)), list(top1))
    right.set(ylabel="validation top-1 at the end, %", xlim=(-0.5, len(top1) - 0.5))
    right.grid(alpha=0.3)
    plotting.save(figure, path)


def _draw_guard(shown: Mapping[str, ShownSwap], path: Path) -> None:
    figure, rows = plotting.panels(4, len(shown), width=12, height=3.2)
    for (name, net), row in zip(shown.items(), rows, strict=True):
        classes = net.split.classes
        for axes, change in zip(row, ("as they are", "mirror", "upside down", "half turn"), strict=True):
            table = guard.shares(net.split.labels, net.after.get(change, net.before), len(classes))
            axes.imshow(table, cmap="Blues", vmin=0, vmax=100)
            axes.set_xticks(range(len(classes)), classes)
            axes.set_yticks(range(len(classes)), classes)
            axes.set_title(f"{name}, {change}", fontsize="medium")
            size = "medium" if len(classes) <= 4 else "x-small"
            for (i, j), value in np.ndenumerate(table):
                if value >= 0.5:
                    colour = "white" if value > 55 else "black"
                    axes.text(j, i, f"{value:.0f}", ha="center", va="center", color=colour, fontsize=size)
        row[0].set_ylabel("class")
    for axes in rows[-1]:
        axes.set_xlabel("called, % of the class")
    plotting.save(figure, path)
