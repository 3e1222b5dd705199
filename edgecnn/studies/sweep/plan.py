"""The plan of a sweep, sweep.toml: which keys of a recipe are searched, within what, by which sampler, for what."""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from edgecnn import nets
from edgecnn.common import config, documents
from edgecnn.errors import PlanError, nearest
from edgecnn.records import resolve
from edgecnn.records.recipe import MOST, Recipe
from edgecnn.studies.sweep import objectives

Parameters = Mapping[str, str | int | float | bool]
"""A point of the space, as Optuna keeps it: values by the recipe's dotted keys."""

OF_A_DIMENSION = ("choice", "low", "high", "log", "step")
MOST_TRIALS = 100_000


@dataclass(frozen=True, kw_only=True)
class Dimension:
    """The values that one key of a recipe may take: one of a list, or a number of a range."""

    choice: tuple[Any, ...] = ()
    low: int | float | None = None
    high: int | float | None = None
    """Whole numbers as both bounds mean whole numbers between them; the bounds belong to the range."""
    log: bool = False
    """Draw the logarithm evenly, for what ranges over powers of ten."""
    step: int | float | None = None

    def __post_init__(self) -> None:
        if bool(self.choice) == (self.low is not None or self.high is not None):
            raise ValueError("it should have either a choice of values, or low and high")
        if self.choice:
            if self.log or self.step is not None:
                raise ValueError("a choice has neither log nor step")
            if len(set(map(written, self.choice))) < len(self.choice):
                raise ValueError("a value of the choice stands there twice")
            return
        if self.low is None or self.high is None:
            raise ValueError("a range needs both low and high")
        if not self.low < self.high:
            raise ValueError(f"low = {self.low} should be below high = {self.high}")
        if self.log and (self.low <= 0 or self.step is not None):
            raise ValueError("log needs low above 0, and no step")
        if self.step is not None and not 0 < self.step <= self.high - self.low:
            raise ValueError(f"step = {self.step} should lie above 0 and within the range")

    @property
    def is_whole(self) -> bool:
        """True if the range is one of whole numbers."""
        return all(isinstance(bound, int) for bound in (self.low, self.high, self.step or 1))

    @property
    def extremes(self) -> tuple[Any, ...]:
        """The values between which all others lie; of a choice all."""
        return self.choice or (self.low, self.high)

    def holds(self, value: Any) -> bool:
        """Return whether the dimension can take a value."""
        if self.choice:
            return written(value) in map(written, self.choice)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or self.low is None or self.high is None:
            return False
        steps = (value - self.low) / self.step if self.step else 0.0
        return self.low <= value <= self.high and math.isclose(steps, round(steps), abs_tol=1e-9)


@dataclass(frozen=True, kw_only=True)
class SamplerPlan:
    """The Optuna sampler that draws the points, with arguments of its own."""

    name: Literal[
        "TPESampler", "RandomSampler", "GPSampler", "CmaEsSampler", "QMCSampler", "BruteForceSampler", "NSGAIISampler",
        "NSGAIIISampler",
    ] = "TPESampler"  # fmt: skip
    options: Mapping[str, Any] = field(default_factory=dict, metadata=config.REST)


@dataclass(frozen=True, kw_only=True)
class PrunerPlan:
    """The Optuna pruner that ends a training that does worse than others did, with arguments of its own."""

    name: Literal[
        "NopPruner", "MedianPruner", "PercentilePruner", "SuccessiveHalvingPruner", "HyperbandPruner", "ThresholdPruner"
    ] = "NopPruner"
    options: Mapping[str, Any] = field(default_factory=dict, metadata=config.REST)


@dataclass(frozen=True, kw_only=True)
class SweepPlan:
    """A plan of a sweep: the space, the objectives, and how they are searched."""

    space: Mapping[str, Dimension]
    """By the recipe's dotted keys, such as "optim.lr"."""
    objectives: tuple[str, ...] = ("accuracy",)
    """What is sought: "accuracy", "loss", "params", "macs", "file_bytes"; each has its own direction."""
    sampler: SamplerPlan = SamplerPlan()
    pruner: PrunerPlan = PrunerPlan()
    trials: int = 20
    """How many points are looked at, all workers together."""
    epochs: int | None = None
    """Epochs of every trial; the recipe's without it."""
    seed: int = 0
    """Seed of the sampler. A trial's own seed is the recipe's."""

    def __post_init__(self) -> None:
        if not self.space:
            raise ValueError("[space] names no key to search, such as optim.lr = {low = 1e-3, high = 0.1, log = true}")
        if not 1 <= self.trials <= MOST_TRIALS:
            raise ValueError(f"trials = {self.trials} should lie between 1 and {MOST_TRIALS:,}")
        if not 0 <= self.seed < 2**32:
            raise ValueError(f"seed = {self.seed} should lie between 0 and {2**32 - 1}")
        if self.epochs is not None and not 1 <= self.epochs <= MOST["epochs"]:
            raise ValueError(f"epochs = {self.epochs} should lie between 1 and {MOST['epochs']:,}")
        if self.epochs is not None and "epochs" in self.space:
            raise ValueError("epochs are searched in [space], and set besides: leave out either")
        for name in self.objectives:
            objectives.require(name)
        if len(set(self.objectives)) < len(self.objectives) or not objectives.OF_AN_EPOCH.keys() & {*self.objectives}:
            raise ValueError("objectives should name each once, and accuracy or loss among them")
        if len(self.objectives) > 1 and self.pruner.name != "NopPruner":
            raise ValueError("Optuna prunes by one objective only: leave out either [pruner] or all objectives but one")


