"""Whatever a board's login shell prints, an answer is what the command said."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import small_bundles
import sshd
from hypothesis import given
from hypothesis import strategies as st
from lent import lending
from sshd import Sshd, board

from edgecnn.boards.ssh import link, openssh
from edgecnn.boards.ssh.framing import Mark
from edgecnn.errors import LinkError

__all__ = ["board", "lending"]
needed = pytest.mark.skipif(not (sshd.PROGRAM and shutil.which("bash")), reason="needs OpenSSH's sshd and bash")

NOISE = {
    "a line before": "echo 'Welcome to the Pi'",
    "no newline": "printf 'Welcome'",
    "stderr": "echo 'stty: not a tty' >&2; printf 'and more' >&2",
    "after": "trap 'echo Goodbye; echo Goodbye >&2' EXIT",
    "another exit code": "trap 'exit 3' EXIT",
    "escapes": r"printf '\033[2J\033]0;title\007\033[31mred'",
    "100 kB": "head -c 100000 /dev/zero | tr '\\0' x; head -c 100000 /dev/zero | tr '\\0' x >&2",
    "JSON": """echo '{"held": {"user": "nobody"}, "current": "abc", "error": "none", "returncode": 9}'""",
    "bytes": r"printf '\000\377\n\376'",
    "its own commands": 'echo \'true\'; echo "$BASH_EXECUTION_STRING"; echo "$BASH_EXECUTION_STRING" >&2; set -xv',
    "a preflight": "printf '==arch\\nriscv64\\n==pythons\\n'",
    "all": "printf Welcome; trap 'printf Goodbye' EXIT; echo 'tput: No value for $TERM' >&2; set -x",
}


def login_script(board: Sshd, text: str) -> None:
    """Commands run in a bash that reads this ~/.bashrc first, as sshd's does on Raspberry Pi OS."""
    (board.home / ".bashrc").write_text(text + "\n")
    board.limits.write_text('unset SHLVL\ncd "$HOME"\nexec bash -c "$SSH_ORIGINAL_COMMAND"\n')


@needed
@pytest.mark.parametrize("noise", NOISE)
def test_a_command_is_heard_through_it(noise: str, board: Sshd) -> None:
    login_script(board, NOISE[noise])
    data = bytes(range(256)) * 40
    with link.connect(board.destination, board.options) as opened:
        answer = opened.script('printf "%s|" "$@"; cat; echo why >&2; exit 7', ["a b", "$HOME"], b"in\0put")
        assert (answer.returncode, answer.stdout, answer.stderr) == (7, b"a b|$HOME|in\0put", "why\n")
        assert opened.run(["true"]) == link.CommandResult(returncode=0, stdout=b"", stderr="")
        assert opened.run(["sh", "-c", "kill -SEGV $$"]).returncode == 139
        assert opened.is_open()
        opened.push(data, str(board.home / "file"))
        assert opened.fetch(str(board.home / "file")) == data
        with opened.session(["sh", "-c", 'while read -r line; do echo "<$line>"; done']) as session:
            for word in (b"one", b"two"):
                session.send(word)
                assert session.receive() == b"<" + word + b">"


def edgecnn(*words: str) -> str:
    """Run the command line and return its output."""
    done = subprocess.run([sys.executable, "-m", "edgecnn", *words], capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@needed
@pytest.mark.parametrize("noise", ["no newline", "all"])
def test_every_verb_goes_through_it(noise: str, lending: Sshd, tmp_path: Path) -> None:
    login_script(lending, NOISE[noise])
    run = small_bundles.run_folder(tmp_path / "animals", kinds=("int8",))
    on_board = ("--board", "ssh://board")
    assert "nothing is in the way" in edgecnn("board", "doctor", "ssh://board")
    assert json.loads(edgecnn("board", "info", "ssh://board", "--json"))["home"] == str(lending.home)
    quick = ("--warmup-runs", "1", "--num-runs", "5", "--min-secs", "0", "--rounds", "1")
    edgecnn("bench", str(run / "artifacts/animals-int8.tflite"), *on_board, *quick, "-o", str(tmp_path / "out.json"))
    assert json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))["measurements"]
    first = json.loads(edgecnn("deploy", str(run), *on_board, "--json"))
    assert first["selftest"]["verdict"] == "identical"
    status = json.loads(edgecnn("deploy", str(run), *on_board, "--status", "--json"))
    assert (status["current"], status["model"]) == (first["release"], "animals-int8.tflite")
    assert "MB freed" in edgecnn("board", "clean", "ssh://board")


