"""A folder's content changes as one."""

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from edgecnn.pipeline.export import switch

RENEW_FOR_EVER = """
import itertools, sys
from pathlib import Path
from edgecnn.pipeline.export import switch
for number in itertools.count():
    with switch.renewed(Path(sys.argv[1])) as new:
        for name in "abc":
            (new / name).write_text(str(number) * 1000)
    print(number, flush=True)
"""


def content(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir()}


def test_what_is_written_joins_what_was_there_or_replaces_it(tmp_path: Path) -> None:
    folder = tmp_path / "artifacts"
    (folder / "sub").mkdir(parents=True)
    (folder / "kept").write_text("old")
    (folder / "replaced").write_text("old")
    (folder / "sub" / "deep").write_text("old")
    (folder / ".mine").write_text("old")
    (folder / ".model.onnx.a1b2c3d4.onnx").write_text("half")
    with switch.renewed(folder) as new:
        (new / "replaced").write_text("new")
        (new / "added").write_text("new")
        assert (folder / "replaced").read_text() == "old"
    assert {path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*") if path.is_file()} == {
        "kept": "old", "replaced": "new", "added": "new", "sub/deep": "old", ".mine": "old",
    }  # fmt: skip
    assert [path.name for path in tmp_path.iterdir()] == ["artifacts"]


def test_nothing_changes_if_the_writer_fails(tmp_path: Path) -> None:
    folder = tmp_path / "artifacts"
    folder.mkdir()
    (folder / "kept").write_text("old")
    with pytest.raises(FileNotFoundError), switch.renewed(folder) as new:
        (new / "kept").write_text((new / "nothing").read_text())
    assert content(folder) == {"kept": "old"}
    assert [path.name for path in tmp_path.iterdir()] == ["artifacts"]


@pytest.mark.parametrize("can_swap", [True, False])
def test_a_link_to_a_folder_stays_one(tmp_path: Path, can_swap: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not can_swap:
        monkeypatch.setattr(switch, "_swapped", lambda a, b: False)
    (tmp_path / "big disk").mkdir()
    (tmp_path / "big disk" / "kept").write_text("old")
    (tmp_path / "artifacts").symlink_to(tmp_path / "big disk")
    with switch.renewed(tmp_path / "artifacts") as new:
        (new / "added").write_text("new")
    assert (tmp_path / "artifacts").is_symlink()
    assert content(tmp_path / "artifacts") == {"kept": "old", "added": "new"}


def test_a_kill_between_two_renames_loses_nothing_where_folders_cannot_be_swapped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(switch, "_swapped", lambda a, b: False)
    (tmp_path / ".artifacts.old").mkdir()
    (tmp_path / ".artifacts.old" / "kept").write_text("old")
    with switch.renewed(tmp_path / "artifacts") as new:
        (new / "added").write_text("new")
    assert content(tmp_path / "artifacts") == {"kept": "old", "added": "new"}
    assert [path.name for path in tmp_path.iterdir()] == ["artifacts"]


def test_a_kill_at_any_moment_leaves_one_whole_content(tmp_path: Path) -> None:
    folder, moments = tmp_path / "artifacts", random.Random(18)
    for _ in range(8):
        with subprocess.Popen(
            [sys.executable, "-c", RENEW_FOR_EVER, str(folder)], stdout=subprocess.PIPE, text=True
        ) as writer:
            assert writer.stdout is not None
            writer.stdout.readline()
            time.sleep(moments.random() / 20)
            writer.send_signal(signal.SIGKILL)
        whole = content(folder)
        assert sorted(whole) == ["a", "b", "c"]
        assert len(set(whole.values())) == 1
