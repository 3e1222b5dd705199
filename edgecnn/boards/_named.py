"""Boards with a name of their own: bench/boards/<name>.toml holds the address that one would type otherwise."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edgecnn.common import config
from edgecnn.records import plans
from edgecnn.records.plans import Suite


@dataclass(frozen=True, kw_only=True)
class NamedBoard:
    """A board that a file describes."""

    address: str
    """An address such as "pi@raspberrypi.local:22", or a Host of ~/.ssh/config."""
    python: str | None = None
    """The interpreter to use there; None takes the first `python3` that fits."""
    notes: str = ""


def folder() -> Path:
    """Return the folder of the boards' files."""
    return plans.folder(Suite) / "boards"


def names() -> tuple[str, ...]:
    """Return the names of all boards that have a file, sorted."""
    return tuple(sorted(path.stem for path in folder().glob("*.toml")))


def read(name: str) -> NamedBoard:
    """Read a board's file. Raises PlanError if it has a mistake."""
    path = folder() / f"{name}.toml"
    return config.build(NamedBoard, config.read(path), path.name)
