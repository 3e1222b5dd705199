"""The net that a family's scaling starts from, and the few settings that its trials choose among.

All families share the recipe's schedule, label smoothing, weight averaging and batch size. Each family has its own
optimizer, learning rate and weight decay; whether the recipe's augmentation helps is tried for each.
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
"""Family -> (learning rate, weight decay) of its first trial."""
ADAMW_OTHERS = (0.003, 0.01)

MOST_TOKENS = 64
LEAST_PATCH = 2
SLIM = 32
"""Features per token below which a ViT gets half as many blocks and heads instead."""


@dataclass(frozen=True, kw_only=True)
class FamilySetting:
    """The optimizer and the augmentation of one trial."""

    optim: OptimPlan
    augment: AugmentPlan


def fit(family: str, recipe: Recipe, shape: tuple[int, int, int], classes: int, target: int, by: str) -> NetPlan:
    """Find the family's net that costs `target`, within 5 %; the recipe's own net unchanged if it costs just that.

    Args:
        family: name of the net plug-in.
        recipe: the duel's recipe.
        shape: (C, H, W) of the input.
        classes: number of classes.
        target: cost to reach.
        by: unit of the cost, "params" or "macs".

    Raises:
        PlanError: no such net is found.
    """
    if family == recipe.net.name and budget.cost(recipe.net, shape, classes, by) == target:
        return recipe.net
    return budget.solve(start(family, recipe, shape, classes, target, by), shape, classes, target, by)


def start(family: str, recipe: Recipe, shape: tuple[int, int, int], classes: int, target: int, by: str) -> NetPlan:
    """Return the net that scaling starts from; arguments as in `fit`.

    A ViT has the smallest patch of at least 2 x 2 pixels that yields at most 64 tokens, and 4 blocks of 4 heads, or
    2 blocks of 2 heads if 4 would leave a token fewer than 32 features.

    Raises:
        PlanError: no patch fits the picture.
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
    """Return the training precision: the recipe's for its own net, else fp32.

    On CPUs bf16 speeds up convolutions but slows down the small matrix products of attention.
    """
    return recipe.precision if family == recipe.net.name else "fp32"


def settings(family: str, recipe: Recipe, count: int) -> Sequence[FamilySetting]:
    """Return the first `count` settings of the family's grid, learning rates varying fastest, weight decay slowest.

    Raises:
        PlanError: the grid has fewer settings.
    """
    base = recipe.optim
    if family != recipe.net.name:
        lr, decay = ADAMW.get(family, ADAMW_OTHERS)
        base = replace(base, name="adamw", lr=lr, weight_decay=decay)
    augments = (recipe.augment, AugmentPlan()) if recipe.augment.used() else (recipe.augment,)
    grid = [
        FamilySetting(
            optim=replace(base, lr=float(f"{base.lr * lr:.3g}"), weight_decay=base.weight_decay * decay),
            augment=augment,
        )
        for decay, augment, lr in itertools.product(DECAY_FACTORS, augments, LR_FACTORS)
    ]
    if count > len(grid):
        raise PlanError(f"The grid of {family} has {len(grid)} settings, not {count}.", f"--trials {len(grid)}")
    return grid[:count]
