"""Every error a user can meet, each with one sentence, a hint and an exit code.

EdgecnnError
├── UsageError          64   what was asked for does not exist or contradicts itself
│   ├── PlanError            a recipe, export plan or suite is wrong
│   ├── DataError            pictures are missing, broken or unfit to learn from
│   ├── RunError             a run folder is missing, incomplete or another recipe's
│   └── ModelFileError       a file is not a model this tool can read
├── GateFailed           1   everything ran, and a gate said no
├── FleetIncomplete      3   of a group of boards, some did not do it
├── Undecided            2   everything ran, and a gate that had to tell cannot
├── EnvironmentUnfit     2   this machine cannot do it, or cannot tell
│   ├── MissingPackage       a package of an extra is not installed
│   ├── OutputError          a result could not be written
│   ├── LinkError            a board cannot be reached, or the link to it was cut
│   ├── BoardUnfit           a board was reached and cannot do it
│   └── PeerLost             another process of the same training has ended
└── Bug                 70   an exception that nobody expected (`edgecnn.common.bugs`)
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable
from pathlib import Path

EXIT_PASS = 0
EXIT_GATE = 1
EXIT_UNFIT = 2
EXIT_FLEET = 3
EXIT_USAGE = 64
EXIT_BUG = 70
"""EX_SOFTWARE of sysexits.h."""
FEWEST_LETTERS = 3
"""How much of a word stands for all of it in a suggestion."""


class EdgecnnError(Exception):
    """One sentence for the user, and a hint: what to do about it."""

    exit_code = EXIT_UNFIT

    def __init__(self, sentence: str, hint: str | None = None) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.hint = hint


class UsageError(EdgecnnError):
    """A request names something that does not exist, or contradicts itself."""

    exit_code = EXIT_USAGE


class PlanError(UsageError):
    """A recipe, an export plan or a suite is wrong."""


class DataError(UsageError):
    """Pictures are missing, broken or unfit to learn from."""


class RunError(UsageError):
    """A run folder is missing, incomplete or belongs to another recipe."""


class ModelFileError(UsageError):
    """A file is not a model this tool can read."""


class GateFailed(EdgecnnError):
    """Everything ran, and a gate said no."""

    exit_code = EXIT_GATE


class FleetIncomplete(EdgecnnError):
    """One or more boards of a group did not do their task; the record says which, and why."""

    exit_code = EXIT_FLEET


class Undecided(EdgecnnError):
    """Everything ran, and a gate that had to tell (`--strict`) cannot: too few pictures or rounds."""


class EnvironmentUnfit(EdgecnnError):
    """This machine cannot do it, or cannot tell."""


class MissingPackage(EnvironmentUnfit):
    """A package is not installed; `extra` names the extra it belongs to, if one does."""

    def __init__(self, package: str, extra: str | None, purpose: str) -> None:
        super().__init__(
            f"{purpose} needs the package {package!r}, which is not installed.",
            f"pip install 'edgecnn[{extra}]'" if extra else f"pip install {package}",
        )


class OutputError(EnvironmentUnfit):
    """A result could not be written."""


class LinkError(EnvironmentUnfit):
    """A board cannot be reached, refuses us, is not the one it was, or the link to it was cut."""


class BoardUnfit(EnvironmentUnfit):
    """A board was reached and cannot do it: 32-bit, no Python, an old glibc, no wheel, no room, in use."""


class PeerLost(EnvironmentUnfit):
    """Another process of the same training has ended, or torchrun has ended this one."""


class Bug(EdgecnnError):
    """An exception that nobody expected: edgecnn itself is at fault."""

    exit_code = EXIT_BUG


def first_line(error: Exception) -> str:
    """Return the first line of what any exception says, without its full stop; its class's name if it says nothing."""
    return str(error).strip().partition("\n")[0].rstrip(".") or type(error).__name__


def closest(word: str, known: Iterable[str]) -> str | None:
    """Return the known word that a mistyped one most likely stands for, in upper or lower case; None if none is near.

    A word that is cut short stands for the first one that begins so.
    """
    by_folded = {name.casefold(): name for name in sorted(known, reverse=True)}  # of two that differ in case the first
    folded = word.casefold()
    near = difflib.get_close_matches(folded, by_folded, n=1)
    begun = sorted(name for name in by_folded if len(folded) >= FEWEST_LETTERS and name.startswith(folded))
    return by_folded[(near or begun)[0]] if near or begun else None


def nearest(word: str, known: Iterable[str]) -> str:
    """Return the hint for a word nobody knows: the closest known one, and all of them."""
    known = sorted(known)
    close = closest(word, known)
    return f"did you mean {close!r}? Known: {', '.join(known)}" if close else f"known: {', '.join(known) or 'none'}"


def nearest_path(path: Path, fits: Callable[[Path], bool], otherwise: str | None = None) -> str | None:
    """Return the hint for a path where nothing lies: what lies beside it, fits and is called alike, or `otherwise`."""
    try:
        known = [neighbour.name for neighbour in path.parent.iterdir() if fits(neighbour)]
    except OSError:
        known = []
    close = closest(path.name, known)
    return f"did you mean {path.parent / close}?" if close else otherwise
