"""Servers on a board while releases come and go under them."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import small_bundles

from edgecnn.onboard import releases
from edgecnn.pipeline.deploy.bundle import Bundle

PICTURE = small_bundles.picture(small_bundles.images()[0])
SITE = next(path for path in sys.path if path.endswith("site-packages"))


OLD_RUNNER = """
import os, pathlib, sys, time
if sys.argv[1] == "selftest":
    sys.exit(print('{{"verdict": "identical"}}'))
pathlib.Path({noted!r}).write_text(" ".join([*sys.argv[1:], str(os.environ.get("LISTEN_FDS"))]))
time.sleep(60)
"""


def wait_until(path: Path) -> None:
    """Wait for what must come to be there, whole; the test's own time limit is the clock."""
    while not (path.is_file() and path.stat().st_size):
        time.sleep(0.02)


class Board:
    """~/edgecnn/<name> as deployments leave it, with packages that are this machine's."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root = folder / "root"
        (folder / "site" / "numpy").mkdir(parents=True)
        leader = f"import sys\nsys.path.insert(0, {SITE!r})\ndel sys.modules['numpy']\nimport numpy\n"
        (folder / "site" / "numpy" / "__init__.py").write_text(leader)

    def unpack(self, name: str, seed: int) -> Bundle:
        made = small_bundles.made(self.folder / name, seed=seed)
        (self.root / "releases").mkdir(parents=True, exist_ok=True)
        archive = self.root / f"{name}.zip"
        archive.write_bytes(made.archive())
        releases.unpack(self.root, name, str(archive), str(self.folder / "site"), sys.executable)
        return made

    def deploy(self, name: str, seed: int) -> str:
        """Unpack and switch; the sha256 of the model."""
        made = self.unpack(name, seed)
        assert "error" not in releases.switch(self.root, name)
        return made.artifact.description.sha256

    @contextlib.contextmanager
    def serving(self, *options: str) -> Iterator["Client"]:
        words = [str(self.root / "run"), "serve", "--port", "0", *options]
        with subprocess.Popen(words, stderr=subprocess.PIPE, text=True, start_new_session=True) as process:
            try:
                assert process.stderr is not None
                line = process.stderr.readline()
                match = re.search(r"on (http://127\.0\.0\.1:\d+)$", line.strip())
                assert match, line
                drained = threading.Thread(target=process.stderr.read)  # so that it never waits for its reader
                drained.start()
                yield Client(process, match[1])
            finally:
                process.kill()
                drained.join()


class Client:
    def __init__(self, process: subprocess.Popen[str], url: str) -> None:
        self.process = process
        self.url = url

    def model(self) -> str:
        """The sha256 of the model that answers, which must be the one that classifies."""
        with urllib.request.urlopen(f"{self.url}/healthz", timeout=60) as answer:
            return str(json.load(answer)["sha256"])

    def classify(self) -> Any:
        with urllib.request.urlopen(f"{self.url}/classify", PICTURE, timeout=60) as answer:
            return json.load(answer)


@pytest.fixture
def board(tmp_path: Path) -> Board:
    return Board(tmp_path / "board")


def test_a_server_goes_on_with_the_release_it_is_told_of(board: Board) -> None:
    first = board.deploy("one", 0)
    with board.serving() as server:
        assert server.model() == first
        second = board.deploy("two", 3)
        assert server.model() == first, "nobody has told it"
        told = releases.tell(board.root)
        assert told["told"] == [{"pid": server.process.pid, "release": "one", "reason": ""}]
        assert server.model() == second
        releases.rollback(board.root)
        assert releases.tell(board.root)["told"][0]["release"] == "two"
        assert server.model() == first
        assert releases.tell(board.root) == {"told": [], "ended": [], "refused": [], "deaf": []}
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(60) == 0
    assert list((board.root / "serving").iterdir()) == []


def test_no_client_is_refused_while_releases_change(board: Board) -> None:
    digests = {board.deploy("one", 0)}
    answers: list[Any] = []
    with board.serving() as server:
        stop = threading.Event()

        def ask() -> None:
            while not stop.is_set():
                try:
                    answers.append(server.classify()["label"])
                except (OSError, urllib.error.URLError) as error:
                    answers.append(error)

        client = threading.Thread(target=ask)
        client.start()
        for number in range(3):
            digests.add(board.deploy(f"more-{number}", number + 1))
            assert len(releases.tell(board.root)["told"]) == 1
        stop.set()
        client.join()
        assert server.model() in digests
    assert answers
    assert set(answers) <= set(small_bundles.LABELS)


def test_a_release_that_does_not_answer_is_refused_and_the_server_stays_what_it_was(board: Board) -> None:
    first = board.deploy("one", 0)
    with board.serving() as server:
        board.deploy("two", 3)
        (board.root / "releases" / "two" / "labels.txt").write_text("rot\n")
        (refused,) = releases.tell(board.root)["refused"]
        assert (refused["pid"], refused["release"]) == (server.process.pid, "one")
        assert "fails its selftest" in refused["reason"]
        assert server.model() == first
        assert server.classify()["label"] in small_bundles.LABELS
        third = board.deploy("three", 4)
        assert len(releases.tell(board.root)["told"]) == 1
        assert server.model() == third


def test_what_a_server_runs_is_never_removed(board: Board) -> None:
    first = board.deploy("one", 0)
    with board.serving() as server:
        for number in range(5):
            board.deploy(f"more-{number}", number + 1)
        assert server.model() == first
        assert server.classify()["label"] in small_bundles.LABELS
        assert set(releases.status(board.root)["releases"]) == {"one", "more-2", "more-3", "more-4"}
        assert releases.status(board.root)["serving"] == {str(server.process.pid): "one"}
        releases.drop(board.root, "one")
        assert (board.root / "releases" / "one" / "run").is_file()
    board.deploy("last", 6)
    assert set(releases.status(board.root)["releases"]) == {"more-3", "more-4", "last"}


def test_a_server_that_cannot_register_is_kept_and_named(board: Board) -> None:
    board.root.mkdir(parents=True)
    (board.root / "serving").write_text("in the way")  # as a read-only home is, under the systemd unit
    first = board.deploy("one", 0)
    with board.serving() as server:
        for number in range(4):
            board.deploy(f"more-{number}", number + 1)
        assert server.model() == first
        assert "one" in releases.status(board.root)["releases"]
        assert releases.tell(board.root)["deaf"] == [{"pid": server.process.pid, "release": "one", "reason": ""}]


def test_a_registration_of_a_process_that_is_gone_reaches_nobody(board: Board) -> None:
    board.deploy("one", 0)
    with board.serving() as server:
        pid = server.process.pid
        server.process.kill()
        server.process.wait()
    assert (board.root / "serving" / str(pid)).is_file()
    (board.root / "serving" / str(os.getpid())).write_text("one\n")  # as if its number had come again
    board.deploy("two", 3)
    assert releases.tell(board.root) == {"told": [], "ended": [], "refused": [], "deaf": []}
    assert list((board.root / "serving").iterdir()) == []


def test_a_release_from_before_opens_the_port_itself(board: Board) -> None:
    board.deploy("one", 0)
    board.unpack("old", 5)
    old = board.root / "releases" / "old"
    with board.serving() as server:
        releases._point(board.root / "current", Path("releases", "old"))
        with zipfile.ZipFile(old / "edgecnn.pyz", "w") as program:
            program.writestr("__main__.py", OLD_RUNNER.format(noted=str(board.folder / "noted")))
        assert releases.tell(board.root)["told"][0]["pid"] == server.process.pid
        wait_until(board.folder / "noted")
        assert (board.folder / "noted").read_text() == "serve --port 0 None"


def test_a_server_ends_with_the_terminal_it_was_started_in(board: Board) -> None:
    board.deploy("one", 0)
    leader, follower = os.openpty()
    run = str(board.root / "run")
    code = (
        "import os, fcntl, termios\nos.setsid()\nfcntl.ioctl(0, termios.TIOCSCTTY, 0)\n"
        f"os.execv({run!r}, [{run!r}, 'serve', '--port', '0'])"
    )
    words = [sys.executable, "-c", code]
    with subprocess.Popen(words, stdin=follower, stdout=follower, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        assert b"serving" in process.stderr.readline()
        os.close(follower)
        os.close(leader)
        assert process.wait(60) == 0
