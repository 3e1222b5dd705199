"""`edgecnn pull`: a run that every command takes, or one sentence and nothing."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import disks
import hub_commands
import pytest
from hub import Handler, Hub
from hub_commands import PLACE, REPOSITORY, edgecnn, sentences

from edgecnn.records.run import open_run

Change = Callable[[dict[str, Any]], None]


def rewritten(hub: Hub, change: Change, files: dict[str, bytes | None] | None = None) -> None:
    """Put another manifest on the hub, and other files."""
    table = json.loads(hub.files(REPOSITORY)["edgecnn.json"])
    change(table)
    hub.change(REPOSITORY, {**(files or {}), "edgecnn.json": json.dumps(table).encode()})


def left(folder: Path) -> list[str]:
    """List the files in the folder of a command that should have left nothing."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_a_pulled_run_is_one_that_every_command_takes(filled: Hub, tmp_path: Path) -> None:
    done = edgecnn(filled, tmp_path, "pull", PLACE)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "runs/digits  validation top-1 92.80 % [91.82, 93.67]  n 3000\n"
    folder = tmp_path / "runs" / "digits"
    run = open_run(folder)
    named = json.loads(filled.files(REPOSITORY)["edgecnn.json"])["files"]
    assert left(folder) == sorted(named)
    assert {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in named} == {
        name: file["sha256"] for name, file in named.items()
    }
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["digits"]
    tested = edgecnn(filled, tmp_path, "selftest", "runs/digits")
    assert (tested.returncode, tested.stdout.count("identical")) == (0, 2)
    assert edgecnn(filled, tmp_path, "deploy", "runs/digits", "-o", "bundle").returncode == 0
    assert run.recipe.name == "fashion-10k"


def test_a_revision_is_pulled_as_it_was(filled: Hub, tmp_path: Path) -> None:
    repository = filled.repositories[REPOSITORY]
    first, before = repository.commits[0]
    repository.branches["v1"] = 0
    rewritten(filled, lambda table: None, {"edgecnn.json": None})
    filled.change(REPOSITORY, {"edgecnn.json": b"something else"})
    for number, revision in enumerate(("v1", first, first)):
        done = edgecnn(filled, tmp_path, "pull", f"{PLACE}@{revision}", "-o", f"run-{number}", "--json")
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["params"] == 8906
        assert (tmp_path / f"run-{number}" / "run.json").read_bytes() == before["run.json"]
    assert all(first in place for _, place, _ in filled.requests if "/resolve/" in place)


def test_what_is_not_in_the_manifest_is_not_fetched(filled: Hub, tmp_path: Path) -> None:
    filled.change(REPOSITORY, {"evil.pkl": b"cposix\nsystem\n", "artifacts/run.sh": b"rm"})
    assert edgecnn(filled, tmp_path, "pull", PLACE).returncode == 0
    assert not [name for name in left(tmp_path) if name.endswith((".pkl", ".sh"))]
    assert not [place for _, place, _ in filled.requests if place.endswith((".pkl", ".sh"))]


def test_a_folder_that_is_there_is_not_touched(filled: Hub, tmp_path: Path) -> None:
    (tmp_path / "runs" / "digits").mkdir(parents=True)
    (tmp_path / "runs" / "dangling").symlink_to("nowhere")
    for options in ((), ("-o", "runs/dangling")):
        done = edgecnn(filled, tmp_path, "pull", PLACE, *options)
        assert done.returncode == 64
        assert "is there already" in sentences(done)[0]
    assert filled.requests == []
    assert left(tmp_path) == []


def entry(table: dict[str, Any], name: str, **changes: Any) -> None:
    table["files"].setdefault(name, {"sha256": "0" * 64, "bytes": 5})
    table["files"][name] |= changes


def without_models(table: dict[str, Any]) -> None:
    table["files"] = {name: file for name, file in table["files"].items() if "int8" not in name}


