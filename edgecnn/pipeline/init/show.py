"""A choice for people: the decisions with their reasons, and the command that comes next; or two lines of it."""

from __future__ import annotations

import dataclasses
import shlex
from pathlib import Path
from typing import Any

from edgecnn.common import console
from edgecnn.common.escapes import say
from edgecnn.pipeline.init import choose, recipe_file
from edgecnn.pipeline.init.init import Choice, command
from edgecnn.records import data_paths, pretrained, resizing

IMAGENET_RECIPE = "photos-lite0"
SMALLEST_PHOTOGRAPH = 97
"""In pixels: the least height and width at which that recipe was tried."""


def show(choice: Choice, path: Path) -> None:
    """Print the decisions that have a reason, the file, and the next command."""
    say(f"{choice.survey.path}: {choose.summary(choice.survey)}")
    say()
    for item in choice.decisions:
        if item.reason and item.key not in ("data.name", "data.path"):
            table, _, key = item.key.rpartition(".")
            say(f"{table}{'.' * bool(table)}{recipe_file.assignment(key, item.value)}  # {item.reason}")
    say()
    say(f"{path} says all of it. Next:")
    say(f"    {command(path)}")
    if larger := from_imagenet(choice):
        say("More accurate on photographs, for forty times the bytes and thirty times the work, from ImageNet:")
        say(f"    {larger}")


def from_imagenet(choice: Choice) -> str | None:
    """Return the command that trains a net of ImageNet's on the pictures; None for pictures unlike its own."""
    survey, plan = choice.survey, choice.recipe.data
    if choice.recipe.start.startswith(pretrained.PREFIX):  # that is what was chosen
        return None
    if not survey.coloured or min(survey.median_width, survey.median_height) < SMALLEST_PHOTOGRAPH:
        return None
    words = ["edgecnn", "train", IMAGENET_RECIPE, "--data", data_paths.word(plan)]
    return shlex.join(words + ["-s", "augment.flip=false"] * (survey.mirror is not None))


def announce(choice: Choice) -> None:
    """Say to stderr what was chosen for a training that was started without a recipe."""
    recipe, options = choice.recipe, choice.recipe.data.options
    colour = "grey" if options["channels"] == 1 else "coloured"
    height, width = resizing.sides(options["size"], options.get("width", 0))
    size = f"{height} x {width} {colour} pictures"
    start = f" from {recipe.start}" if recipe.start else ""
    flips = "with flips" if recipe.augment.flip else "without flips"
    console.note(
        f"no recipe is named, so one is chosen: {recipe.net.name}{start}, {size}, epochs {recipe.epochs}, {flips}"
    )
    console.note(f"`edgecnn init {shlex.quote(data_paths.word(recipe.data))}` writes it to a file, with the reasons")


def to_table(choice: Choice, path: Path) -> dict[str, Any]:
    """Return the choice as a table for JSON."""
    return {
        "file": str(path),
        "next": command(path),
        "from_imagenet": from_imagenet(choice),
        "survey": dataclasses.asdict(choice.survey),
        "decisions": [dataclasses.asdict(item) for item in choice.decisions],
    }
