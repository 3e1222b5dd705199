"""Learning curves: loss and accuracy against epoch, as a PNG."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from edgecnn.common import plotting

if TYPE_CHECKING:
    from edgecnn.pipeline.train.checkpoint import Epoch


def draw(history: Sequence[Epoch], title: str, path: Path) -> None:
    """Plot cross-entropy and top-1 of training and validation side by side, and write the PNG to `path`."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.6), layout="constrained")
    loss_axes, top1_axes = figure.subplots(1, 2)
    epochs = [row.epoch for row in history]
    # Okabe and Ito's blue and vermilion, which people with every kind of colour vision can tell apart.
    for axes, measure, unit in ((loss_axes, "loss", "cross-entropy, nats"), (top1_axes, "top1_percent", "top-1, %")):
        for split, colour, style in (("train", "#0072B2", "--"), ("validation", "#D55E00", "-")):
            values = [getattr(row, f"{split}_{measure}") for row in history]
            axes.plot(epochs, values, style, color=colour, label=split, marker="." if len(epochs) < 30 else None)
        axes.set_xlabel("epoch")
        axes.set_ylabel(unit)
        axes.grid(alpha=0.3)
        axes.xaxis.get_major_locator().set_params(integer=True)
    loss_axes.set_yscale("log")
    loss_axes.legend(frameon=False)
    figure.suptitle(title)
    plotting.save(figure, path)
