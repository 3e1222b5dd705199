"""Weights to start from: a finished run's, of the same classes or of others (fine-tuning)."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor, nn

from edgecnn import nets
from edgecnn.data import Splits
from edgecnn.errors import RunError
from edgecnn.records import labels
from edgecnn.records.recipe import NetPlan, Recipe
from edgecnn.records.run import open_run


def weights(recipe: Recipe, net: nn.Module, splits: Splits) -> dict[str, Tensor]:
    """What `net`, just built from `recipe` for the pictures and classes of `splits`, begins with, by name.

    They are the weights of the run that `recipe.start` names, but for the layer of the logits if that run told other
    classes apart: it keeps what it was built with.

    Raises RunError if there is no such run, or if its net is another.
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
    return taken | {name: own[name] for name in drawn}


def _of_classes(plan: NetPlan, splits: Splits) -> set[str]:
    """The weights whose shape the number of classes decides."""
    count, shape = len(splits.train.classes), splits.train.input_shape
    fewer, more = (_shapes(nets.build(plan, shape, classes).state_dict()) for classes in (count, count + 1))
    return {name for name in fewer if fewer[name] != more[name]}


def _shapes(weights: dict[str, Tensor]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(value.shape) for name, value in weights.items()}
