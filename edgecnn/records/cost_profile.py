"""A CostProfile: what operators cost on a board, fitted to measured files, and how wrong that was for other nets."""

from __future__ import annotations

import dataclasses
import importlib.resources
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from edgecnn.common import cache, config, documents, files
from edgecnn.errors import UsageError
from edgecnn.records import environment
from edgecnn.records.environment import Environment

SCHEMA_VERSION = 1
KIND = documents.Kind(
    name="profile",
    words="a profile of `edgecnn board profile`",
    error=UsageError,
    hint="`edgecnn board profile BOARD` writes one",
)
SHIPPED = "cost_profiles"
"""The folder beside this file with the profiles of emulated boards, whose counts are the same on every machine."""

Unit = Literal["ms", "instructions"]


@dataclass(frozen=True, kw_only=True)
class KindCost:
    """The cost model of one kind of operator."""

    tile: tuple[int, int, int]
    """(pixels, channels out, channels in) that its kernel takes at a time, as far as costs show."""
    terms: Mapping[str, float]
    """Cost of each term of `pipeline.costs.features`, in the profile's unit."""


@dataclass(frozen=True, kw_only=True)
class HeldOutNet:
    """A net that nothing was fitted to."""

    net: str
    options: Mapping[str, Any]
    input_shape: tuple[int, int, int]
    """(C, H, W)"""
    macs: int
    predicted: float
    measured: float

    @property
    def error_percent(self) -> float:
        """|predicted - measured| / measured, in percent."""
        return 100 * abs(self.predicted / self.measured - 1)


@dataclass(frozen=True, kw_only=True)
class HeldOut:
    """The errors of predictions for nets that nothing was fitted to: |predicted - measured| / measured, in %."""

    median_percent: float
    p95_percent: float
    largest_percent: float
    nets: tuple[HeldOutNet, ...]


@dataclass(frozen=True, kw_only=True)
class CostModel:
    """The costs of one precision's files on one runtime."""

    precision: str
    runtime: str
    runtime_version: str
    num_threads: int
    call: float
    """What a call costs before its first operator, in the profile's unit."""
    operators: Mapping[str, KindCost]
    fitted_files: int
    fitted_median_percent: float
    """The median error on the files that it is fitted to."""
    held_out: HeldOut


@dataclass(frozen=True, kw_only=True)
class CostProfile:
    """The cost models of one board."""

    board: str
    unit: Unit
    date: str
    """UTC, in ISO 8601."""
    environment: Environment
    fingerprint: str
    """`environment.fingerprint` of the board."""
    models: tuple[CostModel, ...]

    def model(self, precision: str, num_threads: int = 1) -> CostModel:
        """Return the model for files of a precision. Raises UsageError if there is none."""
        for model in self.models:
            if model.precision == precision and model.num_threads == num_threads:
                return model
        known = ", ".join(f"{m.precision} with {m.num_threads} threads" for m in self.models)
        raise UsageError(
            f"The profile of {self.board} has no costs of {precision} files with {num_threads} threads.",
            f"it has: {known}",
        )


def user_path(board: str) -> Path:
    """Return where the profile of a board is kept for this user."""
    return cache.cache_folder() / "profiles" / f"{_file_name(board)}.json"


def find(board: str) -> CostProfile:
    """Return the profile of a board, or that of a file.

    Args:
        board: A board's name, or the path of a profile. A profile that this user has measured goes before a shipped
            one.

    Raises:
        UsageError: There is none, or it cannot be read.
    """
    if board.endswith(".json"):
        return read(Path(board))
    mine = user_path(board)
    if mine.is_file():
        return read(mine)
    shipped = importlib.resources.files("edgecnn.records") / SHIPPED / f"{_file_name(board)}.json"
    if shipped.is_file():
        with importlib.resources.as_file(shipped) as path:
            return read(path)
    raise UsageError(f"What a file costs on {board} is not known.", f"edgecnn board profile {board}")


def write(profile: CostProfile, path: Path) -> None:
    """Write a profile as JSON, atomically."""
    files.make_folder(path.parent)
    files.write_text(path, documents.to_file(to_table(profile), path))


def read(path: Path) -> CostProfile:
    """Read a profile that `write` wrote; raise UsageError for anything else."""
    with KIND.expected(path):
        table = documents.versioned(path, SCHEMA_VERSION)
        table["environment"] = environment.from_table(table.get("environment"))
        return config.build(CostProfile, table, path.name)


def to_table(profile: CostProfile) -> dict[str, Any]:
    """Return the profile as JSON tables."""
    table = dataclasses.asdict(profile)
    table["environment"] = environment.to_table(profile.environment)
    return {"schema_version": SCHEMA_VERSION, **table}


def _file_name(board: str) -> str:
    return re.sub(r"[^A-Za-z0-9.-]+", "-", board)
