"""The verb: put a model on a board so that one command classifies a picture there, or go back to the one before.

A release is sent whole, tested there against its golden vectors, and only then becomes the current
one (`edgecnn.releases`): whatever fails on the way, the model that worked goes on working.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import io
import re
import signal
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgecnn import artifact as artifacts
from edgecnn import boards, bundle, console, documents, files, golden, preflight, provision, releases, remote, service
from edgecnn.boards import _named
from edgecnn.bundle import Bundle
from edgecnn.errors import BoardUnfit, EnvironmentUnfit, GateFailed, UsageError
from edgecnn.escapes import say
from edgecnn.link import Answer, Link, last_line
from edgecnn.preflight import BoardFacts
from edgecnn.run import reads_exports
from edgecnn.runner import contents

ID_DIGITS = 12
"""Of sha256, to tell a board's few releases apart; the manifest has the whole digests."""
TEST_TIMEOUT_S = 600.0


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
    as_json: bool = False,
) -> Deployment | None:
    """Write the bundle of a run's file (or of a model file) into `output`, put it on `board`, or both.

    max_lsb: largest difference from the golden vectors that is let through, in steps of an integer
    output; 0 wants every bit. strict: a file whose check cannot tell is refused. Raises UsageError when there is no
    such file, GateFailed when it failed its check or answers differently there, Undecided with `strict`, LinkError
    and BoardUnfit for the board; none of them touches what works.
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
        done = put(link, made, board, max_lsb=max_lsb, with_service=service)
    if as_json:
        say(documents.to_json(dataclasses.asdict(done), None))
    else:
        say(f"{done.name} {done.release} on {board}: {done.selftest['verdict']}, {done.selftest['sentence']}")
        say(done.command)
    if done.before:
        console.note(f"Before it was {done.before}; `edgecnn deploy {target} --board {board} --rollback` goes back.")
    return done


def put(link: Link, made: Bundle, board: str, *, max_lsb: int = 0, with_service: bool = False) -> Deployment:
    """Send a bundle through a link, test it there, make it current."""
    facts = preflight.inspect(link, _preferred_python(board))
    preflight.require(facts, made.packages)
    packages = _packages(link, facts, made)
    archive = made.archive()
    release = hashlib.sha256(archive + Path(packages).name.encode()).hexdigest()[:ID_DIGITS]
    there = _Root(link, facts, made.name)
    tested = there.test(release) if release in there.ask("status")["releases"] else None
    if tested is None or tested.returncode:
        incoming = f"{there.path}/{release}.zip"
        link.push(archive, incoming)
        there.ask("unpack", release, incoming, packages, _python(facts))
        tested = there.test(release)
    try:
        selftest = _passed(tested, made, board, max_lsb)
        _same_answer(there, release, made, board)
    except (EnvironmentUnfit, GateFailed):
        with contextlib.suppress(EnvironmentUnfit):  # the link may be cut; the next deployment clears up
            there.ask("drop", release)
        raise
    before = there.ask("switch", release)["before"]
    if with_service:
        if not service.start(link, facts, made.name):
            console.warn(
                "The service ends with your last session there; "
                f"`sudo loginctl enable-linger {facts.user}` on the board keeps it."
            )
        runs = True
    else:
        runs = service.restart(link, facts, made.name)
    return Deployment(
        name=made.name,
        board=board,
        release=release,
        before=before,
        selftest=selftest,
        command=f"{typed(link.destination)} edgecnn/{made.name}/run classify picture.jpg",
        service=runs,
    )


def rollback(target: str, board: str, as_json: bool = False) -> None:
    """Go back to the release before the current one. Raises UsageError when there is none."""
    name = bundle.name_of(target)
    with reach(board) as link:
        facts = preflight.inspect(link, _preferred_python(board))
        preflight.require(facts)
        answer = _Root(link, facts, name).ask("rollback", usage=True)
        service.restart(link, facts, name)
    if as_json:
        say(documents.to_json({"name": name, "board": board, **answer}, None))
    else:
        say(f"{name} on {board}: back to {answer['current']} from {answer['before']}")


def status(target: str, board: str, as_json: bool = False) -> None:
    """Print which release is current, which ones could be, and whether the service runs."""
    name = bundle.name_of(target)
    with reach(board) as link:
        facts = preflight.inspect(link, _preferred_python(board))
        preflight.require(facts)
        there = _Root(link, facts, name)
        if link.run(["test", "-d", there.path]).returncode:
            raise UsageError(f"There is no {name!r} on {board}.", "`edgecnn deploy` puts it there")
        answer = there.ask("status")
        model = _model(link, f"{there.path}/current") if answer["current"] else None
        runs = service.state(link, name)
    if as_json:
        say(documents.to_json({"name": name, "board": board, "model": model, "service": runs, **answer}, None))
        return
    say(f"{name} on {board}: {answer['current'] or 'no release'}{f' ({model})' if model else ''}")
    say(f"before: {', '.join(reversed(answer['history'][:-1])) or 'none'}")
    say(f"service: {runs or 'none'}")


def typed(destination: str) -> str:
    """The ssh command a user types to get to "user@host[:port]"."""
    match = re.fullmatch(r"(?P<user>[^@]+@)?(\[(?P<v6>.+)\]|(?P<host>[^:]+))(:(?P<port>\d+))?", destination)
    if match is None:
        return f"ssh {destination}"
    port = f"-p {match['port']} " if match["port"] else ""
    return f"ssh {port}{match['user'] or ''}{match['v6'] or match['host']}"


def reach(board: str) -> AbstractContextManager[Link]:
    """A link to a board by its name. Raises UsageError for a kind of board that has none."""
    link = boards.link(board)
    if link is None:
        raise UsageError(f"Nothing can be deployed to {board!r}.", "--board ssh://user@host, or --output FOLDER")
    return link


class _Root:
    """~/edgecnn/<name> of a board."""

    def __init__(self, link: Link, facts: BoardFacts, name: str) -> None:
        self.path = f"{facts.home}/edgecnn/{name}"
        self._link = link
        self._python = _python(facts)
        self._program = Path(releases.__file__).read_bytes()

    def ask(self, command: str, *arguments: str, usage: bool = False) -> dict[str, Any]:
        """One command of `edgecnn.releases`. Raises BoardUnfit with its error, or UsageError if that is `usage`."""
        argv = [self._python, *preflight.STANDARD_LIBRARY_ONLY, "-", command, self.path, *arguments]
        answer = self._link.run(argv, stdin=self._program)
        try:
            table = documents.table(answer.stdout)
        except ValueError:
            table = {"error": last_line(answer.stderr) or f"exit code {answer.returncode}"}
        if sentence := table.get("error"):
            kind = UsageError if usage else BoardUnfit
            raise kind(f"{command} of {self.path} on {self._link.destination} failed: {sentence}.")
        return table

    def test(self, release: str) -> Answer:
        """The runner's selftest in a release, as JSON."""
        return self.run(release, ["selftest", "--json"])

    def run(self, release: str, arguments: list[str], stdin: bytes = b"") -> Answer:
        return self._link.run([f"{self.path}/releases/{release}/run", *arguments], stdin, TEST_TIMEOUT_S)


