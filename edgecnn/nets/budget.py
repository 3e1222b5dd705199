"""Nets of the same cost, so that a comparison is one of architectures: scale a net until it costs what another does."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import replace

from edgecnn import nets
from edgecnn.errors import PlanError
from edgecnn.records import plans
from edgecnn.records.recipe import NetPlan, Recipe

TOLERANCE = 0.05
"""Largest relative distance from the target that counts as the same cost."""

UNITS = {"params": "parameters", "macs": "MACs"}


def cost(plan: NetPlan, input_shape: tuple[int, int, int], classes: int, by: str) -> int:
    """Return the cost of a net. No weights are drawn and no random state changes.

    Args:
        plan: the [net] table.
        input_shape: (C, H, W) of one image.
        classes: the number of classes.
        by: "params" for parameters with batch norm folded, or "macs".
    """
    import torch

    from edgecnn.nets import anatomy

    with torch.device("meta"):
        net = nets.build(plan, input_shape, classes)
    return anatomy.folded_parameters(net) if by == "params" else anatomy.macs(net, input_shape)


def solve(plan: NetPlan, input_shape: tuple[int, int, int], classes: int, target: int, by: str = "params") -> NetPlan:
    """Scale a net to within 5 % of a number of parameters or MACs.

    First all knobs of the net are scaled together, which keeps its proportions, to just below the target; then each by
    itself, coarse ones first, and the last to the nearest value. The same input gives the same net.

    Args:
        plan: the [net] table; its knobs are where the search starts.
        input_shape: (C, H, W) of one image.
        classes: the number of classes.
        target: the cost to reach.
        by: "params" or "macs".

    Raises:
        PlanError: no setting comes near enough; the hint names the nearest.
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

    def with_knobs(values: tuple[int, ...]) -> NetPlan:
        return replace(plan, options={**plan.options, **dict(zip(net.KNOBS, values, strict=True))})

    costs: dict[tuple[int, ...], int] = {start: cost(plan, input_shape, classes, by)}  # a wrong plan fails here

    def price(values: tuple[int, ...]) -> int:
        """Return the cost with these knobs, or 0 if the net is too small to be built."""
        if values not in costs:
            try:
                costs[values] = cost(with_knobs(values), input_shape, classes, by)
            except PlanError:
                costs[values] = 0
        return costs[values]

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
        nearest = min((values for values in costs if costs[values]), key=lambda values: abs(costs[values] - target))
        goal, setting = f"{target:,} {UNITS[by]}", dict(zip(net.KNOBS, nearest, strict=True))
        raise _out_of_reach(plan, goal, costs[nearest], setting)
    return with_knobs(best)


def _out_of_reach(plan: NetPlan, goal: str, nearest_cost: int, nearest: Mapping[str, int]) -> PlanError:
    """Return the error for a net that does not reach its goal with any setting of its knobs."""
    return PlanError(
        f"[budget] {plan.name} does not come within 5 % of {goal} by its {', '.join(nearest)}.",
        f"nearest: {nearest_cost:,} with {', '.join(f'{knob} = {value}' for knob, value in nearest.items())}; "
        "change its other options",
    )


def resolve(recipe: Recipe, input_shape: tuple[int, int, int], classes: int) -> Recipe:
    """Return the recipe without a budget, and with a net that costs what the net of the budget's recipe costs.

    Args:
        recipe: returned as it is if it has no budget.
        input_shape: (C, H, W) of one image, for both nets.
        classes: the number of classes, for both nets.

    Raises:
        PlanError: as in `solve`, or the other recipe has a budget itself.
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
    """Return the largest size of at least 1 whose price, which rises with the size, is at most `target`; 0 if none is.

    A bracket is found from `start` by doubling or halving and then closed by interpolation: prices are nearly linear in
    between, and building a net to price it takes tens of milliseconds.
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
