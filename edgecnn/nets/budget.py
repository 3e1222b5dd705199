"""Nets of the same cost, so that a comparison compares architectures: scale one until it costs what another does."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import replace

from edgecnn import nets
from edgecnn.errors import PlanError
from edgecnn.records import plans
from edgecnn.records.recipe import NetPlan, Recipe

TOLERANCE = 0.05
"""Largest distance from the target that counts as the same cost."""

UNITS = {"params": "parameters", "macs": "MACs"}


def cost(plan: NetPlan, input_shape: tuple[int, int, int], classes: int, by: str) -> int:
    """Parameters (batch norm folded) or MACs of a net. No weight is drawn and no random state moves."""
    import torch

    from edgecnn.nets import anatomy

    with torch.device("meta"):
        net = nets.build(plan, input_shape, classes)
    return anatomy.folded_parameters(net) if by == "params" else anatomy.macs(net, input_shape)


def solve(plan: NetPlan, input_shape: tuple[int, int, int], classes: int, target: int, by: str = "params") -> NetPlan:
    """The net of `plan`, scaled to within 5 % of `target` parameters or MACs.

    All knobs of the net are first turned together, which keeps its proportions, to just below the target;
    then each alone, coarse first, the last to the nearest value. The same input gives the same net.

    Raises PlanError, with the nearest cost within reach, if no setting found is near enough.
    """
    if by not in UNITS:
        raise PlanError(f"[budget] by = {by!r} is unknown.", "params or macs")
    if target < 1:
        raise PlanError(f"[budget] {target} {UNITS[by]} is no net.")
    net = nets.get(plan.name)
    if not net.KNOBS:
        raise PlanError(
            f"[budget] {plan.name} has no knob to be scaled by.", "say its numbers in [net], without [budget]"
        )
    parameters = inspect.signature(net.build).parameters
    start = tuple(int(plan.options.get(knob, parameters[knob].default)) for knob in net.KNOBS)

    def turned(values: tuple[int, ...]) -> NetPlan:
        return replace(plan, options={**plan.options, **dict(zip(net.KNOBS, values, strict=True))})

    seen: dict[tuple[int, ...], int] = {start: cost(plan, input_shape, classes, by)}  # a wrong plan fails here

    def price(values: tuple[int, ...]) -> int:
        """0 for a net too small to be built."""
        if values not in seen:
            try:
                seen[values] = cost(turned(values), input_shape, classes, by)
            except PlanError:
                seen[values] = 0
        return seen[values]

    def together(size: int) -> tuple[int, ...]:
        return tuple(max(1, round(value * size / max(start))) for value in start)

    def alone(values: tuple[int, ...], knob: int, value: int) -> tuple[int, ...]:
        return (*values[:knob], value, *values[knob + 1 :])

    def largest(reach: Callable[[int], tuple[int, ...]], first: int) -> tuple[int, ...]:
        return reach(max(1, _largest(lambda size: price(reach(size)), target, first)))

    best = largest(together, max(start))
    for knob in range(len(start)):
        best = largest(functools.partial(alone, best, knob), best[knob])
    above = alone(best, len(start) - 1, best[-1] + 1)
    best = min((best, above), key=lambda values: abs(price(values) - target))

    if abs(price(best) - target) > TOLERANCE * target:
        nearest = min((values for values in seen if seen[values]), key=lambda values: abs(seen[values] - target))
        setting = ", ".join(f"{knob} = {value}" for knob, value in zip(net.KNOBS, nearest, strict=True))
        raise PlanError(
            f"[budget] {plan.name} does not come within 5 % of {target:,} {UNITS[by]} by its {', '.join(net.KNOBS)}.",
            f"nearest: {seen[nearest]:,} with {setting}; change its other options",
        )
    return turned(best)


def resolve(recipe: Recipe, input_shape: tuple[int, int, int], classes: int) -> Recipe:
    """The recipe with its budget spent: budget None, and a net that costs what the named recipe's costs here.

    Both nets are taken on the same input and classes. Raises PlanError as `solve` does.
    """
    if recipe.budget is None:
        return recipe
    model = plans.load(Recipe, recipe.budget.like)
    if model.budget is not None:
        raise PlanError(
            f"[budget] like = {recipe.budget.like!r} is itself scaled to another net.",
            f"name {model.budget.like!r}",
        )
    target = cost(model.net, input_shape, classes, recipe.budget.by)
    net = solve(recipe.net, input_shape, classes, target, recipe.budget.by)
    return replace(recipe, net=net, budget=None)


def _largest(price: Callable[[int], int], target: int, start: int) -> int:
    """The largest size of at least 1 whose price, which rises with size, does not exceed target; 0 if none.

    A bracket is found from `start` by doubling or halving, then closed by interpolation: prices are
    nearly straight in between and building a net to price it takes tens of milliseconds.
    """
    low, high = 0, start
    while price(high) <= target:
        if high > nets.LARGEST_NUMBER:  # beyond it no net is built
            return low
        low, high = high, 2 * high
    if low == 0:
        while high > 1 and price(high // 2) > target:
            high //= 2
        low = high // 2
    bottom, top = price(low) if low else 0, price(high)
    while high - low > 1:
        guess = low + int((high - low) * (target - bottom) / (top - bottom))
        guess = min(max(guess, low + 1), high - 1)
        if price(guess) <= target:
            low, bottom = guess, price(guess)
        else:
            high, top = guess, price(guess)
    return low
