"""The facts that are read of a board, and the boards that are refused before anything is copied."""

import dataclasses
import os
import platform
import shutil
import sys

import pytest
import sshd
from hypothesis import given, settings
from hypothesis import strategies as st
from pi import PI
from sshd import Sshd, board

from edgecnn.boards.ssh import board_facts, link, preflight
from edgecnn.boards.ssh.board_facts import BoardFacts, Python
from edgecnn.errors import BoardUnfit, LinkError
from edgecnn.records import environment

__all__ = ["board"]

TOOLS = ("sh", "cat", "uname", "id", "tr", "df", "date", "getconf", "sha256sum", "mv", "rm", "mkdir", "echo")


def looked_at(board: Sshd, python: str | None = None) -> BoardFacts:
    with link.connect(board.destination, board.options) as opened:
        return board_facts.read(opened, python)


@sshd.needed
def test_a_board_is_read_as_it_reads_itself(board: Sshd) -> None:
    facts, here = looked_at(board), environment.here()
    assert (facts.arch, facts.cpu, facts.features, facts.os) == (here.arch, here.cpu, here.features, here.os)
    assert facts.memory_bytes == here.memory_bytes
    assert facts.glibc == tuple(map(int, platform.libc_ver()[1].split(".")))
    assert facts.userland_bits == 64
    assert facts.cache == str(board.cache)
    assert facts.disk_free_bytes == pytest.approx(shutil.disk_usage(board.home).free, rel=0.05)
    assert facts.python is not None
    assert abs(facts.clock_skew_s or 99) < 30
    preflight.require(facts, ["numpy", "onnxruntime"])
    assert not board.cache.exists(), "looking changed something"


@sshd.needed
def test_one_round_trip_is_enough(board: Sshd) -> None:
    board.limits.write_text(f"echo called >> {board.folder}/calls\n")
    looked_at(board)
    assert (board.folder / "calls").read_text().split() == ["called"] * 2  # the master's, and the look


@sshd.needed
def test_a_32_bit_system_is_refused_in_one_sentence(board: Sshd) -> None:
    board.put_program("uname", '[ "$1" = -m ] && echo armv7l || exec /bin/uname "$@"')
    board.put_program("getconf", '[ "$1" = LONG_BIT ] && echo 32 || exec /usr/bin/getconf "$@"')
    with pytest.raises(BoardUnfit, match=r"32-bit system \(armv7l\).*no wheels") as caught:
        preflight.require(looked_at(board))
    assert "Raspberry Pi OS (64-bit)" in (caught.value.hint or "")


@sshd.needed
def test_a_64_bit_kernel_under_32_bit_programs_is_refused_too(board: Sshd) -> None:
    board.put_program("getconf", '[ "$1" = LONG_BIT ] && echo 32 || exec /usr/bin/getconf "$@"')
    with pytest.raises(BoardUnfit, match="32-bit system"):
        preflight.require(looked_at(board))


def only(board: Sshd, *programs: str) -> None:
    """A board that has these programs and no others."""
    for name in programs:
        (board.bin / name).symlink_to(shutil.which(name) or f"/bin/{name}")
    board.limits.write_text(f"PATH={board.bin}\n")


@sshd.needed
def test_a_board_without_python_is_looked_at_and_refused(board: Sshd) -> None:
    only(board, *TOOLS)
    facts = looked_at(board)
    assert facts.pythons == ()
    with pytest.raises(BoardUnfit, match=r"has no Python 3; 3\.11 or newer is needed"):
        preflight.require(facts)


@sshd.needed
def test_an_old_python_is_named_and_a_newer_one_beside_it_is_taken(board: Sshd) -> None:
    only(board, *TOOLS)
    board.put_program("python3", "echo 3 9 64 cpython /usr/bin/python3.9 /usr/bin/python3")
    with pytest.raises(BoardUnfit, match=r"has Python 3\.9; 3\.11 or newer is needed"):
        preflight.require(looked_at(board))
    board.put_program("python3.12", "echo 3 12 64 cpython /opt/my own/python /opt/python3.12")
    assert str(looked_at(board).python) == "3.12"


@sshd.needed
def test_the_interpreter_asked_for_comes_first(board: Sshd) -> None:
    facts = looked_at(board, sys.executable)
    assert facts.python is not None
    assert os.path.realpath(facts.python.path) == os.path.realpath(sys.executable)


