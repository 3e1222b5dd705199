"""What a worker's process said, as the value it measured or the error that explains why there is none."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from typing import Any, cast

from edgecnn import config, documents, environment, errors
from edgecnn.environment import Environment
from edgecnn.errors import EdgecnnError, EnvironmentUnfit
from edgecnn.measure import Job, Outcome


def facts(returncode: int, stdout: str, stderr: str) -> Environment:
    """The worker's answer to `facts`."""
    return environment.from_table(_answer("facts", "reading its facts", returncode, stdout, stderr))


def outcome(job: Job, returncode: int, stdout: str, stderr: str) -> Outcome:
    """The worker's answer to `run`."""
    what = f"measuring {job.model.rpartition('/')[2]} on {job.runtime}"
    return config.build(Outcome, _answer("outcome", what, returncode, stdout, stderr), "outcome")


def _answer(key: str, what: str, returncode: int, stdout: str, stderr: str) -> Mapping[str, Any]:
    """What stands under `key` in the worker's line, or the error that explains why nothing does.

    A return code below zero, or above 128 where a shell stands between, is the signal that ended it.
    """
    known = {member.value: member.name for member in signal.Signals}
    if name := known.get(-returncode if returncode < 0 else returncode - 128):
        raise _killed(what, name)
    try:
        answer = documents.table(stdout)
        if error := answer.get("error"):
            raise _revived(error["kind"], error["sentence"], error["hint"])
        return cast(Mapping[str, Any], answer[key])
    except (ValueError, KeyError, AttributeError) as error:
        last = (stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise EnvironmentUnfit(f"The worker failed (exit code {returncode}) while {what}: {last}") from error


def _killed(what: str, name: str) -> EnvironmentUnfit:
    hints = {
        "SIGKILL": "out of memory, most likely: `dmesg` says; a smaller model, or fewer programs beside it",
        "SIGILL": "the runtime was built for another CPU; try another version of it",
        "SIGSEGV": "the runtime crashed on this file; try another version of it",
        "SIGPROF": "it took more CPU time than a file of its size may: EDGECNN_MODEL_SECONDS sets another bound there",
        "SIGABRT": "the runtime gave up on this file; try another version of it",
    }
    return EnvironmentUnfit(f"The worker was ended by {name} while {what}.", hints.get(name))


def _revived(kind: str, sentence: str, hint: str | None) -> EdgecnnError:
    """The worker's error as it was raised there, exit code and all."""
    cls = getattr(errors, kind, EnvironmentUnfit)
    error = cast(EdgecnnError, cls.__new__(cls))
    EdgecnnError.__init__(error, sentence, hint)
    return error
