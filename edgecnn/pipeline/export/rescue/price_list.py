"""What the ladder found, as rescue.json holds it: a row for each try, with what it bought and what it costs."""

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
from edgecnn.records.report import Summary

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
"""The row all others are compared with: the plan as it is, no rung taken."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One int8 file: a rung with its options, on top of the rungs that had helped before it."""

    rung: str
    """PLAIN, or the name of a rung."""
    label: str
    """The try in a few words."""
    options: Mapping[str, Any]
    on: Mapping[str, Mapping[str, Any]]
    """Rungs taken beneath it, each with its options."""
    command: str
    """What to type to export this file."""
    precision: str
    bytes: int
    float_operators: int
    n: int
    """Validation pictures, the same for every figure below."""
    top1_percent: float
    top1_low_percent: float
    top1_high_percent: float
    drop_pp: float
    drop_low_pp: float
    drop_high_pp: float
    """Against the float net, paired."""
    bought_pp: float
    bought_low_pp: float
    bought_high_pp: float
    bought_p_value: float
    """Against PLAIN, paired; exact McNemar."""
    passed: bool
    """Whether its drop on these pictures is at most the gate's: what the ladder chooses by."""
    outcome: Outcome | None = None
    """Of the gate, by the drop's interval; None in a list from before a gate could not tell."""
    taken: bool = False
    """Part of what was exported."""
    made_s: float
    """From the float net to the file; training included."""
    price: Summary | None = None
    """Latency, or instructions where the board keeps no time."""


@dataclass(frozen=True, kw_only=True)
class PriceList:
    """All rows of one climb, and how the export that followed came out."""

    run: str
    command: str
    """What to type to have it again."""
    date: str
    """UTC, ISO 8601."""
    board: str
    environment: Environment
    """Of the board."""
    format: str
    """Of the rows' files."""
    runtime: str
    max_drop_pp: float
    float_top1_percent: float
    """Of the float net on the validation pictures."""
    rows: tuple[Row, ...]
    passed_over: tuple[str, ...]
    """Rungs that do not apply to this net."""
    chosen: Mapping[str, Mapping[str, Any]]
    """The rungs of the export, each with its options."""
    chosen_command: str
    """What to type to export it without climbing."""
    verdicts: Mapping[str, Verdict] = field(default_factory=dict)
    """File -> the outcome of its check on the test pictures, which no choice has seen."""


def write(prices: PriceList, path: Path) -> None:
    """Write it as JSON, atomically. Raises OutputError."""
    table = dataclasses.asdict(prices)
    files.write_json(path, {**table, "environment": environment.to_table(prices.environment)})


def read(path: Path) -> PriceList:
    """What `write` wrote. Raises UsageError if the file is something else."""
    with KIND.expected(path):
        table = documents.table(path)
        machine = environment.from_table(table.get("environment"))
        return config.build(PriceList, {**table, "environment": machine}, path.name)
