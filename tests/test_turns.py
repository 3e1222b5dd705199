"""What a process, an archive and a round are told by: small pieces that several verbs share."""

import signal
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from edgecnn import boards
from edgecnn.common import files
from edgecnn.common.signals import ending_signal


def test_the_second_round_of_a_pair_is_the_reverse_of_the_first() -> None:
    assert boards.in_turns("abc", 0) == ["a", "b", "c"]
    assert boards.in_turns("abc", 1) == ["c", "b", "a"]
    assert boards.in_turns("abc", 2) == ["b", "c", "a"]
    assert boards.in_turns("", 3) == []


def test_a_signal_is_named_by_the_code_of_python_and_by_that_of_a_shell() -> None:
    code = "import os, signal; os.kill(os.getpid(), signal.SIGTERM)"
    done = subprocess.run([sys.executable, "-c", code], check=False)
    assert ending_signal(done.returncode) == "SIGTERM"
    shell = subprocess.run(["sh", "-c", f'"{sys.executable}" -c "{code}"; exit $?'], check=False)
    assert ending_signal(shell.returncode) == "SIGTERM"
    assert ending_signal(128 + signal.SIGKILL) == "SIGKILL"


@pytest.mark.parametrize("returncode", [0, 1, 127, 128, 255])
def test_a_process_that_ended_by_itself_has_no_signal(returncode: int) -> None:
    assert ending_signal(returncode) is None


@pytest.mark.parametrize("compressed", [True, False])
def test_the_same_entries_make_the_same_zip_archive(compressed: bool, tmp_path: Path) -> None:
    entries = [("a/b.txt", b"text" * 100), ("c", b"")]
    for name in ("one.zip", "two.zip"):
        files.reproducible_zip(tmp_path / name, entries, compressed=compressed)
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "one.zip") as archive:
        assert [(name, archive.read(name)) for name in archive.namelist()] == entries
        assert (archive.getinfo("a/b.txt").compress_size < 400) is compressed
