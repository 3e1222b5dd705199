"""The program that keeps releases on a board, run here as it runs there: as text on a Python's standard input."""

import json
import os
import stat
import subprocess
import sys
import threading
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecnn.onboard import archive as onboard
from edgecnn.onboard import releases

PROGRAM = onboard.program(releases.__name__)


def ask(root: Path, command: str, *arguments: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-", command, str(root), *arguments],
        input=PROGRAM,
        capture_output=True,
        check=True,
    )
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def archive(path: Path, text: str) -> str:
    with zipfile.ZipFile(path, "w") as packed:
        packed.writestr("edgecnn.pyz", f"import sys, os; print({text!r}, os.environ['PYTHONPATH'], *sys.argv[1:])")
    return str(path)


@pytest.fixture
def packages(tmp_path: Path) -> str:
    (tmp_path / "site" / "deep").mkdir(parents=True)
    (tmp_path / "site" / "deep" / "module.py").write_text("x = 1\n")
    return str(tmp_path / "site")


def add(root: Path, name: str) -> None:
    """A release, without the unpacking."""
    folder = root / "releases" / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "run").write_text(f"#!/bin/sh\necho {name}\n")
    (folder / "run").chmod(0o755)


def test_a_release_runs_from_any_folder_with_its_own_packages(tmp_path: Path, packages: str) -> None:
    root = tmp_path / "a b'c"
    root.mkdir()
    assert ask(root, "unpack", "one", archive(root / "one.zip", "hello"), packages, sys.executable) == {}
    assert ask(root, "switch", "one") == {"before": None}
    done = subprocess.run([root / "run", "x y", "z"], cwd="/", capture_output=True, text=True, check=True)
    assert done.stdout == f"hello {root}/releases/one/packages x y z\n"
    assert sorted(path.name for path in root.iterdir()) == ["current", "history", "lock", "releases", "run"]


def test_packages_are_linked_not_copied_and_outlive_the_cache(tmp_path: Path, packages: str) -> None:
    root = tmp_path / "root"
    root.mkdir()
    source = Path(packages, "deep", "module.py")
    ask(root, "unpack", "one", archive(root / "one.zip", ""), packages, sys.executable)
    target = root / "releases" / "one" / "packages" / "deep" / "module.py"
    assert target.samefile(source)
    source.unlink()
    assert target.read_text() == "x = 1\n"


def test_a_broken_archive_leaves_nothing(tmp_path: Path, packages: str) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (root / "one.zip").write_bytes(b"PK\3\4 and then nothing")
    assert "zip" in ask(root, "unpack", "one", str(root / "one.zip"), packages, sys.executable)["error"]
    assert list((root / "releases").iterdir()) == []
    assert not (root / "one.zip").exists()


HOSTILE = {
    "up": "../../escaped",
    "up inside": "a/../../../escaped",
    "absolute": "/tmp/escaped",
    "a backslash": "a\\\\..\\\\escaped",
    "an escape": "\x1b[2J",
}


@pytest.mark.parametrize("name", HOSTILE.values(), ids=HOSTILE)
def test_an_archive_with_a_name_that_is_none_of_a_bundle_is_refused_whole(
    name: str, tmp_path: Path, packages: str
) -> None:
    root = tmp_path / "deep" / "root"
    root.mkdir(parents=True)
    with zipfile.ZipFile(root / "one.zip", "w") as packed:
        packed.writestr("edgecnn.pyz", "pass")
        packed.writestr(name, "escaped")
    answer = ask(root, "unpack", "one", str(root / "one.zip"), packages, sys.executable)
    assert "has the name" in answer["error"]
    assert list((root / "releases").iterdir()) == []
    assert not list(tmp_path.rglob("*escaped*"))


def test_a_link_in_an_archive_becomes_a_file(tmp_path: Path, packages: str) -> None:
    root = tmp_path / "root"
    root.mkdir()
    with zipfile.ZipFile(root / "one.zip", "w") as packed:
        entry = zipfile.ZipInfo("link")
        entry.external_attr = (stat.S_IFLNK | 0o777) << 16
        packed.writestr(entry, "/etc")
    assert ask(root, "unpack", "one", str(root / "one.zip"), packages, sys.executable) == {}
    assert not (root / "releases" / "one" / "link").is_symlink()


def test_an_archive_that_unpacks_to_more_than_there_is_room_for_is_refused(tmp_path: Path, packages: str) -> None:
    root = tmp_path / "root"
    root.mkdir()
    with zipfile.ZipFile(root / "two.zip", "w") as packed:
        for number in range(200):
            packed.writestr(f"{number}", "")
    many = bytearray((root / "two.zip").read_bytes())
    place = -1
    while (place := many.find(b"PK\1\2", place + 1)) >= 0:
        many[place + 24 : place + 28] = (0xFFFFFFFE).to_bytes(4, "little")  # it says 4 GB
    (root / "two.zip").write_bytes(many)
    answer = ask(root, "unpack", "one", str(root / "two.zip"), packages, sys.executable)
    assert "there is no room in" in answer["error"]
    assert "858993.5 MB are needed" in answer["error"]
    assert list((root / "releases").iterdir()) == []


