"""Filters: how the first layer of a net that ships develops over epochs, and what its feature maps show.

First layers of CNNs are said to develop oriented and coloured Gabor functions (Krizhevsky, Sutskever and Hinton, 2012,
NeurIPS, figure 3). Gabor fit, orientation and colour of the filters (`gabor`) are compared with those of random filters
and of the same filters before training, for the net that ships, and for a net on two tasks of colour pictures: one is
decided by texture, one by colour.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from edgecnn.common import plotting
from edgecnn.pipeline.train import seen
from edgecnn.records import plans
from edgecnn.records.recipe import DataPlan, NetPlan, OptimPlan, Recipe
from edgecnn.records.run import Run
from edgecnn.studies.findings import Claim, Number
from edgecnn.studies.lessons import LessonResult, Setting, curves, estimates, gabor, training
from edgecnn.studies.lessons.gabor import Filters, PerFilter

if TYPE_CHECKING:
    from torch import nn

TITLE = "First-layer filters and feature maps of a net that ships, and how Gabor-like they grow"

SHIPS, TEXTURE, COLOUR = "net that ships", "texture decides", "colour decides"
MEASURES: Mapping[str, Callable[[Filters], PerFilter]] = {
    "Gabor fit, R^2": gabor.gabor_fit,
    "orientation": gabor.orientation,
    "share of colour": gabor.chroma,
}
FIT, ORIENTATION, CHROMA = MEASURES
SETTLED = 0.95
"""Mean cosine between filters and their final form from which on they count as settled."""


def measure(setting: Setting) -> LessonResult:
    seeds = range(1 if setting.quick else 3)
    runs = {
        name: [training.trained_and_kept(recipe(name, setting.quick, seed), setting.runs) for seed in seeds]
        for name in (SHIPS, TEXTURE, COLOUR)
    }
    grown = {name: [epochs_of(run) for run in ran] for name, ran in runs.items()}
    null = {name: _null(ran[0][-1]) for name, ran in grown.items()}
    last = {name: [epochs[-1] for epochs in ran] for name, ran in grown.items()}
    keys = [
        (name, measure_name)
        for name in runs
        for measure_name in MEASURES
        if measure_name != CHROMA or last[name][0].shape[1] > 1
    ]
    values = {key: _mean(f"{key[1]}, {key[0]}, trained", key[1], last[key[0]]) for key in keys}
    fresh = {name: [epochs[0] for epochs in ran] for name, ran in grown.items()}
    gain = {
        key: _mean(f"{key[1]}, {key[0]}, trained less the same filters fresh", key[1], last[key[0]], fresh[key[0]])
        for key in keys
    }
    settled = [settled_epoch(epochs) for epochs in grown[SHIPS]]
    cosines = {name: [cosine(epochs[0], epochs[-1]) for epochs in ran] for name, ran in grown.items()}

    pictures = {
        "filters.png": "First-layer filters, fresh and trained; a row a net",
        "filters-epochs.png": "Gabor fit, orientation and colour of the filters after every epoch, and of random ones",
        "filters-maps.png": "Test pictures and the feature maps of the first layer's strongest filters",
    }
    _draw_filters(grown, setting.folder / "filters.png")
    _draw_epochs(grown, null, setting.folder / "filters-epochs.png")
    _draw_maps(runs[SHIPS][0], setting.folder / "filters-maps.png")
    return LessonResult(
        numbers=(
            *(
                number
                for key in keys
                for number in (
                    values[key],
                    Number(name=f"{key[1]}, {key[0]}, random filters", value=null[key[0]][key[1]], unit="",
                           n=4000, n_of="filters"),
                    gain[key],
                )
            ),
            *(
                estimates.number(f"cosine of fresh and trained filters, {name}", per_seed, "")
                for name, per_seed in cosines.items()
            ),
            estimates.number(f"epoch from which on filters are settled, {SHIPS}", settled, ""),
            *(
                estimates.number(f"validation top-1, {name}", [run.validation_top1_percent for run in ran], "%")
                for name, ran in runs.items()
            ),
        ),
        claims=(
            Claim(
                expected="The first layer of the net that ships grows filters that are more Gabor-like than random.",
                measured=f"R^2 {estimates.text(values[SHIPS, FIT], False)}; random {null[SHIPS][FIT]:.2f}; "
                f"more than fresh by {estimates.text(gain[SHIPS, FIT])}.",
                holds=estimates.is_above(gain[SHIPS, FIT]),
            ),
            Claim(
                expected="They are more oriented than random.",
                measured=f"Orientation {estimates.text(values[SHIPS, ORIENTATION], False)}; random "
                f"{null[SHIPS][ORIENTATION]:.2f}; more than fresh by {estimates.text(gain[SHIPS, ORIENTATION])}.",
                holds=estimates.is_above(gain[SHIPS, ORIENTATION]),
            ),
            Claim(
                expected="Filters follow the task: less colour than random where texture decides, else more.",
                measured=f"More than fresh, which is random: {TEXTURE} {estimates.text(gain[TEXTURE, CHROMA])}; "
                f"{COLOUR} {estimates.text(gain[COLOUR, CHROMA])}.",
                holds=estimates.all_of(
                    [
                        estimates.is_above(gain[COLOUR, CHROMA]),
                        estimates.opposite(estimates.is_above(gain[TEXTURE, CHROMA])),
                    ]
                ),
            ),
        ),
        pictures=pictures,
        settings={name: estimates.settings(ran[0].recipe) for name, ran in runs.items()} | {"seeds": len(seeds)},
    )  # fmt: skip


def recipe(name: str, quick: bool, seed: int) -> Recipe:
    """Return the recipe of the net that ships, with less data or for digits if quick, or of a net on shapes."""
    if name == SHIPS:
        changes = ("epochs=12", "num_threads=1") if quick else ("epochs=8", "data.fraction=0.05", "num_threads=1")
        ships = plans.load_recipe("dscnn-digits" if quick else "dscnn-fashion", changes)
        return replace(ships, name=f"ships-{seed}", seed=seed)
    options = {
        "count": 2500 if quick else 3500, "test": 10, "size": 20, "distance": 6, "smallest": 12, "largest": 18,
        "task": {TEXTURE: "texture", COLOUR: "relation"}[name],
    }  # fmt: skip
    return Recipe(
        name=f"{name.replace(' ', '-')}-{seed}",
        data=DataPlan(name="shapes", validation=0.1, options=options),
        net=NetPlan(name="dscnn", options={"width": 16 if quick else 24, "stages": 1, "depth": 4}),
        optim=OptimPlan(lr=0.01),
        epochs=4 if quick else 6,
        batch_size=32,
        seed=seed,
        num_threads=1,
        precision="fp32",
    )


def first_filters(net: nn.Module) -> Filters:
    """Return the weights (F, C, k, k) of the first convolution; folding batch norm would only scale each filter."""
    from torch import nn

    first = next(layer for layer in net.modules() if isinstance(layer, nn.Conv2d))
    return first.weight.detach().double().numpy()


def epochs_of(run: Run) -> list[Filters]:
    """Return the first layer's filters of the initial net and after every epoch."""
    return [first_filters(training.at_epoch(run, epoch)) for epoch in range(run.recipe.epochs + 1)]


