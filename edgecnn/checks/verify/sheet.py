"""Draws a contact sheet of the images two answers disagree on, the worst first."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgecnn.common import plotting

MOST = 24
"""How many images are drawn at most."""
COLUMNS = 6
RIGHT, WRONG = "#0072B2", "#D55E00"
"""Blue and vermilion of M. Okabe and K. Ito's palette (2008), safe for the colour-blind."""


def worst(before: npt.NDArray[np.float32], after: npt.NDArray[np.float32]) -> npt.NDArray[np.intp]:
    """Return the indices of images whose class differs between two logits (N, K), the largest margins first."""
    flips = np.flatnonzero(before.argmax(1) != after.argmax(1))
    sureness = margins(before[flips]) + margins(after[flips])
    return flips[np.argsort(-sureness, kind="stable")]


def margins(logits: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return the margin of the answer over the runner-up in logits: (N, K) -> (N,)."""
    if len(logits) == 0:
        return np.zeros(0, np.float32)
    top = np.sort(logits, axis=1)[:, -2:]
    return np.asarray(top[:, 1] - top[:, 0])


def write(
    path: Path,
    names: tuple[str, str],
    images: npt.NDArray[np.uint8],
    truth: npt.NDArray[np.int64],
    logits: tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]],
    classes: Sequence[str],
) -> bool:
    """Draw the worst flips, each with its true class, both answers and their margins.

    Args:
        path: The PNG file to write.
        names: Names of both answers.
        images: All test images, uint8 (N, H, W, C).
        truth: The true classes (N,).
        logits: Logits (N, K) of both answers.
        classes: Names of the classes.

    Returns:
        Whether there was a flip; without one nothing is written.

    Raises:
        OutputError: If the file cannot be written.
    """
    flips = worst(*logits)
    if len(flips) == 0:
        return False
    from matplotlib.figure import Figure

    shown = flips[:MOST]
    rows = -(-len(shown) // COLUMNS)
    figure = Figure(figsize=(1.75 * COLUMNS, 2.25 * rows + 0.6), layout="constrained")
    axes = figure.subplots(rows, COLUMNS, squeeze=False)
    for cell in axes.flat:
        cell.set_axis_off()
    for cell, index in zip(axes.flat, shown, strict=False):
        picture = images[index]
        grey = picture.shape[2] == 1
        cell.imshow(picture[:, :, 0] if grey else picture, cmap="gray" if grey else None, vmin=0, vmax=255)
        cell.set_title(f"{classes[truth[index]]} (#{index})", fontsize=8, pad=29)
        for line, scores in enumerate(logits):
            answer, margin = int(scores[index].argmax()), float(margins(scores[index : index + 1])[0])
            cell.annotate(
                f"{'before' if line == 0 else 'after'}: {classes[answer]} +{margin:.2f}",
                (0.5, 1.0),
                xytext=(0, 15 - 11 * line),
                xycoords="axes fraction",
                textcoords="offset points",
                ha="center",
                va="bottom",
                fontsize=7,
                color=RIGHT if answer == truth[index] else WRONG,
            )
    count = f"all {len(flips)} flips" if len(shown) == len(flips) else f"the worst {len(shown)} of {len(flips)} flips"
    figure.suptitle(
        f"before: {names[0]}, after: {names[1]}; {count} among {len(truth):,} pictures\n"
        "true class and number on top; margin over the runner-up in logits; blue is right, vermilion wrong",
        fontsize=8,
    )
    plotting.save(figure, path, dpi=120)
    return True
