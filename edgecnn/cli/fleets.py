"""Commands with `--board @GROUP`: each board gets what a single one would, and one record tells of all."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgecnn.common import console, documents
from edgecnn.common.escapes import say
from edgecnn.errors import UsageError

if TYPE_CHECKING:
    from edgecnn.fleets.fleet import Fleet, Task
    from edgecnn.fleets.journal import FleetPlan

MARK = "@"
JOBS = Annotated[int | None, typer.Option("--jobs", min=1, help="Of a group @NAME: boards at a time (8).")]
RESUME = Annotated[
    bool, typer.Option("--resume", help="Of a group @NAME: go on, and leave boards alone that have answered.")
]
RECORD = Annotated[
    Path | None, typer.Option("--output", "-o", metavar="FOLDER", help="Of a group @NAME: folder for the record.")
]


def is_group(names: str | Iterable[str] | None) -> bool:
    """Return whether one of the names stands for a group of boards."""
    listed = [names] if isinstance(names, str) else list(names or ())
    return any(name.startswith(MARK) for name in listed)


def refuse_without_group(**options: Any) -> None:
    """Raise UsageError for an option that is set and makes sense for a group of boards only."""
    for name, value in options.items():
        if value:
            raise UsageError(f"--{name.replace('_', '-')} is about a group of boards.", "--board @NAME names one")


def plan_of(verb: str, names: Sequence[str], subject: str) -> FleetPlan:
    """Return what is done to which boards. Raises UsageError or PlanError for a name that is not right."""
    from edgecnn import boards
    from edgecnn.fleets.journal import FleetPlan

    return FleetPlan(verb=verb, boards=boards.members(names), subject=subject)


def place(output: Path | None, verb: str, names: Sequence[str]) -> Path:
    """Return the folder of the record: the one that is named, or fleets/VERB-GROUP."""
    return output or Path("fleets") / "-".join([verb.replace(" ", "-"), *(name.strip(MARK) for name in names)])


def run(
    verb: str,
    names: Sequence[str],
    task: Task,
    head: Sequence[str],
    subject: str,
    *,
    output: Path | None,
    jobs: int | None,
    resume: bool,
    as_json: bool = False,
) -> None:
    """Do a task to each board of the groups, print what came of it, and judge it."""
    from edgecnn.fleets import fleet

    plan, folder = plan_of(verb, names, subject), place(output, verb, names)
    tell(fleet.run(plan, task, head, folder, jobs=jobs or fleet.JOBS, resume=resume), as_json)


def ask(
    verb: str, group: str, task: Task, head: Sequence[str], output: Path | None, jobs: int | None, as_json: bool
) -> None:
    """Do what is quickly done anew to each board of a group; its record is kept if a folder is named for it."""
    from edgecnn.common import scratch
    from edgecnn.fleets import fleet

    plan = plan_of(verb, [group], "")
    with contextlib.ExitStack() as stack:
        folder = output or stack.enter_context(scratch.folder())
        record = fleet.run(plan, task, head, folder, jobs=jobs or fleet.JOBS, resume=False)
    tell(record if output else dataclasses.replace(record, folder=None), as_json, fits=True)


def tell(record: Fleet, as_json: bool, fits: bool = False) -> None:
    """Print the record of a fleet, and raise for what went wrong; `fits` keeps its table within 80 columns."""
    from edgecnn.fleets import fleet, show

    if as_json:
        say(documents.to_json(fleet.to_table(record)))
    else:
        show.show(record, fits)
    if record.folder:
        console.note(f"{record.folder} holds the record of every board")
    fleet.judge(record)
