"""Pictures as a device would take them in: each decoded once, in every way the doctor wants to try."""

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
Pixels = npt.NDArray[np.uint8]

SEED = 0
"""Of the draw, where there are more pictures than asked for."""


@dataclass(frozen=True)
class Labelled:
    """Pictures of a folder and the class each lies in; -1 for those outside of all."""

    paths: tuple[Path, ...]
    labels: npt.NDArray[np.int64]
    classes: tuple[str, ...]
    """Names of the class folders, sorted."""
    left_out: Counter[str] = field(default_factory=Counter)
    """Files beside the pictures, by kind: `picture_files.told`."""


def labelled(folder: Path, limit: int) -> Labelled:
    """Pictures below `folder`, or of the test split it names: `<class>/*`, or all without a class.

    Of more than `limit` a share is drawn by SEED. Raises DataError if there are none.
    """
    if not folder.is_dir():
        raise DataError(f"There is no folder {folder}.", "name a folder of pictures: <class>/*.jpg")
    root = test_of(folder)
    listing = picture_files.walk(root)
    found = listing.pictures
    if not found:
        raise picture_files.none_in(str(root), listing)
    names = [tuple(map(composed, path.relative_to(root).parts)) for path in found]
    classes = tuple(sorted({parts[0] for parts in names if len(parts) > 1}))
    place = {name: number for number, name in enumerate(classes)}
    labels = np.array([place.get(parts[0], -1) if len(parts) > 1 else -1 for parts in names], dtype=np.int64)
    chosen = np.sort(np.random.default_rng(SEED).permutation(len(found))[:limit])
    return Labelled(tuple(found[i] for i in chosen), labels[chosen], classes, listing.left_out)


@dataclass
class Album:
    """The same pictures as uint8 (N, H, W, C), however they were read and brought to size."""

    paths: Sequence[Path]
    height: int
    width: int
    channels: int
    ahead: Sequence[tuple[Way | None, Way | None]] = ()
    """(how to read, how to bring to size) that are wanted anyway: made in one go, each file decoded once."""
    _made: dict[tuple[Way | None, Way | None], Pixels] = field(default_factory=dict)

    def pixels(self, read: Way | None, resize: Way | None) -> Pixels:
        """None stands for the right way: pictures.decode. Raises DataError for a picture that cannot be read."""
        if (read, resize) not in self._made:
            wanted = list(dict.fromkeys([*self.ahead, (read, resize)])) if not self._made else [(read, resize)]
            self._made.update(self._make(wanted))
        return self._made[read, resize]

    def _make(self, wanted: Sequence[tuple[Way | None, Way | None]]) -> dict[tuple[Way | None, Way | None], Pixels]:
        shape = (len(self.paths), self.height, self.width, self.channels)
        made = {pair: np.zeros(shape, np.uint8) for pair in wanted}
        with console.progress("reading pictures", len(self.paths)) as advance:
            for number, path in enumerate(self.paths):
                right = preprocessing.decode(path, height=self.height, width=self.width, channels=self.channels)
                opened = self._open(path) if any(pair != (None, None) for pair in wanted) else None
                for (read, resize), target in made.items():
                    target[number] = right if read is resize is None else self._one(opened, read, resize)
                advance(1)
        return made

    def _open(self, path: Path) -> Any:
        """RGB, upright, as large as it is."""
        return preprocessing.upright(path).convert("RGB")

    def _one(self, opened: Any, read: Way | None, resize: Way | None) -> Pixels:
        mode = "L" if self.channels == 1 else "RGB"
        image = (read(opened) if read is not None else opened).convert(mode)
        sized = (resize or centre_crop)(image, self.width, self.height)
        return np.asarray(sized, np.uint8).reshape(self.height, self.width, self.channels)


def centre_crop(image: Any, width: int, height: int) -> Any:
    """artifact.RESIZE_RULE."""
    from PIL import Image

    return resized(image, width, height, Image.Resampling.BILINEAR)


def resized(image: Any, width: int, height: int, kernel: Any) -> Any:
    """The largest centred crop of the target's aspect ratio, resized by one of Pillow's kernels."""
    if image.size == (width, height):
        return image
    return image.crop(centre_box(image.size, width, height)).resize((width, height), kernel)


def centre_box(size: tuple[int, int], width: int, height: int) -> tuple[int, int, int, int]:
    """(left, top, right, bottom) of the largest centred box of width : height."""
    crop_width = max(1, min(size[0], size[1] * width // height))
    crop_height = max(1, min(size[1], size[0] * height // width))
    left, top = (size[0] - crop_width) // 2, (size[1] - crop_height) // 2
    return left, top, left + crop_width, top + crop_height
