"""Boards with a name of their own: a file NAME.toml holds the address that one would type otherwise.

The files lie in the user's own folder, $XDG_CONFIG_HOME/edgecnn/boards or ~/.config/edgecnn/boards, and in bench/boards
of a checkout. A file of the user hides one of the checkout that has the same name.
"""

from __future__ import annotations

import os
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
    """Return the folder of the user's own boards, which need not exist."""
    home = os.environ.get("XDG_CONFIG_HOME", "")
    # The XDG base directory specification (0.8) says to ignore relative paths.
    return (Path(home) if Path(home).is_absolute() else Path.home() / ".config") / "edgecnn" / "boards"


def names() -> tuple[str, ...]:
    """Return the names of all boards that have a file, sorted."""
    return tuple(sorted(_files()))


def read(name: str) -> NamedBoard:
    """Read a board's file.

    Raises:
        PlanError: It has a mistake.
    """
    path = _files()[name]
    return config.build(NamedBoard, config.read(path), path.name)


def _files() -> dict[str, Path]:
    """Return the file of each board by its name."""
    return {path.stem: path for place in (plans.folder(Suite) / "boards", folder()) for path in place.glob("*.toml")}
