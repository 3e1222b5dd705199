"""Boards with a name: bench/boards/<name>.toml holds what to type otherwise."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edgecnn.common import config
from edgecnn.records import plans
from edgecnn.records.plans import Suite


@dataclass(frozen=True, kw_only=True)
class NamedBoard:
    """A board of one's own."""

    address: str
    """As in "pi@raspberrypi.local:22", or a Host of ~/.ssh/config."""
    python: str | None = None
    """Interpreter there, if it is not the first `python3` that fits."""
    notes: str = ""


def folder() -> Path:
    return plans.folder(Suite) / "boards"


def names() -> tuple[str, ...]:
    return tuple(sorted(path.stem for path in folder().glob("*.toml")))


def read(name: str) -> NamedBoard:
    """Raises PlanError for a file that is not right."""
    path = folder() / f"{name}.toml"
    return config.build(NamedBoard, config.read(path), path.name)