ENDINGS = {
    "echo 'no guests'; exit 4": r"ended with exit code 4 before it ran a command: no guests\.",
    "exit 0": r"ended with exit code 0 before it ran a command\.",
    r"printf '\033[31mgo away\033[0m\n'; exit 1": r"exit code 1 before it ran a command: \[31mgo away\[0m\.",
    "exec true": r"ended with exit code 0 before it ran a command\.",
}
"""A login script that ends the shell -> what is said of it."""


@needed
@pytest.mark.parametrize(("script", "sentence"), ENDINGS.items())
def test_a_login_script_that_ends_the_shell_is_named(script: str, sentence: str, board: Sshd) -> None:
    login_script(board, script)
    with pytest.raises(LinkError, match=sentence) as caught, link.connect(board.destination, board.options):
        pass
    assert "~/.bashrc" in (caught.value.hint or "")


@needed
@pytest.mark.parametrize("script", ENDINGS)
def test_also_when_it_does_so_later(script: str, board: Sshd) -> None:
    with link.connect(board.destination, board.options) as opened:
        login_script(board, f"[ -e ~/open ] && rm ~/open && {{ {script}; }}")
        (board.home / "open").touch()
        with pytest.raises(LinkError, match="ended before it ran a command"):
            opened.run(["true"])


@needed
def test_a_login_script_that_waits_is_told_from_a_board_that_is_away(
    board: Sshd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(openssh, "CONNECT_TIMEOUT_S", 1)
    login_script(board, "echo 'what is your name?'; read -r name")
    with (
        pytest.raises(LinkError, match=r"ran no command within 2 s: what is your name\?\."),
        link.connect(board.destination, board.options),
    ):
        pass


@needed
def test_a_shell_that_is_killed_with_its_program_is_told_from_a_cut_link(board: Sshd) -> None:
    with (
        link.connect(board.destination, board.options) as opened,
        pytest.raises(LinkError, match=r"sh on .* and the shell that ran it were ended"),
    ):
        opened.run(["sh", "-c", "kill -KILL $PPID"])


@needed
def test_bytes_that_come_between_those_of_a_file_are_seen(board: Sshd) -> None:
    (board.home / "file").write_bytes(b"data")
    board.put_program("cat", 'printf noise; exec /bin/cat "$@"')
    with (
        link.connect(board.destination, board.options) as opened,
        pytest.raises(LinkError, match="damaged: its sha256 differs"),
    ):
        opened.fetch(str(board.home / "file"))


@given(before=st.binary(), body=st.binary(), after=st.binary(), code=st.integers(0, 255))
def test_an_answer_is_what_stands_between_its_marks(before: bytes, body: bytes, after: bytes, code: int) -> None:
    mark = Mark()
    said = before + mark.text + body + mark.text + f"{code}.".encode() + after
    assert mark.answer(said) == (code, body)
    assert mark.answer(before + mark.text + body) is None
    assert mark.answer(before + body) is None
    assert mark.command_stderr(before + mark.text + body + mark.text + after) == body
    assert mark.command_stderr(before) == before


def test_a_command_line_that_is_shown_shows_no_mark() -> None:
    mark = Mark()
    for line in (mark.framed(["true"]), mark.announced(["true"])):
        assert mark.text.decode() not in line
    assert Mark().text != mark.text