@sshd.needed
def test_without_sha256sum_nothing_is_copied(board: Sshd) -> None:
    only(board, *(tool for tool in TOOLS if tool != "sha256sum"))
    problems = preflight.problems(looked_at(board), ["numpy"])
    assert any("no sha256sum" in problem.sentence for problem in problems)


@sshd.needed
def test_throttling_and_a_wrong_clock_are_remarked(board: Sshd) -> None:
    board.put_program("vcgencmd", "echo throttled=0x50005")
    board.put_program("date", "exec /bin/date -d '3 days ago' \"$@\"")
    facts = looked_at(board)
    assert facts.throttled == 0x50005
    said = " ".join(preflight.remarks(facts))
    assert "limited by under-voltage, throttling now" in said
    assert "s behind; dates in reports are this machine's" in said


@sshd.needed
def test_a_login_without_a_shell_is_said(board: Sshd) -> None:
    with link.connect(board.destination, board.options) as opened:
        board.limits.write_text("echo This account is for backups only. >&2; exit 1\n")
        with pytest.raises(LinkError, match="ended before it ran a command: This account is for backups only"):
            board_facts.read(opened)


def test_a_pi_is_fit() -> None:
    assert preflight.problems(PI, ["numpy", "pillow", "onnxruntime", "ai-edge-litert"], 10**9) == []
    assert preflight.remarks(PI) == []


@pytest.mark.parametrize(
    ("changes", "sentence", "hint"),
    [
        ({"glibc": (2, 27)}, "has glibc 2.27; the wheels of onnxruntime need 2.28", "newer system"),
        ({"glibc": None}, "has no glibc", "Alpine"),
        ({"arch": "riscv64"}, "architecture 'riscv64'", ""),
        ({"disk_free_bytes": 5_000_000}, "has 5 MB free for /home/pi/.cache/edgecnn; 200 MB are needed", "board clean"),
        ({"memory_available_bytes": 50_000_000}, "50 MB of memory free", "end other programs"),
        ({"pythons": (Python(path="p", version=(3, 12), bits=64, implementation="pypy"),)}, "has Python 3.12", ""),
    ],
)
def test_what_does_not_fit_gets_a_sentence_and_a_way_out(changes: dict[str, object], sentence: str, hint: str) -> None:
    with pytest.raises(BoardUnfit) as caught:
        preflight.require(dataclasses.replace(PI, **changes), ["onnxruntime"], 200_000_000)  # type: ignore[arg-type]
    assert sentence in caught.value.sentence
    assert hint in (caught.value.hint or "")
    assert caught.value.exit_code == 2


def test_litert_alone_is_content_with_an_older_glibc() -> None:
    assert preflight.problems(dataclasses.replace(PI, glibc=(2, 27)), ["numpy", "ai-edge-litert"]) == []


@settings(max_examples=60)
@given(
    st.text(max_size=300), st.sampled_from(["", "==bits\n", "==disk\n", "==pythons\n3 x ", "==clock\n", "==memory\n"])
)
def test_whatever_a_board_prints_can_be_read(text: str, before: str) -> None:
    facts = board_facts.parse("pi@pi", f"{before}{text}\n==libc\nglibc 2.36\n", 0.0)
    assert facts.glibc == (2, 36) or "==libc" in text


def test_a_real_pi_s_words_are_understood() -> None:
    text = """
==arch
aarch64
==bits
64
==model
Raspberry Pi 5 Model B Rev 1.0
==cpuinfo
processor\t: 0
Features\t: fp asimd asimdhp asimddp
CPU part\t: 0xd0b

processor\t: 1
==disk
Filesystem     1024-blocks    Used Available Capacity Mounted on
/dev/mmcblk0p2    30000000 6000000  22000000      22% /
==governor
ondemand
==frequency
2400000
==temperature
48750
==throttled
throttled=0x50000
"""
    facts = board_facts.parse("pi@pi", text, 0.0)
    assert (facts.cpu, facts.cores, facts.features) == ("Cortex-A76", 2, ("asimd", "asimdhp", "asimddp"))
    assert (facts.frequency_mhz, facts.temperature_celsius, facts.throttled) == (2400.0, 48.75, 0x50000)
    assert facts.disk_free_bytes == 22_000_000 * 1024
    said = preflight.remarks(facts)
    assert "has had under-voltage, throttling since it was switched on" in said[0]
    assert "'ondemand'" in said[1]
