"""Benches and faults on emulated boards, booted from nothing: `make board-test`.

They need qemu and Debian's packages, and some minutes; plain `make test` leaves them out.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import jsonschema
import numpy as np
import pytest
import tiny_models
from checkout import ROOT

from edgecnn import boards
from edgecnn.boards import emulated
from edgecnn.boards.emulated import EmulatedBoard, debian, image, machine, provisioned, tools
from edgecnn.boards.emulated.machine import EmulatedMachine
from edgecnn.boards.ssh import remote
from edgecnn.boards.ssh.link import Link, connect
from edgecnn.boards.ssh.remote import RemoteBoard
from edgecnn.errors import BoardUnfit, EnvironmentUnfit, GateFailed, LinkError, ModelFileError
from edgecnn.onboard.job import Job, Timing
from edgecnn.pipeline.bench.bench import COUNTING, bench, judge
from edgecnn.pipeline.bench.candidates import find, job_of
from edgecnn.pipeline.export import export
from edgecnn.records import environment, measurement, plans, report
from edgecnn.records.plans import Suite
from edgecnn.records.run import Run

SCHEMA = json.loads((ROOT / "bench" / "report.schema.json").read_text())
DOT = "asimddp"
MOST_RSS_BYTES = 100_000_000


@pytest.fixture(scope="session")
def run(digits_run: Run, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run exported to the four files."""
    folder = tmp_path_factory.mktemp("exported") / "dscnn-digits"
    shutil.copytree(digits_run.folder, folder)
    copied = dataclasses.replace(digits_run, folder=folder)
    export.export(copied, plans.load(plans.ExportPlan, "default", ["max_drop=100.0"]))
    return copied


@pytest.fixture(scope="module", params=["pi4", "pi5"])
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def guest(name: str) -> Iterator[EmulatedMachine]:
    with emulated.boot(name) as machine:
        yield machine


@pytest.fixture
def board(guest: EmulatedMachine, name: str) -> Iterator[EmulatedBoard]:
    with remote.open_board(machine.HOST, guest.ssh_options, f"emulated:{name}") as remote_board:
        yield EmulatedBoard(remote_board, emulated.model(name))


@pytest.fixture
def job(run: Run) -> Job:
    suite = plans.load(Suite, "default")
    (candidate,) = (
        candidate for candidate in find([run.folder], suite, None) if candidate.name.endswith("int8.tflite")
    )
    return dataclasses.replace(job_of(candidate, suite), count=COUNTING)


def test_it_is_the_core_it_says(board: EmulatedBoard, name: str) -> None:
    facts = board.facts()
    assert (facts.arch, facts.cpu) == ("aarch64", machine.CPUS[name].title())
    assert (DOT in facts.features) == (name == "pi5")
    assert facts.model == emulated.model(name)
    assert facts.packages["numpy"] == np.__version__
    assert (debian.RELEASES[0] in facts.os, facts.python.rpartition(".")[0]) == (True, "3.13")


def test_the_debian_before_it_is_a_board_of_its_own(board: EmulatedBoard, job: Job, name: str) -> None:
    with boards.open_board(f"{board.name}-bookworm") as earlier:
        facts = earlier.facts()
        assert ("bookworm" in facts.os, facts.python.rpartition(".")[0]) == (True, "3.11")
        assert any(line.startswith("model") for line in environment.differences(facts, board.facts()))
        first, second = earlier.run(job).count, board.run(job).count
    assert first is not None
    assert second is not None
    assert np.median(first.instructions) == pytest.approx(np.median(second.instructions), rel=0.05)


def test_a_bench_tells_accuracy_memory_and_instructions_and_no_time(name: str, run: Run, tmp_path: Path) -> None:
    suite = plans.load(Suite, "default", [f"board=emulated:{name}", "limit=100"])
    there = bench([run.folder], suite, output=tmp_path / "there.json")
    path = there.path
    here = bench([run.folder], plans.load(Suite, "default", ["limit=100", "rounds=1", "min_secs=0.0"]))
    assert path is not None
    table = json.loads(path.read_text())
    jsonschema.validate(table, SCHEMA, cls=jsonschema.Draft202012Validator)
    assert len(there.measurements) == 4
    for row, same, written in zip(there.measurements, here.measurements, table["measurements"], strict=True):
        assert not measurement.TIMES & (set(written) | set(written["summary"]) | set(written["accuracy"]))
        assert row.golden is not None
        assert row.accuracy is not None
        assert same.accuracy is not None
        if row.precision == "int8":
            assert row.golden.verdict == "identical", row.file
            assert row.accuracy.correct == same.accuracy.correct
        else:
            assert row.golden.max_relative is not None
            assert row.golden.max_relative <= 1e-5
        s = row.summary
        assert s.instructions_p50 is not None
        assert s.instructions_max is not None
        assert s.instructions_max < 1.01 * s.instructions_p50
        assert 0 < s.peak_rss_bytes < MOST_RSS_BYTES
    assert "emulated" in path.with_suffix(".md").read_text()
    assert report.read(path) == there
    with pytest.raises(GateFailed, match="has no latency"):
        judge(there, dataclasses.replace(suite, max_ms=1000.0))


