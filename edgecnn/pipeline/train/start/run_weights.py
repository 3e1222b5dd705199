"""Fine-tuning: start a training from the weights of a finished run, for the same classes or for others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from torch import Tensor

from edgecnn import nets
from edgecnn.errors import RunError
from edgecnn.records import labels
from edgecnn.records.recipe import Recipe
from edgecnn.records.run import open_run


def weights(
    recipe: Recipe, own: Mapping[str, Tensor], of_classes: set[str], classes: Sequence[str]
) -> tuple[dict[str, Tensor], tuple[float, float]]:
    """Return the weights of the run that `recipe.start` names, and the mean and deviation of its pixels.

    Args:
        recipe: of the new training.
        own: state dict of its net, as it was just built.
        of_classes: names of the weights that depend on the number of classes.
        classes: of the new training. If the run was trained for others, `of_classes` keep what they have in `own`.

    Raises:
        RunError: there is no such run, or its net is another.
    """
    run = open_run(Path(recipe.start))
    trained = nets.restore(run).state_dict()
    kept = set() if labels.same(run.labels, tuple(classes)) else of_classes
    own_shapes, trained_shapes = _shapes(own), _shapes(trained)
    for name in own_shapes | trained_shapes:
        if name not in kept and own_shapes.get(name) != trained_shapes.get(name):
            raise RunError(
                f"The net of {recipe.start} is another than {recipe.name}'s: they differ in {name}.",
                f"give [net] what {run.folder / 'recipe.toml'} says there",
            )
    return trained | {name: own[name] for name in kept}, (run.mean, run.std)


def _shapes(tensors: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(value.shape) for name, value in tensors.items()}
