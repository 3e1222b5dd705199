"""Receptive field: what a unit can see, what it does see, and what a net cannot learn because its field is too small.

Three 3x3 convolutions see 7 x 7 pixels; strides, pools and dilation widen the field (Araujo, Norris and Sim, 2019,
Distill, "Computing Receptive Fields of Convolutional Neural Networks"; Yu and Koltun, 2016, ICLR, arXiv:1511.07122).
Within it the influence falls off like a Gaussian, so that the effective field is only a share of it, which shrinks like
one over the square root of the depth, and grows in training (Luo, Li, Urtasun and Zemel, 2016, NeurIPS,
arXiv:1701.04128). A net whose evidence lies further apart than its field is wide cannot do better than guess.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgecnn import nets
from edgecnn.common import plotting
from edgecnn.nets import anatomy
from edgecnn.pipeline.train import seen
from edgecnn.records.recipe import DataPlan, NetPlan, OptimPlan, Recipe
from edgecnn.records.run import Run
from edgecnn.studies.findings import Claim, Number
from edgecnn.studies.lessons import LessonResult, Setting, estimates, predictions
from edgecnn.studies.lessons.estimates import text
from edgecnn.studies.lessons.training import trained

if TYPE_CHECKING:
    import torch

TITLE = "The field of a unit: theoretical, effective, and a task whose evidence lies further apart than it"

CHANCE = 50.0
"""Top-1 in percent of guessing between two classes."""
BLIND, SEEING = 55.0, 75.0
"""Top-1 in percent that a net that cannot see must stay below, and that one that can see must exceed."""

HALF, NEAR = -0.5, 0.1
"""The exponent of depth derived for many layers, and the largest deviation that counts as agreement."""


def measure(setting: Setting) -> LessonResult:
    from edgecnn.studies.lessons import fields as _fields

    stacks = {
        "three 3x3": [_fields.Step(3)] * 3,
        "3x3 of stride 2, 3x3": [_fields.Step(3, 2), _fields.Step(3)],
        "3x3, 2x2 pool, 3x3": [_fields.Step(3), _fields.Step(2, 2, is_pool=True), _fields.Step(3)],
        "3x3 of dilation 1, 2, 4": [_fields.Step(3, 1, dilation) for dilation in (1, 2, 4)],
    }
    sides = {
        name: (_fields.theoretical(steps), _fields.measured(_fields.stack(steps), 1, 33))
        for name, steps in stacks.items()
    }
    seeds = range(1 if setting.quick else 3)
    looked = [trained(_looking(setting.quick, seed), setting.runs) for seed in seeds]
    sides["the trained CNN"] = _sides_of(looked[0])
    field = sides["the trained CNN"][0]
    maps = [(_effective(run, fresh=True), _effective(run, fresh=False)) for run in looked]
    before = [100 * _fields.effective_side(fresh) / field for fresh, _ in maps]
    after = [100 * _fields.effective_side(learnt) / field for _, learnt in maps]
    grown = estimates.number("effective field gained by training", _differences(after, before), "pp")
    depths = (4, 8, 16) if setting.quick else (4, 8, 16, 32)
    shares = {depth: [100 * _fields.random_share(depth, seed) for seed in range(5)] for depth in depths}
    fallen = estimates.number(
        f"lost from {depths[0]} to {depths[-1]} layers", _differences(shares[depths[0]], shares[depths[-1]]), "pp"
    )
    near, deep = depths[-2:]
    exponents = [math.log2(b / a) / math.log2(deep / near) for a, b in zip(shares[near], shares[deep], strict=True)]
    exponent = estimates.number(f"exponent of that share in depth, {near} to {deep} layers", exponents, "")
    distances, fields = ((3, 4), (3, 5)) if setting.quick else ((4, 5, 6, 7), (3, 5, 7))
    grid = {
        (side, distance): estimates.share(
            f"top-1, field {side}, evidence {distance} px wide",
            [predictions.hits(trained(_relating(side, distance, setting.quick), setting.runs))],
        )
        for side in fields
        for distance in distances
    }
    blind = [accuracy for (side, distance), accuracy in grid.items() if side < distance]
    seeing = [accuracy for (side, distance), accuracy in grid.items() if side >= distance]
    claims = (
        Claim(
            expected="Three 3x3 convolutions see 7 x 7 pixels.",
            measured="By arithmetic {0} x {0}, by the gradient's support {1} x {1}.".format(*sides["three 3x3"]),
            holds=sides["three 3x3"] == (7, 7),
            exact=True,
        ),
        Claim(
            expected="The arithmetic is right with strides, pools and dilation too.",
            measured="; ".join(f"{name}: {by} and measured {seen}" for name, (by, seen) in sides.items()) + ".",
            holds=all(by == seen for by, seen in sides.values()),
            exact=True,
        ),
        Claim(
            expected="The effective field is a share of the theoretical one that falls with depth.",
            measured=", ".join(
                f"{sum(values) / len(values):.0f} % at {depth} layers" for depth, values in shares.items()
            )
            + ".",
            holds=estimates.is_above(fallen),
        ),
        Claim(
            expected=f"It falls as depth^{HALF:g}.",
            measured=f"From {near} to {deep} layers as depth to the {text(exponent)}; "
            f"less than {NEAR:g} from {HALF:g} is called that.",
            holds=estimates.is_within(estimates.less(exponent, HALF), NEAR),
        ),
        Claim(
            expected="Training widens the effective field.",
            measured=f"Of the theoretical {field} pixels it gains {text(grown)}.",
            holds=estimates.is_above(grown),
        ),
        Claim(
            expected="Evidence wider than the field: the net guesses. Not wider: it learns.",
            measured=f"Top-1 where it is wider {_range(blind)}, where not {_range(seeing)}; chance is {CHANCE:g} %.",
            holds=collapses(blind, seeing),
        ),
    )
    pictures = {
        "receptive-field.png": f"Mean absolute gradient of the centre unit over a picture, and the theoretical field "
        f"of {field} pixels as a square",
        "receptive-field-task.png": "Test top-1 of nets with a field, on evidence of a width; the step is where the "
        "evidence outgrows the field",
    }
    _draw_fields(looked[0], maps[0], field, shares, setting.folder / "receptive-field.png")
    _draw_task(grid, fields, distances, setting.folder / "receptive-field-task.png")
    return LessonResult(
        numbers=(
            *(
                Number(name=f"field of {name}, {kind}", value=value, unit="pixels")
                for name, pair in sides.items()
                for kind, value in zip(("arithmetic", "gradient"), pair, strict=True)
            ),
            *(
                estimates.number(f"effective share of the field, {depth} random layers", values, "%")
                for depth, values in shares.items()
            ),
            fallen,
            exponent,
            estimates.number("effective share of the CNN's field, fresh", before, "%"),
            estimates.number("effective share of the CNN's field, trained", after, "%"),
            grown,
            *grid.values(),
        ),
        claims=claims,
        pictures=pictures,
        settings={
            "effective": {**estimates.settings(looked[0].recipe), "seeds": len(seeds)},
            "task": {
                f"field{side}-distance{distance}": estimates.settings(_relating(side, distance, setting.quick))
                for side, distance in grid
            },
        },
    )


def _looking(quick: bool, seed: int) -> Recipe:
    """Return the recipe of a CNN whose last field is smaller than its pictures."""
    size, count = (16, 1_000) if quick else (32, 5_000)
    sides = {"smallest": size // 3, "largest": size - 4}
    return Recipe(
        name=f"looking-{seed}",
        data=DataPlan(name="shapes", options={"task": "shape", "size": size, "count": count, "test": 500, **sides}),
        net=NetPlan(name="dscnn", options={"width": 16, "stages": 2, "depth": 1 if quick else 3}),
        optim=OptimPlan(lr=0.01),
        epochs=6,
        batch_size=64,
        seed=seed,
        num_threads=1,
        precision="fp32",
    )


def _relating(field: int, distance: int, quick: bool) -> Recipe:
    """Return the recipe of a CNN of stride 1 with a given field, for marks that a square of `distance` pixels holds."""
    depth, kernel = max(1, (field - 3) // 2), 1 if field == 3 else 3
    size, count = (12, 1_500) if quick else (21, 4_000)
    options = {"task": "relation", "distance": distance, "size": size, "count": count, "test": 2_000}
    return Recipe(
        name=f"field{field}-distance{distance}",
        data=DataPlan(name="shapes", options={**options, "smallest": 4, "largest": size - 2}),
        net=NetPlan(name="dscnn", options={"width": 16, "stages": 1, "depth": depth, "kernel": kernel}),
        optim=OptimPlan(lr=0.01),
        epochs=6 if quick else 8,
        batch_size=32 if quick else 64,
        num_threads=1,
        precision="fp32",
    )


def _features(net: Any) -> torch.nn.Module:
    from torch import nn

    return nn.Sequential(net.stem, net.blocks).double()


def _shape(run: Run) -> tuple[int, int, int]:
    return run.input_shape[0], run.input_shape[1], run.input_shape[2]


def _sides_of(run: Run) -> tuple[int, int]:
    """Return the field's side for a CNN's last feature map: (by anatomy, by the gradient)."""
    from edgecnn.studies.lessons import fields as _fields

    net = nets.restore(run)
    known = [layer.receptive_field for layer in anatomy.layers(net, _shape(run)) if layer.receptive_field is not None]
    return known[-1], _fields.measured(_features(net), run.input_shape[0], 3 * known[-1])


def _effective(run: Run, fresh: bool) -> torch.Tensor:
    """Return the gradient (H, W) of the last feature map's centre unit on test pictures, before or after training."""
    import torch

    from edgecnn.pipeline.export import exportable
    from edgecnn.studies.lessons import fields as _fields

    with torch.random.fork_rng():
        torch.manual_seed(run.recipe.seed)
        drawn = nets.build(run.recipe.net, _shape(run), len(run.labels)).eval()
    net = drawn if fresh else nets.restore(run)
    images = seen.splits_of(run).test.images[:100]
    return _fields.effective(_features(net), exportable.normalised(images, run).double())