def test_two_processes_count_the_same(board: EmulatedBoard, job: Job) -> None:
    first, second = (board.run(job).count for _ in range(2))
    assert first is not None
    assert second is not None
    a, b = (float(np.median(count.instructions)) for count in (first, second))
    assert abs(a / b - 1) <= 0.001


def test_dot_product_makes_int8_cheaper_than_float(board: EmulatedBoard, name: str, tmp_path: Path) -> None:
    """A convolution of the size where kernels matter: the reason to count on two cores."""
    kernel = tiny_models.weights(32, 32, 3, 64)
    costs = []
    for int8 in (False, True):
        path = tiny_models.linear_tflite(tmp_path / f"{int8}.tflite", kernel, int8=int8)
        outcome = board.run(dataclasses.replace(_job(path), count=COUNTING))
        assert outcome.count is not None
        costs.append(float(np.median(outcome.count.instructions)))
    assert costs[1] < costs[0]
    assert (costs[0] / costs[1] > 2) == (name == "pi5")


def test_a_time_is_not_told(board: EmulatedBoard, job: Job) -> None:
    with pytest.raises(EnvironmentUnfit, match="no time of its own"):
        board.run(dataclasses.replace(job, window=Timing(warmup_runs=0, num_runs=1, min_secs=0.0)))


# Faults do not depend on the core: one machine meets them all, and does not survive the last.


@pytest.fixture(scope="module")
def spare() -> Iterator[EmulatedMachine]:
    with emulated.boot("pi4") as machine:
        yield machine


@pytest.fixture
def way(spare: EmulatedMachine) -> Iterator[Link]:
    with connect(machine.HOST, spare.ssh_options) as opened:
        yield opened


@pytest.fixture
def bench_there(spare: EmulatedMachine) -> Iterator[RemoteBoard]:
    with remote.open_board(machine.HOST, spare.ssh_options, "emulated:pi4") as remote_board:
        yield remote_board


def test_a_second_bench_is_told_who_holds_the_board(bench_there: RemoteBoard, spare: EmulatedMachine) -> None:
    assert bench_there.facts().arch == "aarch64"
    with pytest.raises(BoardUnfit, match=r"in use by .* since"), remote.open_board(machine.HOST, spare.ssh_options):
        pass


EAT = """
free_kb = int(open("/proc/meminfo").read().split()[7])
held = b"x" * (free_kb * 1024 - 8_000_000)
print("full", flush=True)
input()
"""


def test_a_worker_out_of_memory_is_reported_as_such(bench_there: RemoteBoard, way: Link, tmp_path: Path) -> None:
    kernel = tiny_models.weights(128, 128, 3, 100)  # 19.7 MB of float32
    large = dataclasses.replace(_job(tiny_models.linear_onnx(tmp_path / "large.onnx", kernel)), count=COUNTING)
    way.push(EAT.encode(), "/tmp/eat.py")
    script = "echo -1000 > /proc/$$/oom_score_adj; exec python3 -I /tmp/eat.py"
    with way.session(["sh", "-c", script]) as eater:
        assert eater.receive() == b"full"
        with pytest.raises(EnvironmentUnfit, match="ended by SIGKILL") as caught:
            bench_there.run(large)
        assert "out of memory" in (caught.value.hint or "")
    assert bench_there.run(large).count is not None


FILL = """
import os
there = os.statvfs("/")
with open("/filler", "wb") as file:
    os.posix_fallocate(file.fileno(), 0, there.f_bavail * there.f_bsize - 2_000_000)
"""


