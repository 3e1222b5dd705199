"""The verb: put a model on a board so that one command classifies a picture there, or go back to the one before.

A release is sent whole, tested there against its golden vectors, and only then becomes the current
one (`edgecnn.onboard.releases`): whatever fails on the way, the model that worked goes on working.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import re
import shlex
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgecnn import boards
from edgecnn.boards.ssh import board_facts, preflight, provision, remote
from edgecnn.boards.ssh.board_facts import BoardFacts
from edgecnn.boards.ssh.link import Link
from edgecnn.common import console, documents, files
from edgecnn.common.escapes import say
from edgecnn.errors import EnvironmentUnfit, GateFailed, UsageError
from edgecnn.pipeline.deploy import acceptance, bundle, installed, service
from edgecnn.pipeline.deploy.bundle import Bundle
from edgecnn.pipeline.deploy.installed import Installed, Model, Told
from edgecnn.records.run import reads_exports

ID_DIGITS = 12
"""Of sha256, to tell a board's few releases apart; the manifest has the whole digests."""


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """What is on a board now."""

    name: str
    board: str
    release: str
    before: str | None
    """The release that was current; None if this is the first, or the same."""
    selftest: dict[str, Any]
    """The runner's own words, with the runtime and the versions there."""
    command: str
    """What to type to classify a picture there."""
    service: bool
    """Whether `serve` runs there as a systemd unit."""


@reads_exports
def deploy(
    target: Path,
    board: str | None = None,
    *,
    format: str = "tflite",
    precision: str = "int8",
    output: Path | None = None,
    service: bool = False,
    max_lsb: int = 0,
    strict: bool = False,
    across_runs: bool = False,
    as_json: bool = False,
) -> Deployment | None:
    """Write the bundle of a run's file (or of a model file) into `output`, put it on `board`, or both.

    max_lsb: largest difference from the golden vectors that is let through, in steps of an integer
    output; 0 wants every bit. strict: a file whose check cannot tell is refused. across_runs: it may take the place of
    another run's model. Raises UsageError where that is not said, or when there is no such file, GateFailed when it
    failed its check or answers differently there, Undecided with `strict`, LinkError and BoardUnfit for the board; none
    of them touches what works.
    """
    if board is None and output is None:
        raise UsageError("There is nowhere to deploy to.", "--board ssh://user@host, or --output FOLDER")
    made = bundle.make(bundle.choose(target, format, precision), strict)
    if output is not None:
        made.write(output)
        console.note(f"{output}: {len(made.files)} files, {sum(map(len, made.files.values())) / 1000:.1f} kB")
    if board is None:
        return None
    with reach(board) as link:
        done = put(link, made, board, max_lsb=max_lsb, with_service=service, across_runs=across_runs)
    if as_json:
        say(documents.to_json(dataclasses.asdict(done), None))
    else:
        say(f"{done.name} {done.release} on {board}: {done.selftest['verdict']}, {done.selftest['sentence']}")
        say(done.command)
    if done.before:
        words = shlex.join(["edgecnn", "deploy", str(target), "--board", board, "--rollback"])
        console.note(f"Before it was {done.before}; `{words}` goes back.")
    return done


def put(
    link: Link,
    made: Bundle,
    board: str,
    *,
    max_lsb: int = 0,
    with_service: bool = False,
    across_runs: bool = False,
) -> Deployment:
    """Send a bundle through a link, test it there, make it current, and tell the servers there."""
    facts = board_facts.read(link, boards.preferred_python(board))
    preflight.require(facts, made.packages)
    if with_service:
        service.check(link, made.name)
    there = Installed(link, facts, made.name)
    status = there.status()
    _ask_across(status.model(status.current), installed.model_of(made.artifact), made.name, board, across_runs)
    packages = _packages(link, facts, made)
    archive = made.archive()
    release = hashlib.sha256(archive + Path(packages).name.encode()).hexdigest()[:ID_DIGITS]
    tested = there.test(release) if release in status.releases else None
    if tested is None or tested.returncode:
        incoming = f"{there.path}/{release}.zip"
        link.push(archive, incoming)
        there.unpack(release, incoming, packages)
        tested = there.test(release)
    try:
        selftest = acceptance.passed(tested, made, board, max_lsb)
        acceptance.require_same_answer(there, release, made, board)
    except (EnvironmentUnfit, GateFailed):
        with contextlib.suppress(EnvironmentUnfit):  # the link may be cut; the next deployment clears up
            there.drop(release)
        raise
    before = there.switch(release)
    if with_service:
        with (
            _undone_after_failure(there, release, status.current),
            service.undone_after_failure(link, facts, made.name),
        ):
            lingers = service.start(link, facts, made.name)
        if not lingers:
            console.warn(
                "The service ends with your last session there; "
                f"`sudo loginctl enable-linger {facts.user}` on the board keeps it."
            )
        runs = True
    else:
        runs = service.restart(link, facts, made.name)
    _report(there.tell(), release, made.name, board)
    return Deployment(
        name=made.name,
        board=board,
        release=release,
        before=before,
        selftest=selftest,
        command=f"{typed(link.destination)} edgecnn/{made.name}/run classify picture.jpg",
        service=runs,
    )


