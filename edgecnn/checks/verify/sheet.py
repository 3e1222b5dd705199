"""Draws a contact sheet of the images two answers disagree on, the worst first."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgecnn.common import plotting

MOST = 24
"""How many images are drawn at most."""


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
    chosen = flips[:MOST]
    count = f"all {len(flips)} flips" if len(chosen) == len(flips) else f"the worst {len(chosen)} of {len(flips)} flips"
    title = (
        f"before: {names[0]}, after: {names[1]}; {count} among {len(truth):,} pictures\n"
        "true class and number on top; margin over the runner-up in logits; blue is right, vermilion wrong"
    )

    def answer(word: str, scores: npt.NDArray[np.float32], index: int) -> tuple[str, str]:
        best, margin = int(scores[index].argmax()), float(margins(scores[index : index + 1])[0])
        colour = plotting.BLUE if best == truth[index] else plotting.VERMILION
        return f"{word}: {classes[best]} +{margin:.2f}", colour

    shown = [
        plotting.Shown(
            images[index],
            f"{classes[truth[index]]} (#{index})",
            (answer("before", logits[0], index), answer("after", logits[1], index)),
        )
        for index in chosen.tolist()
    ]
    plotting.contact_sheet(path, shown, title)
    return True
