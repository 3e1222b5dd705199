"""Writing: a reader sees the old file or the new one, never a part, and nothing is left behind."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import disks
import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from edgecnn.common import files, scratch
from edgecnn.errors import GateFailed, OutputError


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")

    def write() -> None:
        with files.replacing(path) as temporary:
            temporary.write_text("half")
            raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError):
        write()
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_a_killed_writer_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    script = (
        "import time, sys; from pathlib import Path; from edgecnn.common import files\n"
        "with files.replacing(Path(sys.argv[1])) as t: t.write_text('half'); print('here', flush=True); time.sleep(60)"
    )
    process = subprocess.Popen([sys.executable, "-c", script, str(path)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"here\n"
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert path.read_text() == "old"


def test_a_written_file_obeys_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        files.write_text(tmp_path / "file", "text")
    finally:
        os.umask(before)
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o640


def test_an_unwritable_place_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match=r"Cannot write .*file/below"):
        files.make_folder(tmp_path / "file" / "below")
    with pytest.raises(OutputError, match=r"Cannot write .*nowhere"):
        files.write_text(tmp_path / "nowhere" / "file", "text")


def test_sha256_is_of_the_whole_file(tmp_path: Path) -> None:
    import hashlib

    content = os.urandom((1 << 20) + 17)
    (tmp_path / "file").write_bytes(content)
    assert files.sha256(tmp_path / "file") == hashlib.sha256(content).hexdigest()


# --- a full disk

KB = 256
NOISE = np.random.default_rng(0).integers(0, 256, (1024, 1024), dtype=np.uint8)


def zipped(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("noise", NOISE.tobytes())


def saved(path: Path) -> None:
    with path.open("wb") as stream:
        np.save(stream, NOISE)


WRITERS: dict[str, Callable[[Path], object]] = {
    "bytes": lambda path: path.write_bytes(NOISE.tobytes()),
    "numpy": saved,
    "torch": lambda path: torch.save({"noise": torch.from_numpy(NOISE)}, path),
    "safetensors": lambda path: save_file({"noise": torch.from_numpy(NOISE)}, path),
    "zip": zipped,
    "pillow": lambda path: Image.fromarray(NOISE).save(path, "png"),
}


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with disks.of_kb(KB, tmp_path / "disk") as folder:
        yield folder


@pytest.mark.parametrize("name", WRITERS)
def test_whatever_a_library_makes_of_a_full_disk_it_is_one_sentence(name: str, disk: Path) -> None:
    (disk / "file").write_text("old")
    full = rf"Cannot write {disk}/file: No space left on device, [\d,]+ kB are free\."
    with pytest.raises(OutputError, match=full), files.replacing(disk / "file") as temporary:
        WRITERS[name](temporary)
    assert [entry.name for entry in disk.iterdir()] == ["file"]
    assert (disk / "file").read_text() == "old"


def test_what_is_needed_is_said_where_it_is_known(disk: Path) -> None:
    with pytest.raises(OutputError, match=r"it needs 1,049 kB, and 262 kB are free") as full:
        files.write_bytes(disk / "file", NOISE.tobytes())
    assert full.value.exit_code == 2
    assert "make room there" in str(full.value.hint)
    assert list(disk.iterdir()) == []


def test_a_file_too_long_for_this_user_is_one_sentence(tmp_path: Path) -> None:
    script = (
        "import resource, sys; from pathlib import Path; from edgecnn import errors; from edgecnn.common import files\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "try: files.write_bytes(Path(sys.argv[1]), bytes(2000))\n"
        "except errors.OutputError as error: print(error.sentence)"
    )
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path / "file")], capture_output=True, text=True)
    assert done.stdout == f"Cannot write {tmp_path / 'file'}: File too large.\n"
    assert list(tmp_path.iterdir()) == []


def test_temporary_files_on_a_full_disk_are_one_sentence_that_names_the_variable(disk: Path) -> None:
    with pytest.raises(OutputError, match=f"Cannot write {disk}: No space left") as full, scratch.folder(disk) as work:
        np.save(work / "images.npy", NOISE)
    assert "TMPDIR" in str(full.value.hint)
    assert list(disk.iterdir()) == []


def test_an_error_that_is_none_of_the_disks_passes(tmp_path: Path) -> None:
    for error in (ValueError("of its own"), OSError("unclear"), GateFailed("No.")):
        with pytest.raises(type(error)) as raised, files.saying_when_full(tmp_path):
            raise error
        assert raised.value is error


def test_a_full_disk_is_found_behind_the_error_that_it_led_to() -> None:
    try:
        try:
            raise OSError(errno.ENOSPC, "No space left on device", "/somewhere/file")
        except OSError as error:
            raise RuntimeError("cannot go on") from error
    except RuntimeError as error:
        told = files.of_the_file_system(error)
    assert told is not None
    assert told.sentence == "Cannot write /somewhere/file: No space left on device."
    assert files.of_the_file_system(RuntimeError("of its own")) is None


# --- what a killed process left

HALF = (
    "import time, sys; from pathlib import Path; from edgecnn.common import files\n"
    "with files.replacing(Path(sys.argv[1])) as t: t.write_text('half'); print('here', flush=True); time.sleep(600)"
)


@pytest.mark.parametrize("killed", [True, False])
def test_the_next_writer_removes_what_a_killed_one_left_and_nothing_of_a_living_one(
    killed: bool, tmp_path: Path
) -> None:
    path = tmp_path / "file.json"
    with subprocess.Popen([sys.executable, "-c", HALF, str(path)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"here\n"
        if killed:
            process.kill()
            process.wait()
        assert len(list(tmp_path.glob(".file.json.*"))) == 1
        files.write_text(path, "whole")
        assert len(list(tmp_path.glob(".file.json.*"))) == (0 if killed else 1)
        process.kill()
    assert path.read_text() == "whole"


def test_other_hidden_files_stay(tmp_path: Path) -> None:
    for name in (".file.json.backup", ".file.json", ".other.json.abcdefgh.json", ".file.json.abcdefgh.txt"):
        (tmp_path / name).touch()
    files.write_text(tmp_path / "file.json", "text")
    assert len(list(tmp_path.iterdir())) == 5


@pytest.mark.parametrize("compressed", [True, False])
def test_the_same_entries_make_the_same_zip_archive(compressed: bool, tmp_path: Path) -> None:
    entries = [("a/b.txt", b"text" * 100), ("c", b"")]
    for name in ("one.zip", "two.zip"):
        files.reproducible_zip(tmp_path / name, entries, compressed=compressed)
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "one.zip") as archive:
        assert [(name, archive.read(name)) for name in archive.namelist()] == entries
        assert (archive.getinfo("a/b.txt").compress_size < 400) is compressed