def settled_epoch(epochs: Sequence[Filters]) -> int:
    """Return the epoch from which on the filters' mean cosine with their final form stays at SETTLED or above."""
    cosines = [cosine(filters, epochs[-1]) for filters in epochs]
    below = [epoch for epoch, cosine in enumerate(cosines) if cosine < SETTLED]
    return max(below, default=-1) + 1


def cosine(filters: Filters, others: Filters) -> float:
    """Average over filters the cosine between each and its counterpart."""
    a, b = (weights.reshape(len(weights), -1) for weights in (filters, others))
    return float(((a * b).sum(1) / (np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1))).mean())


def _null(like: Filters) -> dict[str, float]:
    random = gabor.random_filters(like.shape[1], like.shape[2])
    return {name: float(measured(random).mean()) for name, measured in MEASURES.items()}


def _mean(name: str, measure: str, filters: Sequence[Filters], less: Sequence[Filters] = ()) -> Number:
    """Average a measure, optionally minus that of other filters: over seeds, or over the filters of a single seed.

    Args:
        name: name of the number.
        measure: key of `MEASURES`.
        filters: filters of each seed.
        less: filters of each seed to subtract, in the same order; none by default.
    """
    values = [MEASURES[measure](weights) for weights in filters]
    if less:
        values = [after - MEASURES[measure](weights) for after, weights in zip(values, less, strict=True)]
    if len(values) > 1:
        return estimates.number(name, [float(of_seed.mean()) for of_seed in values], "")
    return estimates.number(name, values[0].tolist(), "", "filters, 1 seed")


