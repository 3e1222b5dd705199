"""The verb: what boards there are, what one is, whether it is fit, and emptying what we keep there."""

from __future__ import annotations

import shutil
from contextlib import AbstractContextManager

from edgecnn import boards
from edgecnn.boards.ssh import board_cache, board_facts, preflight, remote
from edgecnn.boards.ssh.link import Link
from edgecnn.common import console, documents, plugins
from edgecnn.common.escapes import say
from edgecnn.errors import LinkError, UsageError, nearest
from edgecnn.records import environment


def list_boards(as_json: bool = False) -> None:
    """Print every kind of board and every named one."""
    from edgecnn.boards.emulated import machine, user_mode

    emulated = f"emulated:{'|'.join((*machine.BOARDS, *user_mode.CORES))}"
    kinds = {"emulated": emulated, "local": "local", "ssh": "ssh://user@host[:port]"}
    rows = [(kinds.get(name, f"{name}:…"), _caption(name)) for name in plugins.names("boards")]
    for name, one in boards.named_boards().items():
        rows.append((name, " ".join(filter(None, [f"ssh://{one.address.removeprefix('ssh://')}", one.notes]))))
    if as_json:
        say(documents.to_json([{"board": name, "what": what} for name, what in rows]))
    else:
        width = max(len(name) for name, _ in rows) + 2
        for name, what in rows:
            say(f"{name:<{width}}{what}".rstrip())


def make(release: str | None = None, again: bool = False) -> None:
    """Make the image of the emulated ARM boards and put the packages on it, and print what there is.

    release: of Debian, the newest by default. `again` takes the packages as they are today. Raises UsageError for a
    release that is not known, EnvironmentUnfit where a tool is missing.
    """
    from edgecnn.boards.emulated import debian, image, machine, provisioned

    release = release or debian.RELEASES[0]
    if release not in debian.RELEASES:
        raise UsageError(f"There is no emulated board under Debian {release!r}.", nearest(release, debian.RELEASES))
    made = image.make(release, again=again)
    disk = provisioned.make(made, remote.packages())
    used_bytes = sum(path.stat().st_blocks * 512 for path in made.folder.iterdir())
    say(f"{made.folder}: {used_bytes / 1e6:.0f} MB, Debian {release}, {disk.name}")
    say(" ".join(f"emulated:{name}" for name, (_, under) in machine.BOARDS.items() if under == release))


def info(board: str, as_json: bool = False) -> None:
    """Print what a board is, read in one round trip. Raises LinkError."""
    link = boards.connect(board)
    if link is None:
        with boards.open(board) as ready:
            machine = ready.facts()
        name, table = environment.machine_name(machine), environment.to_table(machine)
    else:
        with link as connected:
            facts = board_facts.read(connected, boards.preferred_python(board))
        name, table = environment.machine_name(facts), dict(board_facts.to_table(facts))
    if as_json:
        say(documents.to_json(table))
        return
    for fact, value in {"machine": name, **table}.items():
        if value not in (None, (), {}, ""):
            say(f"{fact:<26}{_plain(value)}")


def doctor(board: str) -> None:
    """Print a line for each thing that has to be right, and a sentence for what is not.

    Raises BoardUnfit or LinkError for the first that prevents a measurement; what limits one is a warning.
    """
    link = boards.connect(board)
    if link is not None:
        _examine(link, boards.preferred_python(board))
    with boards.open(board) as ready:
        machine = ready.facts()
        if link is None:
            say(f"ok    {environment.machine_name(machine)}")
            say(f"ok    {machine.arch}, {machine.os}, Python {machine.python}")
        packages = ", ".join(f"{name} {version}" for name, version in machine.packages.items())
        say(f"ok    the worker runs there with {packages}")
    say("ok    nothing is in the way of a measurement")


def clean(board: str) -> None:
    """Empty what we keep on a board and print how much that was. Raises BoardUnfit while a bench runs there."""
    link = boards.connect(board)
    if link is None:
        raise UsageError(f"The board {board!r} is reached without a link.", "nothing is kept there")
    with link as connected:
        facts = board_facts.read(connected, boards.preferred_python(board))
        freed_bytes = board_cache.clean(connected, facts)
        say(f"{facts.cache} on {connected.destination}: {freed_bytes / 1e6:.1f} MB freed")


def _examine(link: AbstractContextManager[Link], python: str | None) -> None:
    """What can be seen before anything is copied. Raises BoardUnfit for the first that prevents a measurement."""
    if not shutil.which("ssh"):
        raise LinkError("This machine has no ssh.", "apt install openssh-client")
    with link as connected:
        say(f"ok    reached {connected.destination}")
        facts = board_facts.read(connected, python)
        found = preflight.problems(facts, remote.packages())
        for problem in found:
            say(f"no    {problem.sentence}")
        if not found:
            say(f"ok    {environment.machine_name(facts)}")
            say(f"ok    {facts.arch}, {facts.os}, Python {facts.python}")
        for remark in preflight.remarks(facts):
            console.warn(remark)
    if found:
        raise found[0]


def _caption(kind: str) -> str:
    words = (plugins.load("boards", kind, "board").__doc__ or "").strip().splitlines()
    return words[0] if words else ""


def _plain(value: object) -> str:
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_plain, value))
    if isinstance(value, dict):
        if "version" in value and "path" in value:  # an interpreter
            return f"{'.'.join(map(str, value['version']))} ({value['path']})"
        return ", ".join(f"{name} {one}" for name, one in value.items())
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
