"""A lock says who holds it, is freed by a death, and never stays behind."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import disks
import pytest

from edgecnn.common import locks
from edgecnn.errors import OutputError, RunError

HOLDER = """
import sys, time
from pathlib import Path
from edgecnn.common import locks
with locks.held(Path(sys.argv[1]), "training"):
    print("held", flush=True)
    time.sleep(600)
"""


def test_whoever_comes_second_is_told_who_is_there_until_that_one_dies(tmp_path: Path) -> None:
    lock = tmp_path / ".lock"
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(lock)], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with (
            pytest.raises(
                RunError, match=rf"Another training is at work in .*: `edgecnn .*`, process {holder.pid} on .* since 20"
            ),
            locks.held(lock, "training"),
        ):
            pass
        holder.send_signal(signal.SIGKILL)
    assert lock.exists()
    with locks.held(lock, "training"):
        pass
    assert not lock.exists()


def test_a_lock_can_be_shared_by_those_who_only_read(tmp_path: Path) -> None:
    lock = tmp_path / ".lock"
    with locks.held(lock, "bench", shared=True):
        with locks.held(lock, "bench", shared=True):
            pass
        with pytest.raises(RunError, match="A bench is at work"), locks.held(lock, "export"):
            pass
    with locks.held(lock, "export"):
        pass
    assert not lock.exists()


@pytest.mark.skipif(sys.platform != "linux", reason="it takes a folder that not even root can write")
def test_a_folder_that_cannot_be_written_needs_no_lock_to_be_read() -> None:
    lock = Path("/proc/self/.lock")
    with locks.held(lock, "bench", shared=True):
        pass
    with pytest.raises(OutputError, match="Cannot lock /proc/self"), locks.held(lock, "export"):
        pass


def test_a_link_in_the_place_of_a_lock_is_not_followed(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("kept")
    (tmp_path / ".lock").symlink_to(precious)
    with pytest.raises(OutputError, match="Cannot lock"), locks.held(tmp_path / ".lock", "training"):
        pass
    assert precious.read_text() == "kept"


def test_a_holder_that_says_nonsense_is_still_a_holder(tmp_path: Path) -> None:
    lock = tmp_path / ".lock"
    with locks.held(lock, "export"):
        lock.write_text("[1, 2")
        with pytest.raises(RunError, match=rf"Another export is at work in {tmp_path}\."), locks.held(lock, "export"):
            pass


def test_a_lock_on_a_full_disk_holds_without_a_name_and_leaves_nothing(tmp_path: Path) -> None:
    with disks.of_kb(4, tmp_path / "disk") as disk:
        (disk / "large").write_bytes(bytes(4096))
        with locks.held(disk / "lock", "training") as descriptor:
            assert os.fstat(descriptor).st_size == 0
        assert [path.name for path in disk.iterdir()] == ["large"]
