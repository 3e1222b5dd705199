"""Single pictures that are unlike what a camera should give: unreadable, dark, blurred, of an odd size, turned."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from edgecnn import data
from edgecnn.checks.data.measures import GRID, Measures
from edgecnn.checks.data.suspects import CheckedPictures
from edgecnn.errors import DataError
from edgecnn.records.data_check import DataFinding, Suspect

DARK = 50
"""A picture is dark if a twentieth of its pixels at most exceeds this luma, of 255."""
WHITE = 250
"""A picture is over-exposed if more than half of its pixels exceed this luma."""
CONTRAST = 30
"""A picture has low contrast if nine tenths of its pixels lie within this range of luma."""
OUTLIER = 3.5
"""The modified z-score from which a picture counts as less sharp than the others (Iglewicz and Hoaglin, 1993, How to
Detect and Handle Outliers, section 3.4)."""
LESS_SHARP = 8
"""How many times less sharp than the median it has to be besides."""
ODD = 4
"""A picture has an odd size if its sides are so many times smaller or larger than the median's."""
SHAPE = 2
"""A picture has an odd shape if its width : height is so many times smaller or larger than the median's."""
TURNED = {
    "2": "mirrored", "3": "upside down", "4": "mirrored and upside down", "5": "mirrored and on its side",
    "6": "on its side", "7": "mirrored and on its side", "8": "on its side",
}  # fmt: skip
"""How the stored pixels lie, by EXIF's orientation."""

Mask = npt.NDArray[np.bool_]


def findings(pictures: CheckedPictures, measures: Measures) -> Iterator[DataFinding]:
    """Yield what is found in single pictures."""
    seen = pictures.seen
    readable, count = seen.readable, len(seen.contents)
    broken = [pictures.suspect(place, _why(pictures, place), "leave out") for place in _places(~readable)]
    yield pictures.finding(
        "unreadable", "wrong", broken, count, "cannot be read", "replace them; data.skip_broken = true leaves them out"
    )
    of = int(readable.sum())
    flat = np.zeros(count, dtype=bool)
    flat[seen.looked.one_colour] = True
    dark = readable & ~flat & (measures.high <= DARK)
    white = readable & ~flat & (measures.middle >= WHITE)
    dull = readable & ~flat & ~dark & ~white & (measures.high - measures.low <= CONTRAST)
    blurred = _blurred(measures, readable & ~flat & ~dark & ~dull, seen.looked.sizes)
    told: tuple[tuple[str, Mask, str, str, npt.NDArray[np.float32]], ...] = (
        ("one colour", flat, "are of one colour all over", "luma {:.0f}", measures.middle),
        ("dark", dark, "are dark", "95 % of it at most {:.0f} of 255", measures.high),
        (
            "over-exposed",
            white,
            "are over-exposed, or cut out on white",
            "the median is {:.0f} of 255",
            measures.middle,
        ),
        (
            "low contrast",
            dull,
            "have low contrast",
            "9 in 10 pixels within {:.0f} of 255",
            measures.high - measures.low,
        ),
        ("blurred", blurred, "are blurred beside the others", "sharpness {:.3g}", measures.sharpness),
    )
    for kind, mask, words, detail, values in told:
        order = sorted(_places(mask), key=lambda place: values[place], reverse=kind == "over-exposed")
        suspects = [pictures.suspect(place, detail.format(values[place])) for place in order]
        yield pictures.finding(
            kind, "warn", suspects, of, words, "look whether they can be told by eye; if not, leave them out"
        )
    yield from _sizes(pictures, readable)
    orientation = measures.fact("orientation")
    turned = [
        pictures.suspect(place, TURNED[orientation[place]]) for place in _places(np.isin(orientation, list(TURNED)))
    ]
    yield pictures.finding(
        "turned by EXIF", "note", turned, of, "are stored turned or mirrored, and upright by EXIF alone",
        "edgecnn turns them; a program on the device that ignores EXIF sees them so",
    )  # fmt: skip


def _sizes(pictures: CheckedPictures, readable: Mask) -> Iterator[DataFinding]:
    sizes = pictures.seen.looked.sizes.astype(np.float64)
    if not readable.any():
        return
    width, height = np.median(sizes[readable], axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = np.sqrt(sizes.prod(1) / (width * height))
        shape = sizes[:, 0] / sizes[:, 1] / (width / height)
    of, median = int(readable.sum()), f"the median is {width:.0f} x {height:.0f}"

    def suspects(mask: Mask) -> list[Suspect]:
        shown = pictures.seen.looked.sizes
        return [pictures.suspect(place, f"{shown[place, 0]} x {shown[place, 1]}") for place in _places(mask)]

    yield pictures.finding(
        "tiny", "warn", suspects(readable & (scale <= 1 / ODD)), of, f"are tiny beside the others ({median})",
        "look whether they show what they should",
    )  # fmt: skip
    yield pictures.finding(
        "huge",
        "note",
        suspects(readable & (scale >= ODD)),
        of,
        f"are huge beside the others ({median})",
        "look at them",
    )
    yield pictures.finding(
        "odd shape", "note", suspects(readable & ((shape <= 1 / SHAPE) | (shape >= SHAPE))), of,
        f"are of another shape than the others ({median})", "look at what is left of them when their centre is cut out",
    )  # fmt: skip


def _blurred(measures: Measures, asked: Mask, sizes: npt.NDArray[np.int64]) -> Mask:
    """Return which pictures are far less sharp than the others, (N,)."""
    asked = asked & (sizes.min(1) >= 2 * GRID) & (measures.sharpness > 0)
    result = np.zeros(len(asked), dtype=bool)
    if not asked.any():
        return result
    logs = np.log(measures.sharpness[asked])
    median = np.median(logs)
    spread = max(1e-9, float(np.median(np.abs(logs - median))))
    result[asked] = (0.6745 * (median - logs) / spread >= OUTLIER) & (median - logs >= np.log(LESS_SHARP))
    return result


def _why(pictures: CheckedPictures, place: int) -> str:
    """Return why a picture cannot be read."""
    picture = pictures.seen.listed.pictures[place]
    try:
        data.decode(picture, height=1, width=1, channels=3)
    except DataError as error:
        return error.sentence.removeprefix(f"Cannot read {picture}: ").rstrip(".")
    return "it cannot be looked at"


def _places(mask: Mask) -> list[int]:
    places: list[int] = np.flatnonzero(mask).tolist()
    return places
