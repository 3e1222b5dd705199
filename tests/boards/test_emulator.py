"""Tests of emulation that need no emulated machine; the rest is in tests/machines."""

import gzip
import lzma
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from waiting import is_running

from edgecnn import boards
from edgecnn.boards.emulated import debian, image, initramfs, leash, machine, tools
from edgecnn.boards.emulated.image import Image
from edgecnn.common import plugins
from edgecnn.errors import EXIT_UNFIT, EXIT_USAGE, EnvironmentUnfit, UsageError

SLEEP = shutil.which("sleep") or "sleep"


def entries(archive: bytes) -> dict[str, tuple[int, bytes]]:
    """name -> (mode, content) of a "newc" archive."""
    contents: dict[str, tuple[int, bytes]] = {}
    at = 0
    while True:
        assert archive[at : at + 6] == b"070701"
        fields = [int(archive[at + 6 + 8 * i : at + 14 + 8 * i], 16) for i in range(13)]
        name = archive[at + 110 : at + 109 + fields[11]].decode()
        start = at + (110 + fields[11] + 3) // 4 * 4
        if name == "TRAILER!!!":
            return contents
        contents[name] = fields[1], archive[start : start + fields[6]]
        at = start + (fields[6] + 3) // 4 * 4


@given(st.dictionaries(st.from_regex(r"[a-z]{1,30}", fullmatch=True), st.binary(max_size=40), max_size=5))
def test_an_archive_holds_every_file_as_it_was(contents: dict[str, bytes]) -> None:
    archive = initramfs.cpio((name, 0o100644, content) for name, content in contents.items())
    assert entries(archive) == {name: (0o100644, content) for name, content in contents.items()}


def module(folder: Path, name: str, depends: str) -> Path:
    path = folder / f"{name}.ko"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"\x7fELF...\0license=GPL\0depends=" + depends.encode() + b"\0name=x\0")
    return path


def test_a_module_is_loaded_after_all_it_depends_on(tmp_path: Path) -> None:
    depends = {
        "ext4": "jbd2,mbcache",
        "jbd2": "",
        "mbcache": "",
        "virtio_net": "net_failover",
        "net_failover": "failover",
    }
    modules = {name: module(tmp_path, name, needs).read_bytes() for name, needs in depends.items()}
    order = initramfs.load_order(["virtio-net", "ext4", "built_in"], modules)
    assert order == ["net_failover", "virtio_net", "jbd2", "mbcache", "ext4"]


def test_an_initramfs_loads_what_it_carries_and_goes_on_with_the_disk(tmp_path: Path) -> None:
    for name in initramfs.MODULES:
        module(tmp_path / "kernel/drivers", name.replace("_", "-"), "")
    (tmp_path / "busybox").write_bytes(b"box")
    contents = entries(gzip.decompress(initramfs.build(tmp_path, tmp_path / "busybox", "/sbin/board")))
    script = contents["init"][1].decode()
    assert contents["bin/busybox"] == (0o100755, b"box")
    assert {f"modules/{name}.ko" for name in initramfs.MODULES} <= set(contents)
    assert f"for module in {' '.join(initramfs.MODULES)};" in script
    assert "switch_root /disk /sbin/board" in script
    subprocess.run(["sh", "-n", "-c", script], check=True)


def test_a_module_that_is_compressed_is_loaded_as_it_was(tmp_path: Path) -> None:
    for name in initramfs.MODULES:
        plain = module(tmp_path, name, "")
        (tmp_path / f"{name}.ko.xz").write_bytes(lzma.compress(plain.read_bytes()))
        plain.unlink()
    (tmp_path / "busybox").write_bytes(b"box")
    contents = entries(gzip.decompress(initramfs.build(tmp_path, tmp_path / "busybox", "/sbin/board")))
    assert contents["modules/ext4.ko"][1].startswith(b"\x7fELF")


def test_every_board_has_a_release_and_a_name_in_reports_of_its_own() -> None:
    from edgecnn.boards import emulated

    assert machine.BOARDS["pi5"] == ("pi5", "trixie")
    assert machine.BOARDS["pi5-bookworm"] == ("pi5", "bookworm")
    assert emulated.model("pi5") == "emulated cortex-a76 (pi5, trixie)"
    assert emulated.model("pi5-bookworm") == "emulated cortex-a76 (pi5)"  # as reports had it before there were two
    assert len({emulated.model(name) for name in machine.BOARDS}) == len(machine.BOARDS) == 6