@pytest.mark.parametrize(
    "history",
    [b"", b"\xff\xfe\x00", b"../../../etc\none\n", b".\n..\n", b"x" * 1_000_000, b"one\n" * 100_000, b"two\0one"],
    ids=["empty", "no text", "a path", "dots", "a long line", "long", "null bytes"],
)
def test_a_damaged_history_is_no_way_anywhere(history: bytes, tmp_path: Path) -> None:
    for name in ("one", "two"):
        add(tmp_path, name)
        releases.switch(tmp_path, name)
    (tmp_path / "history").write_bytes(history)
    assert set(ask(tmp_path, "status")["history"]) <= {"one", "two"}
    answer = ask(tmp_path, "rollback")
    assert answer.get("current") in (None, "one", "two")
    assert (tmp_path / "run").read_text().split()[-1] in ("one", "two")
    add(tmp_path, "three")
    assert "error" not in ask(tmp_path, "switch", "three")
    assert (tmp_path / "run").read_text().split()[-1] == "three"


@pytest.mark.parametrize("text", ["", "[]", "[" * 100_000, '{"model": 5}', '{"model": "../../secret"}', "\0"])
def test_a_damaged_manifest_or_card_says_nothing(text: str, tmp_path: Path) -> None:
    add(tmp_path, "one")
    (tmp_path / "secret.json").write_text('{"run": "secret", "run_sha256": "secret"}')
    (tmp_path / "releases" / "one" / "manifest.json").write_text(text)
    nothing = dict.fromkeys(("model", "run", "run_sha256", "classes_sha256"))
    assert ask(tmp_path, "status")["models"] == {"one": nothing}
    (tmp_path / "releases" / "one" / "manifest.json").unlink()
    os.mkfifo(tmp_path / "releases" / "one" / "manifest.json")
    assert ask(tmp_path, "status")["models"] == {"one": nothing}


def test_what_a_change_that_was_killed_left_is_swept_away(tmp_path: Path) -> None:
    add(tmp_path, "one")
    for name in (".history.12", "two.zip", "two.zip.part.5"):
        (tmp_path / name).touch()
    (tmp_path / f".current.{os.getpid()}").symlink_to("nowhere")
    add(tmp_path, ".two.99")
    assert "error" not in releases.switch(tmp_path, "one")
    assert {path.name for path in tmp_path.iterdir()} == {"current", "history", "releases", "run"}
    assert [path.name for path in (tmp_path / "releases").iterdir()] == ["one"]


def test_a_release_that_is_not_there_cannot_become_the_current_one(tmp_path: Path) -> None:
    add(tmp_path, "one")
    releases.switch(tmp_path, "one")
    assert "is gone" in releases.switch(tmp_path, "two")["error"]
    assert releases.status(tmp_path)["current"] == "one"


def test_the_current_release_cannot_be_dropped(tmp_path: Path) -> None:
    for name in ("one", "two"):
        add(tmp_path, name)
        releases.switch(tmp_path, name)
    releases.drop(tmp_path, "two")
    releases.drop(tmp_path, "one")
    status = releases.status(tmp_path)
    assert (status["current"], status["history"], status["releases"]) == ("two", ["two"], ["two"])


def test_a_history_that_a_crash_left_behind_follows_what_is_current(tmp_path: Path) -> None:
    for name in ("one", "two", "three"):
        add(tmp_path, name)
        releases.switch(tmp_path, name)
    (tmp_path / "history").write_text("one\ntwo\n")  # the power went between the switch and its note
    assert releases.status(tmp_path)["history"] == ["one", "two", "three"]
    (tmp_path / "history").write_text("one\ntwo\nthree\n")
    releases._point(tmp_path / "current", Path("releases", "two"))  # … and during a rollback
    assert releases.rollback(tmp_path) == {"before": "two", "current": "one"}


def test_at_any_moment_something_runs(tmp_path: Path) -> None:
    for name in ("one", "two"):
        add(tmp_path, name)
    releases.switch(tmp_path, "one")
    stop, seen = threading.Event(), []

    def read() -> None:
        while not stop.is_set():
            seen.append((tmp_path / "run").read_text())  # raises if there is no moment of peace

    reader = threading.Thread(target=read)
    reader.start()
    for turn in range(100):
        releases.switch(tmp_path, ("two", "one")[turn % 2])
    stop.set()
    reader.join()
    assert {text.split()[-1] for text in seen} <= {"one", "two"}


ACTS = st.lists(st.one_of(st.sampled_from("abcdefg"), st.just("rollback")), max_size=12)


@settings(max_examples=60, deadline=None)
@given(ACTS)
def test_any_order_of_deploying_and_rolling_back_is_a_stack_of_the_last_three(
    tmp_path_factory: pytest.TempPathFactory, acts: list[str]
) -> None:
    root = tmp_path_factory.mktemp("root")
    stack: list[Any] = []
    (root / "releases").mkdir()
    for act in acts:
        if act == "rollback":
            answer = releases.rollback(root)
            assert ("error" in answer) == (len(stack) < 2)
            stack = stack[:-1] if len(stack) > 1 else stack
        else:
            add(root, act)
            releases.switch(root, act)
            stack = [*(release for release in stack if release != act), act][-releases.KEPT :]
        status = releases.status(root)
        assert status["history"] == stack
        assert status["current"] == (stack[-1] if stack else None)
        assert set(stack) <= set(status["releases"])
        if stack:
            assert (root / "run").read_text().split()[-1] == stack[-1]
