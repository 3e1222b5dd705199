"""A board that lies: what its programs print is something else than it should be, and every verb ends in a sentence.

The sshd is real; the board's Python, and the tools that say what the board is, print what no program of ours
would: other shapes, endless text, letters that a terminal obeys, and their own true answers damaged. Afterwards the
model that was there before all this still answers.
"""

from __future__ import annotations

import json
import random
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import _board
import fuzz
import mutate

SEED = 18
MUTATED = 6
"""Damages of each true answer."""
LIES = 14
"""Drawn from all of them at each stage."""

# A stage is one program's one task. What is not of the stage at hand is the real Python's to do.
FAKE_PYTHON = """
case "$*" in
  *version_info*) stage=version ;;
  *agent.py*) stage=agent ;;
  *worker.pyz*) stage=worker ;;
  *edgecnn.pyz*selftest*) stage=selftest ;;
  *edgecnn.pyz*classify*) stage=classify ;;
  *" - status "*) stage=status ;;
  *" - unpack "*) stage=unpack ;;
  *" - switch "*) stage=switch ;;
  *" - rollback "*) stage=rollback ;;
  *" - tell "*) stage=tell ;;
  *flock*rmtree*) stage=clean ;;
  *) stage=other ;;
esac
if [ "$stage" = "$(cat {folder}/stage)" ]; then exec sh {folder}/payload "$@"; fi
if [ "$stage" = version ]; then echo "{version} 64 cpython $0.real $0"; exit; fi
exec {python} "$@"
"""

VERBS = {
    "status": ("status", ("deploy", _board.NAME, "--board", _board.BOARD, "--status")),
    "json": ("status", ("deploy", _board.NAME, "--board", _board.BOARD, "--status", "--json")),
    "rollback": ("rollback", ("deploy", _board.NAME, "--board", _board.BOARD, "--rollback", "--across-runs")),
    "version": ("version", ("board", "info", _board.BOARD)),
    "clean": ("clean", ("board", "clean", _board.BOARD)),
    "agent": ("agent", ("board", "doctor", _board.BOARD)),
    "worker": ("worker", ("board", "doctor", _board.BOARD)),
    "unpack": ("unpack", ()),
    "switch": ("switch", ()),
    "tell": ("tell", ()),
    "selftest": ("selftest", ()),
    "classify": ("classify", ()),
}
"""The stage that lies, and the words of a verb that comes to it; none stand for a deployment."""

SAYS = {
    "nothing": "",
    "null": "null",
    "a list": "[]",
    "a word": '"x"',
    "an empty table": "{}",
    "no JSON": "Hello!",
    "half a table": '{"current": "a',
    "deep lists": "[" * 100_000,
    "deep tables": '{"a":' * 100_000,
    "NaN": '{"current": NaN, "before": Infinity, "facts": {"cores": NaN}, "verdict": NaN}',
    "a huge number": '{"max_lsb": ' + "9" * 10_000 + ', "held": 1e999}',
    "an error that is a number": '{"error": 5}',
    "an error that is a table": '{"error": {"kind": "nearest", "sentence": 5, "hint": []}}',
    "a kind that is no error": '{"error": {"kind": "EXIT_GATE", "sentence": "x", "hint": null}}',
    "escapes": json.dumps({"error": "\x1b[2J\x1b]0;title\x07\r\nred"}),
    "a table of escapes": json.dumps(
        {"current": "\x1b[31m", "history": ["\x1b[2J"], "releases": [], "models": {"\x07": {}}, "serving": {}}
    ),
    "half a letter": '{"error": "\\ud800"}',
    "other types": json.dumps({"current": 5, "history": {}, "releases": "abc", "models": [], "serving": 7, "held": []}),
    "null bytes": "\0" * 1000,
    "no UTF-8": "\udcff\udcfe" * 100,
    "a version": "3 99999999999999999999 64 cpython / /\n3 ² 64 x /a /b\n3 12 64 cpython /real /\x1b[2Jpython",
    "a verdict": '{"verdict": "identical", "sentence": "\x1b[2J", "max_lsb": "0", "label": ["cat"]}',
    "a long line": "x" * 5_000_000,
}
DOES = {
    "endless text": "exec yes '{\"a\": 1}'",
    "endless zeros": "exec cat /dev/zero",
    "endless complaints": "exec cat /dev/zero >&2",
    "SIGKILL": "kill -KILL $$",
    "SIGSEGV": "kill -SEGV $$",
    "escapes as complaints": r"printf '\033[2J\033]0;title\007red\n' >&2; exit 3",
    "its shell is killed": "kill -KILL $PPID",
}
TOOLS = ("uname", "id", "getconf", "df", "date", "vcgencmd", "sha256sum", "mkdir")
TOOL_SAYS = ("nothing", "no JSON", "escapes", "null bytes", "a huge number", "a long line")


