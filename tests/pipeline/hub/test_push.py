"""`edgecnn push`: one commit, with all that a run needs elsewhere and nothing that is only this machine's."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import threading
from pathlib import Path

import hub_commands
import pytest
import yaml
from checkout import ROOT
from hub import Handler, Hub, Repository
from hub_commands import PLACE, REPOSITORY, edgecnn, sentences

ZOO = ROOT / "models" / "zoo" / "fashion-10k"


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run of the user's own."""
    return Path(shutil.copytree(ZOO, tmp_path / "runs" / "digits"))


def test_a_run_is_pushed_in_one_commit_with_all_that_it_needs(hub: Hub, run: Path, tmp_path: Path) -> None:
    (run / "notes.txt").write_text("mine")
    (run / "artifacts" / "id_rsa").write_text("mine")
    done = edgecnn(hub, tmp_path, "push", "runs/digits", PLACE)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{hub.address}/{REPOSITORY}  private  12 files\n"
    assert "12 files, 179 kB, among them 32 test pictures in golden.npz, to hf://alice/digits" in done.stderr
    pushed = hub.files(REPOSITORY)
    expected = {str(path.relative_to(ZOO)) for path in ZOO.rglob("*") if path.is_file()}
    assert set(pushed) == {*expected, ".gitattributes", "README.md", "edgecnn.json"}
    for name in expected - {"README.md", "recipe.toml"}:
        assert pushed[name] == (ZOO / name).read_bytes(), name
    named = json.loads(pushed["edgecnn.json"])["files"]
    assert {name: file["sha256"] for name, file in named.items()} == {
        name: hashlib.sha256(pushed[name]).hexdigest() for name in expected - {"README.md"}
    }
    repository = hub.repositories[REPOSITORY]
    assert (len(repository.commits), repository.private) == (2, True)
    assert f"`edgecnn pull {PLACE}@{repository.commits[-1][0]}` has it again" in done.stderr


def test_the_model_card_has_the_hubs_metadata_and_numbers_with_n_and_interval(
    hub: Hub, run: Path, tmp_path: Path
) -> None:
    assert edgecnn(hub, tmp_path, "push", run, PLACE, "--license", "apache-2.0").returncode == 0
    _, head, body = hub.files(REPOSITORY)["README.md"].decode().split("---\n", 2)
    data = yaml.safe_load(head)
    assert (data["license"], data["pipeline_tag"], data["library_name"]) == (
        "apache-2.0",
        "image-classification",
        "edgecnn",
    )
    assert {"int8", "onnx", "tflite"} <= set(data["tags"])
    (result,) = data["model-index"][0]["results"]
    assert result["dataset"]["name"] == "fashion-mnist"
    assert {metric["value"] for metric in result["metrics"]} == {0.9287, 0.9288}
    assert "n 10,000, 95 % interval [92.36, 93.37]" in {m["name"].partition(", ")[2] for m in result["metrics"]}
    assert "| fashion-10k-int8.tflite | int8 | 30.0 | 92.88 [92.36, 93.37] | 10,000 |" in body
    assert "Ankle boot" in body
    assert "edgecnn pull hf://alice/digits" in body


def test_times_on_the_card_stand_with_their_machine(hub: Hub, run: Path, tmp_path: Path) -> None:
    brief = ("--rounds", 2, "--num-runs", 5, "--min-secs", 0, "--limit", 20)
    assert edgecnn(hub, tmp_path, "bench", run, *brief).returncode == 0
    (run / "bench" / "other.json").write_text("{}")
    assert edgecnn(hub, tmp_path, "push", run, PLACE).returncode == 0
    body = hub.files(REPOSITORY)["README.md"].decode()
    assert "\n## On " in body
    assert "| file | runtime | p50 [95 %] | n | peak MB |" in body
    assert not [name for name in hub.files(REPOSITORY) if name.startswith("bench")]


def test_paths_of_this_machine_stay_here(hub: Hub, run: Path, tmp_path: Path) -> None:
    text = (run / "recipe.toml").read_text()
    own = text.replace("fashion-mnist", "folder").replace("[net]", 'path = "/home/alice/secret plans/flowers"\n[net]')
    (run / "recipe.toml").write_text(own)
    assert edgecnn(hub, tmp_path, "push", run, PLACE).returncode == 0
    pushed = hub.files(REPOSITORY)
    assert 'path = "flowers"' in pushed["recipe.toml"].decode()
    assert not [name for name, content in pushed.items() if b"secret plans" in content]
    assert (run / "recipe.toml").read_text() == own


