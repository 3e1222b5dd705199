"""The price list, rescue.json: a row per try, with what it gained and what it costs."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edgecnn.common import config, documents, files
from edgecnn.errors import UsageError
from edgecnn.records import environment
from edgecnn.records.artifact import Verdict
from edgecnn.records.environment import Environment
from edgecnn.records.gates import Outcome
from edgecnn.records.measurement import Summary

FILE = "rescue.json"
KIND = documents.Kind(
    name="price list",
    words="a price list of `edgecnn export --rescue`",
    error=UsageError,
    hint="`edgecnn export RUN --rescue` writes one",
)
PAGE = "rescue.md"
PICTURE = "rescue.png"
PLAIN = "post-training int8"
"""The row that all others are compared with: the plan without any rung."""


@dataclass(frozen=True, kw_only=True)
class PriceRow:
    """One int8 file: a rung with its options, on top of the rungs that helped before it."""

    rung: str
    """PLAIN, or the name of a rung."""
    label: str
    """The try in a few words."""
    options: Mapping[str, Any]
    on: Mapping[str, Mapping[str, Any]]
    """Rungs beneath it, with their options."""
    command: str
    """The command that exports this file."""
    precision: str
    bytes: int
    float_operators: int
    n: int
    """How many validation pictures all figures below are from."""
    top1_percent: float
    top1_low_percent: float
    top1_high_percent: float
    drop_pp: float
    drop_low_pp: float
    drop_high_pp: float
    """The drop is against the float net, paired."""
    bought_pp: float
    bought_low_pp: float
    bought_high_pp: float
    bought_p_value: float
    """The gain is against PLAIN, paired; the p-value is McNemar's exact one."""
    passed: bool
    """Whether its drop on these pictures is at most the gate's limit, by which the ladder chooses."""
    outcome: Outcome | None = None
    """The gate's outcome by the drop's interval; None in an early list."""
    taken: bool = False
    """Whether it is part of what was exported."""
    made_s: float
    """Seconds from the float net to the file, training included."""
    price: Summary | None = None
    """Latency, or instructions if the board keeps no time."""


@dataclass(frozen=True, kw_only=True)
class PriceList:
    """All rows of one climb, and the outcome of the export that followed."""

    run: str
    command: str
    """The command that repeats it."""
    date: str
    """UTC, in ISO 8601."""
    board: str
    environment: Environment
    """The board's environment."""
    format: str
    """Format of the rows' files."""
    runtime: str
    max_drop_pp: float
    float_top1_percent: float
    """Accuracy of the float net on the validation pictures."""
    rows: tuple[PriceRow, ...]
    passed_over: tuple[str, ...]
    """Rungs that do not apply to this net."""
    chosen: Mapping[str, Mapping[str, Any]]
    """The exported rungs, with their options."""
    chosen_command: str
    """The command that exports them without climbing."""
    verdicts: Mapping[str, Verdict] = field(default_factory=dict)
    """Outcomes of the checks on the test pictures, which no choice has seen, by file."""


def write(prices: PriceList, path: Path) -> None:
    """Write the price list as JSON, atomically.

    Raises:
        OutputError: It cannot be written.
    """
    table = dataclasses.asdict(prices)
    files.write_json(path, {**table, "environment": environment.to_table(prices.environment)})


def read(path: Path) -> PriceList:
    """Read a price list that `write` wrote.

    Raises:
        UsageError: The file is something else.
    """
    with KIND.expected(path):
        table = documents.table(path)
        machine = environment.from_table(table.get("environment"))
        return config.build(PriceList, {**table, "environment": machine}, path.name)
