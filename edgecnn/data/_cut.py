"""Which pictures are set apart: for testing, for validation, or to learn from fewer."""

from __future__ import annotations

import hashlib
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Texts: TypeAlias = npt.NDArray[np.str_]


def stratified(labels: npt.NDArray[np.int64], share: float, seed: int) -> npt.NDArray[np.bool_]:
    """Which of the labelled pictures to set apart, (N,): the same share of every class, drawn by the seed.

    Of each class at least one picture is set apart and at least one is left; of a single one, it is left. For data sets
    that never change: with one picture more, every draw is another.
    """
    rng = np.random.default_rng(seed)
    apart = np.zeros(len(labels), dtype=bool)
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        count = min(len(members) - 1, max(1, round(share * len(members))))
        apart[rng.permutation(members)[:count]] = True
    return apart


def by_key(labels: npt.NDArray[np.int64], keys: Texts, share: float, salt: str) -> npt.NDArray[np.bool_]:
    """Which of the labelled pictures to set apart, (N,): those whose key's hash lies in the first `share` of its range.

    A key decides alone, so pictures that come or go move no other one, and pictures of one key are never parted. The
    share of a class is met as closely as independent draws meet it: of n keys, to about sqrt(share (1 - share) / n).

    Where that leaves a class of several keys with nothing set apart, its first key is; where all of it would be, its
    last key is left. These alone may change sides when the class grows.
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
    result: npt.NDArray[np.bool_] = apart[key_of]
    return result


def _place(key: str, salt: str) -> float:
    """Where the key falls between 0 and 1, as good as drawn: the first 53 bits of a sha256."""
    digest = hashlib.sha256(f"{salt} {key}".encode()).digest()
    return (int.from_bytes(digest[:7]) >> 3) / 2**53


def joined(count: int, *pairs: npt.NDArray[Any]) -> npt.NDArray[np.intp]:
    """(count,) the first member of each one's group, where every pair (n, 2) of indices belongs to one group."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    edges = np.concatenate([np.asarray(pair, dtype=np.intp).reshape(-1, 2) for pair in pairs])
    graph = coo_array((np.ones(len(edges), dtype=bool), (edges[:, 0], edges[:, 1])), shape=(count, count))
    _, group = connected_components(graph, directed=False)
    _, first = np.unique(group, return_index=True)
    result: npt.NDArray[np.intp] = first[group]
    return result
