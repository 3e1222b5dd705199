"""`edgecnn train --force`: a new run takes the place of an old one, which is kept until the new one is finished.

The old run is moved aside, from runs/NAME to runs/.NAME.before, when all is checked and the new one is about to begin.
It comes back if the new training ends before its first epoch does, and is removed when the new run is complete.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from edgecnn.common import console, locks
from edgecnn.errors import OutputError, RunError
from edgecnn.records.run import EXPORT_LOCK, OF_A_RUN, TRAINING_LOCK, is_free, is_run


def aside(folder: Path) -> Path:
    """Return where the run that was in a folder is kept meanwhile."""
    return folder.with_name(f".{folder.name}.before")


def require_replaceable(folder: Path) -> None:
    """Check that a run folder holds nothing but what edgecnn writes into one, so that it may be removed.

    Raises:
        RunError: It holds something else, or is a link.
    """
    if folder.is_symlink():
        raise RunError(f"{folder} is a link, and what it leads to is not removed.", "choose another --name")
    strange = sorted(path.name for path in folder.iterdir() if path.name not in OF_A_RUN and path.name[0] != ".")
    if strange:
        raise RunError(
            f"{folder} holds {strange[0]}, which is no part of a run, so it is not overwritten.",
            "move it elsewhere, or choose another --name or --output",
        )


@contextlib.contextmanager
def replaced(folder: Path) -> Iterator[None]:
    """Move the run in `folder` aside, if there is one, and back if the block fails before it has learnt anything.

    Raises:
        RunError: Another process is at work in the folder.
        OutputError: The folder cannot be moved.
    """
    try:
        if not is_free(folder):
            require_replaceable(folder)
            _move(folder)
            console.note(f"the run in {folder} is kept as {aside(folder)} until the new one is finished")
        yield
    except BaseException:
        if is_run(aside(folder)) and is_free(folder):
            _remove(folder)
            aside(folder).rename(folder)
            console.note(f"{folder} is again the run it was")
        raise


def forget(folder: Path) -> None:
    """Remove the run that was kept aside, since the one in `folder` is complete."""
    _remove(aside(folder))


def _move(folder: Path) -> None:
    """Move a run aside; one that is there already stays if the one in the folder never finished, and is dropped."""
    before = aside(folder)
    with locks.held(folder / TRAINING_LOCK, "training"), locks.held(folder / EXPORT_LOCK, "export"):
        try:
            if is_run(before) and not (folder / "run.json").is_file():
                _remove(folder)
            else:
                _remove(before)
                folder.rename(before)
        except OSError as error:
            raise OutputError(f"Cannot move {folder} aside: {error.strerror or error}.") from error
    for name in (TRAINING_LOCK, EXPORT_LOCK):  # they have moved with the folder
        (before / name).unlink(missing_ok=True)


def _remove(folder: Path) -> None:
    """Remove a folder, which is out of the way at once and never seen half removed."""
    if folder.is_dir():
        doomed = folder.with_name(f".{folder.name.lstrip('.')}.removed-{os.getpid()}")
        folder.rename(doomed)
        shutil.rmtree(doomed, ignore_errors=True)
