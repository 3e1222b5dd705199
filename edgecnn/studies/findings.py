"""The results of lessons, duels and sweeps, as their JSON files hold them: numbers with n and interval, verdicts."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

from edgecnn.common import config, documents, files
from edgecnn.errors import UsageError
from edgecnn.records import environment
from edgecnn.records.environment import Environment

T = TypeVar("T", bound="Lesson | Duel | Sweep")


@dataclass(frozen=True, kw_only=True)
class Number:
    """A measured or counted value; an estimate also has its 95 % interval and the n it rests on."""

    name: str
    value: float
    unit: str
    """ "%", "pp", "pixels", "parameters", "MACs", "µs", ... or "" for a plain number."""
    low: float | None = None
    high: float | None = None
    """Bounds of the 95 % interval; None for an exact value such as a count or a size."""
    n: int | None = None
    n_of: str = ""
    """What `n` counts: "pictures", "seeds", ..."""

    def __post_init__(self) -> None:
        config.require_order(self.low, self.value, self.high, self.name)


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A statement of the textbook, and what was measured here."""

    expected: str
    measured: str
    """One sentence with the measured values, whether they support the claim or not."""
    holds: bool | None
    """Whether the claim holds; None if the measurement cannot tell."""
    exact: bool = False
    """Whether the claim follows from arithmetic, so that it holds at any size and a test can require it."""


@dataclass(frozen=True, kw_only=True)
class Lesson:
    """The result of one lesson."""

    name: str
    title: str
    """One sentence that says what the lesson is about."""
    command: str
    """The command line that repeats the lesson."""
    date: str
    """UTC, ISO 8601."""
    quick: bool
    """Whether it is the small form: fewer pictures, epochs and seeds, and coarse numbers."""
    environment: Environment
    elapsed_s: float
    numbers: tuple[Number, ...]
    claims: tuple[Claim, ...]
    pictures: tuple[str, ...]
    """Names of PNG files beside the JSON, each with a caption in `captions`."""
    captions: tuple[str, ...]
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Everything that determines the numbers: data, nets, epochs, seeds."""


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One setting that was tried for a family, with its validation accuracy."""

    settings: Mapping[str, Any]
    validation_top1_percent: float
    """Top-1 in percent; 0 if the loss stopped being a number."""


@dataclass(frozen=True, kw_only=True)
class Contender:
    """One family of a duel, scaled to the budget; file and times are those of its first repeat on all data."""

    family: str
    """Name of the net plug-in."""
    net: Mapping[str, Any]
    """[net] table of the scaled net."""
    optim: Mapping[str, Any]
    """[optim] table that the trials chose."""
    augment: Mapping[str, Any] = field(default_factory=dict)
    """[augment] table that the trials chose."""
    params: int
    macs: int
    budget_ratio: float = 1.0
    """Cost of the net divided by the budget."""
    budget_ratio_low: float | None = None
    budget_ratio_high: float | None = None
    """95 % interval of a latency ratio, measured in turns before training; None for a ratio of counts."""
    trials: tuple[Trial, ...]
    file: str
    precision: str
    float_operators: int = 0
    """Number of operators in the file that compute in float; 0 if it is int8 throughout."""
    bytes: int
    int8_top1_percent: float
    int8_top1_low_percent: float
    int8_top1_high_percent: float
    test_n: int
    p50_ms: float | None
    p50_low_ms: float | None
    p50_high_ms: float | None
    peak_rss_bytes: int | None
    planned_activation_peak_bytes: int
    instructions: Mapping[str, int] = field(default_factory=dict)
    """Board -> instructions of one inference, for the boards that can count them."""

    def __post_init__(self) -> None:
        low, high = self.int8_top1_low_percent, self.int8_top1_high_percent
        config.require_order(low, self.int8_top1_percent, high, f"top-1 of {self.family}")
        config.require_order(self.p50_low_ms, self.p50_ms, self.p50_high_ms, f"p50 of {self.family}")
        if min(self.bytes, self.params, self.macs, self.test_n) < 1 or (self.p50_ms is not None and self.p50_ms <= 0):
            raise ValueError(f"bytes, parameters, MACs, pictures and times of {self.family} should be above 0")


