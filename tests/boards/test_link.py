"""A link over a real sshd, and every way it can be refused or cut."""

import concurrent.futures
import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import sshd
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sshd import Sshd, board
from waiting import wait_until

from edgecnn.boards.ssh import link
from edgecnn.boards.ssh.link import Link
from edgecnn.errors import EXIT_UNFIT, BoardUnfit, LinkError, UsageError

__all__ = ["board"]
pytestmark = sshd.needed

SLOW_CAT = f"""exec {sys.executable} -S -c '
import os, time
while block := os.read(0, 65536):
    os.write(1, block)
    time.sleep(0.01)
'"""


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Sshd, Link]]:
    """One board and one link for the tests that leave both as they were."""
    server = Sshd(tmp_path_factory.mktemp("shared") / "board")
    server.start()
    try:
        with link.connect(server.destination, server.options) as opened:
            yield server, opened
    finally:
        server.stop()


def refusal(board: Sshd) -> LinkError:
    with pytest.raises(LinkError) as caught, link.connect(board.destination, board.options):
        pass
    assert caught.value.exit_code == EXIT_UNFIT
    return caught.value


words = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), max_size=20)  # type: ignore[arg-type]


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(words, min_size=1, max_size=4))
def test_no_shell_reads_anything_into_a_word(shared: tuple[Sshd, Link], arguments: list[str]) -> None:
    _, opened = shared
    answer = opened.run(["printf", "%s\\0", *arguments])
    assert answer.stdout.decode() == "".join(word + "\0" for word in arguments)


def test_a_script_takes_arguments_and_input(shared: tuple[Sshd, Link]) -> None:
    answer = shared[1].script('printf "%s|" "$@"; cat; echo why >&2; exit 7', ["a b", "$HOME"], b"in\0put")
    assert (answer.returncode, answer.stdout, answer.stderr) == (7, b"a b|$HOME|in\0put", "why\n")


def test_a_program_may_return_ssh_s_own_error_code(shared: tuple[Sshd, Link]) -> None:
    assert shared[1].run(["sh", "-c", "exit 255"]).returncode == 255


def test_an_answer_that_does_not_come_in_time_is_an_error(shared: tuple[Sshd, Link]) -> None:
    with pytest.raises(LinkError, match=r"did not answer within 0\.1 s"):
        shared[1].run(["sleep", "60"], timeout_s=0.1)


@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=3000), name=st.sampled_from(["plain", "two words", "-rf", "a'b\"c", "ü\n$x"]))
def test_what_is_pushed_can_be_fetched(shared: tuple[Sshd, Link], data: bytes, name: str) -> None:
    one_board, opened = shared
    target = str(one_board.home / "new folder" / name)
    opened.push(data, target)
    assert opened.fetch(target) == data
    assert not list(one_board.home.rglob("*.part.*"))


