"""A board behind a link: what a job needs is sent once, the worker runs there, and nothing is left running."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import getpass
import math
import os
import platform
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from edgecnn.boards import _reply
from edgecnn.boards.ssh import board_cache, board_facts, preflight
from edgecnn.boards.ssh.board_cache import BoardCache
from edgecnn.boards.ssh.board_facts import BoardFacts
from edgecnn.boards.ssh.failures import LONGEST_WORDS
from edgecnn.boards.ssh.line_session import LineSession
from edgecnn.boards.ssh.link import connect
from edgecnn.boards.ssh.provision import provision
from edgecnn.common import config, console, documents, replies, scratch
from edgecnn.common.replies import NotAReply, last_line
from edgecnn.errors import BoardUnfit, LinkError
from edgecnn.onboard import agent, archive, runtimes
from edgecnn.onboard.job import Job, LabelledSet, Outcome
from edgecnn.records import model_files
from edgecnn.records.environment import Environment

HELD_TIMEOUT_S = 120.0
FACTS_TIMEOUT_S = 600.0
LONGEST_JOB_S = 4 * 3600.0
MOST_WORDS_BYTES = 1 << 24
"""The longest answer that holds neither outputs of images nor a model."""
MOST_NUMBER_BYTES = 32
LOWERED_GROWTH = 4
"""How many times its file's size a model may take as its runtime executes it, in base64."""
LONGEST_NOISE = 1 << 16
NOT_OURS = "is it the board it should be, and is its Python what it says?"

# The board's own packages and settings must not reach the worker: its path has no site folder, no user folder and no
# current folder, only the standard library and PYTHONPATH. Its text is UTF-8 in any locale.
ISOLATED = ("-S", "-s", "-P", "-X", "utf8")
# Every process draws anew which keys of a dict collide, and a small net's count of instructions shows it.
SAME_HASHES = {"PYTHONHASHSEED": "0"}


def packages() -> tuple[str, ...]:
    """List what a board needs for all runtimes: NumPy, Pillow for end-to-end times, and the engines."""
    engines = {runtimes.get(name).PACKAGE for name in runtimes.on_boards()}
    return ("numpy", "pillow", *sorted(engines))


@contextlib.contextmanager
def open_board(
    destination: str,
    options: Sequence[str] = (),
    name: str | None = None,
    python: str | None = None,
    wanted: Sequence[str] | None = None,
) -> Iterator[RemoteBoard]:
    """Reach the board at `destination`, and keep it ready to measure and locked for us until the end.

    Args:
        destination: The address, as `link.connect` takes it.
        options: Further arguments of ssh.
        name: What the board is called in reports; None calls it by its address.
        python: An interpreter there to prefer.
        wanted: The packages to send; None sends `packages()`.

    Raises:
        LinkError: The board cannot be reached, or the link is cut.
        BoardUnfit: The board cannot measure, or somebody else uses it.
    """
    board = RemoteBoard(destination, options, name or f"ssh://{destination}", python, wanted or packages())
    try:
        board.attach()
        yield board
    finally:
        board.detach()