def _packages(link: Link, facts: BoardFacts, made: Bundle) -> str:
    """The folder of packages there: what a bench has sent already, for it holds more, or else what the bundle needs."""
    archive = provision.archive_path(facts, remote.packages())
    if archive.is_file():
        folder = f"{facts.cache}/folders/{files.sha256(archive)}"
        if link.run(["test", "-d", folder]).returncode == 0:
            return folder
    return provision.provision(link, facts, made.packages)


def _passed(answer: Answer, made: Bundle, board: str, max_lsb: int) -> dict[str, Any]:
    """The selftest's JSON if it lets the release through."""
    with contextlib.suppress(ValueError):
        table = documents.table(answer.stdout)
        steps = table["max_lsb"]
        if answer.returncode == 0 or (table["verdict"] == "within" and steps is not None and steps <= max_lsb):
            return table
        hint = "what was there before is untouched"
        if table["verdict"] == "within":
            hint += f"; --max-lsb {steps} lets it through"
        if table.get("cause"):  # an earlier release has an earlier runner
            hint += f". {table['cause']}"
        raise GateFailed(f"{made.artifact.name} answers differently on {board}: {table['sentence']}.", hint)
    raise _broken(answer, "selftest", board)


def _same_answer(there: _Root, release: str, made: Bundle, board: str) -> None:
    """One golden picture as a file through the whole way; it also leaves Python's bytecode for the first user."""
    from PIL import Image

    images, outputs = golden.read(made.files[contents.GOLDEN], contents.OUTPUTS, made.artifact)
    pixels, expected = images[0], outputs[:1]  # (H, W, C), (1, ...)
    stream = io.BytesIO()
    Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels).save(stream, "png")
    answer = there.run(release, ["classify", "-"], stream.getvalue())
    logits = artifacts.decode(expected, made.artifact.description.output)[0]  # (K,)
    best = {made.artifact.labels[i] for i in np.flatnonzero(logits == logits.max())}
    try:
        label = documents.table(answer.stdout)["label"]
    except (ValueError, KeyError) as error:
        raise _broken(answer, "classify", board) from error
    if label not in best:
        raise GateFailed(f"{made.artifact.name} calls a golden picture {label!r} on {board}, not {sorted(best)[0]!r}.")


def _broken(answer: Answer, command: str, board: str) -> EnvironmentUnfit:
    known = {member.value: member.name for member in signal.Signals}
    if name := known.get(answer.returncode - 128):
        return EnvironmentUnfit(
            f"`{command}` of the new release was ended by {name} on {board}.", "what was there before is untouched"
        )
    lines = [line for line in answer.stderr.splitlines() if line.startswith("error: ")]
    reason = (lines[0].removeprefix("error: ") if lines else last_line(answer.stderr)).rstrip(".")
    reason = reason or f"exit code {answer.returncode}"
    return EnvironmentUnfit(
        f"`{command}` of the new release failed on {board}: {reason}.", "what was there before is untouched"
    )


def _model(link: Link, folder: str) -> str | None:
    with contextlib.suppress(BoardUnfit, ValueError, KeyError):
        return str(documents.table(link.fetch(f"{folder}/{contents.MANIFEST}"))["model"])
    return None


def _preferred_python(board: str) -> str | None:
    """The interpreter that a named board's file asks for."""
    return _named.read(board).python if board in _named.names() else None


def _python(facts: BoardFacts) -> str:
    assert facts.python is not None  # preflight.require has seen to it
    return facts.python.path
