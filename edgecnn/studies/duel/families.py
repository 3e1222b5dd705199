"""What each family brings: the net its scaling starts from, and the few settings its trials choose among.

All families share the recipe's schedule, label smoothing, weight averaging and batch size. A family's own are the
optimiser, the learning rate and the weight decay; whether the recipe's augmentation helps is tried for each.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from edgecnn.errors import PlanError
from edgecnn.nets import budget
from edgecnn.records.recipe import AugmentPlan, NetPlan, OptimPlan, Recipe

LR_FACTORS = (1.0, 1 / 3, 3.0)
DECAY_FACTORS = (1.0, 10.0)

ADAMW = {"mlp": (0.003, 0.01), "vit": (0.002, 0.05)}
"""Family -> the learning rate and the weight decay its trials begin with."""
ADAMW_OTHERS = (0.003, 0.01)

MOST_TOKENS = 64
LEAST_PATCH = 2
SLIM = 32
"""Fewest features of a ViT's token before it gives up half of its blocks and heads."""


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What a trial tries."""

    optim: OptimPlan
    augment: AugmentPlan


def fit(family: str, recipe: Recipe, shape: tuple[int, int, int], classes: int, target: int, by: str) -> NetPlan:
    """The family's net at `target` parameters or MACs, within 5 %; the recipe's own as it is if it costs just that.

    Raises PlanError if none is found.
    """
    if family == recipe.net.name and budget.cost(recipe.net, shape, classes, by) == target:
        return recipe.net
    return budget.solve(start(family, recipe, shape, classes, target, by), shape, classes, target, by)


def start(family: str, recipe: Recipe, shape: tuple[int, int, int], classes: int, target: int, by: str) -> NetPlan:
    """The net of `family` that scaling to `target` parameters or MACs starts from, for shape = (C, H, W).

    A ViT cuts the picture into at most 64 patches, the smallest of at least 2 pixels that do, and has 4 blocks of
    4 heads, or 2 of 2 where 4 would leave a token less than 32 features.

    Raises PlanError where no patch fits the picture.
    """
    if family == recipe.net.name:
        return recipe.net
    if family != "vit":
        return NetPlan(name=family)
    _, height, width = shape
    sides = range(LEAST_PATCH, min(height, width) + 1)
    fitting = (p for p in sides if height % p == width % p == 0 and height * width // p**2 <= MOST_TOKENS)
    patch = next(fitting, None)
    if patch is None:
        raise PlanError(f"No square patch cuts {height} x {width} pixels into at most {MOST_TOKENS} tokens for a ViT.")
    slim = NetPlan(name="vit", options={"patch": patch, "dim": SLIM, "mlp_dim": 2 * SLIM, "depth": 4, "heads": 4})
    if budget.cost(slim, shape, classes, by) > target:
        return replace(slim, options={**slim.options, "depth": 2, "heads": 2})
    return slim


def precision(family: str, recipe: Recipe) -> Literal["auto", "fp32", "bf16"]:
    """The recipe's own for its net; bf16 speeds up convolutions on a CPU and slows attention's small products down."""
    return recipe.precision if family == recipe.net.name else "fp32"


def settings(family: str, recipe: Recipe, count: int) -> Sequence[Setting]:
    """The first `count` settings of the family's grid: learning rates first, then augmentation, then weight decay.

    More trials begin with the same ones. Raises PlanError if the grid has fewer.
    """
    base = recipe.optim
    if family != recipe.net.name:
        lr, decay = ADAMW.get(family, ADAMW_OTHERS)
        base = replace(base, name="adamw", lr=lr, weight_decay=decay)
    augments = (recipe.augment, AugmentPlan()) if recipe.augment.used() else (recipe.augment,)
    grid = [
        Setting(
            optim=replace(base, lr=float(f"{base.lr * lr:.3g}"), weight_decay=base.weight_decay * decay),
            augment=augment,
        )
        for decay, augment, lr in itertools.product(DECAY_FACTORS, augments, LR_FACTORS)
    ]
    if count > len(grid):
        raise PlanError(f"The grid of {family} has {len(grid)} settings, not {count}.", f"--trials {len(grid)}")
    return grid[:count]
