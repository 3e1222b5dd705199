"""The output of `edgecnn deploy`: lines for people, or one line of JSON."""

from __future__ import annotations

import dataclasses
import shlex

from edgecnn.common import console, documents
from edgecnn.common.escapes import say
from edgecnn.pipeline.deploy.delivery import Deployment
from edgecnn.pipeline.deploy.deploy import Installation, Rollback

EMULATED = "emulated:"


def show_deployment(done: Deployment, target: str, as_json: bool = False) -> None:
    """Print what is on the board now, and on stderr how to go back; `target` is what was deployed."""
    if as_json:
        say(documents.to_json(dataclasses.asdict(done), None))
    else:
        say(f"{done.name} {done.release} on {done.board}: {done.selftest['verdict']}, {done.selftest['sentence']}")
        if done.board.startswith(EMULATED):
            console.note("that board is switched off again; one with an address, --board ssh://..., keeps what it got")
        else:
            say(done.command)
    if done.before:
        words = shlex.join(["edgecnn", "deploy", target, "--board", done.board, "--rollback"])
        console.note(f"Before it was {done.before}; `{words}` goes back.")


def show_rollback(done: Rollback, as_json: bool = False) -> None:
    """Print which release is current again."""
    if as_json:
        table = {"name": done.name, "board": done.board, "before": done.before, "current": done.current}
        model = {"model": done.model.model, "run": done.model.run, "run_sha256": done.model.run_sha256}
        say(documents.to_json(table | model, None))
    else:
        say(f"{done.name} on {done.board}: back to {done.current} from {done.before}")
        say(f"{done.current} is {done.model}")


def show_status(installation: Installation, as_json: bool = False) -> None:
    """Print which release is current, which ones could be, and what serves."""
    name, board, status = installation.name, installation.board, installation.status
    model = status.model(status.current)
    if as_json:
        table = {"name": name, "board": board, **dataclasses.asdict(status)}
        say(documents.to_json(table | {"model": model.model, "service": installation.service}, None))
        return
    say(f"{name} on {board}: {status.current or 'no release'}{f' ({model})' if status.current else ''}")
    say(f"before: {', '.join(reversed(status.history[:-1])) or 'none'}")
    say(f"service: {installation.service or 'none'}")
    for pid, release in status.serving.items():
        say(f"serving: process {pid} with {release}")
