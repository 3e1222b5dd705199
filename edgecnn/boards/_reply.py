"""Reading the reply of a worker's process: what it measured, or the error that explains why it did not."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from edgecnn import errors
from edgecnn.common import config, replies
from edgecnn.common.replies import NotAReply, last_line
from edgecnn.common.signals import ending_signal
from edgecnn.errors import EdgecnnError, EnvironmentUnfit, PlanError
from edgecnn.onboard.job import Job, Outcome
from edgecnn.records import environment
from edgecnn.records.environment import Environment

T = TypeVar("T")


def facts(returncode: int, stdout: str, stderr: str) -> Environment:
    """Read the worker's reply to `facts`. Raises as `outcome` does."""
    what = "reading its facts"
    return _built(environment.from_table, _answer("facts", what, returncode, stdout, stderr), what)


def outcome(job: Job, returncode: int, stdout: str, stderr: str) -> Outcome:
    """Read the worker's reply to `run`.

    Raises:
        EdgecnnError: The error that the worker reported.
        EnvironmentUnfit: The worker died, or its reply is not what the job asked for.
    """
    what = f"measuring {job.model.rpartition('/')[2]} on {job.runtime}"
    table = _answer("outcome", what, returncode, stdout, stderr)
    measured = _built(lambda table: config.build(Outcome, table, "outcome"), table, what)
    if fault := _fault(job, measured):
        raise EnvironmentUnfit(f"The worker answers in another form than it should while {what}: {fault}.")
    return measured


def _answer(key: str, activity: str, returncode: int, stdout: str, stderr: str) -> Mapping[str, Any]:
    """Return what stands under `key` in the worker's line, or raise the error that explains why nothing does."""
    if name := ending_signal(returncode):
        raise _killed(activity, name)
    reason = ""
    try:
        answer = replies.table(stdout)
        error, table = answer.get("error"), answer.get(key)
        if isinstance(error, dict):
            raise _revived(error.get("kind"), error.get("sentence"), error.get("hint"))
        if isinstance(table, dict):
            return table
    except NotAReply as error:
        reason = str(error)
    last = last_line(stderr) or f"it said nothing{f' that is an answer: {reason}' if stdout and reason else ''}"
    raise EnvironmentUnfit(f"The worker failed (exit code {returncode}) while {activity}: {last}.")


def _built(build: Callable[[Mapping[str, Any]], T], table: Mapping[str, Any], activity: str) -> T:
    try:
        return build(table)
    except PlanError as error:
        reason = replies.plain(error.sentence).rstrip(".")
        raise EnvironmentUnfit(
            f"The worker answers in another form than it should while {activity}: {reason}."
        ) from error


def _fault(job: Job, measured: Outcome) -> str | None:
    """Say which part of an outcome is missing although the job asked for it, or has numbers that cannot be true."""
    window, count, accuracy = measured.window, measured.count, measured.accuracy
    end_to_end, lowered, steps = measured.end_to_end, measured.lowered, measured.steps
    asked = {"window": job.window, "accuracy": job.accuracy, "end_to_end": job.end_to_end, "lowered": job.lower}
    for name, part in asked.items():
        if part is not None and getattr(measured, name) is None:
            return f"it has no {name}"
    if job.replay and (not measured.replay or len(set(map(len, measured.replay))) > 1):
        return "its outputs are no table"
    if window and not _are_times([window.import_ms, window.init_ms, window.first_ms], window.times_ms):
        return "a window's times are none"
    if count and not _are_times(count.instructions):
        return "its counts are none"
    if accuracy and not 0 <= accuracy.correct <= accuracy.n > 0:
        return f"{accuracy.correct} of {accuracy.n} pictures are right"
    if end_to_end and not (
        _are_times(end_to_end.times_ms, end_to_end.decode_ms) and len(end_to_end.times_ms) == len(end_to_end.decode_ms)
    ):
        return "the times of whole pictures are none"
    if lowered and not _are_times(lowered.times_ms):
        return "the times of the lowered graph are none"
    if steps and not (steps.whole and steps.differences and all(map(len, steps.differences))):
        return "its steps are none"
    if measured.survey and (
        job.survey is None or len(measured.survey) != len(job.survey.inputs) or not _are_times(*measured.survey)
    ):
        return "its survey is none"
    return None


def _are_times(*columns: Iterable[float]) -> bool:
    """Return whether each column holds at least one number, and none below zero."""
    values = [tuple(column) for column in columns]
    return all(column and min(column) >= 0 for column in values)


def _killed(activity: str, name: str) -> EnvironmentUnfit:
    """Explain a worker that the signal `name` ended while it did `activity`."""
    hints = {
        "SIGKILL": "out of memory, most likely: `dmesg` says; a smaller model, or fewer programs beside it",
        "SIGXFSZ": "it wrote more than any worker does, or than there is room for",
        "SIGILL": "the runtime was built for another CPU; try another version of it",
        "SIGSEGV": "the runtime crashed on this file; try another version of it",
        "SIGPROF": "it took more CPU time than a file of its size may: EDGECNN_MODEL_SECONDS sets another bound there",
        "SIGABRT": "the runtime gave up on this file; try another version of it",
    }
    return EnvironmentUnfit(f"The worker was ended by {name} while {activity}.", hints.get(name))


def _revived(kind: Any, sentence: Any, hint: Any) -> EdgecnnError:
    """Make the worker's error anew as it was raised there, with its exit code."""
    cls = getattr(errors, kind, None) if isinstance(kind, str) else None
    if not (isinstance(cls, type) and issubclass(cls, EdgecnnError)):
        cls = EnvironmentUnfit
    error = cls.__new__(cls)
    EdgecnnError.__init__(error, str(sentence), hint if isinstance(hint, str) else None)
    return error
