"""Fine-tuning: start a training from the weights of a finished run, for the same classes or for others."""

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
    """Return the weights that a net starts from: those of the run that `recipe.start` names.

    If that run was trained for other classes, the layer of the logits keeps the weights it has in `net`.

    Args:
        recipe: of the new training.
        net: as it was just built from the recipe.
        splits: their classes and image shape are those `net` was built for.

    Returns:
        A state dict for `net`.

    Raises:
        RunError: there is no such run, or its net is another.
    """
    run = open_run(Path(recipe.start))
    own, trained = net.state_dict(), nets.restore(run).state_dict()
    kept = set() if labels.same(run.labels, splits.train.classes) else _names_of_class_weights(recipe.net, splits)
    own_shapes, trained_shapes = _shapes(own), _shapes(trained)
    for name in own_shapes | trained_shapes:
        if name not in kept and own_shapes.get(name) != trained_shapes.get(name):
            raise RunError(
                f"The net of {recipe.start} is another than {recipe.name}'s: they differ in {name}.",
                f"give [net] what {run.folder / 'recipe.toml'} says there",
            )
    return trained | {name: own[name] for name in kept}


def _names_of_class_weights(plan: NetPlan, splits: Splits) -> set[str]:
    """Return the names of the weights whose shape depends on the number of classes."""
    count, shape = len(splits.train.classes), splits.train.input_shape
    fewer, more = (_shapes(nets.build(plan, shape, classes).state_dict()) for classes in (count, count + 1))
    return {name for name in fewer if fewer[name] != more[name]}


def _shapes(weights: dict[str, Tensor]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(value.shape) for name, value in weights.items()}
