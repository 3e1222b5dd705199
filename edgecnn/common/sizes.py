"""How large a model's input is: the sizes its file leaves open, and what `--input` says of them.

0 stands for a size that is open. A batch that is open is no question: one picture is run at a time.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from edgecnn.errors import UsageError

Shape = tuple[int, ...]

USUAL = 224
"""In the example of a hint."""
NO_BATCH = frozenset({"height", "width", "h", "w", "time", "length", "sequence", "seq", "samples", "frames"})
"""Words in the name of a dimension that is no batch, though it comes first."""


def parse(text: str) -> Shape:
    """ "1x3x224x224" as numbers. Raises UsageError for anything else."""
    words = text.lower().replace("×", "x").split("x")
    if not all(word.strip().isdecimal() and int(word) for word in words):
        raise UsageError(f"--input {text!r} is not a size.", "write it as 1x3x224x224, or 224x224 for height and width")
    return tuple(int(word) for word in words)


def words(shape: Sequence[int]) -> str:
    """ "1x3x?x?" for sizes of which two are open; "of any shape" for those of which nothing is known."""
    return "x".join(str(size or "?") for size in shape) or "of any shape"


def with_batch(stated: Sequence[int], names: Sequence[str] = ()) -> Shape:
    """The sizes with an open batch as 1; `names` are the dimensions', where the file has some."""
    if len(stated) < 2 or stated[0]:
        return tuple(stated)
    first = re.split(r"[^a-z]+", names[0].lower()) if names else []
    return tuple(stated) if NO_BATCH.intersection(first) else (1, *stated[1:])


def settle(wanted: Sequence[int], stated: Sequence[int] | None, layout: str) -> Shape | None:
    """What `--input` makes of the sizes a file states, None if it contradicts them or can be read in two ways.

    stated: None for a file that does not even say how many there are. Short forms leave out the batch, or
    everything but height and width, or everything that is not open; pictures may be given as height x width x channels.
    """
    if stated is None:
        return tuple(wanted)
    rank, start = len(stated), 1 if len(stated) > 1 else 0
    ready = with_batch(stated)
    ways: list[Sequence[int]] = []
    if len(wanted) == rank:
        ways.append(wanted)
    else:
        blanks = [place for place in range(rank) if not ready[place]]
        if len(wanted) == len(blanks):
            ways.append(_filled(ready, blanks, wanted))
        if len(wanted) == rank - 1:
            ways.append((ready[0], *wanted))
        if rank == 4 and len(wanted) == 3 and layout == "NCHW":
            ways.append((ready[0], wanted[2], *wanted[:2]))
        if rank == 4 and len(wanted) == 2:
            places = (1, 2) if layout == "NHWC" else (2, 3)
            ways.append(_filled(ready, places, wanted))
    fitting = {
        tuple(way)
        for way in ways
        if all(way[start:]) and all(size in (0, new) for size, new in zip(stated, way, strict=True))
    }
    return fitting.pop() if len(fitting) == 1 else None


def require_settled(wanted: Sequence[int], stated: Sequence[int] | None, layout: str) -> Shape:
    """`settle`, or a UsageError that says, after the file's name, what it states."""
    shape = settle(wanted, stated, layout)
    if shape is None:
        raise UsageError(
            f"takes {words(stated or ())}, which --input {words(wanted)} does not fit.",
            f"name every size, such as --input {example(stated)}",
        )
    return shape


def example(stated: Sequence[int] | None) -> str:
    """An `--input` that would do."""
    shape = (1, 3, USUAL, USUAL) if stated is None else with_batch(stated)
    return "x".join(str(size or USUAL) for size in shape)


def count(shape: Sequence[int]) -> int | None:
    """How many values a tensor of that shape has; None if a size is open."""
    return math.prod(shape) if all(shape) else None


def _filled(stated: Sequence[int], places: Sequence[int], wanted: Sequence[int]) -> Shape:
    new = list(stated)
    for place, size in zip(places, wanted, strict=True):
        new[place] = size
    return tuple(new)
