"""The plan of a duel, and the number of epochs of each of its trainings."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from edgecnn import data, nets
from edgecnn.errors import PlanError
from edgecnn.pipeline.train import augment
from edgecnn.records.recipe import Recipe

FAMILIES = ("mlp", "vit")
"""Families that a recipe's net is compared with by default."""


@dataclass(frozen=True, kw_only=True)
class DuelPlan:
    """One recipe's net against nets of other families that cost the same."""

    recipe: Recipe
    families: tuple[str, ...] = ()
    """Names of net plug-ins; the recipe's own, "mlp" and "vit" by default."""
    budget: Literal["params", "macs", "latency"] = "params"
    """What is equal for all nets: each is scaled until it costs as much of it as the recipe's net."""
    fractions: tuple[float, ...] = (0.01, 0.03, 0.1, 0.3, 1.0)
    """Shares of the training pictures; each share is a subset of the next larger one."""
    repeats: int = 3
    """Trainings of one family on one share; repeat r has seed r and the r-th draw of the pictures."""
    trials: int = 4
    """Settings of each family that are compared on validation."""
    trial_fraction: float = 0.1
    """Share of the training pictures that a trial learns from."""
    min_steps: int = 1000
    """Fewest optimizer steps of a training; on few pictures this means more epochs than the recipe has."""
    watch_pictures: int = 500
    """Pictures held out to monitor a training, not to choose by; trials use the recipe's validation split."""
    board: tuple[str, ...] = ("local",)
    """Boards to measure on: the first one times the files, all count instructions if they can."""

    def __post_init__(self) -> None:
        if not self.families:
            own = self.recipe.net.name
            object.__setattr__(self, "families", (own, *(name for name in FAMILIES if name != own)))
        object.__setattr__(self, "fractions", tuple(sorted(set(self.fractions))))
        if len(set(self.families)) < max(2, len(self.families)):
            raise ValueError(f"a duel needs at least two different families, not {', '.join(self.families)}")
        for fraction in (self.trial_fraction, *(self.fractions or (0.0,))):
            if not 0 < fraction <= 1:
                raise ValueError(f"the fraction {fraction:g} should lie above 0 and be at most 1")
        for name in ("repeats", "trials", "min_steps", "watch_pictures"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} = {getattr(self, name)} should be at least 1")
        if not self.board:
            raise ValueError("a duel needs a board to measure on")


def epochs(recipe: Recipe, pictures: int, min_steps: int) -> int:
    """Return the recipe's epochs, or as many as `min_steps` steps on `pictures` training pictures need."""
    steps_per_epoch = max(1, pictures // recipe.batch_size)
    return max(recipe.epochs, math.ceil(min_steps / steps_per_epoch))


def check(plan: DuelPlan) -> None:
    """Check that a plan can be run.

    Raises:
        PlanError: the recipe sets what a duel decides by itself.
        UsageError: a net is unknown, or the data forbids an augmentation.
    """
    if plan.recipe.budget is not None:
        raise PlanError(
            f"The recipe {plan.recipe.name!r} is itself scaled to {plan.recipe.budget.like!r}.",
            f"duel {plan.recipe.budget.like}, and name the families with --families",
        )
    if plan.recipe.data.fraction < 1:
        raise PlanError("A duel draws its own shares of the training pictures.", "leave data.fraction out; --fractions")
    for family in plan.families:
        nets.get(family)
    name = plan.recipe.data.name
    augment.check(plan.recipe.augment, data.get(name).FORBIDDEN_AUGMENTATIONS, name)
