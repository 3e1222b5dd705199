"""An overview of pictures of one's own, made by looking at each, before it is decided how to learn from them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgecnn.data import _copies, _decoded, _near_copies, _remarks
from edgecnn.data._cut import Texts
from edgecnn.data._listed import Listed
from edgecnn.data._near_copies import Looked
from edgecnn.data._stored import Pixels, Stored


@dataclass(frozen=True)
class Overview:
    """Listed pictures, what they hold and what they look like; a training reads that from the cache."""

    listed: Listed
    contents: list[str]
    """(N,) digests of the files."""
    looked: Looked

    @property
    def readable(self) -> npt.NDArray[np.bool_]:
        """(N,) which pictures can be read."""
        result: npt.NDArray[np.bool_] = self.looked.sizes[:, 0] > 0
        return result

    @property
    def leaked(self) -> npt.NDArray[np.bool_]:
        """(N,) which pictures to train or to validate with are also, byte for byte, in the test split."""
        return _copies.leaked(self.contents, self.listed.roles)

    @property
    def small_classes(self) -> npt.NDArray[np.intp]:
        """(n,) the classes with far fewer readable pictures than the others."""
        return _remarks.small_classes(self.listed.labels[self.readable], self.listed.classes)

    def keys(self, group: str = "") -> Texts:
        """Return a key for every picture, the same for pictures that a split keeps together (N,).

        Args:
            group: A regular expression that tells groups by the pictures' names.
        """
        return _copies.keys(self.listed.names, self.contents, self.looked, group)

    def pixels(self, size: int) -> Pixels | Stored:
        """Return all pictures as square RGB, uint8 (N, size, size, 3), from the cache; broken ones are black."""
        pictures = self.listed.pictures
        return _decoded.images(pictures, self.contents, shape=(size, size, 3), skip_broken=True)[0]


def overview(own: Listed) -> Overview:
    """Look at every picture that is listed. Raises MissingPackage without ImageHash."""
    contents = _decoded.digests(own.pictures)
    return Overview(own, contents, _near_copies.look(own.pictures, contents))