def test_a_second_push_removes_what_the_run_lacks_by_now_and_nothing_of_others(
    hub: Hub, run: Path, tmp_path: Path
) -> None:
    assert edgecnn(hub, tmp_path, "push", run, PLACE, "--public").returncode == 0
    hub.change(REPOSITORY, {"README.md": b"# By hand", "demo.png": b"picture"})
    for path in run.glob("artifacts/*.onnx*"):
        path.unlink()
    hub.repositories[REPOSITORY].private = True
    done = edgecnn(hub, tmp_path, "push", run, PLACE, "--json", "--public")
    assert done.returncode == 0, done.stderr
    pushed = hub.files(REPOSITORY)
    assert not [name for name in pushed if ".onnx" in name]
    assert (pushed["README.md"], pushed["demo.png"]) == (b"# By hand", b"picture")
    assert "README.md was written by a person there, and stays as it is" in done.stderr
    assert "warning: hf://alice/digits was there before, and stays private" in done.stderr
    assert json.loads(done.stdout) == {
        "address": f"{PLACE}@{hub.repositories[REPOSITORY].commits[-1][0]}",
        "url": f"{hub.address}/{REPOSITORY}",
        "commit": hub.repositories[REPOSITORY].commits[-1][0],
        "private": True,
        "files": 10,
        "bytes": sum(file["bytes"] for file in json.loads(pushed["edgecnn.json"])["files"].values()),
    }


def test_a_run_that_has_not_changed_makes_no_commit(hub: Hub, run: Path, tmp_path: Path) -> None:
    first, second = (edgecnn(hub, tmp_path, "push", run, PLACE) for _ in range(2))
    assert (second.returncode, second.stdout) == (0, first.stdout)
    assert len(hub.repositories[REPOSITORY].commits) == 2


def test_a_model_card_that_was_there_first_stays(hub: Hub, run: Path, tmp_path: Path) -> None:
    hub.repositories[REPOSITORY] = Repository(private=False)
    hub.repositories[REPOSITORY].add({".gitattributes": b"", "README.md": b"# By hand"})
    assert edgecnn(hub, tmp_path, "push", run, PLACE).returncode == 0
    assert hub.files(REPOSITORY)["README.md"] == b"# By hand"
    assert edgecnn(hub, tmp_path, "pull", PLACE, "-o", "pulled").returncode == 0


def test_a_model_that_is_something_else_is_left_alone(hub: Hub, run: Path, tmp_path: Path) -> None:
    hub.repositories[REPOSITORY] = Repository(private=False)
    hub.repositories[REPOSITORY].add({".gitattributes": b"", "pytorch_model.bin": b"theirs"})
    done = edgecnn(hub, tmp_path, "push", run, PLACE)
    assert done.returncode == 64
    assert "holds pytorch_model.bin, and no run of edgecnn" in sentences(done)[0]
    assert len(hub.repositories[REPOSITORY].commits) == 1


def test_a_run_without_files_and_a_file_that_failed_its_check_are_refused_before_anything_is_sent(
    hub: Hub, run: Path, tmp_path: Path
) -> None:
    shutil.copytree(run, tmp_path / "bare", ignore=shutil.ignore_patterns("artifacts"))
    done = edgecnn(hub, tmp_path, "push", "bare", PLACE)
    assert (done.returncode, sentences(done)) == (
        64,
        ["error: Nothing was exported from bare.", "hint: edgecnn export bare"],
    )
    for path in run.glob("artifacts/*.json"):
        card = json.loads(path.read_text())
        if "verdict" in card:
            card.pop("card_sha256", None)
            path.write_text(json.dumps({**card, "verdict": {**card["verdict"], "outcome": "fail", "passed": False}}))
    done = edgecnn(hub, tmp_path, "push", run, PLACE)
    assert done.returncode == 1
    assert "did not pass its check" in sentences(done)[0]
    assert hub.requests == []


