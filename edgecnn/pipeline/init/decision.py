"""A decision: the value of one key of a recipe, with the reason for it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from edgecnn.common import config

ASKED = "as asked"
"""The reason for a value that the user named."""


@dataclass(frozen=True)
class Decision:
    """A decision about one key of a recipe: its value, and the reason."""

    key: str
    """With the name of its table, as in "data.size"."""
    value: Any
    reason: str
    """One sentence without its full stop, with the numbers that decided."""


def asked(changes: Iterable[str]) -> dict[str, Any]:
    """Return the values by key that a user set, as in "optim.lr=0.2". Raises PlanError for what is no setting."""
    return dict(config.flat(config.override({}, changes)))


def settle(decisions: Iterable[Decision], asked: Mapping[str, Any]) -> list[Decision]:
    """Return the decisions with the values that the user named in place of ours."""
    return [
        Decision(item.key, asked[item.key], ASKED) if item.key in asked and asked[item.key] != item.value else item
        for item in decisions
    ]


def values_in(table: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of a table's keys, as in {"size": 32} for "data" and {"data.size": 32, "epochs": 2}."""
    return {key.removeprefix(f"{table}."): value for key, value in values.items() if key.startswith(f"{table}.")}


def nested(decisions: Iterable[Decision]) -> dict[str, Any]:
    """Return all decisions as the tables of a recipe."""
    result: dict[str, Any] = {}
    for item in decisions:
        table, _, key = item.key.rpartition(".")
        (result.setdefault(table, {}) if table else result)[key] = item.value
    return result