def _differences(after: Sequence[float], before: Sequence[float]) -> list[float]:
    return [a - b for a, b in zip(after, before, strict=True)]


def collapses(blind: Sequence[Number], seeing: Sequence[Number]) -> bool | None:
    """Return whether every net that cannot see guesses and every net that can does not; None if that cannot be told."""
    verdicts = [estimates.is_above(accuracy, BLIND) is False for accuracy in blind]
    verdicts += [estimates.is_above(accuracy, SEEING) is True for accuracy in seeing]
    contradicted = any(estimates.is_above(accuracy, BLIND) for accuracy in blind)
    contradicted |= any(estimates.is_above(accuracy, SEEING) is False for accuracy in seeing)
    return True if all(verdicts) else False if contradicted else None


def _range(numbers: Sequence[Number]) -> str:
    values = sorted(accuracy.value for accuracy in numbers)
    n = f"(n {numbers[0].n:,} {numbers[0].n_of})"
    return f"{values[0]:.1f} % {n}" if len(values) == 1 else f"{values[0]:.1f} to {values[-1]:.1f} % {n} each"


def _draw_fields(
    run: Run,
    maps: tuple[torch.Tensor, torch.Tensor],
    field: int,
    shares: Mapping[int, Sequence[float]],
    path: Path,
) -> None:
    from matplotlib.patches import Rectangle

    figure, axes = plotting.panels(3, width=10, height=3.3)
    test = seen.splits_of(run).test.load_all()
    side = test.shape[1]
    stride = next(layer.stride for layer in reversed(anatomy.layers(nets.restore(run), _shape(run))) if layer.stride)
    centre = stride * (side // stride // 2) + (stride - 1) / 2
    for panel, gradient, when in zip(axes, maps, ("fresh", "trained"), strict=False):
        panel.imshow(test[0])
        panel.imshow((gradient / gradient.max()).numpy(), cmap="magma", alpha=0.6, vmin=0, vmax=1)
        corner = centre - field / 2
        panel.add_patch(Rectangle((corner, corner), field, field, fill=False, edgecolor=plotting.SKY, linewidth=2))
        panel.set(xticks=(), yticks=(), title=when, xlim=(-0.5, side - 0.5), ylim=(side - 0.5, -0.5))
    depths = list(shares)
    means = [estimates.number("", values, "%") for values in shares.values()]
    plotting.with_intervals(axes[2], depths, means, "random stacks", color=plotting.BLUE, marker="o")
    first = means[0].value * math.sqrt(depths[0])
    axes[2].plot(depths, [first / math.sqrt(depth) for depth in depths], "--", color="0.4", label="depth^-0.5")
    axes[2].set(xscale="log", yscale="log", xlabel="3x3 layers", ylabel="effective field, % of theoretical")
    axes[2].set_xticks(depths, [str(depth) for depth in depths])
    ticks = (30, 40, 60, 80, 100)
    axes[2].set_yticks(ticks, [str(tick) for tick in ticks])
    axes[2].minorticks_off()
    axes[2].grid(alpha=0.3)
    axes[2].legend(frameon=False)
    plotting.save(figure, path)


def _draw_task(
    grid: Mapping[tuple[int, int], Number], fields: Sequence[int], distances: Sequence[int], path: Path
) -> None:
    figure, axes = plotting.panels(1, width=6)
    for side, colour, marker in zip(fields, plotting.COLOURS, ("o", "s", "^"), strict=False):
        numbers = [grid[side, distance] for distance in distances]
        plotting.with_intervals(axes, distances, numbers, f"field {side} pixels", color=colour, marker=marker)
        axes.axvline(side + 0.5, color=colour, linestyle=":", alpha=0.7)
    axes.axhline(CHANCE, color="0.5", linewidth=1)
    axes.set(xlabel="side of the smallest square with two marks, pixels", ylabel="test top-1, %", xticks=distances)
    axes.set(xlim=(distances[0] - 0.3, distances[-1] + 0.7))
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    plotting.save(figure, path)
