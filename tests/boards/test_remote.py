"""Measuring on a board behind a real sshd, and every way that can go wrong."""

import concurrent.futures
import contextlib
import dataclasses
import datetime
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest
import sshd
import tiny_models
from jobs import job_of, written
from lent import lending
from sshd import Sshd, board
from waiting import wait_until

from edgecnn import boards
from edgecnn.boards import Board
from edgecnn.boards.ssh import remote
from edgecnn.boards.ssh.remote import RemoteBoard
from edgecnn.errors import BoardUnfit, EnvironmentUnfit, LinkError, ModelFileError
from edgecnn.onboard.job import EncodedImages, Job, Outcome, Timing
from edgecnn.pipeline.bench import bench
from edgecnn.records import environment, plans, report
from edgecnn.records.plans import Suite

__all__ = ["board", "lending"]
pytestmark = sshd.needed

KERNEL = tiny_models.weights(4, 4, 1, 3)
QUICK = Timing(warmup_runs=1, num_runs=5, min_secs=0.0)
ENDLESS = Timing(warmup_runs=10**15, num_runs=1, min_secs=0.0)
SUITE = Suite(name="quick", board="ssh://board", rounds=2, warmup_runs=1, num_runs=10, min_secs=0.0)


@pytest.fixture
def job(tmp_path: Path) -> Job:
    path = tiny_models.linear_tflite(tmp_path / "tiny.tflite", KERNEL)
    return dataclasses.replace(job_of(path, "litert"), window=QUICK)


@contextlib.contextmanager
def opened(board: Sshd) -> Iterator[RemoteBoard]:
    with remote.open_board(board.destination, board.options) as machine:
        yield machine


@pytest.fixture
def ready(lending: Sshd) -> Iterator[RemoteBoard]:
    with opened(lending) as machine:
        yield machine


def workers(board: Sshd) -> list[psutil.Process]:
    processes = []
    for process in board.processes("worker.pyz"):
        with contextlib.suppress(psutil.NoSuchProcess):  # it may have ended since it was listed
            if process.status() != psutil.STATUS_ZOMBIE:
                processes.append(process)
    return processes


def assert_nothing_runs(board: Sshd) -> None:
    wait_until(lambda: not board.processes("worker.pyz") and not board.processes("agent.py"))


def test_a_board_behind_ssh_is_a_board(ready: RemoteBoard, job: Job) -> None:
    here = environment.here()
    there = ready.facts()
    assert environment.differences(here, there) == ()
    first, second = ready.run(job).window, ready.run(job).window
    assert first is not None
    assert second is not None
    assert len(first.times_ms) == len(second.times_ms) == 5
    assert min(first.import_ms, second.import_ms) > 1  # a process that had imported it would not


def test_it_answers_as_this_machine_does_to_the_last_bit(ready: RemoteBoard, job: Job, tmp_path: Path) -> None:
    from PIL import Image

    images = np.random.default_rng(0).integers(0, 256, (30, 4, 4, 1), dtype=np.uint8)
    labels = tiny_models.logits(KERNEL, images).argmax(axis=1)
    photographs = tmp_path / "photographs"
    photographs.mkdir()
    for i in range(3):
        Image.fromarray(images[i, :, :, 0]).resize((32, 32)).save(photographs / f"{i}.jpg")
    whole = dataclasses.replace(
        job,
        accuracy=written(images, labels, tmp_path),
        end_to_end=EncodedImages(folder=str(photographs), kind="small", timing=QUICK),
    )
    there = ready.run(whole)
    with boards.open_board("local") as local:
        here = local.run(whole)
    assert there.accuracy is not None
    assert here.accuracy is not None
    assert there.accuracy.correct == 30
    assert there.accuracy.outputs_sha256 == here.accuracy.outputs_sha256
    assert there.end_to_end is not None
    assert there.end_to_end.pictures == 3


def test_every_file_is_sent_once_and_is_there_the_next_time(lending: Sshd, job: Job) -> None:
    def kept() -> dict[Path, int]:
        return {
            path: path.stat().st_mtime_ns for path in lending.cache.glob("f*/*/*") if "__pycache__" not in path.parts
        }

    with opened(lending) as machine:
        machine.run(job)
        before = kept()
        machine.run(job)
    with opened(lending) as machine:
        machine.run(job)
    assert kept() == before
    assert sorted(path.name for path in before if path.parts[-3] == "files") == [
        "agent.py",
        "tiny.tflite",
        "worker.pyz",
    ]


def test_the_board_s_own_packages_and_settings_stay_out(lending: Sshd, job: Job) -> None:
    impostor = lending.home / "impostor" / "numpy"
    impostor.mkdir(parents=True)
    (impostor / "__init__.py").write_text("raise SystemExit('the impostor ran')")
    (lending.home / "numpy.py").write_text("raise SystemExit('the impostor ran')")
    lending.limits.write_text(f"export PYTHONPATH={impostor.parent} PYTHONOPTIMIZE=2 PYTHONHASHSEED=1\n")
    with opened(lending) as machine:
        assert machine.run(job).window is not None


