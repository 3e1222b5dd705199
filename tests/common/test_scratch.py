"""Folders for temporary files: one place a user, nothing left behind for ever, and never somebody else's."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgecnn.common import scratch
from edgecnn.errors import OutputError

HOLDER = """
import sys, time
from edgecnn.common import scratch
with scratch.folder() as folder:
    (folder / "data").write_bytes(bytes(100))
    print(folder, flush=True)
    time.sleep(600)
"""


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return tmp_path


@pytest.fixture
def home(temporary: Path) -> Path:
    return temporary / f"edgecnn-{os.getuid()}"


@pytest.fixture
def holder() -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """(another process that holds a folder, the folder)."""
    process = subprocess.Popen([sys.executable, "-c", HOLDER], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    yield process, Path(process.stdout.readline().strip())
    process.kill()
    process.communicate()


def test_a_folder_is_empty_the_users_alone_and_gone_afterwards(home: Path, temporary: Path) -> None:
    with scratch.folder() as first, scratch.folder() as second:
        assert first != second
        assert first.parent == second.parent == home
        assert home.stat().st_mode & 0o777 == 0o700
        assert list(first.iterdir()) == []
        (first / "below").mkdir()
        (first / "below" / "file").write_text("data")
    assert list(temporary.iterdir()) == []


def test_an_error_inside_leaves_nothing(temporary: Path) -> None:
    with pytest.raises(ZeroDivisionError), scratch.folder() as folder:
        (folder / "file").write_text(str(1 / 0))
    assert list(temporary.iterdir()) == []


def test_what_a_killed_process_left_is_swept_by_the_next(
    holder: tuple[subprocess.Popen[str], Path], home: Path
) -> None:
    process, left = holder
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert (left / "data").is_file()
    with scratch.folder() as ours:
        assert list(home.iterdir()) == [ours]


def test_what_another_process_holds_stays(holder: tuple[subprocess.Popen[str], Path], home: Path) -> None:
    _, held = holder
    with scratch.folder() as ours:
        assert sorted(home.iterdir()) == sorted([held, ours])
    assert (held / "data").is_file()


def test_a_process_number_that_is_taken_again_protects_nothing(home: Path) -> None:
    left = home / f"{os.getpid()}-abcdefgh"
    left.mkdir(parents=True)
    home.chmod(0o700)
    with scratch.folder():
        assert not left.exists()


def test_many_processes_that_sweep_at_once_lose_none_of_their_own() -> None:
    script = (
        "from edgecnn.common import scratch\n"
        "for number in range(200):\n"
        "    with scratch.folder() as folder:\n"
        "        (folder / 'file').write_text(str(number)); assert (folder / 'file').read_text() == str(number)"
    )
    processes = [subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.PIPE) for _ in range(4)]
    for process in processes:
        assert process.communicate()[1] == b""
        assert process.returncode == 0


def test_a_link_in_its_place_is_not_followed(home: Path, temporary: Path) -> None:
    (temporary / "elsewhere").mkdir()
    home.symlink_to(temporary / "elsewhere")
    with pytest.raises(OutputError, match=f"{home} is not a folder of this user's own"), scratch.folder():
        pass
    assert list((temporary / "elsewhere").iterdir()) == []


def test_a_link_that_lies_in_it_is_not_followed(home: Path, temporary: Path) -> None:
    (temporary / "elsewhere").mkdir()
    (temporary / "elsewhere" / "file").touch()
    home.mkdir(mode=0o700)
    (home / "1-link").symlink_to(temporary / "elsewhere")
    with scratch.folder() as folder:
        (folder / "link").symlink_to(temporary / "elsewhere")
    assert (temporary / "elsewhere" / "file").exists()


@pytest.mark.skipif(os.getuid() != 0, reason="only root gives a folder away")
def test_a_folder_of_somebody_else_is_refused(home: Path) -> None:
    home.mkdir()
    os.chown(home, 65534, 65534)
    with pytest.raises(OutputError, match="is not a folder of this user's own"), scratch.folder():
        pass


def test_one_that_others_can_look_into_is_closed_to_them(home: Path) -> None:
    home.mkdir(mode=0o755)
    with scratch.folder():
        assert home.stat().st_mode & 0o777 == 0o700


def test_a_place_that_is_missing_is_named(temporary: Path) -> None:
    nowhere = temporary / "nowhere"
    with pytest.raises(OutputError, match=f"Cannot write into {nowhere}: No such file"), scratch.folder(nowhere):
        pass