HOSTILE: dict[str, tuple[Change, dict[str, bytes | None], str]] = {
    "a path out of the folder": (
        lambda table: entry(table, "../../.bashrc"),
        {"../../.bashrc": b"alias"},
        "'../../.bashrc' is no file of a run",
    ),
    "a file that no run has": (
        lambda table: entry(table, "setup.py"),
        {"setup.py": b"import"},
        "'setup.py' is no file",
    ),
    "a file that is missing": (lambda table: None, {"run.json": None}, "holds no run.json"),
    "another content": (
        lambda table: None,
        {"labels.txt": b"", "artifacts/labels.txt": b"x" * 76},
        "artifacts/labels.txt of hf://alice/digits@",
    ),
    "a longer content": (lambda table: None, {"run.json": b"{" * 10_000}, "has more than the 393 bytes"),
    "a shorter content": (lambda table: None, {"run.json": b"{}"}, "size or sha256 differ"),
    "a manifest of another kind": (lambda table: table.clear(), {}, "is no run of edgecnn"),
    "a size beyond all bounds": (
        lambda table: entry(table, "model.safetensors", bytes=10**15),
        {},
        "model.safetensors has 1,000,000,000,000,000 bytes",
    ),
    "no model file with a card": (
        without_models,
        {},
        "is no whole run: it holds no model file with a card",
    ),
    "a run that cannot be read": (
        lambda table: entry(table, "run.json", sha256=hashlib.sha256(b"{}").hexdigest(), bytes=2),
        {"run.json": b"{}"},
        "is no whole run: it is not a whole run: run.json lacks the key",
    ),
    "a card of another file": (
        lambda table: entry(
            table, "artifacts/fashion-10k-int8.tflite", sha256=hashlib.sha256(b"TFL3").hexdigest(), bytes=4
        ),
        {"artifacts/fashion-10k-int8.tflite": b"TFL3"},
        "is no whole run: artifacts/fashion-10k-int8.tflite",
    ),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_what_is_no_whole_run_is_one_sentence_and_leaves_nothing(case: str, filled: Hub, tmp_path: Path) -> None:
    change, files, sentence = HOSTILE[case]
    rewritten(filled, change, files)
    done = edgecnn(filled, tmp_path, "pull", PLACE)
    assert done.returncode in (2, 64), done.stderr
    said = sentences(done)[0]
    assert sentence in said
    assert str(tmp_path) not in said
    assert left(tmp_path) == []


@pytest.mark.parametrize(
    ("place", "token", "sentence"),
    [
        ("hf://alice/digit", "alice", "has no model hf://alice/digit that you may see"),
        (PLACE, "", "has no model hf://alice/digits that you may see"),
        (PLACE, "bob", "has no model hf://alice/digits that you may see"),
        (f"{PLACE}@v9", "alice", "hf://alice/digits@v9 has no such revision"),
        ("hf://alice/a..b", "alice", "is no address that a hub takes"),
    ],
)
def test_what_is_not_there_or_not_yours_is_one_sentence(
    place: str, token: str, sentence: str, filled: Hub, tmp_path: Path
) -> None:
    done = edgecnn(filled, tmp_path, "pull", place, token=token)
    assert done.returncode == 64
    assert sentence in sentences(done)[0]


def test_a_gated_model_says_whom_to_ask(filled: Hub, tmp_path: Path) -> None:
    filled.repositories[REPOSITORY].gated = True
    done = edgecnn(filled, tmp_path, "pull", PLACE, token="alice-reads")
    assert (done.returncode, "is gated, and not open to you" in sentences(done)[0]) == (2, True)


def cut(request: Handler) -> None:
    request.send_response(200)
    request.send_header("Content-Length", "10000")
    request.end_headers()
    request.wfile.write(b"half")
    request.close_connection = True


def endless(request: Handler) -> None:
    request.send_response(200)
    request.send_header("Connection", "close")
    request.end_headers()
    try:
        while True:
            request.wfile.write(bytes(1 << 16))
    except OSError:
        request.close_connection = True


@pytest.mark.parametrize(
    ("asked", "answer", "sentence"),
    [
        ("GET .*/edgecnn.json", endless, "edgecnn.json of hf://alice/digits@"),
        ("GET .*/metrics.csv", endless, "has more than the 2,984 bytes that it may"),
        ("GET /content/.*", endless, "bytes that it may"),
        ("GET /content/.*", cut, "Cannot reach http://127.0.0.1:"),
        ("GET .*/run.json", lambda request: request.refuse(429), "asks to come again later"),
        ("GET .*/run.json", lambda request: request.refuse(500, message="\x1b[2Jout of order"), "out of order"),
        ("GET /api/.*", lambda request: request.send_json({"id": "x", "sha": "../../x"}), "is no commit"),
        ("GET /api/.*", lambda request: request.send(b"<html>"), "does not answer as a hub does"),
    ],
)  # fmt: skip
def test_a_hub_that_is_out_of_order_is_one_sentence_and_leaves_nothing(
    asked: str, answer: Callable[[Handler], None], sentence: str, filled: Hub, tmp_path: Path
) -> None:
    filled.answers[asked] = answer
    done = edgecnn(filled, tmp_path, "pull", PLACE)
    assert done.returncode == 2, done.stderr
    assert sentence in sentences(done)[0]
    assert "\x1b" not in done.stderr
    assert left(tmp_path) == []


def test_a_pull_that_is_killed_leaves_no_run_and_the_next_one_cleans_up(filled: Hub, tmp_path: Path) -> None:
    reached, go_on = threading.Event(), threading.Event()

    def hang(request: Handler) -> None:
        reached.set()
        go_on.wait(60)

    filled.answers["GET .*/run.json"] = hang
    words = hub_commands.command("pull", PLACE)
    with subprocess.Popen(words, cwd=tmp_path, env=hub_commands.environment(filled), stderr=subprocess.PIPE) as process:
        assert reached.wait(60)
        os.kill(process.pid, signal.SIGKILL)
    go_on.set()
    filled.answers.clear()
    assert left(tmp_path)
    assert not (tmp_path / "runs" / "digits").exists()
    assert edgecnn(filled, tmp_path, "pull", PLACE).returncode == 0
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["digits"]


def test_a_nets_code_is_pulled_and_never_run(filled: Hub, tmp_path: Path) -> None:
    code = b"from pathlib import Path\nPath('ran').touch()\n"
    files = filled.files(REPOSITORY)
    recipe = files["recipe.toml"].replace(b'name = "dscnn"', b'name = "own.py:Net"')
    facts = json.dumps({**json.loads(files["run.json"]), "code_sha256": hashlib.sha256(code).hexdigest()}).encode()
    changed: dict[str, bytes | None] = {"net.py": code, "recipe.toml": recipe, "run.json": facts}

    def describe(table: dict[str, Any]) -> None:
        for name, content in changed.items():
            entry(table, name, sha256=hashlib.sha256(content or b"").hexdigest(), bytes=len(content or b""))

    rewritten(filled, describe, changed)
    assert edgecnn(filled, tmp_path, "pull", PLACE).returncode == 0
    done = edgecnn(filled, tmp_path, "inspect", "runs/digits")
    assert done.returncode != 0
    assert "--trust-code" in done.stderr
    assert not (tmp_path / "ran").exists()


def test_a_full_disk_is_one_sentence_and_leaves_nothing(filled: Hub, tmp_path: Path) -> None:
    with disks.of_kb(100, tmp_path / "small") as small:
        done = edgecnn(filled, tmp_path, "pull", PLACE, "-o", small / "run")
        assert done.returncode == 2
        assert "No space left" in sentences(done)[0]
        assert left(small) == []


def test_the_client_is_missing_with_its_extra(filled: Hub, tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['huggingface_hub'] = None; sys.argv = ['edgecnn', 'pull', 'hf://alice/digits']\n"
        "from edgecnn import cli; cli.main()"
    )
    env = hub_commands.environment(filled)
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=env, capture_output=True, text=True)
    assert done.returncode == 2
    assert sentences(done)[1] == "hint: pip install 'edgecnn[hub]'"


def test_nothing_is_sent_for_statistics(filled: Hub, tmp_path: Path) -> None:
    assert edgecnn(filled, tmp_path, "pull", PLACE).returncode == 0
    assert not [place for _, place, _ in filled.requests if "telemetry" in place]
    code = (
        "from edgecnn.common import hub_client; hub_client.connect()\n"
        "from huggingface_hub import constants; print(constants.HF_HUB_DISABLE_TELEMETRY)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=hub_commands.environment(filled), capture_output=True, text=True, check=True
    )
    assert done.stdout == "True\n"
