"""Depth: plain stacks of more layers train worse, residual ones do not (He, Zhang, Ren and Sun, 2016, CVPR).

Nets of 8, 20 and 56 layers and equal width, with shortcuts and without (section 4.2 of the paper), are trained alike
and without augmentation. Measured are the training loss, which overfitting does not affect, and the norm of the loss's
gradient in every 3x3 convolution, before and after training.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edgecnn import nets
from edgecnn.common import plotting
from edgecnn.data import Split
from edgecnn.pipeline.train import seen
from edgecnn.records.recipe import DataPlan, NetPlan, OptimPlan, Recipe
from edgecnn.records.run import Run
from edgecnn.studies.findings import Claim, Number
from edgecnn.studies.lessons import LessonResult, Setting, curves, estimates
from edgecnn.studies.lessons.training import trained

if TYPE_CHECKING:
    from torch import nn

TITLE = "Plain and residual stacks of 8, 20 and 56 layers: training loss, and the gradient in every layer"

DEPTHS = (8, 20, 56)
KINDS = {True: "residual", False: "plain"}
FRESH = 5
"""Number of untrained nets whose gradients are measured."""
BATCH = 256
"""Training pictures per gradient."""

Kind = tuple[bool, int]
"""(residual, depth) of a net."""


def measure(setting: Setting) -> LessonResult:
    seeds = range(2 if setting.quick else 3)
    kinds = [(residual, depth) for residual in KINDS for depth in DEPTHS]
    runs: dict[Kind, list[Run]] = {
        kind: [trained(recipe(*kind, setting.quick, seed), setting.runs) for seed in seeds] for kind in kinds
    }
    losses = {kind: [curves.curve(run, "train_loss")[-1] for run in ran] for kind, ran in runs.items()}
    batch = seen.splits_of(runs[True, 8][0]).train.take(np.arange(BATCH))
    fresh = {
        kind: [gradient_norms(_fresh(ran[0], seed), ran[0], batch) for seed in range(FRESH)]
        for kind, ran in runs.items()
    }
    after = {kind: [gradient_norms(nets.restore(run), run, batch) for run in ran] for kind, ran in runs.items()}

    mean_loss = {
        kind: estimates.number(f"training loss, {_name(kind)}", values, "nats") for kind, values in losses.items()
    }
    more = {
        residual: estimates.number(
            f"training loss, 56 layers less 8, {word}",
            [deep - shallow for deep, shallow in zip(losses[residual, 56], losses[residual, 8], strict=True)],
            "nats",
        )
        for residual, word in KINDS.items()
    }
    saved = estimates.number(
        "training loss at 56 layers, plain less residual",
        [plain - residual for plain, residual in zip(losses[False, 56], losses[True, 56], strict=True)],
        "nats",
    )
    ratios = {
        kind: estimates.number(
            f"gradient, first over last layer, fresh, {_name(kind)}",
            [math.log10(norms[0] / norms[-1]) for norms in fresh[kind]],
            "decades",
            "fresh nets",
        )
        for kind in kinds
    }
    parted = estimates.number(
        "gradients of first and last layer apart, fresh, 56 layers, plain less residual",
        [
            abs(math.log10(plain[0] / plain[-1])) - abs(math.log10(residual[0] / residual[-1]))
            for plain, residual in zip(fresh[False, 56], fresh[True, 56], strict=True)
        ],
        "decades",
        "fresh nets",
    )
    trained_ratios = {
        kind: estimates.number(
            f"gradient, first over last layer, trained, {_name(kind)}",
            [math.log10(norms[0] / norms[-1]) for norms in after[kind]],
            "decades",
        )
        for kind in kinds
    }
    picture = "depth.png"
    _draw(runs, fresh, after, setting.folder / picture)
    return LessonResult(
        numbers=(*mean_loss.values(), *more.values(), saved, *ratios.values(), parted, *trained_ratios.values()),
        claims=_claims(more, saved, ratios, parted),
        pictures={
            picture: "Training loss against epoch, and the gradient norm of every 3x3 convolution, fresh and trained"
        },
        settings={
            "recipe": estimates.settings(runs[True, 56][0].recipe),
            "depths": DEPTHS,
            "seeds": len(seeds),
            "fresh nets": FRESH,
            "pictures of a gradient": BATCH,
        },
    )


def recipe(residual: bool, depth: int, quick: bool, seed: int) -> Recipe:
    """Return the recipe of a net: on digits if quick, else on shapes of 16 x 16 pixels, classified by outline."""
    shapes = {"count": 2500, "test": 500, "task": "shape", "size": 16, "smallest": 8, "largest": 14, "clutter": 0.2}
    plan = DataPlan(name="digits", fraction=0.5) if quick else DataPlan(name="shapes", validation=0.2, options=shapes)
    return Recipe(
        name=f"{_name((residual, depth)).replace(' ', '-')}-{seed}",
        data=plan,
        net=NetPlan(name="resnet", options={"width": 4 if quick else 8, "depth": depth, "residual": residual}),
        optim=OptimPlan(name="sgd", lr=0.1, weight_decay=0.0001, warmup=0.2),
        epochs=4 if quick else 8,
        batch_size=64,
        seed=seed,
        num_threads=1,
        precision="fp32",
    )


def gradient_norms(net: nn.Module, run: Run, batch: Split) -> list[float]:
    """Compute |dL/dW| of every 3x3 convolution, from the input on, for a batch of pictures normalised as in `run`.

    Batch norm uses the batch's statistics, as in training.
    """
    import torch
    import torch.nn.functional as F
    from torch import nn

    from edgecnn.pipeline.export import exportable

    inputs = exportable.normalised(batch.load_all(), run)
    net.train().zero_grad()
    loss = F.cross_entropy(net(inputs), torch.from_numpy(batch.labels))
    loss.backward()  # type: ignore[no-untyped-call]
    # Convolutions of shortcuts are 1x1 and do not count towards the depth.
    path = [layer for layer in net.modules() if isinstance(layer, nn.Conv2d) and layer.kernel_size == (3, 3)]
    return [float(layer.weight.grad.norm()) for layer in path if layer.weight.grad is not None]


def _fresh(run: Run, seed: int) -> nn.Module:
    import torch

    shape = (run.input_shape[0], run.input_shape[1], run.input_shape[2])
    with torch.random.fork_rng():
        torch.manual_seed(1000 + seed)
        return nets.build(run.recipe.net, shape, len(run.labels))


def _name(kind: Kind) -> str:
    return f"{KINDS[kind[0]]} {kind[1]}"


def _claims(
    more: Mapping[bool, Number], saved: Number, ratios: Mapping[Kind, Number], parted: Number
) -> tuple[Claim, ...]:
    return (
        Claim(
            expected="Without shortcuts 56 layers end with a higher training loss than 8.",
            measured=f"56 layers less 8: {estimates.text(more[False])}.",
            holds=estimates.is_above(more[False]),
        ),
        Claim(
            expected="With shortcuts 56 layers train at least as well as 8.",
            measured=f"56 layers less 8: {estimates.text(more[True])}.",
            holds=estimates.opposite(estimates.is_above(more[True])),
        ),
        Claim(
            expected="At 56 layers shortcuts lower the training loss.",
            measured=f"Plain less residual: {estimates.text(saved)}.",
            holds=estimates.is_above(saved),
        ),
        Claim(
            expected="In a fresh plain net the gradients of the first and the last layer part with depth; "
            "shortcuts keep them together.",
            measured="First over last layer, 8 and 56 layers: "
            + "; ".join(
                f"{word} {10 ** ratios[residual, 8].value:.2g} and {10 ** ratios[residual, 56].value:.2g} times"
                for residual, word in KINDS.items()
            )
            + f"; apart at 56 layers, plain less residual: {estimates.text(parted)}.",
            holds=estimates.is_above(parted),
        ),
    )


def _draw(
    runs: Mapping[Kind, Sequence[Run]],
    fresh: Mapping[Kind, Sequence[Sequence[float]]],
    after: Mapping[Kind, Sequence[Sequence[float]]],
    path: Path,
) -> None:
    figure, panels = plotting.panels(3, width=12)
    colours = dict(zip(DEPTHS, (plotting.SKY, plotting.BLUE, "black"), strict=True))
    for (residual, depth), ran in runs.items():
        style = "-" if residual else ":"
        curves.draw(panels[0], ran, "train_loss", _name((residual, depth)), style, color=colours[depth])
        for axes, gradients in ((panels[1], fresh), (panels[2], after)):
            norms = [
                math.exp(sum(map(math.log, layer)) / len(layer))
                for layer in zip(*gradients[residual, depth], strict=True)
            ]
            position = [(index + 0.5) / len(norms) for index in range(len(norms))]
            axes.plot(position, norms, style, color=colours[depth])
    curves.dress(panels[0], "training loss, nats", is_log=True)
    panels[0].set_title("training")
    panels[0].legend(frameon=False, fontsize="small")
    for axes, title in ((panels[1], "fresh nets"), (panels[2], "trained nets")):
        axes.set(yscale="log", xlabel="place in the net, 0 input, 1 output", ylabel="gradient norm", title=title)
        axes.grid(alpha=0.3)
    plotting.save(figure, path)
