"""`--output` is where the result of a command is written: one that cannot be is refused before any work.

A result that has a name (a run, a duel) becomes a folder of that name in the one that is given; every other result is
written exactly there. Folders above it are made.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from edgecnn.common import documents, files
from edgecnn.common.documents import Missing, Unreadable
from edgecnn.errors import UsageError

HEAD_BYTES = 1 << 16
"""How much of a page is looked at."""


def folder(path: Path | None) -> None:
    """Check that a result can be written into a folder, which need not exist; None is the command's own place.

    Raises:
        UsageError: It is a file.
        OutputError: It cannot be made, or takes no files.
    """
    if path is None:
        return
    if path.exists() and not path.is_dir():
        raise UsageError(f"{path} is a file, and --output is a folder here.", "name a folder, which need not exist")
    files.require_writable(path)


def file(path: Path, is_ours: Callable[[Path], bool], suffixes: tuple[str, ...], option: str = "--output") -> None:
    """Check that a result can be written to a file, which may take the place of one that the same command wrote.

    Args:
        path: The file.
        is_ours: Tells whether the command wrote a file that is there.
        suffixes: How its name may end; the first is the usual one.
        option: What names the file.

    Raises:
        UsageError: It is a folder, or somebody else's file.
        OutputError: Its folder cannot be made, or takes no files.
    """
    word = "-o" if option == "--output" else option
    if path.is_dir():
        raise UsageError(f"{path} is a folder, and {option} is a file here.", f"{word} {path / f'report{suffixes[0]}'}")
    if path.suffix not in suffixes:
        raise UsageError(f"The name of {path} does not say {suffixes[0]}.", f"{word} {path.with_suffix(suffixes[0])}")
    if path.exists() and not is_ours(path):
        raise UsageError(f"{path} is there, and this command has not written it.", f"move it, or name another {option}")
    files.require_writable(path)


def is_report_of(verb: str) -> Callable[[Path], bool]:
    """Return what tells whether a JSON file was written by `edgecnn VERB`, by the command that it holds."""

    def is_ours(path: Path) -> bool:
        try:
            command = documents.table(path).get("command")
        except (Missing, Unreadable):
            return False
        return isinstance(command, str) and command.startswith(f"edgecnn {verb} ")

    return is_ours


def is_page(path: Path) -> bool:
    """Return whether an HTML file says that `edgecnn report` or `edgecnn data check` wrote it."""
    with path.open("rb") as stream:
        head = stream.read(HEAD_BYTES)
    return b"edgecnn report" in head or b"edgecnn data check" in head
