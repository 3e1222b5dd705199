"""Loss and accuracy against epoch, as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from edgecnn.common import plotting

if TYPE_CHECKING:
    from edgecnn.pipeline.train.checkpoint import Epoch


def draw(history: Sequence[Epoch], title: str, path: Path) -> None:
    """Write a PNG of two panels: cross-entropy, and top-1 in percent, of train and validation."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    epochs = [row.epoch for row in history]
    # Okabe and Ito's blue and vermilion, told apart by every kind of colour vision.
    for axes, measure, unit in ((left, "loss", "cross-entropy, nats"), (right, "top1_percent", "top-1, %")):
        for split, colour, style in (("train", "#0072B2", "--"), ("validation", "#D55E00", "-")):
            values = [getattr(row, f"{split}_{measure}") for row in history]
            axes.plot(epochs, values, style, color=colour, label=split, marker="." if len(epochs) < 30 else None)
        axes.set_xlabel("epoch")
        axes.set_ylabel(unit)
        axes.grid(alpha=0.3)
        axes.xaxis.get_major_locator().set_params(integer=True)
    left.set_yscale("log")
    left.legend(frameon=False)
    figure.suptitle(title)
    plotting.save(figure, path)
