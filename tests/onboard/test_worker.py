import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_models
from jobs import job_of, written

from edgecnn.common import config
from edgecnn.onboard import archive as ship
from edgecnn.onboard import runtimes
from edgecnn.onboard.job import Job, Timing

KERNEL = tiny_models.weights(4, 4, 1, 3)
ALLOWED = {"litert": "ai_edge_litert", "onnxruntime": "onnxruntime"}
FORBIDDEN = ("torch", "typer", "click", "rich", "tomli_w", "onnx", "psutil", "sklearn", "scipy", "matplotlib", "PIL")

# Runs the archive as `python worker.pyz ARGUMENTS` would, with the packages a board lacks out of reach.
BARE = f"""
import runpy, sys
for name in {FORBIDDEN!r}:
    sys.modules[name] = None
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("worker") / "worker.pyz"
    ship.write_worker(path)
    return path


def call(archive: Path, command: str, stdin: str = "", *, bare: bool = True) -> tuple[int, Any, str]:
    """(exit code, the one line of JSON, stderr)."""
    words = [sys.executable, *(["-c", BARE] if bare else []), str(archive), command]
    done = subprocess.run(words, input=stdin, capture_output=True, text=True, check=False)
    lines = done.stdout.splitlines()
    assert len(lines) == 1, done.stdout + done.stderr
    return done.returncode, json.loads(lines[0]), done.stderr


def text(job: Job) -> str:
    return json.dumps(config.table_of(job))


def tiny_job(runtime: str, folder: Path) -> Job:
    writer = {"litert": tiny_models.linear_tflite, "onnxruntime": tiny_models.linear_onnx}[runtime]
    return job_of(writer(folder / {"litert": "a.tflite", "onnxruntime": "a.onnx"}[runtime], KERNEL), runtime)


@pytest.mark.parametrize("runtime", runtimes.on_boards())
def test_with_numpy_and_one_runtime_alone_it_times_and_scores(runtime: str, archive: Path, tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (30, 4, 4, 1), dtype=np.uint8)
    labels = tiny_models.logits(KERNEL, images).argmax(axis=1)
    job = dataclasses.replace(
        tiny_job(runtime, tmp_path),
        window=Timing(warmup_runs=2, num_runs=20, min_secs=0.0),
        accuracy=written(images, labels, tmp_path),
    )
    code, answer, _ = call(archive, "run", text(job))
    assert code == 0
    assert answer["outcome"]["accuracy"]["correct"] == 30
    assert len(answer["outcome"]["window"]["times_ms"]) == 20
    assert answer["outcome"]["end_to_end"] is None


def test_it_tells_what_machine_it_is_on(archive: Path) -> None:
    code, answer, _ = call(archive, "facts")
    assert code == 0
    assert answer["facts"]["cores"] >= 1
    assert len(answer["facts"]["fingerprint"]) == 12


def test_a_fresh_process_holds_less_than_a_hundred_megabytes(archive: Path, tmp_path: Path) -> None:
    job = dataclasses.replace(tiny_job("litert", tmp_path), window=Timing(warmup_runs=0, num_runs=1, min_secs=0.0))
    _, answer, _ = call(archive, "run", text(job), bare=False)
    assert answer["outcome"]["window"]["peak_rss_bytes"] < 100_000_000


@pytest.mark.parametrize(
    ("stdin", "sentence"),
    [
        ("", "not JSON"),
        ("[1]", "not a table"),
        ('{"modell": "a"}', "unknown key 'modell'"),
        ('{"model": "a"}', "lacks the key"),
    ],
)
def test_a_job_that_is_none_is_refused(stdin: str, sentence: str, archive: Path) -> None:
    code, answer, _ = call(archive, "run", stdin)
    assert code == 64
    assert sentence in answer["error"]["sentence"]


def test_an_unknown_command_is_refused(archive: Path) -> None:
    code, answer, _ = call(archive, "dance")
    assert (code, answer["error"]["kind"]) == (64, "UsageError")


def test_a_file_the_runtime_refuses_keeps_its_kind_and_code(archive: Path, tmp_path: Path) -> None:
    job = tiny_job("litert", tmp_path)
    Path(job.model).write_bytes(b"TFL3" * 10)
    code, answer, _ = call(
        archive, "run", text(dataclasses.replace(job, window=Timing(warmup_runs=0, num_runs=1, min_secs=0)))
    )
    assert (code, answer["error"]["kind"]) == (64, "ModelFileError")


def test_without_its_runtime_it_says_what_to_install(archive: Path, tmp_path: Path) -> None:
    job = dataclasses.replace(tiny_job("litert", tmp_path), window=Timing(warmup_runs=0, num_runs=1, min_secs=0))
    bare = BARE.replace("'torch',", "'torch', 'ai_edge_litert',")
    done = subprocess.run(
        [sys.executable, "-c", bare, str(archive), "run"], input=text(job), capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert json.loads(done.stdout)["error"]["hint"] == "pip install ai-edge-litert"


def test_what_a_library_prints_on_stdout_goes_to_stderr(archive: Path) -> None:
    noisy = (
        "import os, sys; sys.path.insert(0, sys.argv[1])\n"
        "from edgecnn.records import environment; from edgecnn.onboard import worker\n"
        "condition = environment.here\n"
        "def here():\n"
        "    os.write(1, b'from C\\n'); print('from Python', flush=True)\n"
        "    return condition()\n"
        "environment.here = here\n"
        "sys.exit(worker.main(['facts']))"
    )
    done = subprocess.run([sys.executable, "-c", noisy, str(archive)], capture_output=True, text=True, check=False)
    assert list(json.loads(done.stdout)) == ["facts"]
    assert done.stderr == "from C\nfrom Python\n"


def test_a_model_with_a_long_answer_still_gives_one_line(archive: Path, tmp_path: Path) -> None:
    job = dataclasses.replace(tiny_job("litert", tmp_path), window=Timing(warmup_runs=0, num_runs=5_000, min_secs=0))
    _, answer, _ = call(archive, "run", text(job))  # far more than a pipe holds at once
    assert len(answer["outcome"]["window"]["times_ms"]) == 5_000


def test_it_needs_no_terminal_and_no_home(archive: Path) -> None:
    env = {"PATH": os.environ["PATH"]}
    done = subprocess.run(
        [sys.executable, str(archive), "facts"], env=env, stdin=subprocess.DEVNULL, capture_output=True, check=False
    )
    assert done.returncode == 0
