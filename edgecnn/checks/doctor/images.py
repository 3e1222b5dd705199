"""Loads images in all the ways a device may read and resize them; each file is decoded once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.common import console
from edgecnn.data.folder import test_of
from edgecnn.errors import DataError
from edgecnn.onboard import picture_files, preprocessing
from edgecnn.records.labels import composed

Way = Callable[..., Any]
"""A function that takes the place of reading or resizing."""
Pixels = npt.NDArray[np.uint8]

SEED = 0
"""Seed of the draw if there are more images than asked for."""


@dataclass(frozen=True)
class Labelled:
    """Images of a folder, each with the class in whose folder it lies."""

    paths: tuple[Path, ...]
    labels: npt.NDArray[np.int64]
    """(N,), -1 for images outside all class folders."""
    classes: tuple[str, ...]
    """Names of the class folders, sorted."""
    left_out: Counter[str] = field(default_factory=Counter)
    """How many other files there are, by kind (`picture_files.told`)."""


def labelled(folder: Path, limit: int) -> Labelled:
    """Find the images below a folder, or in its test split: `<class>/*`, or all without a class.

    Args:
        folder: The folder.
        limit: The most images to return; of more, as many are drawn at random, always the same.

    Raises:
        DataError: If there are none.
    """
    if not folder.is_dir():
        raise DataError(f"There is no folder {folder}.", "name a folder of pictures: <class>/*.jpg")
    root = test_of(folder)
    listing = picture_files.walk(root)
    paths = listing.pictures
    if not paths:
        raise picture_files.none_in(str(root), listing)
    names = [tuple(map(composed, path.relative_to(root).parts)) for path in paths]
    classes = tuple(sorted({parts[0] for parts in names if len(parts) > 1}))
    index_of = {name: index for index, name in enumerate(classes)}
    labels = np.array([index_of.get(parts[0], -1) if len(parts) > 1 else -1 for parts in names], dtype=np.int64)
    chosen = np.sort(np.random.default_rng(SEED).permutation(len(paths))[:limit])
    return Labelled(tuple(paths[i] for i in chosen), labels[chosen], classes, listing.left_out)


@dataclass
class Album:
    """Images as uint8 (N, H, W, C), by how they are read and resized."""

    paths: Sequence[Path]
    height: int
    width: int
    channels: int
    ahead: Sequence[tuple[Way | None, Way | None]] = ()
    """(read, resize) pairs that will be asked for: they are made in one pass over the files."""
    _made: dict[tuple[Way | None, Way | None], Pixels] = field(default_factory=dict)

    def pixels(self, read: Way | None, resize: Way | None) -> Pixels:
        """Return the images (N, H, W, C); None stands for the right way (`preprocessing.decode`).

        Raises:
            DataError: If an image cannot be read.
        """
        if (read, resize) not in self._made:
            pairs = list(dict.fromkeys([*self.ahead, (read, resize)])) if not self._made else [(read, resize)]
            self._made.update(self._make(pairs))
        return self._made[read, resize]

    def _make(self, pairs: Sequence[tuple[Way | None, Way | None]]) -> dict[tuple[Way | None, Way | None], Pixels]:
        shape = (len(self.paths), self.height, self.width, self.channels)
        made = {pair: np.zeros(shape, np.uint8) for pair in pairs}
        with console.progress("reading pictures", len(self.paths)) as advance:
            for index, path in enumerate(self.paths):
                decoded = preprocessing.decode(path, height=self.height, width=self.width, channels=self.channels)
                opened = self._open(path) if any(pair != (None, None) for pair in pairs) else None
                for (read, resize), target in made.items():
                    target[index] = decoded if read is resize is None else self._one(opened, read, resize)
                advance(1)
        return made

    def _open(self, path: Path) -> Any:
        """Return the image as RGB, upright, in its own size."""
        return preprocessing.upright(path).convert("RGB")

    def _one(self, opened: Any, read: Way | None, resize: Way | None) -> Pixels:
        mode = "L" if self.channels == 1 else "RGB"
        image = (read(opened) if read is not None else opened).convert(mode)
        sized = (resize or centre_crop)(image, self.width, self.height)
        return np.asarray(sized, np.uint8).reshape(self.height, self.width, self.channels)


def centre_crop(image: Any, width: int, height: int) -> Any:
    """Resize an image by the rule of every artifact (`artifact.RESIZE_RULE`)."""
    from PIL import Image

    return resized(image, width, height, Image.Resampling.BILINEAR)


def resized(image: Any, width: int, height: int, kernel: Any) -> Any:
    """Crop the centre to the aspect ratio of the target, then resize it with one of Pillow's kernels."""
    if image.size == (width, height):
        return image
    return image.crop(centre_box(image.size, width, height)).resize((width, height), kernel)


def centre_box(size: tuple[int, int], width: int, height: int) -> tuple[int, int, int, int]:
    """Return (left, top, right, bottom) of the largest centred box with the ratio width : height."""
    crop_width = max(1, min(size[0], size[1] * width // height))
    crop_height = max(1, min(size[1], size[0] * height // width))
    left, top = (size[0] - crop_width) // 2, (size[1] - crop_height) // 2
    return left, top, left + crop_width, top + crop_height
