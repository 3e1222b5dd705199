"""Boards with a name of their own: a file NAME.toml holds the address that one would type otherwise.

The files lie in the user's own folder, $XDG_CONFIG_HOME/edgecnn/boards or ~/.config/edgecnn/boards, and in bench/boards
of a checkout. A file of the user hides one of the checkout that has the same name.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edgecnn.common import cache, config
from edgecnn.records import plans
from edgecnn.records.plans import Suite

GROUP_MARK = "@"
"""The first letter of a group's name, and of its file (`_groups`)."""


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
    return cache.config_folder() / "boards"


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


def group_files() -> dict[str, Path]:
    """Return the file of each group of boards by its name, which has the mark."""
    return {name: path for name, path in _all_files().items() if name.startswith(GROUP_MARK)}


def _files() -> dict[str, Path]:
    """Return the file of each board by its name."""
    return {name: path for name, path in _all_files().items() if not name.startswith(GROUP_MARK)}


def _all_files() -> dict[str, Path]:
    return {path.stem: path for place in (plans.folder(Suite) / "boards", folder()) for path in place.glob("*.toml")}
