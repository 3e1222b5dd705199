"""The program that keeps releases on a board, run here as it runs there: as text on a Python's standard input."""

import json
import subprocess
import sys
import threading
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecnn import releases


def ask(root: Path, command: str, *arguments: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-I", "-", command, str(root), *arguments],
        input=Path(releases.__file__).read_bytes(),
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
    root, stack = tmp_path_factory.mktemp("root"), []
    (root / "releases").mkdir()
    for act in acts:
        if act == "rollback":
            answer = releases.rollback(root)
            assert ("error" in answer) == (len(stack) < 2)
            stack = stack[:-1] if len(stack) > 1 else stack
        else:
            add(root, act)
            releases.switch(root, act)
            stack = [*(one for one in stack if one != act), act][-releases.KEPT :]
        found = releases.status(root)
        assert found["history"] == stack
        assert found["current"] == (stack[-1] if stack else None)
        assert set(stack) <= set(found["releases"])
        if stack:
            assert (root / "run").read_text().split()[-1] == stack[-1]
