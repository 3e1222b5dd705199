"""The contract of a board, and the report of a worker that dies."""

import dataclasses
import json
import signal
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
import tiny_models
from jobs import QUICK, job_of

from edgecnn import boards
from edgecnn.boards import _reply
from edgecnn.boards.local import LocalBoard
from edgecnn.common import config, plugins
from edgecnn.errors import EXIT_UNFIT, EnvironmentUnfit, ModelFileError, UsageError
from edgecnn.onboard.job import Job
from edgecnn.records import environment
from edgecnn.testing import machines

KERNEL = tiny_models.weights(4, 4, 1, 3)


@pytest.fixture
def job(tmp_path: Path) -> Job:
    path = tiny_models.linear_tflite(tmp_path / "tiny.tflite", KERNEL)
    return dataclasses.replace(job_of(path, "litert"), window=QUICK)


# A board that needs no address is this machine; the others are tested where they can be reached.
@pytest.mark.parametrize("check", machines.CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", [name for name in plugins.own_names("edgecnn.boards") if name == "local"])
def test_every_board_keeps_its_contract(name: str, check: Callable[[str, Path], None], job: Job) -> None:
    check(name, Path(job.model))


def test_local_is_this_machine() -> None:
    with boards.open_board("local") as board:
        assert board.facts() == environment.here()


def test_nothing_is_left_behind(job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    with boards.open_board("local") as board:
        board.run(job)
        assert list(scratch.iterdir())
    assert list(scratch.iterdir()) == []


def test_an_error_of_the_worker_arrives_as_it_was_raised(job: Job) -> None:
    Path(job.model).write_bytes(b"")
    with (
        boards.open_board("local") as board,
        pytest.raises(ModelFileError, match=r"LiteRT refuses .*tiny\.tflite") as caught,
    ):
        board.run(job)
    assert caught.value.exit_code == 64


def worker(folder: Path, code: str) -> LocalBoard:
    """A board whose worker is another program."""
    path = folder / "worker.py"
    path.write_text(code)
    return LocalBoard(path)


@pytest.mark.parametrize(
    ("name", "hint"),
    [("SIGKILL", "out of memory"), ("SIGSEGV", "crashed"), ("SIGILL", "another CPU"), ("SIGABRT", "gave up")],
)
def test_a_worker_that_dies_of_a_signal_is_reported_by_its_name(name: str, hint: str, job: Job, tmp_path: Path) -> None:
    no_core = "resource.setrlimit(resource.RLIMIT_CORE, (0, 0))"
    code = f"import os, resource, signal; {no_core}; os.kill(os.getpid(), signal.{name})"
    with pytest.raises(EnvironmentUnfit, match=rf"ended by {name} while measuring tiny\.tflite on litert") as caught:
        worker(tmp_path, code).run(job)
    assert hint in (caught.value.hint or "")
    assert caught.value.exit_code == EXIT_UNFIT


def test_a_signal_behind_a_shell_is_known_by_its_code(job: Job) -> None:
    with pytest.raises(EnvironmentUnfit, match="SIGKILL"):
        _reply.outcome(job, 128 + signal.SIGKILL, "", "")


def test_a_process_out_of_memory_is_reported(job: Job, tmp_path: Path) -> None:
    code = "import resource; resource.setrlimit(resource.RLIMIT_AS, (200_000_000,) * 2); b'x' * 400_000_000"
    with pytest.raises(EnvironmentUnfit, match="MemoryError"):
        worker(tmp_path, code).run(job)


@pytest.mark.parametrize(
    "code",
    [
        "raise RuntimeError('the reason')",
        "import sys; print('{\"outcome\": '); sys.exit('the reason')",
        "import sys; print('[]'); print('the reason', file=sys.stderr)",
        "import sys; print('{}'); print('the reason', file=sys.stderr)",
    ],
    ids=["raises", "half a line", "a list", "nothing in it"],
)
def test_a_worker_that_fails_says_its_last_words(code: str, job: Job, tmp_path: Path) -> None:
    with pytest.raises(EnvironmentUnfit, match=r"worker failed .* while measuring tiny\.tflite on litert: .*reason"):
        worker(tmp_path, code).run(job)


def test_a_worker_that_says_nothing_is_reported_too(job: Job, tmp_path: Path) -> None:
    with pytest.raises(EnvironmentUnfit, match=r"exit code 3.*said nothing"):
        worker(tmp_path, "raise SystemExit(3)").run(job)


def test_an_unknown_board_and_an_address_for_local_are_refused() -> None:
    with pytest.raises(UsageError) as caught:
        boards.open_board("locale")
    assert "did you mean 'local'" in (caught.value.hint or "")
    with pytest.raises(UsageError, match="has no address"), boards.open_board("local://here"):
        pass


def test_a_job_survives_json(job: Job) -> None:
    assert config.build(Job, json.loads(json.dumps(config.table_of(job))), "job") == job