def attack(scratch: Path) -> dict[str, Any]:
    """LIES at every stage, and every tool that lies."""
    counts, rng = fuzz.Counts(), random.Random(SEED)
    with _board.target(scratch) as target:
        for number in (0, 1):
            ended = fuzz.run(target.deploy(number), scratch, 120)
            assert ended.outcome == "passed", ended
        lies = scratch / "lies"
        lies.mkdir()
        python = target.board.bin / "python3"
        real = python.resolve()
        python.unlink()
        version = f"{sys.version_info[0]} {sys.version_info[1]}"
        text = FAKE_PYTHON.replace("{folder}", shlex.quote(str(lies))).replace("{python}", shlex.quote(str(real)))
        target.board.put_program("python3", text.replace("{version}", version))
        for verb, (stage, words) in VERBS.items():
            payloads = [
                (name, _printed(lies, name, said.encode(errors="surrogateescape"))) for name, said in SAYS.items()
            ]
            payloads += list(DOES.items())
            for number, damaged in enumerate(_damaged(target, lies, stage, words, real, rng)):
                payloads.append((f"damaged {number}", _printed(lies, f"damaged {verb} {number}", damaged)))
            for name, payload in rng.sample(payloads, LIES):
                _tell_a_lie(lies, stage, payload)
                counts.add(_ended(words or target.deploy(0), scratch, f"{verb}: {name}"))
        _tell_a_lie(lies, "none", "")
        for tool in TOOLS:
            for name in TOOL_SAYS:
                said = _printed(lies, f"{tool} {name}", SAYS[name].encode())
                target.board.put_program(tool, said)
                counts.add(_ended(("board", "info", _board.BOARD), scratch, f"{tool}: {name}"))
                (target.board.bin / tool).unlink()
        for number in (0, 1):
            counts.add(_ended(target.deploy(number), scratch, f"the truth, {number}", must_pass=True))
        answer = subprocess.run([target.root / "run", "selftest"], capture_output=True, check=False)
        assert answer.returncode == 0, answer.stderr
    return counts.table()


def _ended(words: tuple[str, ...], scratch: Path, name: str, must_pass: bool = False) -> fuzz.Ended:
    """Return how a verb ended; one that shows what a terminal obeys has not held."""
    ended = fuzz.run(words, scratch)
    if any(not letter.isprintable() for letter in ended.said.replace("\n", "")):
        ended.outcome = "control characters"
    if must_pass and ended.outcome != "passed":
        ended.outcome = f"{ended.outcome}, though nothing lied"
    ended.command = (name, *words)
    return ended


def _printed(lies: Path, name: str, said: bytes) -> str:
    """A shell script that prints bytes."""
    path = lies / name.replace(" ", "-")
    path.write_bytes(said + b"\n")
    return f"exec cat {shlex.quote(str(path))}"


def _tell_a_lie(lies: Path, stage: str, payload: str) -> None:
    (lies / "payload").write_text(payload + "\n", encoding="utf-8")
    (lies / "stage").write_text(stage, encoding="utf-8")


def _damaged(
    target: _board.Target, lies: Path, stage: str, words: tuple[str, ...], real: Path, rng: random.Random
) -> list[bytes]:
    """The stage's true answer, damaged in several ways."""
    heard = lies / "heard"
    heard.unlink(missing_ok=True)
    _tell_a_lie(lies, stage, f'{shlex.quote(str(real))} "$@" | tee {shlex.quote(str(heard))}')
    fuzz.run(words or target.deploy(0), lies, 60)
    _tell_a_lie(lies, "none", "")
    fuzz.run(target.deploy(1), lies, 60)  # so that a rollback has somewhere to go back to
    true = heard.read_bytes() if heard.is_file() else b""
    return [mutate.bytes_of(true, rng) for _ in range(MUTATED)] if true else []
