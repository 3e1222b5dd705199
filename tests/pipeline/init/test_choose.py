"""Choices that follow from numbers alone: how long to learn, in what steps, from pictures of which size."""

from __future__ import annotations

from typing import Any

import pytest

from edgecnn.pipeline.init import choose, decision
from edgecnn.pipeline.init.survey import Survey
from edgecnn.records import plans


def survey(pictures: int, width: int = 64, height: int = 64, **more: Any) -> Survey:
    """Return the survey of so many coloured pictures in two classes."""
    facts: dict[str, Any] = {
        "data": "folder", "path": "/photos", "classes": ("cat", "dog"), "counts": (pictures // 2, pictures // 2),
        "splits": {"train": pictures}, "median_width": width, "median_height": height, "alike": 1.0,
        "coloured": pictures, "copies": 0, "broken": 0, "first_broken": None, "leaked": 0, "grouping": None,
        "mirror": None,
    }  # fmt: skip
    return Survey(**facts | more)


def chosen(pictures: int, width: int = 64, height: int = 64, **more: Any) -> dict[str, Any]:
    """The decisions for so many coloured pictures in two classes."""
    return {item.key: item.value for item in choose.choose(survey(pictures, width, height, **more), None, {})}


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


def with_room(pictures: int, budget: int | None = 4_000_000, installed: bool = True, **asked: Any) -> dict[str, Any]:
    """The decisions for so many photographs in two classes where a net of ImageNet's may be there."""
    seen = survey(pictures, 640, 480)
    return {item.key: item.value for item in choose.choose(seen, budget, asked, has_imagenet=installed)}


@pytest.mark.parametrize(
    ("pictures", "learn"),
    [(40, "head"), (74, "head"), (100, "head-then-all"), (2_500, "head-then-all"), (9_000, "all")],
)
def test_where_the_budget_has_room_more_of_imagenets_net_learns_from_more_pictures(pictures: int, learn: str) -> None:
    decisions = with_room(pictures)
    assert decisions["start"] == "imagenet:efficientnet-lite0"
    assert (decisions["net.name"], decisions["data.size"], decisions["learn"]) == ("efficientnet-lite", 129, learn)
    assert ("head_epochs" in decisions) == (learn == "head-then-all")
    assert ("augment.shift" in decisions) == (learn != "head")
    table = {"name": "photos", **decision.nested(choose.choose(survey(pictures, 640, 480), 4_000_000, {}, True))}
    assert plans.build_recipe(table, "the chosen recipe").learn == learn


@pytest.mark.parametrize(
    "without",
    [
        {"budget": None},
        {"budget": 1_000_000},
        {"installed": False},
        {"data.size": 64},
        {"data.size": [129, 129]},
        {"data.channels": 1},
        {"net.width": 8},
        {"start": ""},
    ],
)
def test_without_room_or_by_another_wish_the_zoos_nets_are_chosen_as_ever(without: dict[str, Any]) -> None:
    assert with_room(200, **without)["net.name"] != "efficientnet-lite"


def test_how_much_learns_can_be_named() -> None:
    decisions = with_room(40, learn="all")
    assert (decisions["learn"], "optim.body_lr" in decisions) == ("all", True)


def test_pictures_that_lie_in_all_ways_become_squares() -> None:
    assert chosen(200, 400, 100, alike=0.6)["data.size"] == 32


def test_classes_of_very_different_numbers_count_alike() -> None:
    assert "optim.class_weights" not in chosen(200)
    assert chosen(200, counts=(20, 180))["optim.class_weights"] == "balanced"
