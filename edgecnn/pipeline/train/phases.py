"""The phases of a training: all layers, the last one alone, or one after the other.

A last layer that was just drawn sends noise back into layers that know something already. If it learns first, on what
they make of every image, the rest begins to move only once that is worth following (Kumar et al., 2022, ICLR,
arXiv:2202.10054).
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from edgecnn.records.recipe import AugmentPlan, Recipe


@dataclass(frozen=True)
class Phase:
    """A part of a training with a learner, an optimizer and a schedule of its own."""

    recipe: Recipe
    """The recipe of this phase alone: `learn` is "all" or "head"."""
    before: int
    """Epochs of the phases before it."""

    @property
    def end(self) -> int:
        """Epochs of the training when this phase has ended."""
        return self.before + self.recipe.epochs


def phases_of(recipe: Recipe) -> tuple[Phase, ...]:
    """Return the phases of a training in their order."""
    if recipe.learn == "all":
        return (Phase(recipe, 0),)
    alone = dataclasses.replace(recipe.optim, body_lr=1.0)  # there is no body
    if recipe.learn == "head":
        return (Phase(dataclasses.replace(recipe, optim=alone), 0),)
    head = dataclasses.replace(
        recipe,
        learn="head",
        epochs=recipe.head_epochs,
        optim=alone,
        augment=AugmentPlan(flip=recipe.augment.flip),
        data=dataclasses.replace(recipe.data, unlabelled=""),
        small=None,
        distill=None,
        qat_epochs=0,
    )
    return Phase(head, 0), Phase(dataclasses.replace(recipe, learn="all"), recipe.head_epochs)


def left(recipe: Recipe, epochs: int) -> tuple[Phase, ...]:
    """Return the phases that a training goes on with after so many epochs.

    The first of them has an epoch in the checkpoint, or the training has none: what has just ended is begun again, so
    that the next one finds its weights.
    """
    phases = phases_of(recipe)
    first = next((position for position, phase in enumerate(phases) if epochs <= phase.end), len(phases) - 1)
    return phases[first:]
