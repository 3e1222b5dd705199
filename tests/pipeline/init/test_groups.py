"""Names of pictures that say that some belong together."""

from __future__ import annotations

import re
from collections.abc import Iterable

import numpy as np
import pytest

from edgecnn.pipeline.init import groups
from edgecnn.pipeline.init.groups import Grouping

CLASSES = ("cat", "dog")


def grouping_of(names: Iterable[str]) -> Grouping | None:
    """Return the grouping if both classes have pictures of these names."""
    names = list(names)
    each = [name.replace("CLASS", label) for label in CLASSES for name in names]
    return groups.find(each, np.repeat(np.arange(len(CLASSES)), len(names)))


@pytest.mark.parametrize(
    ("form", "group"),
    [
        ("CLASSclip{series}_frame{number:04}.jpg", "catclip2"),
        ("CLASS_{series:02}_{number}.jpg", "cat_02"),
        ("CLASS/video{series}/{number:06}.png", "cat/video2"),
    ],
)
def test_a_series_is_told_by_its_name(form: str, group: str) -> None:
    names = [form.format(series=series, number=number) for series in range(5) for number in range(4)]
    grouping = grouping_of(names)
    assert grouping is not None
    assert grouping.groups == 10
    match = re.search(grouping.pattern, form.format(series=2, number=3).replace("CLASS", "cat"))
    assert match is not None
    assert match.groups() == (group,)


@pytest.mark.parametrize(
    "names",
    [
        [f"IMG_{number:04}.jpg" for number in range(40)],
        [f"n01440764_{number}.jpg" for number in range(40)],
        [f"2024013{number % 4}_{997 * number + 100000}.jpg" for number in range(40)],
        [f"{number % 2}/{number}.jpg" for number in range(40)],
        [f"photo{number}-1.jpg" for number in range(40)],
        ["a.jpg", "b.jpg", "c.jpg"],
        [f"clip1_{number}.jpg" for number in range(20)] + ["cover.jpg"],
    ],
    ids=["camera", "one series a class", "times of day", "two halves", "no two alike", "words", "not all"],
)
def test_other_names_say_nothing(names: list[str]) -> None:
    assert grouping_of(names) is None


def test_numbers_of_any_length_are_read() -> None:
    assert (
        grouping_of(f"clip{series}_{'9' * 5000}{number}.jpg" for series in range(5) for number in range(4)) is not None
    )