class RemoteBoard:
    """A `boards.Board` behind ssh; a link that is cut is opened once more, and its job is done again."""

    keeps_time = True
    counts_instructions = True

    def __init__(
        self, destination: str, options: Sequence[str], name: str, python: str | None, wanted: Sequence[str]
    ) -> None:
        self.name = name
        self._destination = destination
        self._options = tuple(options)
        self._python = python
        self._wanted = tuple(wanted)
        self._owner = _owner()
        self._stack = contextlib.ExitStack()
        self._is_lost = False
        self._facts: BoardFacts
        self._cache: BoardCache
        self._session: LineSession
        self._worker: str
        self._site: str

    @property
    def preflight(self) -> BoardFacts:
        """The board as it was before anything was copied."""
        return self._facts

    def attach(self) -> None:
        """Connect, read what the board is, lock it, and send what every job needs."""
        link = self._stack.enter_context(connect(self._destination, self._options))
        self._facts = board_facts.read(link, self._python)
        preflight.require(self._facts, self._wanted)
        self._cache = BoardCache(link, self._facts)
        source = self._cache.put(Path(agent.__file__), "agent.py")
        lock = f"{self._facts.cache}/lock"
        agent_argv = [self._interpreter, *preflight.STANDARD_LIBRARY_ONLY, source, lock, self._owner]
        self._session = self._stack.enter_context(link.session(agent_argv))
        _check_ours(self._destination, self._received(HELD_TIMEOUT_S))
        self._site = provision(link, self._facts, self._wanted)
        self._worker = self._cache.put(archive.worker(), "worker.pyz")

    def detach(self) -> None:
        """End what runs there and close the link."""
        self._stack.close()

    def facts(self) -> Environment:
        return _reply.facts(*self._call("facts", None))

    def run(self, job: Job) -> Outcome:
        return _reply.outcome(job, *self._call("run", job))

    @property
    def _interpreter(self) -> str:
        assert self._facts.python is not None  # preflight.require has seen to it
        return self._facts.python.path

    def _call(self, command: str, job: Job | None) -> tuple[int, str, str]:
        """Run one worker: (return code, stdout, stderr). Raises LinkError if the link is cut twice."""
        if self._is_lost:
            raise self._lost()
        try:
            return self._attempt(command, job)
        except LinkError as error:
            console.warn(f"{error.sentence} Connecting once more.")
        self.detach()
        try:
            self.attach()
            return self._attempt(command, job)
        except LinkError as error:
            self._is_lost = True
            raise self._lost() from error

    def _attempt(self, command: str, job: Job | None) -> tuple[int, str, str]:
        """Run one worker through the link as it is now. Raises LinkError if it is cut."""
        stdin = documents.to_json(config.table_of(self._sent(job)), None) if job else ""
        argv = [self._interpreter, *ISOLATED, self._worker, command]
        env = {"PYTHONPATH": self._site, **SAME_HASHES}
        self._session.send(documents.to_json({"argv": argv, "env": env, "stdin": stdin}, None).encode())
        answer = self._received(LONGEST_JOB_S if job else FACTS_TIMEOUT_S, _most_bytes(job))
        code, stdout, stderr = answer.get("returncode"), answer.get("stdout"), answer.get("stderr")
        if type(code) is int and isinstance(stdout, str) and isinstance(stderr, str):
            return code, stdout, stderr
        raise BoardUnfit(f"The agent on {self._destination} answers in another form than ours does.", NOT_OURS)

    def _received(self, timeout_s: float, most_bytes: int = MOST_WORDS_BYTES) -> dict[str, Any]:
        """Wait for the agent's next answer."""
        line = self._session.receive(timeout_s, most_bytes)
        try:
            return replies.table(line, raw=True)
        except NotAReply as error:
            words = last_line(line[:LONGEST_NOISE].decode(errors="replace"))[:LONGEST_WORDS]
            raise LinkError(
                f"Something else on {self._destination} prints between the answers of ours: {words}.",
                "what its login script leaves running must print elsewhere",
            ) from error

    def _sent(self, job: Job) -> Job:
        """Send the files of a job; returns the job with the paths they have there."""
        sent = dataclasses.replace(job, model=self._cache.put_model(Path(job.model)))
        if job.accuracy:
            images, labels = Path(job.accuracy.images), Path(job.accuracy.labels)
            test = LabelledSet(images=self._cache.put(images, images.name), labels=self._cache.put(labels, labels.name))
            sent = dataclasses.replace(sent, accuracy=test)
        if job.replay:
            sent = dataclasses.replace(sent, replay=self._cache.put(Path(job.replay), Path(job.replay).name))
        if job.end_to_end:
            folder = self._sent_folder(job.end_to_end.folder, "pictures.zip")
            sent = dataclasses.replace(sent, end_to_end=dataclasses.replace(job.end_to_end, folder=folder))
        if job.prefixes:
            folder = self._sent_folder(job.prefixes.folder, "prefixes.zip")
            sent = dataclasses.replace(sent, prefixes=dataclasses.replace(job.prefixes, folder=folder))
        if job.survey:
            folder = self._sent_folder(job.survey.folder, "survey.zip")
            sent = dataclasses.replace(sent, survey=dataclasses.replace(job.survey, folder=folder))
        return sent

    def _sent_folder(self, folder: str, name: str) -> str:
        """Send a folder with all its files, as the archive `name`; returns its path there."""
        with scratch.folder() as work:
            packed = work / name
            board_cache.pack(Path(folder), packed)
            return self._cache.unpack(packed)

    def _lost(self) -> LinkError:
        return LinkError(
            f"The link to {self._destination} was lost and did not come back.",
            "what was measured before is kept; is the board still on, and on the network?",
        )


def _owner() -> str:
    """Say who we are, for the board's lock; the time is this machine's, for a board's clock may be wrong."""
    return documents.to_json(
        {
            "host": platform.node(),
            "user": getpass.getuser(),
            "pid": os.getpid(),
            "since": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "token": uuid.uuid4().hex,
        },
        None,
    )


def _most_bytes(job: Job | None) -> int:
    """Return how long an answer may be, which holds the outputs of all replayed images, or the executed model."""
    most = MOST_WORDS_BYTES
    if job and job.replay:
        size = job.preprocessing
        pictures = Path(job.replay).stat().st_size // (size.height * size.width * size.channels) + 1
        most += pictures * math.prod(job.output.shape) * MOST_NUMBER_BYTES
    if job and job.lower:
        model = Path(job.model)
        held = (model, *(model.parent / place for place in model_files.files_beside(model)))
        most += LOWERED_GROWTH * sum(path.stat().st_size for path in held)
    return most


def _check_ours(destination: str, answer: dict[str, Any]) -> None:
    """Raise BoardUnfit if the agent says that somebody else holds the board's lock."""
    holder = answer.get("held", "nothing")
    if holder is None:
        return
    if not isinstance(holder, dict):
        raise BoardUnfit(f"The agent on {destination} answers in another form than ours does.", NOT_OURS)
    words = {key: replies.plain(str(value)) for key, value in holder.items()}
    raise BoardUnfit(
        f"{destination} is in use by {words.get('user', 'somebody')} on {words.get('host', 'an unknown host')} "
        f"(process {words.get('pid', 'unknown')}) since {words.get('since', 'just now')}.",
        "wait for its end: two benches at once would measure each other",
    )