def test_an_error_of_the_worker_arrives_as_it_was_raised(ready: RemoteBoard, job: Job) -> None:
    Path(job.model).write_bytes(b"TFL3" * 10)
    with pytest.raises(ModelFileError, match=r"LiteRT refuses .*tiny\.tflite") as caught:
        ready.run(job)
    assert caught.value.exit_code == 64


@pytest.mark.parametrize(
    ("number", "hint"),
    [(signal.SIGKILL, "out of memory"), (signal.SIGILL, "another CPU"), (signal.SIGSEGV, "crashed")],
)
def test_a_worker_that_dies_is_reported_and_the_next_one_works(
    number: signal.Signals, hint: str, lending: Sshd, job: Job
) -> None:
    lending.limits.write_text("ulimit -c 0\n")
    with opened(lending) as machine, concurrent.futures.ThreadPoolExecutor(1) as pool:
        running = pool.submit(machine.run, dataclasses.replace(job, window=ENDLESS))
        wait_until(lambda: workers(lending))
        workers(lending)[0].send_signal(number)
        with pytest.raises(EnvironmentUnfit, match=rf"ended by {number.name} while measuring tiny\.tflite") as caught:
            running.result()
        assert hint in (caught.value.hint or "")
        assert machine.run(job).window is not None


def test_a_board_without_enough_memory_says_so(lending: Sshd, job: Job) -> None:
    with opened(lending) as machine:
        agent = lending.processes("agent.py")[-1]
        agent.rlimit(psutil.RLIMIT_AS, (60_000_000, 60_000_000))
        with pytest.raises(EnvironmentUnfit) as caught:
            machine.run(job)
    assert re.search("MemoryError|memory|failed to map", caught.value.sentence), caught.value.sentence


def test_the_worker_is_the_first_to_go_when_memory_runs_out(lending: Sshd, job: Job) -> None:
    with opened(lending) as machine, concurrent.futures.ThreadPoolExecutor(1) as pool:
        running = pool.submit(machine.run, dataclasses.replace(job, window=ENDLESS))
        wait_until(lambda: workers(lending))
        worker = workers(lending)[0]
        wait_until(lambda: Path(f"/proc/{worker.pid}/oom_score_adj").read_text().strip() == "1000")
        worker.kill()
        with pytest.raises(EnvironmentUnfit):
            running.result()


def test_a_link_cut_in_a_run_is_opened_again_and_one_that_stays_away_is_lost(lending: Sshd, job: Job) -> None:
    with opened(lending) as machine, concurrent.futures.ThreadPoolExecutor(1) as pool:
        running = pool.submit(machine.run, dataclasses.replace(job, window=ENDLESS))
        wait_until(lambda: workers(lending))
        first = workers(lending)[0]
        lending.cut()
        wait_until(lambda: [worker for worker in workers(lending) if worker.pid != first.pid])
        assert not first.is_running()
        lending.stop()
        with pytest.raises(LinkError, match="was lost and did not come back"):
            running.result()
        with pytest.raises(LinkError, match="was lost"):
            machine.facts()
    assert_nothing_runs(lending)


def test_two_benches_on_one_board_are_one_too_many(lending: Sshd, job: Job) -> None:
    with opened(lending) as first:
        with (
            pytest.raises(BoardUnfit, match=rf"in use by \w+ on \S+ \(process {os.getpid()}\) since 20\d\d-") as caught,
            opened(lending),
        ):
            pass
        assert caught.value.exit_code == 2
        assert first.run(job).window is not None
    with opened(lending) as second:
        assert second.run(job).window is not None


def kill_agents(lending: Sshd) -> None:
    """Kill them all; one that ends with another is gone already."""
    for agent in lending.processes("agent.py"):
        with contextlib.suppress(psutil.NoSuchProcess):
            agent.kill()


def test_a_lock_of_the_dead_is_taken_over(lending: Sshd, job: Job) -> None:
    with opened(lending):
        kill_agents(lending)
        with opened(lending) as other:
            assert other.run(job).window is not None
    lending.cache.joinpath("lock").write_text(json.dumps({"host": "gone", "pid": 1, "agent": 1, "token": "x"}))
    with opened(lending) as again:
        assert again.run(job).window is not None


def test_a_killed_agent_takes_its_worker_along(lending: Sshd, job: Job) -> None:
    with opened(lending) as machine, concurrent.futures.ThreadPoolExecutor(1) as pool:
        running = pool.submit(machine._attempt, "run", dataclasses.replace(job, window=ENDLESS))
        wait_until(lambda: workers(lending))
        kill_agents(lending)
        with pytest.raises(LinkError):
            running.result()
        assert_nothing_runs(lending)


def model(folder: Path, name: str) -> Path:
    return tiny_models.linear_tflite(folder / name, KERNEL)