@dataclass(frozen=True, kw_only=True)
class Cell:
    """The repeats of one family on one share of the training data."""

    family: str
    fraction: float
    pictures: int
    """Number of training pictures."""
    epochs: int
    top1_percents: tuple[float, ...]
    """Top-1 of the float net on the whole test split, one value per repeat."""
    mean_percent: float
    low_percent: float
    high_percent: float
    """95 % interval of the mean by Student's t over repeats; for a single repeat, Wilson's over its test pictures."""
    train_seconds: float

    def __post_init__(self) -> None:
        config.require_order(self.low_percent, self.mean_percent, self.high_percent, f"top-1 of {self.family}")
        if self.pictures < 1:
            raise ValueError(f"pictures = {self.pictures} should be at least 1")


@dataclass(frozen=True, kw_only=True)
class Crossover:
    """The number of training pictures at which one family's curve meets another's."""

    winner_below: str
    winner_above: str
    status: Literal["estimated", "not in range", "not distinguishable"]
    pictures: float | None
    low: float | None
    high: float | None
    sentence: str


@dataclass(frozen=True, kw_only=True)
class Duel:
    """A CNN, an MLP and a ViT of one budget, from the learning curve to the board."""

    name: str
    command: str
    date: str
    environment: Environment
    data: str
    budget: Literal["params", "macs", "latency"]
    budget_value: float
    budget_unit: str
    board: str
    repeats: int
    contenders: tuple[Contender, ...]
    cells: tuple[Cell, ...]
    crossovers: tuple[Crossover, ...]
    sentences: tuple[str, ...]
    """Conclusions, generated from the numbers."""
    elapsed_s: float
    """Sum of all training times, trials included."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """The plan, which determines the numbers: recipe, families, fractions, trials, steps."""


TrialOutcome = Literal["finished", "pruned", "failed", "repeat", "unfinished"]
"""What has become of a trial; a repeat draws the recipe of an earlier one again, and is not trained."""


@dataclass(frozen=True, kw_only=True)
class SweepTrial:
    """A point of a sweep's space, and what has become of it."""

    number: int
    point: Mapping[str, Any]
    """Values by the recipe's dotted keys."""
    outcome: TrialOutcome
    values: tuple[float, ...]
    """The values of the objectives; empty unless it is finished, or repeats one that is."""
    epochs: int
    """Epochs that are in its run folder."""
    why: str = ""
    """Why it failed."""
    repeats: int | None = None
    is_on_front: bool = False
    """Whether no other trial is as good in all objectives and better in one, by value."""
    seconds: float
    """From when it was drawn until it was finished."""


@dataclass(frozen=True, kw_only=True)
class SweepObjective:
    """An objective of a sweep, with its unit and direction."""

    name: str
    unit: str
    direction: Literal["maximize", "minimize"]


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """A search of a recipe's keys; all its numbers are of validation pictures."""

    name: str
    command: str
    date: str
    environment: Environment
    recipe: str
    data: str
    objectives: tuple[SweepObjective, ...]
    trials: tuple[SweepTrial, ...]
    best: int | None = None
    """The trial of the front that is best by the first objective."""
    validation_n: int
    """How many pictures each trial was validated on; 0 if that is not known."""
    importances: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """Objective -> key -> the share of the objective's variance that the key explains (fANOVA)."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """The plan."""

    def __post_init__(self) -> None:
        if any(len(trial.values) not in (0, len(self.objectives)) for trial in self.trials):
            raise ValueError("a trial has other values than those of the objectives")

    def count(self, outcome: TrialOutcome) -> int:
        """Return how many trials ended in one way."""
        return sum(trial.outcome == outcome for trial in self.trials)

    @property
    def front(self) -> tuple[SweepTrial, ...]:
        """The trials on the front, the best by the first objective first."""
        sign = -1 if self.objectives[0].direction == "maximize" else 1
        return tuple(sorted((t for t in self.trials if t.is_on_front), key=lambda t: (sign * t.values[0], t.number)))


def write(result: Lesson | Duel | Sweep, path: Path) -> None:
    """Write a result as JSON, atomically.

    Raises:
        OutputError: `path` cannot be written.
    """
    table = dataclasses.asdict(result)
    files.write_json(path, {**table, "environment": environment.to_table(result.environment)})


def read(kind: type[T], path: Path) -> T:
    """Read a result that `write` wrote.

    Raises:
        UsageError: the file cannot be read or is something else.
    """
    name = kind.__name__.lower()
    expectation = documents.Kind(
        name=name, words=f"a {name} that was measured here", error=UsageError, hint=f"`edgecnn {name}` writes one"
    )
    with expectation.expected(path):
        table = documents.table(path)
        return config.build(kind, {**table, "environment": environment.from_table(table.get("environment"))}, path.name)