@pytest.mark.parametrize(
    ("token", "place", "sentence", "hint"),
    [
        ("", PLACE, "does not know who you are", "HF_TOKEN"),
        ("alice-reads", PLACE, "Your token may not do that with hf://alice/digits", "right to write"),
        ("bob", PLACE, "Your token may not do that with hf://alice/digits", "right to write"),
        ("alice", "hf://alice/digits@main", "names a revision, and a push makes a new one", "hf://alice/digits"),
        ("alice", "alice/digits", "is no address on a hub", "hf://USER/NAME"),
    ],
)
def test_a_push_that_is_not_allowed_is_one_sentence(
    token: str, place: str, sentence: str, hint: str, hub: Hub, run: Path, tmp_path: Path
) -> None:
    done = edgecnn(hub, tmp_path, "push", run, place, token=token)
    assert done.returncode in (2, 64)
    said = sentences(done)
    assert sentence in said[0]
    assert hint in said[1]
    assert hub.repositories == {}


def unavailable(request: Handler) -> None:
    request.send(b"<html>maintenance</html>", 503)


def nonsense(request: Handler) -> None:
    request.send(b"<html>a hotel's login</html>")


def moved(request: Handler) -> None:
    request.refuse(412, message="A commit has happened since. Please refresh and try again.")


@pytest.mark.parametrize(
    ("asked", "answer", "sentence"),
    [
        ("POST /api/repos/create", unavailable, "answers 503 for hf://alice/digits"),
        ("POST /api/repos/create", nonsense, "does not answer as a hub does"),
        ("GET /api/models/alice/digits", nonsense, "does not answer as a hub does"),
        ("POST .*/preupload/main", nonsense, "does not answer as a hub does"),
        ("PUT /content/.*", lambda request: request.refuse(403), "Your token may not do that"),
        ("POST .*/commit/main", moved, "hf://alice/digits was changed by somebody else meanwhile"),
    ],
)  # fmt: skip
def test_a_hub_that_is_out_of_order_is_one_sentence_and_leaves_no_half_of_a_run(
    asked: str, answer: object, sentence: str, hub: Hub, run: Path, tmp_path: Path
) -> None:
    hub.answers[asked] = answer  # type: ignore[assignment]
    done = edgecnn(hub, tmp_path, "push", run, PLACE)
    assert done.returncode == 2
    assert sentence in sentences(done)[0]
    if REPOSITORY in hub.repositories:
        assert set(hub.files(REPOSITORY)) == {".gitattributes"}


def test_no_hub_at_all_is_one_sentence(hub: Hub, run: Path, tmp_path: Path) -> None:
    for changes, sentence in (
        ({"HF_ENDPOINT": "http://127.0.0.1:9"}, "Cannot reach http://127.0.0.1:9"),
        ({"HF_HUB_OFFLINE": "1"}, "HF_HUB_OFFLINE is set"),
    ):
        done = edgecnn(hub, tmp_path, "push", run, PLACE, **changes)
        assert done.returncode == 2
        assert sentence in sentences(done)[0]


def test_a_push_that_is_killed_leaves_no_commit_and_is_done_again(hub: Hub, run: Path, tmp_path: Path) -> None:
    reached, go_on = threading.Event(), threading.Event()

    def hang(request: Handler) -> None:
        reached.set()
        go_on.wait(60)

    hub.answers["PUT /content/.*"] = hang
    words = hub_commands.command("push", run, PLACE)
    with subprocess.Popen(words, cwd=tmp_path, env=hub_commands.environment(hub), stderr=subprocess.PIPE) as process:
        assert reached.wait(60)
        os.kill(process.pid, signal.SIGKILL)
    go_on.set()
    hub.answers.clear()
    assert set(hub.files(REPOSITORY)) == {".gitattributes"}
    lost = edgecnn(hub, tmp_path, "pull", PLACE, "-o", "lost")
    assert "holds no edgecnn.json" in sentences(lost)[0]
    assert edgecnn(hub, tmp_path, "push", run, PLACE).returncode == 0
    assert edgecnn(hub, tmp_path, "pull", PLACE, "-o", "again").returncode == 0


def test_the_token_is_sent_to_the_hub_alone(hub: Hub, run: Path, tmp_path: Path) -> None:
    assert edgecnn(hub, tmp_path, "push", run, PLACE).returncode == 0
    assert edgecnn(hub, tmp_path, "pull", PLACE, "-o", "pulled").returncode == 0
    tokens = {(place.startswith("/content/"), token) for _, place, token in hub.requests}
    assert tokens == {(False, "alice"), (True, "")}
