"""A model file may bring down the engine that reads it: the command says so, and names the file."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import tiny_models

from edgecnn.errors import EXIT_UNFIT, EXIT_USAGE, EnvironmentUnfit
from edgecnn.onboard import opening

KERNEL = tiny_models.weights(8, 8, 1, 10)
ENGINE = """
import os, signal, sys, time
from edgecnn import cli
from edgecnn.checks import inspect
from edgecnn.onboard import opening
from pathlib import Path
def read(path):
    {body}
def look(target, **_):
    print("begun")
    with opening.opening(Path(target)):
        read(Path(target))
    print("done")
inspect.inspect = look
inspect.show = lambda found: None
cli.main()
print("the caller goes on in one process")
"""
"""A command whose engine is Python: `body` is what it does to the process that reads a file."""


def command(body: str, *words: str) -> list[str]:
    return [sys.executable, "-c", ENGINE.format(body=body), *words]


def run(body: str, path: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(body, "inspect", str(path)),
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return tiny_models.linear_tflite(tmp_path / "m.tflite", KERNEL, int8=True)


@pytest.mark.parametrize("name", ["SIGSEGV", "SIGABRT", "SIGBUS", "SIGFPE", "SIGILL", "SIGKILL"])
def test_an_engine_that_dies_is_one_sentence_with_the_file(name: str, model: Path) -> None:
    done = run(f"os.kill(os.getpid(), signal.{name})", model)
    assert done.returncode == EXIT_UNFIT
    lines = done.stderr.splitlines()
    assert lines[0] == f"error: {model} was open: the process that read it was ended by {name}."
    assert [line.partition(":")[0] for line in lines] == ["error", "hint"]


def test_a_death_without_an_open_file_names_none(tmp_path: Path) -> None:
    code = ENGINE.format(body="pass").replace('    print("begun")', "    os.kill(os.getpid(), signal.SIGSEGV)")
    done = subprocess.run([sys.executable, "-c", code, "inspect", "x"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (
        EXIT_UNFIT,
        "error: The process at work was ended by SIGSEGV.\n",
    )


def test_memory_has_a_bound_that_the_user_may_raise(model: Path) -> None:
    take = "bytearray(900_000_000)"
    done = run(take, model)
    assert done.returncode == EXIT_UNFIT
    assert f"error: {model} takes more memory than the 700 MB that a file of its size may." in done.stderr
    assert opening.VARIABLE in done.stderr
    assert run(take, model, **{opening.VARIABLE: "1000"}).stderr == ""


@pytest.mark.parametrize("stated", ["much", "0", "-1", "9" * 30])
@pytest.mark.parametrize("variable", [opening.VARIABLE, opening.SECONDS_VARIABLE])
def test_a_bound_is_a_whole_number(variable: str, stated: str, model: Path) -> None:
    done = run("pass", model, **{variable: stated})
    assert done.returncode == EXIT_USAGE
    assert variable in done.stderr


def test_a_larger_file_may_take_more_but_never_all_of_a_small_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    large = tmp_path / "large.tflite"
    with large.open("wb") as stream:
        stream.truncate(10_000_000)
    small = tiny_models.linear_tflite(tmp_path / "small.tflite", KERNEL)
    assert opening.allowance_bytes(large) - opening.allowance_bytes(small) > 100_000_000
    opening.allowance_bytes.cache_clear()
    monkeypatch.setattr(os, "sysconf", {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": 100_000}.__getitem__)
    assert opening.allowance_bytes(large) == 307_200_000


def test_reading_a_file_without_end_is_one_sentence(model: Path) -> None:
    endless = "any(False for _ in iter(int, 1))"
    done = run(endless, model, **{opening.SECONDS_VARIABLE: "1"})
    assert done.returncode == EXIT_UNFIT
    assert f"error: {model} was open: to read it, or to run it once, took more than 1 s of CPU time." in done.stderr
    assert opening.SECONDS_VARIABLE in done.stderr


def test_output_comes_once_and_the_caller_goes_on_once(model: Path) -> None:
    done = run("pass", model)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "begun\ndone\n"


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, -signal.SIGTERM), (signal.SIGINT, 130)])
def test_a_signal_sent_to_the_command_ends_both_processes(number: signal.Signals, code: int, model: Path) -> None:
    body = "sys.stdout.flush(); print(os.getpid(), flush=True); time.sleep(600)"
    with subprocess.Popen(command(body, "inspect", str(model)), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        child = int(process.stdout.readline())
        assert child != process.pid
        process.send_signal(number)
        assert process.wait() == code
    assert has_ended(child)


def test_ctrl_c_in_a_terminal_is_told_once(model: Path) -> None:
    """The terminal sends it to both processes; the child answers it, and is not sent it again."""
    body = "print('waiting', flush=True); time.sleep(600)"
    terminal, follower = os.openpty()
    words = command(body, "inspect", str(model))
    code = (
        "import os, fcntl, termios\nos.setsid()\nfcntl.ioctl(0, termios.TIOCSCTTY, 0)\n"
        f"os.execv({words[0]!r}, {words!r})"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdin=follower, stdout=follower, stderr=follower) as process:
        os.close(follower)
        shown = b""
        while b"waiting" not in shown:
            shown += os.read(terminal, 1000)
        os.write(terminal, b"\x03")
        with contextlib.suppress(OSError):  # how a terminal tells its end
            while more := os.read(terminal, 1000):
                shown += more
    os.close(terminal)
    assert process.returncode == 130
    assert (shown.count(b"Interrupted."), b"Traceback" in shown) == (1, False)


def test_the_child_ends_with_its_parent_however_that_ends(model: Path) -> None:
    body = "print(os.getpid(), flush=True); time.sleep(600)"
    with subprocess.Popen(command(body, "inspect", str(model)), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        child = int(process.stdout.readline())
        process.kill()
    assert has_ended(child)


def has_ended(pid: int) -> bool:
    """Return whether a process that is about to end has; a dead one that nobody has waited for yet counts."""
    for _ in range(2000):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            return True
        if state == "Z":
            return True
        time.sleep(0.01)
    return False


def test_within_a_file_its_parts_bear_its_name(tmp_path: Path, model: Path) -> None:
    part = "opening.opening(Path('part.tflite')).__enter__(); os.kill(os.getpid(), signal.SIGSEGV)"
    assert f"error: {model} was open" in run(part, model).stderr


def test_unsupervised_too_much_memory_is_the_same_sentence(model: Path) -> None:
    with pytest.raises(EnvironmentUnfit, match=r"m\.tflite takes more memory"), opening.opening(model):
        raise MemoryError
