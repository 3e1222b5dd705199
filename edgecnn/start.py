"""Weights to start from: a finished run's, of the same classes or of others (fine-tuning)."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from torch import Tensor, nn

from edgecnn import calibration, console, data, nets
from edgecnn.data import Splits
from edgecnn.errors import EdgecnnError, RunError
from edgecnn.recipes import DataPlan, NetPlan, Recipe
from edgecnn.run import Run, open_run


def weights(recipe: Recipe, net: nn.Module, splits: Splits) -> dict[str, Tensor]:
    """What `net`, just built from `recipe` for the pictures and classes of `splits`, begins with, by name.

    They are the weights of the run that `recipe.start` names, but for the layer of the logits if that run told other
    classes apart: it keeps what it was built with.

    Raises RunError if there is no such run, if its net is another, or if it was trained on pictures that are now to be
    validated or tested with.
    """
    run = open_run(Path(recipe.start))
    own, taken = net.state_dict(), nets.restore(run).state_dict()
    drawn = set() if run.labels == splits.train.classes else _of_classes(recipe.net, splits)
    own_shapes, taken_shapes = _shapes(own), _shapes(taken)
    for name in own_shapes | taken_shapes:
        if name not in drawn and own_shapes.get(name) != taken_shapes.get(name):
            raise RunError(
                f"The net of {recipe.start} is another than {recipe.name}'s: they differ in {name}.",
                f"give [net] what {run.folder / 'recipe.toml'} says there",
            )
    refuse_seen(run, recipe, splits)
    return taken | {name: own[name] for name in drawn}


def refuse_seen(run: Run, recipe: Recipe, splits: Splits) -> None:
    """Raise RunError if `run` was trained on a picture of the validation or test split, by its sha256.

    Where its data set is the recipe's, cut the same way, no picture can be. Pictures of another name are taken to be
    others, and of those that are not here any more a note says that nobody knows.
    """
    cut = run.recipe.data
    if cut.name != recipe.data.name or _uncut(cut) == _uncut(recipe.data):
        return
    try:
        learnt = set(calibration.digests(data.load(cut).train.pictures))
    except EdgecnnError as error:
        console.note(f"Whether {recipe.start} was trained on pictures of these splits cannot be told: {error}")
        return
    held_out = [*calibration.digests(splits.validation.pictures), *calibration.digests(splits.test.pictures)]
    if shared := sum(one in learnt for one in held_out):
        raise RunError(
            f"{recipe.start} was trained on {shared:,} of the {len(held_out):,} pictures to validate and to test with.",
            f"cut them off as it did: [data] of {run.folder / 'recipe.toml'}",
        )


def _uncut(plan: DataPlan) -> DataPlan:
    return dataclasses.replace(plan, fraction=1.0, fraction_seed=0)


def _of_classes(plan: NetPlan, splits: Splits) -> set[str]:
    """The weights whose shape the number of classes decides."""
    count, shape = len(splits.train.classes), splits.train.input_shape
    fewer, more = (_shapes(nets.build(plan, shape, classes).state_dict()) for classes in (count, count + 1))
    return {name for name in fewer if fewer[name] != more[name]}


def _shapes(weights: dict[str, Tensor]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(value.shape) for name, value in weights.items()}
