"""An older x86-64 core as a board: it computes what such a core would, and is never asked how long."""

from __future__ import annotations

import dataclasses
import json
import os
import platform
import resource
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import numpy.typing as npt
import pytest
import tiny_models
from checkout import ROOT
from cpus import needed
from jobs import QUICK, job_of
from waiting import is_running, wait_until

from edgecnn import boards
from edgecnn.boards import Board
from edgecnn.boards.emulated import tools, user_mode
from edgecnn.boards.emulated.user_mode import UserMode
from edgecnn.checks.board import board as verb
from edgecnn.checks.board import show
from edgecnn.errors import EXIT_UNFIT, EXIT_USAGE, EnvironmentUnfit, UsageError
from edgecnn.onboard.job import EncodedImages, Job
from edgecnn.pipeline.bench.bench import COUNTING, bench
from edgecnn.pipeline.bench.profiling.profile import profile
from edgecnn.pipeline.deploy import deploy
from edgecnn.pipeline.export.rescue import pricing
from edgecnn.records import isa, measurement, plans, report
from edgecnn.records.plans import Suite
from edgecnn.records.recipe import DataPlan

SCHEMA = json.loads((ROOT / "bench" / "report.schema.json").read_text())
Integers = npt.NDArray[np.int64]


IMAGES = np.stack([np.full((8, 8, 1), 255), np.random.default_rng(0).integers(0, 256, (8, 8, 1))]).astype(np.uint8)
"""A white picture and a noisy one, (2, H, W, C)."""
KERNEL = tiny_models.weights(8, 8, 1, 10)


@pytest.fixture(scope="module")
def avx2() -> Iterator[Board]:
    with boards.open_board("emulated:x86-64-v3") as board:
        yield board


@pytest.fixture(scope="module")
def sse4() -> Iterator[Board]:
    with boards.open_board("emulated:x86-64-v2") as board:
        yield board


@pytest.fixture
def job(tmp_path: Path) -> Job:
    return job_of(tiny_models.linear_tflite(tmp_path / "tiny.tflite", KERNEL, int8=True), "litert")


def answers(board: Board, job: Job, folder: Path) -> npt.NDArray[Any]:
    """The raw outputs for IMAGES, (2, K)."""
    path = folder / "images.npy"
    np.save(path, IMAGES)
    return np.array(board.run(dataclasses.replace(job, replay=str(path))).replay)


@needed
def test_a_core_is_known_by_what_it_can(avx2: Board, sse4: Board) -> None:
    newer, older = avx2.facts(), sse4.facts()
    assert (newer.cpu, newer.features, newer.model) == ("Haswell", ("avx2",), "emulated x86-64-v3")
    assert (older.cpu, older.features, older.model) == ("Nehalem", (), "emulated x86-64-v2")
    assert isa.saturates(newer.arch, newer.features)
    assert not isa.saturates(older.arch, older.features)
    assert (avx2.name, sse4.name) == ("emulated:x86-64-v3", "emulated:x86-64-v2")


