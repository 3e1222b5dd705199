"""`edgecnn deploy --board @GROUP`: a release reaches some boards first, is soaked there, and then reaches the rest.

Canaries come first, and each wave after them is twice the size of the one before. Every board passes the selftest
before the release becomes current there, and is then soaked. After each wave the errors of all soaks together decide:
beyond the limit, every board that was changed goes back to the release it had. A board that answers differently in its
selftest keeps what it has, and counts as one whose requests all failed. A board that cannot be reached says nothing
about the release: another steps into its place among the canaries.

The release that a board had is on this machine's disk before it changes, so a rollout that was killed goes on or back.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgecnn.common import console, documents, files, stats
from edgecnn.errors import EXIT_GATE, EXIT_PASS, GateFailed, UsageError
from edgecnn.fleets import fleet
from edgecnn.fleets.fleet import BoardAnswer, Fleet
from edgecnn.fleets.journal import FleetJournal, FleetPlan, opened
from edgecnn.onboard import archive, releases
from edgecnn.onboard import soak as soak_program
from edgecnn.pipeline.deploy import delivery, deploy, service, soak
from edgecnn.pipeline.deploy.bundle import Bundle
from edgecnn.pipeline.deploy.installed import Installed
from edgecnn.pipeline.deploy.soak import SoakPlan
from edgecnn.records import gates

HEAD = ("release", "before", "selftest", "wrong answers")
BACK = "going back"
"""The decision in the journal that every board goes back."""
BACK_HEAD = ("release", "left", "", "")


@dataclass(frozen=True, kw_only=True)
class Rollout:
    """The order and the limits by which a release reaches a group of boards."""

    canary: int = 0
    """How many boards come first; 0 takes all at once."""
    soak: SoakPlan | None = None
    """None asks no server."""
    max_error_rate: float = 1.0
    """The largest share of wrong answers that is accepted, in percent, over all boards soaked so far."""
    strict: bool = False
    """Whether a rate that may be beyond the limit is taken to be."""
    max_lsb: int = 0
    with_service: bool = False
    serve_options: tuple[str, ...] = ()
    across_runs: bool = False

    def __post_init__(self) -> None:
        if self.canary < 0:
            raise UsageError(f"--canary {self.canary} should be a number of boards.", "--canary 1")
        if not 0 <= self.max_error_rate < 100:
            raise UsageError(f"--max-error-rate {self.max_error_rate:g} is no share in percent.", "--max-error-rate 1")
        if self.canary and self.soak is None:
            raise UsageError("Canaries tell nothing without requests.", "--soak 200, or --soak 30s")


def roll_out(made: Bundle, plan: FleetPlan, how: Rollout, folder: Path, *, jobs: int, resume: bool) -> Fleet:
    """Put a bundle on every board of a plan, or on none.

    Args:
        made: The bundle, the same for all.
        plan: The boards.
        how: Canaries, soak and limits.
        folder: The folder of the record.
        jobs: How many boards at a time.
        resume: Whether to go on with a rollout that was interrupted, also if it was on its way back.

    Returns:
        The record; `fleet.judge` raises for what went wrong.

    Raises:
        UsageError: There is nothing to resume, or another rollout's record.
    """
    with opened(folder, plan, resume) as journal:
        for name in (releases.__name__, soak_program.__name__):
            archive.program(name)  # read and joined once, and not in each board's process
        forward = _Bringing(made, how)
        if BACK not in journal.notes:
            for boards in waves(plan.boards, how.canary, journal):
                fleet.on_each(journal, boards, forward, jobs)
                if reason := too_wrong(journal, how):
                    journal.note(BACK, reason)
                    break
                if how.canary and (pooled := error_rate(journal)):
                    console.note(f"after {len(journal.outcomes)} of {len(plan.boards)} boards: {_words(pooled)}")
        if BACK in journal.notes:
            console.warn(journal.notes[BACK])
            _go_back(journal, made.name, jobs)
            return fleet.finish(journal, BACK_HEAD, failure=journal.notes[BACK])
        pooled = error_rate(journal)
        return fleet.finish(journal, HEAD, notes=(_words(pooled),) if pooled else ())


def waves(boards: Sequence[str], canary: int, journal: FleetJournal) -> Iterator[Sequence[str]]:
    """Yield the boards of each wave: canaries until as many have answered as are asked for, then ever more.

    Args:
        boards: All boards, in their order.
        canary: How many come first; 0 makes one wave of all.
        journal: What came of the boards so far, which is read before each wave.
    """
    left, size = list(boards), canary or len(boards)
    while left:
        wave, left = left[:size], left[size:]
        yield wave
        while canary and left and (missing := canary - _answered(journal, boards)) > 0:
            wave, left = left[:missing], left[missing:]
            yield wave
        size *= 2


def error_rate(journal: FleetJournal) -> stats.Proportion | None:
    """Return the share of wrong answers over all boards, with its 95 % interval; None if nobody was asked."""
    requests = sum(int(o.numbers.get("requests", 0)) for o in journal.outcomes.values())
    errors = sum(int(o.numbers.get("errors", 0)) for o in journal.outcomes.values())
    return stats.wilson(errors, requests) if requests else None


def too_wrong(journal: FleetJournal, how: Rollout) -> str | None:
    """Say why the boards should go back, if they should."""
    pooled = error_rate(journal)
    if pooled is None:
        return None
    outcome = gates.at_most(pooled.percent, pooled.high_percent, how.max_error_rate)
    if outcome == "pass" or (outcome == "cannot tell" and not how.strict):
        return None
    first = next((o.sentence for o in journal.outcomes.values() if o.numbers.get("errors")), "")
    doubt = "which may be more" if outcome == "cannot tell" else "more"
    reason = f"The release goes back: {_words(pooled)}, {doubt} than {how.max_error_rate:g} %"
    return f"{reason} ({first.rstrip('.')})." if first else f"{reason}."


def _words(pooled: stats.Proportion) -> str:
    return f"{pooled.successes:,} of {pooled.n:,} requests answered wrongly, {pooled}"


class _Bringing:
    """The task that puts the release on a board and soaks it there."""

    def __init__(self, made: Bundle, how: Rollout) -> None:
        self._made = made
        self._how = how

    def __call__(self, board: str, record: Path) -> BoardAnswer:
        how, made = self._how, self._made
        with deploy.reach(board) as link:
            try:
                done = delivery.deliver(
                    link,
                    made,
                    board,
                    max_lsb=how.max_lsb,
                    with_service=how.with_service,
                    serve_options=how.serve_options,
                    across_runs=how.across_runs,
                    before_switch=lambda current, release: _keep_before(record, current, release),
                )
            except GateFailed as error:
                failing = float(how.soak.requests or 1) if how.soak else 0.0
                numbers = {"requests": failing, "errors": failing} if how.soak else {}
                return BoardAnswer(sentence=error.sentence, numbers=numbers, error=error)
            table = dataclasses.asdict(done)
            soaked = None
            if how.soak is not None:
                installed = Installed(link, delivery.require_fit(link, board), made.name)
                soaked = soak.soak(link, installed, done.release, made, how.soak)
                table["soak"] = dataclasses.asdict(soaked)
        files.write_json(record, table)
        verdict, before = str(done.selftest["verdict"]), _release_before(record) or "-"
        wrong = f"{soaked.errors} of {soaked.requests:,}" if soaked else "-"
        numbers = {"requests": float(soaked.requests), "errors": float(soaked.errors)} if soaked else {}
        sentence = f"{done.release}: {verdict}" + (f", {wrong} answers wrong" if soaked else "")
        if soaked and soaked.first_error:
            sentence += f", the first: {soaked.first_error}"
        return BoardAnswer(sentence=sentence, rows=((done.release, before, verdict, wrong),), numbers=numbers)


def _go_back(journal: FleetJournal, name: str, jobs: int) -> None:
    """Have every board that was changed go back to the release it had; boards that are back already are left alone."""
    plan = journal.plan
    changed = [board for board in plan.boards if journal.place(board, ".before").is_file()]
    left = [board for board in changed if journal.notes.get(f"back {board}") is None]

    def task(board: str, record: Path) -> BoardAnswer:
        before = _release_before(record)
        with deploy.reach(board) as link:
            facts = delivery.require_fit(link, board)
            installed = Installed(link, facts, name)
            current = installed.status().current
            if current == before:
                pass  # it never came to the change, or is back already
            elif current != documents.table(record.with_suffix(".before"))["next"]:
                raise UsageError(f"{board} has {current or 'no release'}: somebody else deployed at the same time.")
            elif before is None:
                service.remove(link, facts, name)
                installed.undo(None)
            else:
                delivery.go_back(link, facts, installed, before, name, board)
        sentence = f"back to {before}" if before else "back to no release"
        return BoardAnswer(
            sentence=sentence,
            rows=((before or "-", current or "-", "", ""),),
            error=GateFailed(f"{sentence}."),
        )

    fleet.each_of(journal, left, task, jobs)
    for board in left:
        outcome = journal.outcomes[board]
        if outcome.exit_code == EXIT_GATE:
            journal.note(f"back {board}", "")


def _keep_before(record: Path, current: str | None, release: str) -> None:
    """Keep which release a board had and which it gets, unless an earlier attempt of this rollout has."""
    place = record.with_suffix(".before")
    if not place.is_file():
        files.write_json(place, {"release": current, "next": release})


def _release_before(record: Path) -> str | None:
    """Return the release that a board had before this rollout."""
    held = documents.table(record.with_suffix(".before"))["release"]
    return None if held is None else str(held)


def _answered(journal: FleetJournal, boards: Sequence[str]) -> int:
    return sum(board in journal.outcomes and journal.outcomes[board].exit_code == EXIT_PASS for board in boards)
