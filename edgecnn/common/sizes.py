"""Sizes of a model's input: those its file leaves open, and what `--input` makes of them.

0 stands for an open size. An open batch is never asked about: one picture is run at a time.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from edgecnn.errors import UsageError

Shape = tuple[int, ...]

USUAL = 224
"""The height and width in a hint's example."""
NO_BATCH = frozenset({"height", "width", "h", "w", "time", "length", "sequence", "seq", "samples", "frames"})
"""Words in the name of a first dimension that show that it is not the batch."""


def parse(text: str) -> Shape:
    """Parse a text such as "1x3x224x224" into numbers.

    Raises:
        UsageError: It is anything else.
    """
    words = text.lower().replace("×", "x").split("x")
    if not all(word.strip().isdecimal() and int(word) for word in words):
        raise UsageError(f"--input {text!r} is not a size.", "write it as 1x3x224x224, or 224x224 for height and width")
    return tuple(int(word) for word in words)


def words(shape: Sequence[int]) -> str:
    """Format sizes for a sentence: "1x3x?x?" if two are open, "of any shape" if nothing is known."""
    return "x".join(str(size or "?") for size in shape) or "of any shape"


def with_batch(stated: Sequence[int], names: Sequence[str] = ()) -> Shape:
    """Return the sizes with an open batch set to 1.

    Args:
        stated: The sizes in the file.
        names: Names of the dimensions, where the file has some; they may show that the first is no batch.
    """
    if len(stated) < 2 or stated[0]:
        return tuple(stated)
    first = re.split(r"[^a-z]+", names[0].lower()) if names else []
    return tuple(stated) if NO_BATCH.intersection(first) else (1, *stated[1:])


def settle(wanted: Sequence[int], stated: Sequence[int] | None, layout: str) -> Shape | None:
    """Complete the sizes that a file states by those that `--input` names.

    Args:
        wanted: What `--input` names. It may leave out the batch, or all but height and width, or all but the open
            sizes,
            and may give a picture as height x width x channels.
        stated: The file's sizes, 0 for an open one; None if it does not even tell how many there are.
        layout: "NHWC", "NCHW" or another word.

    Returns:
        All sizes; None if the two contradict each other, or if there is more than one way to read them.
    """
    if stated is None:
        return tuple(wanted)
    rank, start = len(stated), 1 if len(stated) > 1 else 0
    completed = with_batch(stated)
    candidates: list[Sequence[int]] = []
    if len(wanted) == rank:
        candidates.append(wanted)
    else:
        open_axes = [place for place in range(rank) if not completed[place]]
        if len(wanted) == len(open_axes):
            candidates.append(_filled(completed, open_axes, wanted))
        if len(wanted) == rank - 1:
            candidates.append((completed[0], *wanted))
        if rank == 4 and len(wanted) == 3 and layout == "NCHW":
            candidates.append((completed[0], wanted[2], *wanted[:2]))
        if rank == 4 and len(wanted) == 2:
            places = (1, 2) if layout == "NHWC" else (2, 3)
            candidates.append(_filled(completed, places, wanted))
    fitting = {
        tuple(candidate)
        for candidate in candidates
        if all(candidate[start:]) and all(size in (0, new) for size, new in zip(stated, candidate, strict=True))
    }
    return fitting.pop() if len(fitting) == 1 else None


def require_settled(wanted: Sequence[int], stated: Sequence[int] | None, layout: str) -> Shape:
    """Do what `settle` does, but raise an error where it returns None.

    Raises:
        UsageError: The sizes do not fit. Its sentence lacks a subject, for the caller to put the file's name before it.
    """
    shape = settle(wanted, stated, layout)
    if shape is None:
        raise UsageError(
            f"takes {words(stated or ())}, which --input {words(wanted)} does not fit.",
            f"name every size, such as --input {example(stated)}",
        )
    return shape


def example(stated: Sequence[int] | None) -> str:
    """Return an `--input` that fits the file."""
    shape = (1, 3, USUAL, USUAL) if stated is None else with_batch(stated)
    return "x".join(str(size or USUAL) for size in shape)


def count(shape: Sequence[int]) -> int | None:
    """Return how many values a tensor of this shape has; None if a size is open."""
    return math.prod(shape) if all(shape) else None


def _filled(stated: Sequence[int], places: Sequence[int], wanted: Sequence[int]) -> Shape:
    new = list(stated)
    for place, size in zip(places, wanted, strict=True):
        new[place] = size
    return tuple(new)
