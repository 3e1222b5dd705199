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
from edgecnn.records import data_paths


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


def announce(choice: Choice) -> None:
    """Say to stderr what was chosen for a training that was started without a recipe."""
    recipe, options = choice.recipe, choice.recipe.data.options
    colour = "grey" if options["channels"] == 1 else "coloured"
    size = f"{options['size']} x {options.get('width') or options['size']} {colour} pictures"
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
        "survey": dataclasses.asdict(choice.survey),
        "decisions": [dataclasses.asdict(item) for item in choice.decisions],
    }
