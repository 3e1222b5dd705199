"""Splitting: which images are set apart for testing, for validation, or to train on a fraction."""

from __future__ import annotations

import hashlib
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Texts: TypeAlias = npt.NDArray[np.str_]


def stratified(labels: npt.NDArray[np.int64], share: float, seed: int) -> npt.NDArray[np.bool_]:
    """Draw the same share of every class to set apart.

    At least one image of each class is set apart and at least one is left; a single one is left. This is for data sets
    that never change: with one image more, every draw is different.

    Args:
        labels: (N,).
        share: of each class, from 0 to 1.
        seed: of the draw.

    Returns:
        (N,) whether each image is set apart.
    """
    rng = np.random.default_rng(seed)
    apart = np.zeros(len(labels), dtype=bool)
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        count = min(len(members) - 1, max(1, round(share * len(members))))
        apart[rng.permutation(members)[:count]] = True
    return apart


def by_key(
    labels: npt.NDArray[np.int64], keys: Texts, share: float, salt: str, least: int = 1
) -> npt.NDArray[np.bool_]:
    """Set apart the images whose key has a hash in the first `share` of the range of hashes.

    Only its key decides about an image, so images that are added or removed move no other image, and images with the
    same key are never separated. The share of a class is met as closely as independent draws would: for n keys, to
    about sqrt(share (1 - share) / n).

    If no key of a class with several is set apart, its first one is; if all would be, the last one is left, and further
    ones until `least` images are. Only these may change sides when the class grows.

    Args:
        labels: (N,).
        keys: (N,).
        share: of each class, from 0 to 1.
        salt: hashed with each key; another salt gives another split.
        least: of each class, to be left, as long as one key stays apart.

    Returns:
        (N,) whether each image is set apart.
    """
    names, key_of = np.unique(keys, return_inverse=True)  # (K,), (N,)
    place = np.array([_place(name, salt) for name in names])  # (K,) in [0, 1)
    apart = place < share
    for label in np.unique(labels):
        members = np.unique(key_of[labels == label])
        members = members[np.argsort(place[members])]
        if len(members) > 1 and not apart[members].any():
            apart[members[0]] = True
        if len(members) > 1 and apart[members].all():
            apart[members[-1]] = False
        of_class = key_of[labels == label]
        left = np.count_nonzero(~apart[of_class])
        for member in members[apart[members]][:0:-1]:  # all but the first
            if left >= least:
                break
            apart[member], left = False, left + np.count_nonzero(of_class == member)
    result: npt.NDArray[np.bool_] = apart[key_of]
    return result


def _place(key: str, salt: str) -> float:
    """Map a key to [0, 1) by the first 53 bits of a sha256, as good as uniformly at random."""
    digest = hashlib.sha256(f"{salt} {key}".encode(errors="surrogateescape")).digest()  # a name may be no UTF-8
    return (int.from_bytes(digest[:7]) >> 3) / 2**53


def joined(count: int, *pairs: npt.NDArray[Any]) -> npt.NDArray[np.intp]:
    """Join indices into groups and return the first member of each index's group, (count,).

    Args:
        count: indices run from 0 to count - 1.
        *pairs: (n, 2) arrays of indices that belong to the same group.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    edges = np.concatenate([np.asarray(pair, dtype=np.intp).reshape(-1, 2) for pair in pairs])
    graph = coo_array((np.ones(len(edges), dtype=bool), (edges[:, 0], edges[:, 1])), shape=(count, count))
    _, group = connected_components(graph, directed=False)
    _, first = np.unique(group, return_index=True)
    result: npt.NDArray[np.intp] = first[group]
    return result
