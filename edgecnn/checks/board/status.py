"""The verb: what runs on a board, whether it answers as where it was exported, and what its servers have counted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from edgecnn import boards
from edgecnn.boards.ssh import board_facts, preflight
from edgecnn.common import config, replies
from edgecnn.common.replies import NotAReply, last_line
from edgecnn.errors import BoardUnfit, PlanError, UsageError
from edgecnn.onboard import archive
from edgecnn.onboard import state as program
from edgecnn.pipeline.deploy.installed import Installed

TIMEOUT_S = 120.0


@dataclass(frozen=True, kw_only=True)
class ServerCounts:
    """A server on a board, and what it has counted; None for what it does not tell."""

    pid: int
    release: str
    requests: Mapping[str, int] | None = None
    """Requests answered, by status code."""
    pictures: int | None = None
    unknown: int | None = None
    """Pictures that were like none it was trained on."""


@dataclass(frozen=True, kw_only=True)
class RunningModel:
    """A model on a board."""

    name: str
    release: str
    model: str | None = None
    """The name of the model file."""
    sha256: str | None = None
    """The digest of the model file, by its card."""
    signed: bool = False
    servers: tuple[ServerCounts, ...] = ()
    verdict: str | None = None
    """What its selftest says: identical, within or different; None if it did not run."""
    reason: str | None = None
    """Why the selftest did not run, or in what it differs."""


@dataclass(frozen=True, kw_only=True)
class BoardStatus:
    """The models that run on a board, and the state that the board is in."""

    board: str
    throttled: int | None
    """The firmware's bits (`records.throttling`); None where there is no such firmware."""
    trusts: bool
    """Whether it takes bundles of certain signers only."""
    models: tuple[RunningModel, ...]


@dataclass(frozen=True, kw_only=True)
class _State:
    models: tuple[RunningModel, ...]
    trusts: bool


def status(board: str) -> BoardStatus:
    """Say what runs on a board. Each model's selftest is run there.

    Raises:
        UsageError: The board is reached without a link.
        LinkError: The board cannot be reached.
        BoardUnfit: It has no Python that fits.
    """
    link = boards.connect(board)
    if link is None:
        raise UsageError(f"Nothing is deployed to {board!r}.", "name a board that is reached by ssh")
    with link as connected:
        facts = board_facts.read(connected, boards.preferred_python(board))
        argv = [preflight.interpreter(facts), *preflight.STANDARD_LIBRARY_ONLY, "-", f"{facts.home}/edgecnn"]
        answer = connected.run(argv, archive.program(program.__name__), TIMEOUT_S)
        try:
            state = config.build(_State, replies.table(answer.stdout), "the answer")
        except (NotAReply, PlanError) as error:
            reason = last_line(answer.stderr) or f"exit code {answer.returncode}"
            raise BoardUnfit(f"{connected.destination} does not tell what runs there: {reason}.") from error
        models = tuple(_tested(Installed(connected, facts, model.name), model) for model in state.models)
    return BoardStatus(board=board, throttled=facts.throttled, trusts=state.trusts, models=models)


def _tested(releases: Installed, model: RunningModel) -> RunningModel:
    """Return the model with what its selftest says."""
    result = releases.test(model.release)
    table: dict[str, str | None] = {"verdict": None, "reason": None}
    try:
        reply = replies.table(result.stdout)
        table = {"verdict": str(reply["verdict"]), "reason": replies.plain(str(reply["sentence"]))}
    except (NotAReply, KeyError):
        table["reason"] = last_line(result.stderr) or f"exit code {result.returncode}"
    return config.build(RunningModel, {**config.table_of(model), **table}, "the answer")