def test_bench_measures_a_board_by_its_address(lending: Sshd, tmp_path: Path) -> None:
    lending.put_program("date", "exec /bin/date -d '3 days ago' \"$@\"")
    result = bench.bench([model(tmp_path, "a.tflite")], SUITE, output=tmp_path / "out.json")
    path = result.path
    assert result.board == "ssh://board"
    assert path == tmp_path / "out.json"
    assert report.read(path) == result
    age = datetime.datetime.now(datetime.UTC) - datetime.datetime.fromisoformat(result.date)
    assert age < datetime.timedelta(days=1)  # the board believes it is three days ago
    bench.judge(result, SUITE)


class Unplugged:
    """A real board whose real sshd goes away before its n-th job."""

    keeps_time = True
    counts_instructions = True

    def __init__(self, board: Board, server: Sshd, jobs: int) -> None:
        self.name, self.facts = board.name, board.facts
        self._board, self._server, self._left = board, server, jobs

    def run(self, job: Job) -> Outcome:
        self._left -= 1
        if self._left == 0:
            self._server.stop()
        return self._board.run(job)


def test_what_was_measured_before_a_link_was_lost_is_kept(
    lending: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextlib.contextmanager
    def unplugged(name: str) -> Iterator[Unplugged]:
        with opened(lending) as machine:
            yield Unplugged(machine, lending, jobs=4)

    monkeypatch.setattr(boards, "open_board", unplugged)
    targets = [model(tmp_path, "a.tflite"), model(tmp_path, "b.tflite")]
    result = bench.bench(targets, SUITE, output=tmp_path / "out.json")
    path = result.path
    assert path is not None
    assert report.read(path) == result
    assert sorted((measurement.file, len(measurement.windows)) for measurement in result.measurements) == [
        ("a.tflite", 1),
        ("b.tflite", 2),
    ]
    # b has all its windows, but its instructions were still to be counted.
    assert [(failure.file, "was lost" in failure.sentence) for failure in result.failures] == [
        ("a.tflite", True),
        ("b.tflite", True),
    ]
    with pytest.raises(EnvironmentUnfit, match=r"a\.tflite on litert: The link .* was lost"):
        bench.judge(result, SUITE)


def test_under_voltage_while_timing_makes_the_measurement_invalid(
    lending: Sshd, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from edgecnn.pipeline.bench import show

    count = lending.folder / "count"
    lending.put_program(
        "vcgencmd",
        f'[ "$1" = measure_clock ] && echo "frequency(48)=1500000000" && exit; echo x >> {count}; '
        f"[ $(wc -l < {count}) -gt 4 ] && echo throttled=0x50005 || echo throttled=0x0",
    )
    result = bench.bench([model(tmp_path, "a.tflite")], SUITE, output=tmp_path / "out.json")
    measurement = result.measurements[0]
    assert [(w.before.throttled, w.after.throttled) for w in measurement.windows] == [(0, 0), (0, 0x50005)]
    assert {w.after.frequency_mhz for w in measurement.windows} == {1500.0}
    assert measurement.validity.verdict == "INVALID"
    assert "under-voltage and throttling in window 2" in measurement.validity.reasons
    with pytest.raises(EnvironmentUnfit, match=r"INVALID.*under-voltage") as caught:
        bench.judge(result, SUITE)
    assert caught.value.exit_code == 2
    show.show(result)
    assert "a.tflite (INVALID)" in capsys.readouterr().out
    assert "a.tflite (INVALID)" in (tmp_path / "out.md").read_text()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_bench_that_is_ended_leaves_nothing_running_on_the_board(
    number: signal.Signals, lending: Sshd, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "edgecnn", "bench", str(model(tmp_path, "a.tflite")), "--board", "ssh://board"]
    command += ["--warmup-runs", str(10**15), "-o", str(tmp_path / "out.json")]
    with (
        subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as process,
        contextlib.ExitStack() as stack,
    ):
        stack.callback(process.kill)  # its warm-up never ends by itself
        wait_until(lambda: workers(lending) or process.poll() is not None)
        process.send_signal(number)
        _, said = process.communicate()
    assert process.returncode == {signal.SIGINT: 130}.get(number, -number), said
    assert_nothing_runs(lending)
    assert not (tmp_path / "out.json").exists()


def test_a_named_board_is_found_by_its_name(lending: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "boards").mkdir()
    (tmp_path / "boards" / "mine.toml").write_text('address = "board"\nnotes = "on the desk"\n')
    monkeypatch.setattr(plans, "folder", lambda cls: tmp_path)
    with boards.open_board("mine") as machine:
        assert machine.name == "mine"
        assert machine.facts().cores >= 1


FLOOD = """
from edgecnn.onboard import agent
agent.MOST_BYTES = 1_000_000
for stream in ("1", "2"):
    answer = agent.work(["sh", "-c", f"exec cat /dev/zero >&{stream}"], {}, "")
    assert answer is not None
    print(answer["returncode"], len(answer["stdout"]), len(answer["stderr"]))
"""


def test_a_worker_that_prints_without_end_fills_no_disk() -> None:
    with subprocess.Popen([sys.executable, "-c", FLOOD], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as agent:
        assert agent.stdout is not None
        ended = str(-signal.SIGXFSZ)
        assert agent.stdout.read().decode().splitlines() == [f"{ended} 0 0", f"{ended} 0 4096"]
