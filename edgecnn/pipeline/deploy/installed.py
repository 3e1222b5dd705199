"""What is installed of a model on a board: ~/edgecnn/<name> through a link (`edgecnn.onboard.releases` works there)."""

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
    """What a release holds, by its own card; None for what that does not say."""

    model: str | None = None
    run: str | None = None
    run_sha256: str | None = None
    """Of the run's weights: the run by content, whatever it is called."""
    classes_sha256: str | None = None
    """Of its class names, in their order."""

    def has_other_weights(self, other: ReleasedModel) -> bool:
        """Whether the `other` one is known to come from another training; nobody can tell of what has no run."""
        return other.run_sha256 is not None and other.run_sha256 != self.run_sha256

    def is_of_another_run(self, other: ReleasedModel) -> bool:
        """Whether the `other` one is known to be another run's, and no earlier or later training of the same one.

        Trained anew, a run keeps its name and its classes.
        """
        is_same = (self.run, self.classes_sha256) == (other.run, other.classes_sha256) and self.run is not None
        return self.has_other_weights(other) and not is_same

    def __str__(self) -> str:
        weights = f", weights {self.run_sha256[:SHORT_DIGEST]}" if self.run_sha256 else ""
        return f"{self.model or 'an unknown model'} of {f'the run {self.run}' if self.run else 'no known run'}{weights}"


@dataclass(frozen=True, kw_only=True)
class Status:
    """The releases there."""

    current: str | None
    history: tuple[str, ...]
    """From the oldest to the current one."""
    releases: tuple[str, ...]
    models: Mapping[str, ReleasedModel]
    """By release."""
    serving: Mapping[str, str]
    """The release each server answers with, by its process."""

    @property
    def before(self) -> str | None:
        """The release a rollback goes to."""
        return self.history[-2] if len(self.history) > 1 else None

    def model(self, release: str | None) -> ReleasedModel:
        return self.models.get(release or "", ReleasedModel())


@dataclass(frozen=True, kw_only=True)
class ServerProcess:
    """A process there that answers HTTP."""

    pid: int
    release: str
    """It answered with this one when it was told of another."""
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class Told:
    """What the servers made of a release that became the current one."""

    told: tuple[ServerProcess, ...] = ()
    """They answer with it now."""
    ended: tuple[ServerProcess, ...] = ()
    refused: tuple[ServerProcess, ...] = ()
    """They tried it and stay with what they have."""
    deaf: tuple[ServerProcess, ...] = ()
    """They were not heard of, or cannot be told."""


@dataclass(frozen=True, kw_only=True)
class _Switched:
    before: str | None


@dataclass(frozen=True, kw_only=True)
class _RolledBack:
    before: str
    current: str


@dataclass(frozen=True, kw_only=True)
class _Done:
    """It answers nothing more."""


class Installed:
    """~/edgecnn/<name> of a board."""

    def __init__(self, link: Link, facts: BoardFacts, name: str) -> None:
        self.path = f"{facts.home}/edgecnn/{name}"
        self._link = link
        self._python = preflight.interpreter(facts)
        self._program = archive.program(releases.__name__)

    def status(self) -> Status:
        return self._ask(Status, "status")

    def unpack(self, release: str, incoming: str, packages: str) -> None:
        self._ask(_Done, "unpack", release, incoming, packages, self._python)

    def switch(self, release: str) -> str | None:
        """Make a release the current one; the one before, None if it was the first or the same."""
        return self._ask(_Switched, "switch", release).before

    def rollback(self, expected: str) -> tuple[str, str]:
        """(the release it went back to, the one before that). Raises UsageError if `expected` is not the one."""
        answer = self._ask(_RolledBack, "rollback", expected, kind=UsageError)
        return answer.current, answer.before

    def undo(self, before: str | None) -> None:
        """Take the last switch back, to the release `before` or to none."""
        self._ask(_Done, "undo", *filter(None, [before]))

    def drop(self, release: str) -> None:
        self._ask(_Done, "drop", release)

    def tell(self) -> Told:
        """Tell the servers there of the current release, and wait for them."""
        return self._ask(Told, "tell")

    def test(self, release: str) -> CommandResult:
        """The runner's selftest in a release, as JSON."""
        return self.run(release, ["selftest", "--json"])

    def run(self, release: str, arguments: list[str], stdin: bytes = b"") -> CommandResult:
        return self._link.run([f"{self.path}/releases/{release}/run", *arguments], stdin, TEST_TIMEOUT_S)

    def _ask(self, cls: type[T], command: str, *arguments: str, kind: type[EdgecnnError] = BoardUnfit) -> T:
        """One command of `edgecnn.onboard.releases`. Raises BoardUnfit, or `kind` with the error that it answers."""
        argv = [self._python, *preflight.STANDARD_LIBRARY_ONLY, "-", command, self.path, *arguments]
        answer = self._link.run(argv, self._program, TEST_TIMEOUT_S)
        failed = f"{command} of {self.path} on {self._link.destination} failed"
        try:
            table = replies.table(answer.stdout)
            if "error" in table:
                raise kind(f"{failed}: {replies.plain(str(table['error'])).rstrip('.')}.")
            return config.build(cls, table, "the answer")
        except NotAReply as error:
            reason = last_line(answer.stderr) or f"exit code {answer.returncode}, and no answer ({error})"
            raise BoardUnfit(f"{failed}: {reason}.") from error
        except PlanError as error:
            raise BoardUnfit(f"{failed}: {replies.plain(error.sentence).rstrip('.')}.") from error


def model_of(artifact: Artifact) -> ReleasedModel:
    """As a release of it will say."""
    return ReleasedModel(
        model=artifact.name,
        run=artifact.run,
        run_sha256=artifact.run_sha256,
        classes_sha256=releases.classes_sha256(artifact.labels),
    )
