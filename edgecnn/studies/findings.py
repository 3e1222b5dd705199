"""What a lesson or a duel found, as its JSON holds it: numbers with n and interval, and claims held against them."""

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

T = TypeVar("T", bound="Lesson | Duel")


@dataclass(frozen=True, kw_only=True)
class Number:
    """One figure: a value, and for what is estimated its 95 % interval and the n it rests on."""

    name: str
    value: float
    unit: str
    """ "%", "pp", "pixels", "parameters", "MACs", "µs", ... or "" for a plain number."""
    low: float | None = None
    high: float | None = None
    """None for what is exact: a count, a size."""
    n: int | None = None
    n_of: str = ""
    """What n counts: "pictures", "seeds", ..."""

    def __post_init__(self) -> None:
        config.require_order(self.low, self.value, self.high, self.name)


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A sentence of the textbook, and what came out here."""

    expected: str
    measured: str
    """One sentence with the figures in it, whichever way they fell."""
    holds: bool | None
    """None: the measurement cannot tell."""
    exact: bool = False
    """True for what follows from arithmetic and must hold at any size, so that a test may insist."""


@dataclass(frozen=True, kw_only=True)
class Lesson:
    """One lesson, measured."""

    name: str
    title: str
    """What it is about, one sentence."""
    command: str
    """What to type to have it again."""
    date: str
    """UTC, ISO 8601."""
    quick: bool
    """Small form: fewer pictures, epochs and seeds, its numbers coarse."""
    environment: Environment
    elapsed_s: float
    numbers: tuple[Number, ...]
    claims: tuple[Claim, ...]
    pictures: tuple[str, ...]
    """File names beside the JSON, each with a caption in `captions`."""
    captions: tuple[str, ...]
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Data, nets, epochs, seeds: all that decides the numbers."""


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One setting of a family's small search, judged on validation."""

    settings: Mapping[str, Any]
    validation_top1_percent: float
    """0 for one whose loss stopped being a number."""


@dataclass(frozen=True, kw_only=True)
class Contender:
    """One family of a duel, scaled to the budget; files and times are those of its first repeat on all data."""

    family: str
    """The net plug-in."""
    net: Mapping[str, Any]
    """Its [net] table once scaled."""
    optim: Mapping[str, Any]
    """Its [optim] table as the trials chose it."""
    augment: Mapping[str, Any] = field(default_factory=dict)
    """Its [augment] table as the trials chose it."""
    params: int
    macs: int
    budget_ratio: float = 1.0
    """Its cost over the budget."""
    budget_ratio_low: float | None = None
    budget_ratio_high: float | None = None
    """95 % of a latency's ratio, measured in turns before training; None for what is counted."""
    trials: tuple[Trial, ...]
    file: str
    precision: str
    float_operators: int = 0
    """Operators of the file that compute in float; none in one that is int8."""
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
    """Board -> instructions of one inference, where it can count them."""

    def __post_init__(self) -> None:
        low, high = self.int8_top1_low_percent, self.int8_top1_high_percent
        config.require_order(low, self.int8_top1_percent, high, f"top-1 of {self.family}")
        config.require_order(self.p50_low_ms, self.p50_ms, self.p50_high_ms, f"p50 of {self.family}")
        if min(self.bytes, self.params, self.macs, self.test_n) < 1 or (self.p50_ms is not None and self.p50_ms <= 0):
            raise ValueError(f"bytes, parameters, MACs, pictures and times of {self.family} should be above 0")


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One family on one share of the data: its repeats."""

    family: str
    fraction: float
    pictures: int
    """Training pictures."""
    epochs: int
    top1_percents: tuple[float, ...]
    """Of the float net on the whole test split, one a repeat."""
    mean_percent: float
    low_percent: float
    high_percent: float
    """95 % of the mean over repeats, Student's t; a single repeat has the Wilson interval of its test pictures."""
    train_seconds: float

    def __post_init__(self) -> None:
        config.require_order(self.low_percent, self.mean_percent, self.high_percent, f"top-1 of {self.family}")
        if self.pictures < 1:
            raise ValueError(f"pictures = {self.pictures} should be at least 1")


@dataclass(frozen=True, kw_only=True)
class Crossover:
    """Where one family's curve meets another's, in training pictures."""

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
    """What follows, in words made from the numbers."""
    elapsed_s: float
    """Of all trainings, trials among them."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """The plan: recipe, families, fractions, trials, steps; all that decides the numbers."""


def write(found: Lesson | Duel, path: Path) -> None:
    """Write it as JSON, atomically. Raises OutputError."""
    table = dataclasses.asdict(found)
    files.write_json(path, {**table, "environment": environment.to_table(found.environment)})


def read(kind: type[T], path: Path) -> T:
    """What `write` wrote. Raises UsageError if the file is something else."""
    name = kind.__name__.lower()
    meant = documents.Kind(
        name=name, words=f"a {name} that was measured here", error=UsageError, hint=f"`edgecnn {name}` writes one"
    )
    with meant.expected(path):
        table = documents.table(path)
        return config.build(kind, {**table, "environment": environment.from_table(table.get("environment"))}, path.name)