def load(path: Path, changes: Sequence[str] = ()) -> SweepPlan:
    """Read a plan.

    Args:
        path: Of the TOML file.
        changes: Changes of its keys, such as "trials=40".

    Raises:
        PlanError: There is no such file, or a key or a value in it is wrong.
    """
    table = config.override(config.read(path), changes)
    space = table.get("space")
    if isinstance(space, Mapping):
        table["space"] = dict(_dimensions(space, path.name))
    return config.build(SweepPlan, table, path.name)


def to_table(plan: SweepPlan) -> dict[str, Any]:
    """Return all that decides a sweep's points, as nested tables; how many there are may change."""
    table = {
        **config.table_of(plan),
        "space": {key: config.table_of(dimension) for key, dimension in plan.space.items()},
    }
    del table["trials"]
    return table


def check(plan: SweepPlan, recipe: Recipe) -> None:
    """Check that the keys are keys of the recipe, and that it can take the values at the ends of the ranges.

    Whether the values fit each other is found out by the trials: one that cannot be trained fails, and says why.

    Raises:
        PlanError: A key is unknown, or a value of it is wrong; the hint names the nearest.
    """
    table = config.table_of(recipe)
    for key, dimension in plan.space.items():
        if key == "name":
            raise PlanError("[space] names the recipe's name, which decides nothing.", "search another key")
        if key.startswith("net.") and "net.name" not in plan.space:
            _require_option(recipe.net.name, key.removeprefix("net."))
        for value in dimension.extremes:
            changed = config.override(table, resolve.overrides((), {key: value}))
            config.build(Recipe, _with_partners(changed, plan), f"[space] {key} = {written(value)}")


def recipe_of(plan: SweepPlan, recipe: Recipe, parameters: Parameters, name: str) -> Recipe:
    """Return the recipe at a point of the space.

    Args:
        plan: The sweep's.
        recipe: What is searched around.
        parameters: The point.
        name: What the recipe is called.

    Raises:
        PlanError: The values do not fit each other.
    """
    values = {key: meant(plan.space[key], value) for key, value in parameters.items()}
    return resolve.find_recipe(recipe, resolve.overrides((), {**values, "name": name}))


def value_at(recipe: Recipe, key: str) -> Any:
    """Return the recipe's own value of a dotted key; None if it has none."""
    return dict(config.flat(config.table_of(recipe))).get(key)


def kept(value: Any) -> str | int | float | bool:
    """Return a value as Optuna keeps it: a list as the text that `written` makes of it."""
    return value if isinstance(value, (str, int, float, bool)) else written(value)


def meant(dimension: Dimension, value: Any) -> Any:
    """Return the value of a recipe that Optuna keeps as `value`."""
    return next((choice for choice in dimension.choice if kept(choice) == value), value)


def written(value: Any) -> str:
    """Return a value as a short text, such as [8, 16]."""
    return documents.to_json(value, None, letters=True) if not isinstance(value, str) else value


def _require_option(net: str, option: str) -> None:
    """Raise PlanError if a net has no option of that name."""
    parameters = inspect.signature(nets.get(net).build).parameters
    known = [name for name in parameters if name not in ("input_shape", "classes")]
    if option not in ("name", *known) and not any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        raise PlanError(f"[space] net.{option} is no option of the net {net}.", nearest(option, known))


def _with_partners(table: dict[str, Any], plan: SweepPlan) -> dict[str, Any]:
    """Return the table of a recipe with the first value of every key that the plan searches and the recipe lacks.

    Keys may need each other, such as small.side and small.share.
    """
    present = dict(config.flat(table))
    missing = {key: dimension.extremes[0] for key, dimension in plan.space.items() if key not in present}
    return config.override(table, resolve.overrides((), missing))


def _dimensions(table: Mapping[str, Any], source: str, within: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the dotted key of each dimension and its table, of nested tables."""
    for key, value in table.items():
        dotted = f"{within}{key}"
        if not isinstance(value, Mapping):
            raise PlanError(
                f"{source}: [space] {dotted} should be a choice or a range, not {written(value)}.",
                f"{dotted} = {{choice = [...]}} or {{low = ..., high = ...}}",
            )
        if not value or any(word in value for word in OF_A_DIMENSION):
            yield dotted, value
        else:
            yield from _dimensions(value, source, f"{dotted}.")
