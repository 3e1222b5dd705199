"""Loads images in all the ways a device may read and resize them; each file is decoded once."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn import data
from edgecnn.common import console
from edgecnn.data import Picture
from edgecnn.data.folder import test_of
from edgecnn.errors import DataError
from edgecnn.onboard import picture_files, preprocessing
from edgecnn.records import data_paths, plans
from edgecnn.records.labels import composed
from edgecnn.records.recipe import DataPlan
from edgecnn.records.resizing import CROP, Box, Resizing

Way = Callable[..., Any]
"""A function that takes the place of reading or resizing."""
Pixels = npt.NDArray[np.uint8]

SEED = 0
"""Seed of the draw if there are more images than asked for."""


@dataclass(frozen=True)
class Labelled:
    """Images, each with its class: the one in whose folder it lies, or that a list or an archive names."""

    pictures: tuple[Picture, ...]
    labels: npt.NDArray[np.int64]
    """(N,), -1 for images outside all class folders."""
    classes: tuple[str, ...]
    """Names of the classes, sorted."""
    left_out: Counter[str] = field(default_factory=Counter)
    """How many other files there are, by kind (`picture_files.told`)."""


def labelled(place: Path, limit: int) -> Labelled:
    """Find the images at a path, or those of its test split.

    Args:
        place: A folder, `<class>/*` or without classes; or whatever else `--data` takes by its path.
        limit: The most images to return; of more, as many are drawn at random, always the same.

    Raises:
        DataError: If there are none.
    """
    plan = plans.data_plan(str(place.absolute()))
    shown = _in_folder(place) if plan.name == data_paths.FOLDER else _in_list(plan)
    chosen = np.sort(np.random.default_rng(SEED).permutation(len(shown.pictures))[:limit])
    pictures = tuple(shown.pictures[index] for index in chosen)
    return replace(shown, pictures=pictures, labels=shown.labels[chosen])


def _in_list(plan: DataPlan) -> Labelled:
    """Return the images that a list or an archive names, those of its test split if it has one."""
    own = data.listed(plan)
    places = np.flatnonzero(own.roles == "test") if "test" in own.roles else np.arange(len(own.pictures))
    return Labelled(tuple(own.pictures[index] for index in places), own.labels[places], own.classes)


def _in_folder(folder: Path) -> Labelled:
    """Return the images below a folder, or in its test split: `<class>/*`, or all without a class."""
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
    return Labelled(paths, labels, classes, listing.left_out)


@dataclass
class Album:
    """Images as uint8 (N, H, W, C), by how they are read and resized."""

    pictures: Sequence[Picture]
    height: int
    width: int
    channels: int
    resizing: Resizing = CROP
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
        shape = (len(self.pictures), self.height, self.width, self.channels)
        made = {pair: np.zeros(shape, np.uint8) for pair in pairs}
        with console.progress("reading pictures", len(self.pictures)) as advance:
            for index, picture in enumerate(self.pictures):
                size = {"height": self.height, "width": self.width, "channels": self.channels}
                decoded = data.decode(picture, **size, resizing=self.resizing)
                opened = self._open(picture) if any(pair != (None, None) for pair in pairs) else None
                for (read, resize), target in made.items():
                    target[index] = decoded if read is resize is None else self._resized(opened, read, resize)
                advance(1)
        return made

    def _open(self, picture: Picture) -> Any:
        """Return the image as RGB, upright, in its own size."""
        return preprocessing.upright(data.source(picture)).convert("RGB")

    def _resized(self, opened: Any, read: Way | None, resize: Way | None) -> Pixels:
        mode = "L" if self.channels == 1 else "RGB"
        image = (read(opened) if read is not None else opened).convert(mode)
        sized = (resize or functools.partial(fitted, resizing=self.resizing))(image, self.width, self.height)
        return np.asarray(sized, np.uint8).reshape(self.height, self.width, self.channels)


def fitted(image: Any, width: int, height: int, resizing: Resizing) -> Any:
    """Bring an image to size as a device with this rule does, as an image (height, width) again."""
    from PIL import Image

    channels = len(image.getbands())
    pixels = preprocessing.fit(image, height=height, width=width, channels=channels, resizing=resizing)
    return Image.fromarray(pixels[:, :, 0] if channels == 1 else pixels)


def resized(image: Any, width: int, height: int, kernel: Any) -> Any:
    """Crop the centre to the aspect ratio of the target, then resize it with one of Pillow's kernels."""
    if image.size == (width, height):
        return image
    return image.crop(centre_box(image.size, width, height)).resize((width, height), kernel)


def centre_box(size: tuple[int, int], width: int, height: int) -> Box:
    """Return the largest centred box with the ratio width : height."""
    return CROP.box(*size, width, height)
