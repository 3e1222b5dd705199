"""The releases of a model on a board: ~/edgecnn/<name> through a link, where `edgecnn.onboard.releases` runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

from edgecnn.boards.ssh import preflight
from edgecnn.boards.ssh.board_facts import BoardFacts
from edgecnn.boards.ssh.link import CommandResult, Link
from edgecnn.common import config, replies
from edgecnn.common.replies import NotAReply, last_line
from edgecnn.errors import BoardUnfit, EdgecnnError, PlanError, UsageError
from edgecnn.onboard import archive, releases
from edgecnn.records.artifact import Artifact

TEST_TIMEOUT_S = 600.0
SHORT_DIGEST = 12

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class ReleasedModel:
    """The model of a release by the release's own card; None for what the card does not say."""

    model: str | None = None
    run: str | None = None
    run_sha256: str | None = None
    """The digest of the run's weights, which tells runs apart whatever they are called."""
    classes_sha256: str | None = None
    """The digest of its class names in their order."""

    def has_other_weights(self, other: ReleasedModel) -> bool:
        """Return whether the other model is known to come from another training; without a run it is not known."""
        return other.run_sha256 is not None and other.run_sha256 != self.run_sha256

    def is_of_another_run(self, other: ReleasedModel) -> bool:
        """Return whether the other model is known to be another run's, not another training of the same run.

        A run that is trained anew keeps its name and its classes.
        """
        is_same = (self.run, self.classes_sha256) == (other.run, other.classes_sha256) and self.run is not None
        return self.has_other_weights(other) and not is_same

    def __str__(self) -> str:
        weights = f", weights {self.run_sha256[:SHORT_DIGEST]}" if self.run_sha256 else ""
        return f"{self.model or 'an unknown model'} of {f'the run {self.run}' if self.run else 'no known run'}{weights}"


@dataclass(frozen=True, kw_only=True)
class Status:
    """The releases on a board."""

    current: str | None
    history: tuple[str, ...]
    """The releases that were current, from the oldest to the current one."""
    releases: tuple[str, ...]
    models: Mapping[str, ReleasedModel]
    """What each release holds."""
    serving: Mapping[str, str]
    """The release that each server answers with, by its process id."""

    @property
    def previous(self) -> str | None:
        """The release a rollback goes to."""
        return self.history[-2] if len(self.history) > 1 else None

    def model(self, release: str | None) -> ReleasedModel:
        return self.models.get(release or "", ReleasedModel())


@dataclass(frozen=True, kw_only=True)
class ServerProcess:
    """A process on a board that answers HTTP."""

    pid: int
    release: str
    """The release that it answered with when it was told of another."""
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class Told:
    """The reactions of the servers to a release that became the current one."""

    told: tuple[ServerProcess, ...] = ()
    """Servers that answer with it now."""
    ended: tuple[ServerProcess, ...] = ()
    """Servers that ended when they were told."""
    refused: tuple[ServerProcess, ...] = ()
    """Servers that tried it and stay with the release that they have."""
    deaf: tuple[ServerProcess, ...] = ()
    """Servers that did not react, or cannot be told."""


@dataclass(frozen=True, kw_only=True)
class _Switched:
    before: str | None


@dataclass(frozen=True, kw_only=True)
class _RolledBack:
    before: str
    current: str


@dataclass(frozen=True, kw_only=True)
class _Done:
    """An answer without content."""


class Installed:
    """The folder ~/edgecnn/<name> of a board."""

    def __init__(self, link: Link, facts: BoardFacts, name: str) -> None:
        self.path = f"{facts.home}/edgecnn/{name}"
        self._link = link
        self.python = preflight.interpreter(facts)
        self._program = archive.program(releases.__name__)

    def status(self) -> Status:
        """List the releases and the servers there."""
        return self._ask(Status, "status")

    def unpack(self, release: str, incoming: str, packages: str) -> None:
        """Make a release of a bundle's archive and a folder of packages, both paths there."""
        self._ask(_Done, "unpack", release, incoming, packages, self.python)

    def sign(self, release: str, incoming: str) -> None:
        """Give a release the signature in its bundle's archive, a path there. Raises BoardUnfit if it is not taken."""
        self._ask(_Done, "sign", release, incoming)

    def switch(self, release: str) -> str | None:
        """Make a release current; returns the one before, None if this is the first or the same."""
        return self._ask(_Switched, "switch", release).before

    def rollback(self, expected: str) -> tuple[str, str]:
        """Go back a release: (current now, current before). Raises UsageError if the release is not `expected`."""
        answer = self._ask(_RolledBack, "rollback", expected, kind=UsageError)
        return answer.current, answer.before

    def undo(self, before: str | None) -> None:
        """Take back the last switch, to the release `before` or to none."""
        self._ask(_Done, "undo", *filter(None, [before]))

    def drop(self, release: str) -> None:
        """Remove a release that is not current and does not run."""
        self._ask(_Done, "drop", release)

    def tell(self) -> Told:
        """Tell the servers there of the current release, and wait for them."""
        return self._ask(Told, "tell")

    def test(self, release: str) -> CommandResult:
        """Run the selftest of a release; it prints JSON."""
        return self.run(release, ["selftest", "--json"])

    def run(self, release: str, arguments: list[str], stdin: bytes = b"") -> CommandResult:
        """Run a release's program."""
        return self._link.run([f"{self.path}/releases/{release}/run", *arguments], stdin, TEST_TIMEOUT_S)

    def _ask(self, cls: type[T], command: str, *arguments: str, kind: type[EdgecnnError] = BoardUnfit) -> T:
        """Run a command of `edgecnn.onboard.releases`. Raises BoardUnfit, or `kind` for an error that it answers."""
        argv = [self.python, *preflight.STANDARD_LIBRARY_ONLY, "-", command, self.path, *arguments]
        answer = self._link.run(argv, self._program, TEST_TIMEOUT_S)
        failed = f"{command} of {self.path} on {self._link.destination} failed"
        try:
            table = replies.table(answer.stdout)
            if "untrusted" in table:
                reason, hint = (replies.plain(str(table.get(key) or "")) for key in ("untrusted", "hint"))
                raise BoardUnfit(f"{self._link.destination} refuses the bundle: {reason}.", hint or None)
            if "error" in table:
                raise kind(f"{failed}: {replies.plain(str(table['error'])).rstrip('.')}.")
            return config.build(cls, table, "the answer")
        except NotAReply as error:
            reason = last_line(answer.stderr) or f"exit code {answer.returncode}, and no answer ({error})"
            raise BoardUnfit(f"{failed}: {reason}.") from error
        except PlanError as error:
            raise BoardUnfit(f"{failed}: {replies.plain(error.sentence).rstrip('.')}.") from error


def model_of(artifact: Artifact) -> ReleasedModel:
    """Return what a release of a model file will say of itself."""
    return ReleasedModel(
        model=artifact.name,
        run=artifact.run,
        run_sha256=artifact.run_sha256,
        classes_sha256=releases.classes_sha256(artifact.labels),
    )
