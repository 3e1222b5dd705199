"""The command that a user begins with, init, and what train and run do for pictures without a recipe."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgecnn.cli import completion
from edgecnn.cli import options as o
from edgecnn.common.escapes import say
from edgecnn.errors import UsageError

if TYPE_CHECKING:
    from edgecnn.records.recipe import Recipe


def init(
    pictures: Annotated[
        str,
        typer.Argument(help="Pictures by class: a folder, .csv, .parquet, .tar.", autocompletion=completion.pictures),
    ],
    budget: Annotated[
        int | None, typer.Option("--budget", help="The most parameters of the net; by default no bound.")
    ] = None,
    settings: o.SET = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="File (.toml) to write; NAME.toml by default."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
    as_json: o.JSON = False,
) -> None:
    """Look at pictures, and write a recipe for them with the reasons."""
    from edgecnn.common import documents
    from edgecnn.pipeline.init import init as verb
    from edgecnn.pipeline.init import show

    choice, path = verb.init(pictures, output, o.changes(settings, {}), budget, force)
    if as_json:
        say(documents.to_json(show.to_table(choice, path)))
    else:
        show.show(choice, path)


def find_training(
    recipe: str | None, changes: Sequence[str], data: str | None, output: Path, name: str | None = None
) -> tuple[Path, Recipe, str | Mapping[str, Any]]:
    """Return (folder, recipe, its source) of a training; without a recipe one is chosen for the pictures, and said.

    Returns:
        The run's folder; the recipe; and where that comes from: its name, or the keys that were chosen.

    Raises:
        UsageError: Neither a recipe nor pictures are named, or they cannot be used.
    """
    from edgecnn.records import resolve

    if recipe is not None:
        _refuse_pictures(recipe)
        return *resolve.find_training(recipe, changes, data, output, name), recipe
    if data is None:
        raise UsageError(
            "Neither a recipe nor pictures are named.",
            "name a recipe (`edgecnn list recipes`), or pictures: --data FOLDER, for which one is chosen",
        )
    from edgecnn.pipeline.init import init as verb
    from edgecnn.pipeline.init import show

    choice = verb.choose_recipe(data, changes)
    show.announce(choice)
    chosen = {item.key: item.value for item in choice.decisions}
    return *resolve.find_training(choice.recipe, output=output, name=name), chosen


def _refuse_pictures(recipe: str) -> None:
    """Raise UsageError for a folder that is no run where a recipe should be named."""
    from edgecnn.records import plans
    from edgecnn.records.recipe import Recipe
    from edgecnn.records.run import is_run

    if Path(recipe).is_dir() and not is_run(Path(recipe)) and recipe not in plans.names(Recipe):
        raise UsageError(f"{recipe} is a folder and no recipe.", f"--data {recipe} learns from the pictures in it")
