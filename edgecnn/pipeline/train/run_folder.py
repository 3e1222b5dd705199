"""Whose a run folder is: a new training claims it, a resumed one must be of the same recipe, all others are refused."""

from __future__ import annotations

import dataclasses
import shlex
import shutil
from pathlib import Path

from edgecnn.common import files
from edgecnn.errors import RunError
from edgecnn.nets import code
from edgecnn.pipeline.train import replacing
from edgecnn.records import environment, plans
from edgecnn.records.recipe import OF_THE_MACHINE, Recipe
from edgecnn.records.run import CODE, DIVERGED, OF_AN_EPOCH, TRACKING, is_free


def with_machine_keys(recipe: Recipe, begun: Recipe) -> Recipe:
    """Return the recipe with the precision, threads and device it was begun with where it now leaves them to "auto"."""
    kept = {name: getattr(begun, name) for name in OF_THE_MACHINE if getattr(recipe, name) == "auto"}
    return dataclasses.replace(recipe, **kept)


def same_recipe(recipe: Recipe, begun: Recipe | None, folder: Path) -> Recipe:
    """Return the recipe that `folder` was begun with, if only keys of OF_THE_MACHINE differ.

    Raises:
        RunError: there is nothing to resume, or what is there is of another recipe.
    """
    if begun is None:
        raise RunError(f"There is nothing to resume in {folder}.", "train without --resume")
    decisive = (field.name for field in dataclasses.fields(Recipe) if field.name not in OF_THE_MACHINE)
    changed = [name for name in decisive if getattr(begun, name) != getattr(recipe, name)]
    if changed:
        raise RunError(
            f"What was trained in {folder} is of another recipe: {', '.join(changed)} differ.",
            _hint_for_another_recipe(folder, recipe, changed),
        )
    return begun


def _hint_for_another_recipe(folder: Path, recipe: Recipe, changed: list[str]) -> str:
    """Return what a user can do about a folder that was begun with another recipe."""
    if is_free(folder):
        return "nothing has been learnt there yet: train without --resume"
    hint = "resume it with its own recipe, or train under another --name"
    if changed != ["epochs"]:
        return hint
    words = ["edgecnn", "train", folder / "recipe.toml", "--epochs", recipe.epochs, "-s", f"start={folder}"]
    words += ["--output", folder.parent, "--name", f"{folder.name}-{recipe.epochs}"]
    command = f"`{shlex.join(map(str, words))}`"
    if (folder / "run.json").is_file():
        return f"{command} goes on from its weights"
    return f"{hint}; once it is finished, {command} goes on from its weights"


def refuse_a_run(folder: Path, force: bool = False) -> None:
    """Raise RunError if a new training in `folder` would overwrite what another has learnt, and must not."""
    if is_free(folder):
        return
    if force:
        replacing.require_replaceable(folder)
        return
    raise RunError(
        f"{folder} holds a run already.",
        "continue it with --resume, overwrite it with --force, or choose another --name or --output",
    )


def claim(recipe: Recipe, folder: Path) -> None:
    """Remove what an earlier training left in `folder`, and write recipe, environment and the net's code there."""
    for name in (*OF_AN_EPOCH, DIVERGED, CODE):
        (folder / name).unlink(missing_ok=True)
    shutil.rmtree(folder / TRACKING, ignore_errors=True)
    code.keep(recipe.net.name, folder)
    files.write_text(folder / "recipe.toml", plans.dump(recipe))
    files.write_json(folder / "environment.json", environment.to_table(environment.here()))