def rollback(target: str, board: str, as_json: bool = False, across_runs: bool = False) -> None:
    """Go back to the release before the current one.

    Raises UsageError when there is none, and for one of another run unless `across_runs`.
    """
    name = bundle.name_of(target)
    with reach(board) as link:
        facts = board_facts.read(link, boards.preferred_python(board))
        preflight.require(facts)
        there = Installed(link, facts, name)
        status = there.status() if link.run(["test", "-d", there.path], timeout_s=60).returncode == 0 else None
        if status is None or status.before is None:
            raise UsageError(f"There is no earlier release of {name} on {board}.", "`--status` says what is there")
        now, earlier = status.model(status.current), status.model(status.before)
        if earlier.is_of_another_run(now) and earlier.run_sha256 and not across_runs:
            raise UsageError(
                f"{name} on {board} is {now}; the release before is {earlier}: another run's.",
                "--across-runs goes back to it all the same; `edgecnn deploy` puts any model there",
            )
        current, before = there.rollback(status.before)
        service.restart(link, facts, name)
        _report(there.tell(), current, name, board)
    if as_json:
        table = {"name": name, "board": board, "before": before, "current": current, "model": earlier.model}
        say(documents.to_json(table | {"run": earlier.run, "run_sha256": earlier.run_sha256}, None))
    else:
        say(f"{name} on {board}: back to {current} from {before}")
        say(f"{current} is {earlier}")


def status(target: str, board: str, as_json: bool = False) -> None:
    """Print which release is current, which ones could be, and whether the service runs."""
    name = bundle.name_of(target)
    with reach(board) as link:
        facts = board_facts.read(link, boards.preferred_python(board))
        preflight.require(facts)
        there = Installed(link, facts, name)
        if link.run(["test", "-d", there.path], timeout_s=60).returncode:
            raise UsageError(f"There is no {name!r} on {board}.", "`edgecnn deploy` puts it there")
        answer = there.status()
        runs = service.state(link, name)
    model = answer.model(answer.current)
    if as_json:
        table = {"name": name, "board": board, **dataclasses.asdict(answer), "model": model.model, "service": runs}
        say(documents.to_json(table, None))
        return
    say(f"{name} on {board}: {answer.current or 'no release'}{f' ({model})' if answer.current else ''}")
    say(f"before: {', '.join(reversed(answer.history[:-1])) or 'none'}")
    say(f"service: {runs or 'none'}")
    for pid, release in answer.serving.items():
        say(f"serving: process {pid} with {release}")


def typed(destination: str) -> str:
    """The ssh command a user types to get to "user@host[:port]"."""
    match = re.fullmatch(r"(?P<user>[^@]+@)?(\[(?P<v6>.+)\]|(?P<host>[^:]+))(:(?P<port>\d+))?", destination)
    if match is None:
        return shlex.join(["ssh", destination])
    port = ["-p", match["port"]] if match["port"] else []
    return shlex.join(["ssh", *port, f"{match['user'] or ''}{match['v6'] or match['host']}"])


def reach(board: str) -> AbstractContextManager[Link]:
    """A link to a board by its name. Raises UsageError for a kind of board that has none."""
    link = boards.connect(board)
    if link is None:
        raise UsageError(f"Nothing can be deployed to {board!r}.", "--board ssh://user@host, or --output FOLDER")
    return link


def _ask_across(now: Model, new: Model, name: str, board: str, across_runs: bool) -> None:
    """Raises UsageError where the model that is there is another run's and nobody has said that it may go.

    That of another training of the same run makes way, and is named.
    """
    if new.is_of_another_run(now) and not across_runs:
        raise UsageError(
            f"{name} on {board} is {now}; this is {new}: another run's.",
            "--across-runs puts it in that one's place; under a name of its own it stands beside it",
        )
    if new.has_other_weights(now):
        console.note(f"It takes the place of {now}.")


@contextlib.contextmanager
def _undone_after_failure(there: Installed, release: str, before: str | None) -> Iterator[None]:
    """Have the release `before` as the current one again if what is done inside raises."""
    try:
        yield
    except BaseException:
        if release != before:
            with contextlib.suppress(EnvironmentUnfit):  # the link may be cut: the new release stays, which was tested
                there.undo(before)
        raise


def _report(told: Told, release: str, name: str, board: str) -> None:
    """Say what the servers there made of the release that is current now."""
    for server in told.told:
        console.note(f"The server there (process {server.pid}) answers with {release} now.")
    for server in told.ended:
        console.warn(f"The server on {board} (process {server.pid}) ended when it was told of {release}.")
    for server in told.refused:
        console.warn(
            f"The server on {board} (process {server.pid}) stays with {server.release}: {release} {server.reason}."
        )
    for server in told.deaf:
        console.warn(
            f"A server on {board} (process {server.pid}) still answers with {server.release}, and cannot be told: "
            f"end it and start `edgecnn/{name}/run serve` again."
        )


def _packages(link: Link, facts: BoardFacts, made: Bundle) -> str:
    """The folder of packages there: what a bench has sent already, for it holds more, or else what the bundle needs."""
    archive = provision.archive_path(facts, remote.packages())
    if archive.is_file():
        folder = f"{facts.cache}/folders/{files.sha256(archive)}"
        if link.run(["test", "-d", folder]).returncode == 0:
            return folder
    return provision.provision(link, facts, made.packages)
