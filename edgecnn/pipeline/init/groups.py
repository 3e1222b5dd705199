"""Finds out from the names of pictures which of them belong together: frames of a video, shots of one subject."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FOLDERS = r"^(.+)/"
"""Pictures in one folder below that of their class."""
SERIES = r"^(.*\d)\D+\d+(?:\.\w+)?$"
"""Pictures whose names differ in their last number alone, behind another number, as in clip03_frame0012.jpg."""
LAST_NUMBER = re.compile(r"(\d{1,18})(?:\.\w+)?$")
LEAST_GROUPS = 3
"""The least groups of a class: one each to train, to validate and to test with."""
LEAST_MEMBERS = 2.0
"""The least pictures of a group in a class, on average."""
LARGEST_SHARE = 0.2
"""The largest share of all pictures that a group may be; more of them are a part of the data set and no subject."""
LEAST_DENSITY = 0.3
"""The least share of the numbers from a group's first to its last that are there: those of a video are nearly all, and
times of day or random numbers hardly any."""


@dataclass(frozen=True)
class Grouping:
    """Pictures that belong together by their names."""

    pattern: str
    """As `data.group` takes it."""
    groups: int
    example: str
    """The name of one group."""


def find(names: Sequence[str], labels: npt.NDArray[np.int64]) -> Grouping | None:
    """Return how pictures belong together by their names; None if nothing suggests it.

    Args:
        names: (N,) as their data set names them, with / between the parts of a path.
        labels: (N,) their classes.
    """
    for pattern in (FOLDERS, SERIES):
        matches = [re.search(pattern, name) for name in names]
        keys = np.array([match[1] if match else "" for match in matches], dtype=np.str_)
        if all(matches) and _is_grouping(names, keys, labels, is_series=pattern == SERIES):
            return Grouping(pattern, len(np.unique(keys)), str(keys[0]))
    return None


def _is_grouping(
    names: Sequence[str], keys: npt.NDArray[np.str_], labels: npt.NDArray[np.int64], is_series: bool
) -> bool:
    of_class = [len(np.unique(keys[labels == label])) for label in np.unique(labels)]
    if min(of_class) < LEAST_GROUPS or len(keys) < LEAST_MEMBERS * sum(of_class):
        return False
    _, sizes = np.unique(keys, return_counts=True)
    if sizes.max() > LARGEST_SHARE * len(keys):
        return False
    return not is_series or _density(names, keys) >= LEAST_DENSITY


def _density(names: Sequence[str], keys: npt.NDArray[np.str_]) -> float:
    """Return the median over groups of the share of their numbers, from the first to the last, that are there."""
    numbers: dict[str, set[int]] = {}
    for name, key in zip(names, keys.tolist(), strict=True):
        match = LAST_NUMBER.search(name)
        numbers.setdefault(key, set()).add(int(match[1]) if match else 0)
    return float(np.median([len(group) / (max(group) - min(group) + 1) for group in numbers.values()]))
