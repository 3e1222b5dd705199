"""`edgecnn.train`: the verb, for whoever names a recipe in Python."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgecnn.errors import UsageError
from edgecnn.pipeline.init import show
from edgecnn.pipeline.init.init import choose_recipe
from edgecnn.pipeline.train.train import train as verb
from edgecnn.records import names, resolve
from edgecnn.records.recipe import Recipe
from edgecnn.records.resolve import Data, FilePath
from edgecnn.records.run import Run, is_run

if TYPE_CHECKING:
    from edgecnn.pipeline.train.loop import Watch


def train(
    recipe: Recipe | FilePath | None = None,
    folder: FilePath | None = None,
    *,
    data: Data | None = None,
    resume: bool = False,
    watch: Watch | None = None,
    track: Iterable[str] = (),
    force: bool = False,
    settings: Iterable[str] = (),
    **changes: Any,
) -> Run:
    """Train a recipe into a run folder.

    Args:
        recipe: The name of a shipped recipe, the path of a .toml file, a Recipe, or a run folder whose recipe is meant.
            Without it one is chosen for the pictures of `data`, as `edgecnn init` does.
        folder: Where the run is put; runs/NAME without it, where NAME is the recipe's. With `resume` and a run folder
            as the recipe it is that folder.
        data: The name of a data set, or a folder of pictures, in place of the recipe's own data set; a mapping
            changes keys of its own, as in {"fraction": 0.1}.
        resume: Continue from the folder's checkpoint; a run that is complete is returned as it is.
        watch: Called after each epoch with its number from 1 and the net that would be kept, in eval mode and on the
            CPU; first with 0 and the fresh net.
        track: Trackers that record the training, such as "tensorboard" and "mlflow"; `edgecnn list trackers`.
        force: Overwrite a run that is in the folder; it is kept until the new one is finished.
        settings: Changes of the recipe as `-s` takes them on the command line, such as "optim.lr=0.2".
        **changes: Keys of the recipe and their values, such as `epochs=2`, `seed=1` or `optim={"lr": 0.2}`.

    Returns:
        The finished run, as its folder tells it.

    Raises:
        UsageError: Neither a recipe nor pictures are named.
        PlanError: There is no such recipe, or a key or a value of it is wrong; the hint names the nearest.
        DataError: Pictures are missing, broken or unfit to learn from.
        RunError: The folder holds a run already and `force` is not set, or the checkpoint is another recipe's.
        GateFailed: The loss has stopped being a number.

    Example:
        >>> run = edgecnn.train("dscnn-digits", "runs/tiny", epochs=1)
        >>> run.input_shape, len(run.labels)
        ((1, 8, 8), 10)
    """
    asked = resolve.overrides(settings, changes)
    if recipe is None:
        recipe, asked, data = _chosen(data, asked), [], None
    place, plan = resolve.find_training(recipe, asked, data)
    if folder is not None:
        place = Path(folder)
    if not is_run(place):
        names.require(place.absolute().name, "the folder's name")
    return verb(plan, place, resume, watch, tuple(track), force)


def _chosen(data: Data | None, changes: list[str]) -> Recipe:
    """Return a recipe for pictures that are named without one. Raises UsageError without pictures."""
    plan = None if isinstance(data, Mapping) else resolve.data_plan(data)
    if plan is None:
        raise UsageError("Neither a recipe nor pictures are named.", 'train("NAME"), or train(data="FOLDER")')
    choice = choose_recipe(plan, changes)
    show.announce(choice)
    return choice.recipe
