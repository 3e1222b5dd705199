"""What can be told of pictures of one's own from looking at each, before it is decided how to learn from them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgecnn.data import _copies, _decoded, _near_copies
from edgecnn.data._cut import Texts
from edgecnn.data._listed import Listed
from edgecnn.data._near_copies import Looked


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

    def keys(self, group: str = "") -> Texts:
        """Return a key for every picture, the same for pictures that a split keeps together (N,).

        Args:
            group: A regular expression that tells groups by the pictures' names.
        """
        return _copies.keys(self.listed.names, self.contents, self.looked, group)


def overview(own: Listed) -> Overview:
    """Look at every picture that is listed. Raises MissingPackage without ImageHash."""
    contents = _decoded.digests(own.pictures)
    return Overview(own, contents, _near_copies.look(own.pictures, contents))