def test_a_full_disk_is_said_and_nothing_half_is_left(way: Link) -> None:
    filled = way.run(["python3", "-I", "-c", FILL])
    assert filled.returncode == 0, filled.stderr
    try:
        with pytest.raises(BoardUnfit, match="no room"):
            way.push(bytes(20_000_000), "/root/big/file")
        assert way.run(["ls", "/root/big"]).stdout == b""
    finally:
        way.run(["rm", "/filler"])
    way.push(b"fits", "/root/big/file")
    assert way.fetch("/root/big/file") == b"fits"


# Every connection, the one that gives the order among them; process 1 is the sshd that listens.
CUT = """
until pgrep -f 'worker.pyz run' > /dev/null; do sleep 0.01; done
for one in $(pgrep -x 'sshd|sshd-session'); do [ "$one" = 1 ] || kill -KILL "$one"; done
"""
"""Since OpenSSH 9.8 a connection's process is called sshd-session."""


def test_a_link_that_is_cut_in_a_run_is_opened_again_and_the_job_done(
    bench_there: RemoteBoard, way: Link, job: Job, capsys: pytest.CaptureFixture[str]
) -> None:
    way.push(CUT.encode(), "/tmp/cut")
    way.run(["sh", "-c", "busybox setsid sh /tmp/cut > /dev/null 2>&1 &"])
    assert bench_there.run(job).count is not None
    assert "Connecting once more" in capsys.readouterr().err


def test_a_file_the_runtime_refuses_there_is_refused_here(bench_there: RemoteBoard, job: Job, tmp_path: Path) -> None:
    (tmp_path / "broken.tflite").write_bytes(b"TFL3" * 10)
    with pytest.raises(ModelFileError, match="LiteRT refuses"):
        bench_there.run(dataclasses.replace(job, model=str(tmp_path / "broken.tflite")))


def test_a_wrong_key_and_a_changed_host_key_are_refused(spare: EmulatedMachine, tmp_path: Path) -> None:
    text = Path(spare.ssh_options[1]).read_text()
    for key in ("id", "host"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / key)], check=True)
    identity, known = (
        next(line.split('"')[1] for line in text.splitlines() if word in line) for word in ("Identity", "UserKnown")
    )
    config = tmp_path / "config"
    config.write_text(text.replace(identity, str(tmp_path / "id")))
    with pytest.raises(LinkError, match="does not let us in"), connect(machine.HOST, ("-F", str(config))):
        pass
    other = " ".join((tmp_path / "host.pub").read_text().split()[:2])
    (tmp_path / "known_hosts").write_text(f"{machine.HOST} {other}\n")
    config.write_text(text.replace(known, str(tmp_path / "known_hosts")))
    with pytest.raises(LinkError, match="host key"), connect(machine.HOST, ("-F", str(config))):
        pass


def test_what_a_board_writes_is_gone_with_it_and_a_board_that_is_gone_is_unreachable(spare: EmulatedMachine) -> None:
    with connect(machine.HOST, spare.ssh_options) as opened:
        assert opened.run(["touch", "/root/mark"]).returncode == 0
        _kill(spare.pid)
        with pytest.raises(LinkError, match="cut"):
            opened.run(["true"], timeout_s=30)
    with pytest.raises(LinkError, match="cannot be reached"), connect(machine.HOST, spare.ssh_options):
        pass
    bare = boards.connect("emulated:pi4")
    assert bare is not None
    with bare as opened:
        assert opened.run(["test", "-e", "/root/mark"]).returncode == 1


PARENT = """
import time
from edgecnn.boards import emulated
with emulated.boot("pi4") as guest:
    print(guest.pid, flush=True)
    time.sleep(600)
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_no_machine_outlives_us(number: signal.Signals) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PARENT], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as parent:
        assert parent.stdout is not None
        guest = int(parent.stdout.readline())
        assert b"qemu-system-aarch64" in Path(f"/proc/{guest}/cmdline").read_bytes()
        parent.send_signal(number)
    for _ in range(500):
        if not Path(f"/proc/{guest}").exists():
            return
        time.sleep(0.01)
    pytest.fail("qemu is still there")


def test_the_disk_is_made_once_and_is_whole() -> None:
    made = image.make(debian.RELEASES[0])
    disk = provisioned.make(made, remote.packages())
    before = disk.stat().st_mtime_ns
    assert provisioned.make(made, remote.packages()) == disk
    assert disk.stat().st_mtime_ns == before
    checked = subprocess.run([tools.path("e2fsck"), "-n", "-f", str(disk)], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout


def _job(path: Path) -> Job:
    (candidate,) = find([path], plans.load(Suite, "default"), None)
    return job_of(candidate, plans.load(Suite, "default"))


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