@needed
def test_kernels_that_were_chosen_for_this_machine_are_not_taken_there(
    sse4: Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")  # numpy would compute with AVX2, and end by SIGILL
    assert sse4.facts().features == ()


@needed
def test_numpy_finds_the_instructions_that_the_facts_name(tmp_path: Path) -> None:
    """The facts come from a file of ours; NumPy asks the processor."""
    asking = tmp_path / "asking.py"
    asking.write_text("""
import json
from numpy._core._multiarray_umath import __cpu_features__ as has
print(json.dumps({"error": {"kind": "UsageError", "hint": None, "sentence": " ".join(n for n in has if has[n])}}))
""")
    has = {}
    for level in user_mode.CORES:
        with pytest.raises(UsageError) as caught:
            UserMode(level, asking, tmp_path / "cpuinfo").facts()
        has[level] = set(caught.value.sentence.split())
    assert {"SSE42", "AVX2", "FMA3"} <= has["x86-64-v3"]
    assert "SSE42" in has["x86-64-v2"]
    assert not {"AVX", "AVX2"} & has["x86-64-v2"]
    assert not any(name.startswith("AVX512") for name in has["x86-64-v3"])


@needed
def test_an_int8_tflite_file_answers_bit_for_bit_as_here(avx2: Board, job: Job, tmp_path: Path) -> None:
    with boards.open_board("local") as here:
        assert (answers(avx2, job, tmp_path) == answers(here, job, tmp_path)).all()


WEIGHTS = np.stack(
    [np.full(64, 127), np.full(64, -128), np.random.default_rng(1).integers(-64, 65, 64)], axis=1
)  # (HW, K)
"""Two neighbouring products of the first two columns pass 16 bits on a bright picture, those of the last never."""


def products(path: Path, weights: Integers, zero_point: np.int8 | np.uint8) -> Job:
    """An ONNX file that sums uint8 pixels times `weights`, stored in the type of their zero point."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    nodes = [
        helper.make_node("Flatten", ["x"], ["pixels"]),
        helper.make_node("MatMulInteger", ["pixels", "w", "", "zero"], ["sums"]),
        helper.make_node("Cast", ["sums"], ["y"], to=TensorProto.FLOAT),
    ]
    stored = (weights + int(zero_point)).astype(zero_point.dtype)
    graph = helper.make_graph(
        nodes,
        "products",
        [helper.make_tensor_value_info("x", TensorProto.UINT8, [1, 1, 8, 8])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, weights.shape[1]])],
        [numpy_helper.from_array(stored, "w"), numpy_helper.from_array(np.asarray(zero_point), "zero")],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return job_of(path, "onnxruntime")


def exact_sums() -> Integers:
    return np.asarray(IMAGES.reshape(2, -1).astype(np.int64) @ WEIGHTS)


def saturated_sums() -> Integers:
    """Return the sums with every sum of two neighbouring products cut off at 16 bits, as vpmaddubsw does."""
    each = IMAGES.reshape(2, 32, 2, 1).astype(np.int64) * WEIGHTS.reshape(1, 32, 2, -1)
    return np.asarray(np.clip(each.sum(axis=2), -32768, 32767).sum(axis=1))


@needed
def test_uint8_by_int8_saturates_with_avx2_and_not_with_sse4(avx2: Board, sse4: Board, tmp_path: Path) -> None:
    signed = products(tmp_path / "u8s8.onnx", WEIGHTS, np.int8(0))
    assert (saturated_sums() != exact_sums()).any()
    assert (answers(avx2, signed, tmp_path) == saturated_sums()).all()
    assert (answers(sse4, signed, tmp_path) == exact_sums()).all()


@needed
def test_the_same_weights_as_uint8_are_exact(avx2: Board, tmp_path: Path) -> None:
    unsigned = products(tmp_path / "u8u8.onnx", WEIGHTS, np.uint8(128))
    assert (answers(avx2, unsigned, tmp_path) == exact_sums()).all()


@needed
def test_neither_a_time_nor_a_count_is_told(avx2: Board, job: Job) -> None:
    pictures = EncodedImages(folder="pictures", kind="none", timing=QUICK)
    for timed in (dataclasses.replace(job, window=QUICK), dataclasses.replace(job, end_to_end=pictures)):
        with pytest.raises(EnvironmentUnfit, match="cannot tell a latency"):
            avx2.run(timed)
    with pytest.raises(EnvironmentUnfit, match="lets nobody count instructions"):
        avx2.run(dataclasses.replace(job, count=COUNTING))
    assert (avx2.keeps_time, avx2.counts_instructions) == (False, False)


@needed
def test_a_bench_tells_answers_and_nothing_else(job: Job, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from edgecnn.pipeline.bench import show

    suite = plans.load(Suite, "default", ["board=emulated:x86-64-v3", "limit=20"])
    result = bench([Path(job.model)], suite, DataPlan(name="digits"), tmp_path / "out.json")
    path = result.path
    (row,) = result.measurements
    assert path is not None
    assert row.accuracy is not None
    assert (row.accuracy.n, row.accuracy.elapsed_s) == (20, None)
    assert (row.windows, row.counts, row.summary.peak_rss_bytes) == ((), (), None)
    (written,) = json.loads(path.read_text())["measurements"]
    jsonschema.validate(json.loads(path.read_text()), SCHEMA, cls=jsonschema.Draft202012Validator)
    assert not measurement.TIMES & (set(written) | set(written["summary"]) | set(written["accuracy"]))
    assert report.read(path) == result
    show.show(result)
    assert show.ANSWERS_MEAN in capsys.readouterr().out


@needed
def test_what_only_costs_is_refused_before_anything_runs(job: Job, tmp_path: Path) -> None:
    suite = plans.load(Suite, "default", ["board=emulated:x86-64-v3"])
    with pytest.raises(UsageError, match=r"can only answer pictures, and tiny\.tflite has none"):
        bench([Path(job.model)], suite, output=tmp_path / "out.json")
    with pytest.raises(EnvironmentUnfit, match="no operator has a cost"):
        profile([Path(job.model)], suite)
    with pytest.raises(UsageError, match="no file has a price there"):
        pricing.require("emulated:x86-64-v3", "litert")


@needed
def test_the_board_commands_need_no_link(capsys: pytest.CaptureFixture[str]) -> None:
    show.show_checks(verb.doctor("emulated:x86-64-v2"))
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "ok    emulated x86-64-v2, Nehalem (x86-64 without AVX2)"
    assert said[1].startswith("ok    x86_64, ")
    assert said[-1] == "ok    nothing is in the way of a measurement"
    show.show_info(verb.info("emulated:x86-64-v2"), as_json=True)
    assert json.loads(capsys.readouterr().out)["cpu"] == "Nehalem"


@pytest.mark.parametrize("level", user_mode.CORES)
def test_nothing_is_deployed_to_it_or_kept_there(level: str) -> None:
    with pytest.raises(UsageError, match="Nothing can be deployed"):
        deploy.reach(f"emulated:{level}")
    with pytest.raises(UsageError, match="without a link"):
        verb.clean(f"emulated:{level}")


def test_a_level_that_qemu_does_not_have_is_refused_with_the_known_ones() -> None:
    with (
        pytest.raises(UsageError, match="no emulated board 'x86-64-v4'") as caught,
        boards.open_board("emulated:x86-64-v4"),
    ):
        pass
    assert (caught.value.hint or "").endswith(", x86-64-v2, x86-64-v3")
    assert caught.value.exit_code == EXIT_USAGE


def test_a_machine_without_qemu_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(tools, "_which", lambda program: None)
    with pytest.raises(EnvironmentUnfit, match="needs qemu-x86_64") as caught, boards.open_board("emulated:x86-64-v3"):
        pass
    assert (caught.value.hint or "").endswith("apt-get install --no-install-recommends qemu-user")
    assert caught.value.exit_code == EXIT_UNFIT


def test_another_kind_of_machine_is_unfit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    with pytest.raises(EnvironmentUnfit, match="x86-64 Linux"), boards.open_board("emulated:x86-64-v3"):
        pass


@pytest.fixture
def core_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A current folder into which crashed programs may write their memory."""
    monkeypatch.chdir(tmp_path)
    limits = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (limits[1], limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_CORE, limits)


@needed
@pytest.mark.usefixtures("core_files")
def test_a_worker_that_crashes_is_reported_and_leaves_nothing(
    job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    dying = tmp_path / "dying.py"
    dying.write_text("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)")
    with user_mode.open_core("x86-64-v3") as core:
        (worker,) = tmp_path.rglob("worker.pyz")
        dying.replace(worker)
        with pytest.raises(EnvironmentUnfit, match=r"ended by SIGSEGV while measuring tiny\.tflite"):
            core.run(job)
    assert [path.name for path in tmp_path.iterdir()] == ["tiny.tflite"]


PARENT = """
import sys
from pathlib import Path
from edgecnn.boards.emulated.user_mode import UserMode
UserMode("x86-64-v3", Path(sys.argv[1]), Path("cpuinfo")).facts()
"""
ENDLESS = """
import os, sys, time
from pathlib import Path
Path(sys.argv[0] + ".pid").write_text(str(os.getpid()) + ".")
time.sleep(600)
"""


@needed
def test_a_worker_ends_with_the_process_that_started_it(tmp_path: Path) -> None:
    endless, told = tmp_path / "endless.py", tmp_path / "endless.py.pid"
    endless.write_text(ENDLESS)
    with subprocess.Popen([sys.executable, "-c", PARENT, str(endless)]) as parent:
        wait_until(lambda: told.is_file() and told.read_text().endswith("."))
        worker = int(told.read_text().rstrip("."))
        assert is_running(worker)
        os.kill(parent.pid, signal.SIGKILL)
    wait_until(lambda: not is_running(worker))
