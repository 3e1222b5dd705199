"""What follows from numbers alone: how long to learn, in what steps, from pictures of which size."""

from __future__ import annotations

from typing import Any

import pytest

from edgecnn.pipeline.init import choose
from edgecnn.pipeline.init.survey import Survey


def chosen(pictures: int, width: int = 64, height: int = 64, **more: Any) -> dict[str, Any]:
    """The decisions for so many coloured pictures in two classes."""
    facts: dict[str, Any] = {
        "data": "folder", "path": "/photos", "classes": ("cat", "dog"), "counts": (pictures // 2, pictures // 2),
        "splits": {"train": pictures}, "median_width": width, "median_height": height, "alike": 1.0,
        "coloured": pictures, "copies": 0, "broken": 0, "first_broken": None, "leaked": 0, "grouping": None,
        "mirror": None,
    }  # fmt: skip
    return {item.key: item.value for item in choose.choose(Survey(**facts | more), None, {})}


@pytest.mark.parametrize(
    ("pictures", "epochs", "batch", "validation"), [(200, 60, 32, 0.1), (8_000, 40, 128, 0.1), (60_000, 24, 128, 0.05)]
)
def test_more_pictures_are_seen_less_often(pictures: int, epochs: int, batch: int, validation: float) -> None:
    decisions = chosen(pictures)
    assert (decisions["epochs"], decisions["batch_size"], decisions["data.validation"]) == (epochs, batch, validation)
    assert ("small.side" in decisions) == (pictures > 10_000)


@pytest.mark.parametrize(
    ("width", "height", "size", "columns"),
    [
        (224, 224, 32, None),
        (640, 480, 32, None),
        (8, 8, 8, None),
        (400, 100, 16, 64),
        (100, 400, 64, 16),
        (64, 1, 1, 64),
        (1, 1, 1, None),
        (100_000, 2, 1, 512),
    ],
)
def test_the_size_is_that_of_the_zoo_or_of_the_pictures(
    width: int, height: int, size: int, columns: int | None
) -> None:
    decisions = chosen(200, width, height)
    assert decisions["data.size"] == (size if columns is None else [size, columns])
    assert ("data.resize" in decisions) == ((width, height) == (640, 480))


def test_pictures_that_lie_in_all_ways_become_squares() -> None:
    assert chosen(200, 400, 100, alike=0.6)["data.size"] == 32