def test_packages_come_from_where_this_machine_has_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    listing = [
        "http://mirror/debian/ bookworm main Debian",
        "http://mirror/debian/ bookworm contrib Debian",
        "http://mirror/debian/ bookworm-updates main Debian",
        "http://mirror/debian/ bookworm-backports main Debian Backports",
        "http://mirror/security/ bookworm-security main Debian",
        "http://elsewhere/ stable main Docker",
    ]
    monkeypatch.setattr(tools, "output", lambda command: "\n".join(listing))
    for release in debian.RELEASES:
        assert debian._mirrors(release) == [
            f"deb http://mirror/debian/ {release} main",
            f"deb http://mirror/debian/ {release}-updates main",
            f"deb http://mirror/security/ {release}-security main",
        ]
    monkeypatch.setattr(tools, "output", lambda command: "http://archive/ubuntu noble main Ubuntu\n")
    assert debian._mirrors("trixie") == []


def test_a_release_that_is_not_known_is_refused() -> None:
    from edgecnn.checks.board import board

    with pytest.raises(UsageError, match="no emulated board under Debian 'trixi'") as caught:
        board.make("trixi")
    assert "did you mean 'trixie'" in (caught.value.hint or "")


@pytest.mark.parametrize("script", [image.BOARD, debian.FETCH_KERNEL])
def test_the_scripts_are_valid_sh(script: str) -> None:
    subprocess.run(["sh", "-n", "-c", script], check=True)


def test_all_missing_tools_are_named_with_the_line_that_installs_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tools, "_which", lambda program: None if program in ("mke2fs", "mmdebstrap") else program)
    with pytest.raises(EnvironmentUnfit, match="needs mke2fs, mmdebstrap, which") as caught:
        tools.require(tools.TO_BUILD)
    assert (caught.value.hint or "").endswith("apt-get install --no-install-recommends e2fsprogs mmdebstrap")
    assert caught.value.exit_code == EXIT_UNFIT


def test_an_image_that_is_there_is_not_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert image.find("trixie") is None
    folder = tmp_path / "edgecnn/emulator" / f"image-trixie-{image.key()}"
    folder.mkdir(parents=True)
    assert image.make("trixie") == Image(folder) == image.find("trixie")
    assert image.find("bookworm") is None


def test_a_failed_build_says_why_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in tools.PACKAGES:
        (programs / name).write_text("#!/bin/sh\necho 'E: no such release' >&2\nexit 25\n")
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with pytest.raises(EnvironmentUnfit, match="mmdebstrap failed while making the board: E: no such release"):
        image.make("trixie")
    assert [path.name for path in image.folder().iterdir()] == ["lock"]


@pytest.mark.parametrize("name", machine.CPUS)
def test_a_machine_is_never_qemus_default_core_and_is_reached_from_here_only(name: str, tmp_path: Path) -> None:
    command = machine._command(Image(tmp_path), tmp_path / "a,b.img", name, False, tmp_path / "log")
    assert command[command.index("-cpu") + 1] == machine.CPUS[name] != "max"
    assert any(",hostfwd=tcp:127.0.0.1:0-:22" in word and ",restrict=on," in word for word in command)
    assert f"file={tmp_path}/a,,b.img,format=raw,if=none,id=disk,snapshot=on" in command


@pytest.mark.parametrize("name", ["emulated:", "emulated", "emulated:pi6", "emulated:pi5-trixie"])
def test_an_unknown_emulated_board_is_refused_before_anything_is_made(name: str) -> None:
    with pytest.raises(UsageError, match="no emulated board") as caught, boards.open_board(name):
        pass
    assert "pi3" in (caught.value.hint or "")
    assert caught.value.exit_code == EXIT_USAGE


def test_every_board_says_whether_it_keeps_time() -> None:
    from edgecnn.boards.emulated import EmulatedBoard
    from edgecnn.boards.local import LocalBoard
    from edgecnn.boards.ssh.remote import RemoteBoard

    assert "emulated" in plugins.own_names("edgecnn.boards")
    assert (LocalBoard.keeps_time, RemoteBoard.keeps_time, EmulatedBoard.keeps_time) == (True, True, False)


PARENT = """
import subprocess, sys, time
from edgecnn.boards.emulated import leash
child = subprocess.Popen(leash.command([sys.argv[1], "600"]))
print(child.pid, flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_leashed_program_ends_with_its_parent_however_that_ends(number: signal.Signals) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, SLEEP], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert is_running(child)
        parent.send_signal(number)
    for _ in range(500):
        if not is_running(child):
            break
        time.sleep(0.01)
    assert not is_running(child)


def test_a_leash_whose_parent_is_gone_starts_nothing(tmp_path: Path) -> None:
    made = tmp_path / "made"
    command = leash.command(["touch", str(made)])
    command[command.index(str(os.getpid()))] = "1" if os.getpid() != 1 else "2"
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.strip()) == (1, "the parent is gone")
    assert not made.exists()


def test_a_leashed_program_is_the_program_itself() -> None:
    done = subprocess.run(leash.command(["sh", "-c", "echo $$; exit 5"]), capture_output=True, text=True, check=False)
    assert done.returncode == 5
    assert done.stdout.strip().isdigit()
