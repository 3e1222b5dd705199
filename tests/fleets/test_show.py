"""A line a board: drawn anew in a terminal, plain and once in a pipe."""

import os
import pty
import subprocess
import sys
from pathlib import Path

PROGRAM = """
import sys, time
from pathlib import Path
from edgecnn.errors import GateFailed
from edgecnn.fleets import fleet
from edgecnn.fleets.fleet import BoardAnswer
from edgecnn.fleets.journal import FleetPlan

def task(board, record):
    print("looking around", flush=True)
    time.sleep(0.5)
    if board == "pi-2":
        raise GateFailed("too \\x1b[31mslow.")
    return BoardAnswer(sentence="as it should be")

plan = FleetPlan(verb="look", boards=("pi-1", "pi-2", "pi-3"), subject="")
fleet.run(plan, task, (), Path(sys.argv[1]), jobs=2, resume=False)
"""


def test_a_pipe_gets_each_board_s_line_once(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM, str(tmp_path)], capture_output=True, text=True, check=True)
    lines = sorted(done.stderr.splitlines())
    assert [line.split()[:2] for line in lines] == [["pi-1", "ok"], ["pi-2", "FAIL"], ["pi-3", "ok"]]
    assert lines[1].endswith("too \\x1b[31mslow.")  # a board's words are shown, never obeyed
    assert done.stdout == ""


def test_a_terminal_shows_what_is_at_work_and_what_each_says_last(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "80"}
    with subprocess.Popen([sys.executable, "-c", PROGRAM, str(tmp_path)], stderr=theirs, env=environment) as process:
        os.close(theirs)
        shown = b""
        try:
            while block := os.read(ours, 1 << 16):
                shown += block
        except OSError:  # the other end is closed
            pass
        assert process.wait() == 0
    os.close(ours)
    text = shown.decode()
    assert "looking around" in text
    assert "1 more wait" in text
    assert text.count("as it should be") == 2
    assert "\x1b[31m" not in text