def _draw_filters(grown: Mapping[str, Sequence[Sequence[Filters]]], path: Path) -> None:
    shown = 16
    figure, panels = plotting.panels(2, len(grown), width=11, height=1.75)
    for row, (name, ran) in zip(panels, grown.items(), strict=True):
        for axes, filters, word in zip(row, (ran[0][0], ran[0][-1]), ("fresh", "trained"), strict=True):
            axes.imshow(_tiled(filters[:shown]), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
            axes.set_title(f"{name}, {word}, {min(shown, len(filters))} of {len(filters)}", fontsize="medium")
            axes.set_axis_off()
    plotting.save(figure, path)


def _tiled(filters: Filters) -> npt.NDArray[np.float64]:
    """Tile filters in two rows, each scaled around a grey for 0; return an image (H, W) or (H, W, 3)."""
    scale = np.abs(filters).max(axis=(1, 2, 3), keepdims=True)
    tiles = np.pad(0.45 * filters / np.maximum(scale, 1e-30) + 0.5, ((0, 0), (0, 0), (0, 1), (0, 1)), constant_values=1)
    half = len(tiles) // 2
    rows = [np.concatenate(list(part), axis=2) for part in (tiles[:half], tiles[half : 2 * half])]
    picture = np.concatenate(rows, axis=1).transpose(1, 2, 0)  # (H, W, C)
    return picture[..., 0] if picture.shape[2] == 1 else picture


def _draw_epochs(
    grown: Mapping[str, Sequence[Sequence[Filters]]], null: Mapping[str, Mapping[str, float]], path: Path
) -> None:
    figure, panels = plotting.panels(3, width=12)
    for axes, (what, measured) in zip(panels, MEASURES.items(), strict=True):
        for (name, ran), colour in zip(grown.items(), plotting.COLOURS, strict=False):
            if what == CHROMA and ran[0][0].shape[1] == 1:
                continue
            lines = np.array([[measured(filters).mean() for filters in epochs] for epochs in ran])  # (seeds, epochs)
            axes.plot(lines.mean(0), color=colour, marker=".", label=name)
            axes.axhline(null[name][what], color=colour, linestyle=":", linewidth=1)
        curves.dress(axes, f"{what}, mean over filters")
    panels[0].plot([], [], ":", color="0.4", label="random filters")
    panels[0].legend(frameon=False, fontsize="small")
    plotting.save(figure, path)


def _draw_maps(run: Run, path: Path) -> None:
    """Draw three test pictures of different classes, and the outputs of the first layer with its activation."""
    import torch

    from edgecnn import nets
    from edgecnn.pipeline.export import exportable

    test, net = seen.splits_of(run).test, nets.restore(run)
    chosen = [int(np.argmax(test.labels == label)) for label in range(3)]
    with torch.inference_mode():
        maps = net.get_submodule("stem")(exportable.normalised(test.load_all()[chosen], run)).numpy()  # (3, F, H, W)
    strongest = np.argsort(-maps.std(axis=(2, 3)).mean(0))[:8]
    figure, panels = plotting.panels(1 + len(strongest), len(chosen), width=11, height=1.35)
    for row, image, shown in zip(panels, test.load_all()[chosen], maps, strict=True):
        row[0].imshow(image[..., 0] if image.shape[2] == 1 else image, cmap="gray")
        for axes, channel in zip(row[1:], strongest, strict=True):
            axes.imshow(shown[channel], cmap="gray")
        for axes in row:
            axes.set_axis_off()
    for axes, channel in zip(panels[0][1:], strongest, strict=True):
        axes.set_title(f"filter {channel}", fontsize="small")
    panels[0][0].set_title("picture", fontsize="small")
    plotting.save(figure, path)