def test_a_file_is_pushed_from_disk(shared: tuple[Sshd, Link], tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(os.urandom(3_000_000))
    shared[1].push(source, str(shared[0].home / "large"))
    assert (shared[0].home / "large").read_bytes() == source.read_bytes()


def test_what_is_not_there_cannot_be_fetched(shared: tuple[Sshd, Link]) -> None:
    with pytest.raises(BoardUnfit, match=r"Cannot read /nowhere/at all on .*: .*No such file"):
        shared[1].fetch("/nowhere/at all")


def test_a_program_answers_line_by_line(shared: tuple[Sshd, Link]) -> None:
    with shared[1].session(["sh", "-c", 'while read -r line; do echo "<$line>"; done; echo done >&2']) as session:
        for word in (b"one", b"two"):
            session.send(word)
            assert session.receive() == b"<" + word + b">"


def test_a_program_that_ends_says_its_last_words(shared: tuple[Sshd, Link]) -> None:
    with (
        shared[1].session(["sh", "-c", "echo the reason >&2"]) as session,
        pytest.raises(LinkError, match="the reason"),
    ):
        session.receive()


@pytest.mark.parametrize(
    "destination", ["", "-oProxyCommand=x", "a b", "user@", "host:port", "$(x)", "a;b", "host:1234567", "u@-x", "../x"]
)
def test_what_is_no_address_never_reaches_ssh(destination: str) -> None:
    with pytest.raises(UsageError, match="not the address of a board"), link.connect(destination):
        pass


def test_a_user_and_a_port_in_the_address_are_used(board: Sshd) -> None:
    board.write_client_config()
    port = board.port
    (board.folder / "client").write_text((board.folder / "client").read_text().replace(f"Port {port}", "Port 1"))
    with link.connect(f"{board.destination}:{port}", board.options) as opened:
        assert opened.run(["true"]).returncode == 0


def test_nobody_listens(board: Sshd) -> None:
    board.stop()
    error = refusal(board)
    assert "cannot be reached" in error.sentence
    assert "Connection refused" in error.sentence


def test_a_name_nobody_knows() -> None:
    with pytest.raises(LinkError, match="Could not resolve hostname"), link.connect("nobody.invalid"):
        pass


def test_a_wrong_key(board: Sshd, tmp_path: Path) -> None:
    sshd.key(tmp_path / "other")
    board.write_client_config(identity=tmp_path / "other")
    error = refusal(board)
    assert "does not let us in: Permission denied (publickey)" in error.sentence
    assert "ssh-copy-id" in (error.hint or "")


def test_a_changed_host_key_is_refused_even_where_new_ones_are_accepted(board: Sshd) -> None:
    board.stop()
    board.new_host_key()
    board.start()
    for rule in ("yes", "accept-new", "ask"):
        board.write_client_config(extra=[f"StrictHostKeyChecking {rule}"])
        assert "is not the one it had before" in refusal(board).sentence


def test_an_unknown_host_key_is_refused_unless_the_user_says_otherwise(board: Sshd) -> None:
    (board.folder / "known_hosts").write_text("")
    error = refusal(board)
    assert "is not known here" in error.sentence
    assert "fingerprint" in (error.hint or "")
    board.write_client_config(extra=["StrictHostKeyChecking accept-new"])
    with link.connect(board.destination, board.options) as opened:
        assert opened.is_open()


def test_without_ssh_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(LinkError, match="has no ssh") as caught, link.connect("pi@board"):
        pass
    assert "openssh-client" in (caught.value.hint or "")


def test_a_push_cut_in_the_middle_leaves_nothing_and_a_second_one_works(board: Sshd, tmp_path: Path) -> None:
    board.put_program("cat", SLOW_CAT)
    source = tmp_path / "source"
    source.write_bytes(os.urandom(40_000_000))
    target = board.home / "folder" / "target"
    with concurrent.futures.ThreadPoolExecutor(1) as pool, link.connect(board.destination, board.options) as opened:
        push = pool.submit(opened.push, source, str(target))
        wait_until(lambda: [part for part in board.home.rglob("target.part.*") if part.stat().st_size])
        board.cut()
        with pytest.raises(LinkError, match="was cut"):
            push.result()
        assert not opened.is_open()
        with pytest.raises(LinkError, match="was cut"):
            opened.run(["true"])
    assert not target.exists()
    wait_until(lambda: not list(board.home.rglob("*.part.*")))
    assert not target.exists()
    (board.bin / "cat").unlink()
    with link.connect(board.destination, board.options) as opened:
        opened.push(source, str(target))
    assert target.read_bytes() == source.read_bytes()


def test_bytes_that_arrive_damaged_are_not_used(board: Sshd) -> None:
    board.put_program("cat", "exec tr a b")
    with (
        link.connect(board.destination, board.options) as opened,
        pytest.raises(LinkError, match="damaged: its sha256 differs"),
    ):
        opened.push(b"aaa", str(board.home / "target"))
    assert list(board.home.iterdir()) == []


def test_a_full_disk_is_said_and_the_old_file_stays(board: Sshd) -> None:
    target = board.home / "target"
    target.write_bytes(b"old")
    board.limits.write_text("ulimit -f 100\n")  # blocks of 512 bytes or 1 kB: far below what is pushed
    with (
        link.connect(board.destination, board.options) as opened,
        pytest.raises(BoardUnfit, match="has no room for") as caught,
    ):
        opened.push(os.urandom(5_000_000), str(target))
    assert "edgecnn board clean" in (caught.value.hint or "")
    assert [path.name for path in board.home.iterdir()] == ["target"]
    assert target.read_bytes() == b"old"


def test_a_file_system_without_space_is_said(board: Sshd) -> None:
    small = board.home / "small"
    small.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(small)], capture_output=True)
    if mounted.returncode:
        pytest.skip("cannot mount a small file system here")
    try:
        with (
            link.connect(board.destination, board.options) as opened,
            pytest.raises(BoardUnfit, match="has no room for"),
        ):
            opened.push(os.urandom(2_000_000), str(small / "target"))
        assert list(small.iterdir()) == []
    finally:
        subprocess.run(["umount", str(small)], check=True)


def test_a_place_that_is_not_ours_is_said(board: Sshd) -> None:
    with (
        link.connect(board.destination, board.options) as opened,
        pytest.raises(BoardUnfit, match="Cannot write /proc/no"),
    ):
        opened.push(b"x", "/proc/no/where")


@pytest.mark.parametrize("stream", ["1", "2"])
def test_an_answer_without_end_is_cut_off(stream: str, board: Sshd) -> None:
    with link.connect(board.destination, board.options) as opened, pytest.raises(BoardUnfit, match="more than 67 MB"):
        opened.run(["sh", "-c", f"cat /dev/zero >&{stream}"])


def test_a_login_shell_that_never_stops_printing_is_cut_off(board: Sshd) -> None:
    board.limits.write_text("yes welcome\n")
    assert "printed 4 MB and had run no command yet: welcome" in refusal(board).sentence


def test_a_line_without_end_is_cut_off(shared: tuple[Sshd, Link]) -> None:
    with (
        shared[1].session(["cat", "/dev/zero"]) as session,
        pytest.raises(BoardUnfit, match="more than 1 MB, which no program of ours does"),
    ):
        session.receive(most_bytes=1_000_000)


def test_a_program_that_says_nothing_is_not_waited_for_without_end(shared: tuple[Sshd, Link]) -> None:
    with shared[1].session(["cat"]) as session, pytest.raises(LinkError, match=r"did not answer within 0\.1 s"):
        session.receive(timeout_s=0.1)


def ssh_processes(board: Sshd) -> list[psutil.Process]:
    processes = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.name() == "ssh" and board.options[1] in process.cmdline():
                processes.append(process)
    return processes


def test_nothing_stays_behind_when_a_link_is_closed_or_its_owner_is_killed(board: Sshd) -> None:
    with link.connect(board.destination, board.options):
        assert ssh_processes(board)
    assert not ssh_processes(board)
    code = (
        "import sys, time\nfrom edgecnn.boards.ssh import link\n"
        f"with link.connect({board.destination!r}, {board.options!r}) as one:\n"
        "    with one.session(['cat']) as session:\n        print('up', flush=True)\n        time.sleep(600)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as owner:
        try:
            assert owner.stdout is not None
            assert owner.stdout.readline() == b"up\n"
            wait_until(lambda: len(ssh_processes(board)) == 2)  # one of them may not bear its name yet
        finally:
            owner.kill()
    wait_until(lambda: not ssh_processes(board))
