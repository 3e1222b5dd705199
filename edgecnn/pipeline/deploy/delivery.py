"""Bringing a bundle to a board: sent whole, tested there, and only then made the current release."""

from __future__ import annotations

import contextlib
import hashlib
import re
import shlex
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgecnn import boards
from edgecnn.boards.ssh import board_facts, preflight, provision, remote
from edgecnn.boards.ssh.board_facts import BoardFacts
from edgecnn.boards.ssh.link import CommandResult, Link
from edgecnn.common import console, files
from edgecnn.errors import EnvironmentUnfit, GateFailed, UsageError
from edgecnn.pipeline.deploy import acceptance, installed, service
from edgecnn.pipeline.deploy.bundle import Bundle
from edgecnn.pipeline.deploy.installed import Installed, ReleasedModel, Status, Told

ID_DIGITS = 12
"""Digits of the sha256 that name a release among the few on a board; the manifest has the whole digests."""


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """The release that has become current on a board."""

    name: str
    board: str
    release: str
    before: str | None
    """The release that was current; None if this is the first one, or the same."""
    selftest: dict[str, Any]
    """The runner's selftest as JSON, with the runtime and the versions there."""
    command: str
    """The command line that classifies a picture of this machine there."""
    service: bool
    """Whether `serve` runs there as a systemd unit."""


def deliver(
    link: Link,
    made: Bundle,
    board: str,
    *,
    max_lsb: int = 0,
    with_service: bool = False,
    serve_options: Sequence[str] = (),
    across_runs: bool = False,
    before_switch: Callable[[str | None, str], None] = lambda current, release: None,
) -> Deployment:
    """Send a bundle through a link, test it there, make it current, and tell the servers there.

    Args:
        link: The link to the board.
        made: The bundle.
        board: The board's name.
        max_lsb: The largest difference from the golden vectors that is accepted, in steps of an integer output.
        with_service: Whether to run `serve` there as a systemd unit.
        serve_options: The unit's options of `serve`.
        across_runs: Whether the release may take the place of another run's model.
        before_switch: Called with the release that is current, None if there is none, and the one that becomes it next.

    Raises:
        UsageError: The current release is another run's, and nobody has said that it may go.
        GateFailed: The bundle answers differently there.
        BoardUnfit: The board cannot run it.
        LinkError: The link is cut.
    """
    facts = require_fit(link, board, made.packages)
    if with_service:
        service.check(link, made.name)
    releases = Installed(link, facts, made.name)
    status = releases.status()
    _ask_across(status.model(status.current), installed.model_of(made.artifact), made.name, board, across_runs)
    release, tested = _sent(link, facts, made, releases, status)
    try:
        selftest = acceptance.passed(tested, made, board, max_lsb)
        acceptance.require_same_answer(releases, release, made, board)
    except (EnvironmentUnfit, GateFailed):
        with contextlib.suppress(EnvironmentUnfit):  # the link may be cut; the next deployment clears up
            releases.drop(release)
        raise
    before_switch(status.current, release)
    before = releases.switch(release)
    if with_service:
        with _undone_after_failure(releases, release, status.current):
            _start_service(link, facts, made.name, serve_options)
        runs = True
    else:
        runs = service.restart(link, facts, made.name)
    report(releases.tell(), release, made.name, board)
    return Deployment(
        name=made.name,
        board=board,
        release=release,
        before=before,
        selftest=selftest,
        command=f"{typed(link.destination)} edgecnn/{made.name}/run classify - < picture.jpg",
        service=runs,
    )


def go_back(link: Link, facts: BoardFacts, releases: Installed, before: str, name: str, board: str) -> tuple[str, str]:
    """Make the release before the current one current again: (current now, current before).

    Raises:
        UsageError: `before` is not the one before, for somebody else has deployed.
    """
    current, left = releases.rollback(before)
    service.restart(link, facts, name)
    report(releases.tell(), current, name, board)
    return current, left


def require_fit(link: Link, board: str, packages: Sequence[str] = ("numpy",)) -> BoardFacts:
    """Read what a board is. Raises BoardUnfit if `packages` cannot run there."""
    facts = board_facts.read(link, boards.preferred_python(board))
    preflight.require(facts, packages)
    return facts


def typed(destination: str) -> str:
    """Return the ssh command that a user types to get to "user@host[:port]"."""
    match = re.fullmatch(r"(?P<user>[^@]+@)?(\[(?P<v6>.+)\]|(?P<host>[^:]+))(:(?P<port>\d+))?", destination)
    if match is None:
        return shlex.join(["ssh", destination])
    port = ["-p", match["port"]] if match["port"] else []
    return shlex.join(["ssh", *port, f"{match['user'] or ''}{match['v6'] or match['host']}"])


def report(told: Told, release: str, name: str, board: str) -> None:
    """Say on stderr what the servers there made of the release that is current now."""
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


def _sent(
    link: Link, facts: BoardFacts, made: Bundle, releases: Installed, status: Status
) -> tuple[str, CommandResult]:
    """Have the bundle as a release on the board: (id, selftest).

    A release that works is not sent again; a new signature of it is.
    """
    packages = _packages(link, facts, made)
    release = hashlib.sha256(made.archive(signed=False) + Path(packages).name.encode()).hexdigest()[:ID_DIGITS]
    incoming = f"{releases.path}/{release}.zip"
    tested = releases.test(release) if release in status.releases else None
    if tested is None or tested.returncode:
        link.push(made.archive(), incoming)
        releases.unpack(release, incoming, packages)
        tested = releases.test(release)
    elif made.signature:
        link.push(made.archive(), incoming)
        releases.sign(release, incoming)
    return release, tested


def _start_service(link: Link, facts: BoardFacts, name: str, options: Sequence[str]) -> None:
    """Install and start the unit, or have it as it was; warn if it will not outlive the session."""
    with service.undone_after_failure(link, facts, name):
        lingers = service.start(link, facts, name, options)
    if not lingers:
        console.warn(
            "The service ends with your last session there; "
            f"`sudo loginctl enable-linger {facts.user}` on the board keeps it."
        )


def _ask_across(now: ReleasedModel, new: ReleasedModel, name: str, board: str, across_runs: bool) -> None:
    """Raise UsageError if the current model is another run's and nobody has said that it may go.

    A model of another training of the same run makes way, and is named on stderr.
    """
    if new.is_of_another_run(now) and not across_runs:
        raise UsageError(
            f"{name} on {board} is {now}; this is {new}: another run's.",
            "--across-runs puts it in that one's place; under a name of its own it stands beside it",
        )
    if new.has_other_weights(now):
        console.note(f"It takes the place of {now}.")


@contextlib.contextmanager
def _undone_after_failure(releases: Installed, release: str, before: str | None) -> Iterator[None]:
    """Make the release `before` current again if the block raises."""
    try:
        yield
    except BaseException:
        if release != before:
            with contextlib.suppress(
                EnvironmentUnfit
            ):  # the link may be cut; the new release, which was tested, then stays
                releases.undo(before)
        raise


def _packages(link: Link, facts: BoardFacts, made: Bundle) -> str:
    """Return the folder of packages there: what a bench has sent, for it holds more, or else what the bundle needs."""
    archive = provision.archive_path(facts, remote.packages())
    if archive.is_file():
        folder = f"{facts.cache}/folders/{files.sha256(archive)}"
        if link.run(["test", "-d", folder]).returncode == 0:
            return folder
    return provision.provision(link, facts, made.packages)
