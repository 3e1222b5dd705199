"""Weights to start from: a finished run's, of the same classes or of others (fine-tuning)."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from torch import Tensor, nn

from edgecnn import calibration, console, data, labels, nets
from edgecnn.data import Splits
from edgecnn.errors import EdgecnnError, RunError
from edgecnn.recipes import DataPlan, NetPlan, Recipe
from edgecnn.run import open_run


def weights(recipe: Recipe, net: nn.Module, splits: Splits) -> dict[str, Tensor]:
    """What `net`, just built from `recipe` for the pictures and classes of `splits`, begins with, by name.

    They are the weights of the run that `recipe.start` names, but for the layer of the logits if that run told other
    classes apart: it keeps what it was built with.

    Raises RunError if there is no such run, if its net is another, or if it was trained on pictures that are now to be
    validated or tested with.
    """
    run = open_run(Path(recipe.start))
    own, taken = net.state_dict(), nets.restore(run).state_dict()
    drawn = set() if labels.same(run.labels, splits.train.classes) else _of_classes(recipe.net, splits)
    own_shapes, taken_shapes = _shapes(own), _shapes(taken)
    for name in own_shapes | taken_shapes:
        if name not in drawn and own_shapes.get(name) != taken_shapes.get(name):
            raise RunError(
                f"The net of {recipe.start} is another than {recipe.name}'s: they differ in {name}.",
                f"give [net] what {run.folder / 'recipe.toml'} says there",
            )
    refuse_seen(recipe, splits)
    return taken | {name: own[name] for name in drawn}


def refuse_seen(recipe: Recipe, splits: Splits) -> None:
    """Raise RunError if a picture of the validation or test split, by its sha256, was trained on before.

    That is by the run that `recipe.start` names, or by the one it started from, and so on. Where its data set is the
    recipe's, cut the same way, no picture can be. Pictures of another name are taken to be others, and of those that
    are not here any more a note says that nobody knows.
    """
    folder, known = recipe.start, set[Path]()
    while folder and Path(folder).resolve() not in known:
        known.add(Path(folder).resolve())
        try:
            run = open_run(Path(folder))
            shared = _seen(run.recipe.data, recipe.data, splits)
        except EdgecnnError as error:
            console.note(f"Whether {folder} was trained on pictures of these splits cannot be told: {error}")
            return
        if shared:
            count = len(splits.validation) + len(splits.test)
            raise RunError(
                f"{folder} was trained on {shared:,} of the {count:,} pictures to validate and to test with.",
                f"cut them off as it did: [data] of {run.folder / 'recipe.toml'}",
            )
        folder = run.recipe.start


def _seen(before: DataPlan, now: DataPlan, splits: Splits) -> int:
    """How many of the pictures held out now were trained on before."""
    if before.name != now.name or _uncut(before) == _uncut(now):
        return 0
    learnt = set(calibration.digests(data.load(before).train.pictures))
    held_out = (splits.validation, splits.test)
    return sum(one in learnt for split in held_out for one in calibration.digests(split.pictures))


def _uncut(plan: DataPlan) -> DataPlan:
    return dataclasses.replace(plan, fraction=1.0, fraction_seed=0)


def _of_classes(plan: NetPlan, splits: Splits) -> set[str]:
    """The weights whose shape the number of classes decides."""
    count, shape = len(splits.train.classes), splits.train.input_shape
    fewer, more = (_shapes(nets.build(plan, shape, classes).state_dict()) for classes in (count, count + 1))
    return {name for name in fewer if fewer[name] != more[name]}


def _shapes(weights: dict[str, Tensor]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(value.shape) for name, value in weights.items()}
