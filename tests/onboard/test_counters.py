"""Instruction counts mean something where the kernel counts; nothing is made up where it does not."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from edgecnn.onboard import counters


def test_more_work_takes_more_instructions_where_there_is_a_counter() -> None:
    counter = counters.instructions()
    if counter is None:
        return
    with counter:
        little, much = (min(counter.count(lambda n=n: sum(range(n))) for _ in range(5)) for n in (1_000, 100_000))  # type: ignore[misc]
    assert 1_000 < little < much / 20


def test_there_is_no_counter_for_an_unknown_architecture(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "vax")
    assert counters.instructions() is None


def test_nothing_stays_open() -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(3):
        if counter := counters.instructions():
            counter.close()
    assert len(list(Path("/proc/self/fd").iterdir())) == before


@pytest.mark.parametrize("code", [0, 7])
def test_a_whole_process_is_run_to_its_end(code: int) -> None:
    program = [sys.executable, "-I", "-S", "-c", f"print('said'); b = bytearray(60_000_000); raise SystemExit({code})"]
    done = subprocess.run(
        [sys.executable, "-I", counters.__file__, *program], capture_output=True, text=True, check=True
    )
    said, line = done.stdout.splitlines()
    cost = json.loads(line)
    assert said == "said"
    assert cost["returncode"] == code
    assert 60_000_000 < cost["peak_rss_bytes"] < 200_000_000
    assert cost["instructions"] is None or cost["instructions"] > 1_000_000


def test_a_program_that_does_not_exist_is_an_exit_code() -> None:
    command = [sys.executable, "-I", counters.__file__, "/no/such/program"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert json.loads(done.stdout.splitlines()[-1])["returncode"] == 127
