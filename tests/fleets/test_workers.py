"""A process for each item: bounded, alone in its crash, and gone with the one that started it."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import forks
import psutil
import pytest

from edgecnn.fleets import workers
from edgecnn.fleets.workers import WorkerEnd

PATIENCE_S = 60

pytestmark = forks.ALLOWED


def ended(
    items: list[str], work: Any, folder: Path, jobs: int = 2, watch: Any = lambda running: None
) -> list[WorkerEnd]:
    return list(workers.each(items, work, jobs, lambda item: folder / f"{item}.log", watch))


def test_each_item_is_done_once_and_what_it_prints_goes_into_its_log(tmp_path: Path) -> None:
    def work(item: str) -> Mapping[str, Any]:
        print(f"about {item}")
        print("and a warning", file=sys.stderr)
        return {"item": item, "long": "x" * 300_000}  # longer than a pipe holds

    ends = {end.item: end for end in ended(["a", "b", "c"], work, tmp_path)}
    assert {item: (end.answer or {}).get("item") for item, end in ends.items()} == {"a": "a", "b": "b", "c": "c"}
    assert (tmp_path / "b.log").read_text() == "about b\nand a warning\n"


def test_no_more_are_at_work_than_may_be(tmp_path: Path) -> None:
    seen = []
    items = [str(number) for number in range(7)]
    ends = ended(items, lambda item: {}, tmp_path, 3, lambda running: seen.append(len(running)))
    assert sorted(end.item for end in ends) == items
    assert max(seen) <= 3


def test_one_that_crashes_takes_nothing_else_with_it(tmp_path: Path) -> None:
    def work(item: str) -> Mapping[str, Any]:
        if item == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        if item == "raised":
            raise RuntimeError("nobody expected it")
        return {}

    ends = {end.item: end for end in ended(["killed", "raised", "fine"], work, tmp_path)}
    assert (ends["killed"].answer, ends["killed"].status) == (None, -signal.SIGKILL)
    assert (ends["raised"].answer, ends["raised"].status) == (None, 70)
    assert "nobody expected it" in (tmp_path / "raised.log").read_text()
    assert ends["fine"].answer == {}


def test_an_interrupt_lets_each_tidy_up(tmp_path: Path) -> None:
    def work(item: str) -> Mapping[str, Any]:
        (tmp_path / f"{item}.begun").touch()
        try:
            time.sleep(PATIENCE_S)
        finally:
            (tmp_path / f"{item}.tidy").touch()
        return {}

    def watch(running: Mapping[str, float]) -> None:
        if len(list(tmp_path.glob("*.begun"))) == 2:
            raise KeyboardInterrupt

    before = psutil.Process().children()  # of other tests
    with pytest.raises(KeyboardInterrupt):
        ended(["a", "b", "c"], work, tmp_path, 2, watch)
    assert sorted(path.name for path in tmp_path.glob("*.tidy")) == ["a.tidy", "b.tidy"]
    assert psutil.Process().children() == before


PARENT = """
import os, sys, time
from pathlib import Path
from edgecnn.fleets import workers
def work(item):
    Path(sys.argv[1], f"{os.getpid()}.pid").touch()
    time.sleep(60)
list(workers.each(["a", "b"], work, 2, lambda item: Path(sys.argv[1], item), lambda running: None))
"""


def test_a_killed_parent_leaves_none_behind(tmp_path: Path) -> None:
    parent = subprocess.Popen([sys.executable, "-c", PARENT, str(tmp_path)])
    end = time.monotonic() + PATIENCE_S
    while len(list(tmp_path.glob("*.pid"))) < 2 and time.monotonic() < end:
        time.sleep(0.01)
    children = [psutil.Process(int(path.stem)) for path in tmp_path.glob("*.pid")]
    assert len(children) == 2
    parent.kill()
    parent.wait()
    for child in children:
        with contextlib.suppress(psutil.NoSuchProcess):
            child.wait(PATIENCE_S)
    assert not any(child.is_running() for child in children)
