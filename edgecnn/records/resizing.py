"""Rules that bring a picture of any size to the size that a net takes, the same in training and on the device.

A recipe names it by a text, [data] resize:

    crop            the largest centred part of the target's aspect ratio
    crop:0.875      the central 87.5 % of that part's height and width
    squash          the whole picture, stretched
    letterbox       the whole picture in its own aspect ratio, with black bars
    letterbox:114   with bars of grey level 114

With :draft behind it, large JPEGs are unpacked at a part of their size, which is faster.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from edgecnn.errors import PlanError

Mode = Literal["crop", "squash", "letterbox"]
Box = tuple[int, int, int, int]
"""(left, top, right, bottom) in pixels."""
KERNEL = "a triangle filter that reaches one target pixel to each side, or one source pixel when enlarging"
SMALLEST_SHARE = 0.05
SPARE = 2
"""Pixels that a reduced JPEG keeps for each of the target's, so that the filter still has what it averages."""


@dataclass(frozen=True, kw_only=True)
class Resizing:
    """The part of a picture that is kept, and where it goes."""

    mode: Mode = "crop"
    share: float = 1.0
    """Share of the crop's height and width that is kept."""
    fill: int = 0
    """Grey level of a letterbox's bars, in all channels."""
    draft: bool = False
    """Whether a JPEG much larger than the target is unpacked at a half, a quarter or an eighth of its sides."""

    def __post_init__(self) -> None:
        if self.mode not in ("crop", "squash", "letterbox"):
            raise ValueError(f"mode = {self.mode!r} should be crop, squash or letterbox")
        if not SMALLEST_SHARE <= self.share <= 1 or (self.share < 1 and self.mode != "crop"):
            raise ValueError(f"share = {self.share} should lie between {SMALLEST_SHARE} and 1, and is of a crop")
        if not 0 <= self.fill <= 255 or (self.fill and self.mode != "letterbox"):
            raise ValueError(f"fill = {self.fill} should lie between 0 and 255, and is of a letterbox")

    def __str__(self) -> str:
        """Return the text that `parse` reads."""
        number = f":{self.share!r}" if self.share < 1 else f":{self.fill}" if self.fill else ""
        return f"{self.mode}{number}{':draft' * self.draft}"

    @property
    def rule(self) -> str:
        """The rule in words, exact enough to write it anew; part of a cache's key and of every card."""
        drafted = (
            "; before that a JPEG is unpacked by libjpeg at an eighth, a quarter or a half of its sides, the least for"
            f" which the part of it that is kept has {SPARE} pixels for each of the target's, in both directions"
        )
        return self._resized + drafted * self.draft

    @property
    def _resized(self) -> str:
        if self.mode == "squash":
            return f"the whole picture is stretched to the target by Pillow's BILINEAR: {KERNEL}"
        if self.mode == "letterbox":
            return (
                "the whole picture is resized to the largest size of its aspect ratio inside the target, in whole"
                f" pixels rounded half up, by Pillow's BILINEAR: {KERNEL}; it is centred on grey level {self.fill},"
                " with the narrower bar at the top and left"
            )
        central = f" (of which the central {self.share:g} of height and width are taken)" if self.share < 1 else ""
        return (
            f"the largest centred crop of the target's aspect ratio{central}, in whole pixels rounded down, is resized"
            f" by Pillow's BILINEAR: {KERNEL}"
        )

    def box(self, width: int, height: int, to_width: int, to_height: int) -> Box:
        """Return the part that is kept of a picture of width x height."""
        if self.mode != "crop":
            return 0, 0, width, height
        kept_width = max(1, int(self.share * max(1, min(width, height * to_width // to_height))))
        kept_height = max(1, int(self.share * max(1, min(height, width * to_height // to_width))))
        left, top = (width - kept_width) // 2, (height - kept_height) // 2
        return left, top, left + kept_width, top + kept_height

    def place(self, width: int, height: int, to_width: int, to_height: int) -> Box:
        """Return where in the target that part of a picture of width x height goes."""
        if self.mode != "letterbox":
            return 0, 0, to_width, to_height
        inside_width = min(to_width, max(1, (2 * width * to_height + height) // (2 * height)))
        inside_height = min(to_height, max(1, (2 * height * to_width + width) // (2 * width)))
        left, top = (to_width - inside_width) // 2, (to_height - inside_height) // 2
        return left, top, left + inside_width, top + inside_height

    def reduction(self, width: int, height: int, to_width: int, to_height: int) -> int:
        """Return how many times smaller than width x height a JPEG is unpacked: 1, 2, 4 or 8."""
        if not self.draft:
            return 1
        left, top, right, bottom = self.box(width, height, to_width, to_height)
        start, above, end, below = self.place(width, height, to_width, to_height)
        source_pixels = min((right - left) / (end - start), (bottom - top) / (below - above))
        return next((factor for factor in (8, 4, 2) if factor * SPARE <= source_pixels), 1)


CROP = Resizing()
"""The largest centred crop, which is the default and what earlier versions did."""


def parse(text: str) -> Resizing:
    """Return what a text such as "crop:0.875" names. Raises PlanError."""
    whole = text.removesuffix(":draft")
    mode, colon, number = whole.partition(":")
    draft = whole != text
    try:
        if not colon:
            return Resizing(mode=mode, draft=draft)  # type: ignore[arg-type]
        if mode == "crop":
            return Resizing(share=float(number), draft=draft)
        return Resizing(mode=mode, fill=int(number), draft=draft)  # type: ignore[arg-type]
    except ValueError as error:
        raise PlanError(
            f"resize = {text!r} is no way to resize a picture.", "crop, crop:0.875, squash, letterbox or letterbox:114"
        ) from error


def sides(size: Any, width: Any = 0) -> tuple[int, int]:
    """Return (height, width) of the options `size`, a number or [height, width], and `width`. Raises PlanError."""
    pair = list(size) if isinstance(size, (list, tuple)) else [size, width or size]
    if len(pair) != 2 or not all(type(side) is int and side > 0 for side in pair) or width not in (0, pair[1]):
        said = f"size = {size}" + f", width = {width}" * bool(width)
        hint = "size = 96, or size = [120, 160] for height and width"
        raise PlanError(f"[data]: {said} is no size of a picture.", hint)
    return pair[0], pair[1]
