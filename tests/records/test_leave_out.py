"""The list of pictures to leave out: what is written is read again, and what is no list is refused."""

from __future__ import annotations

import os
from pathlib import Path

import data_samples
import kept_pictures
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecnn import data
from edgecnn.data._left_out import without_left_out
from edgecnn.data.folder import listed
from edgecnn.errors import DataError
from edgecnn.records import leave_out, plans
from edgecnn.records.leave_out import LeaveOutLine
from edgecnn.records.recipe import DataPlan

NAMES = st.binary(min_size=1, max_size=30).filter(lambda name: b"\0" not in name).map(os.fsdecode)


def entry(file: str, action: str) -> LeaveOutLine:
    return LeaveOutLine(file=file, finding="labels", action=action, label="cat", detail="cat, like dog")


@given(st.dictionaries(NAMES, st.sampled_from(["leave out", "look"]), max_size=8))
def test_the_pictures_to_leave_out_are_read_as_they_were_written(
    tmp_path_factory: pytest.TempPathFactory, actions: dict[str, str]
) -> None:
    path = tmp_path_factory.mktemp("list") / "list.csv"
    leave_out.write(path, [entry(file, action) for file, action in actions.items()])
    assert leave_out.is_list(path)
    assert leave_out.read(path) == {file for file, action in actions.items() if action == "leave out"}


@pytest.mark.parametrize("content", [b"", b"path,label\na,b\n", b"\0\0", b'file,action\n"a'])
def test_what_is_no_list_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "list.csv").write_bytes(content)
    with pytest.raises(DataError, match="is no list of pictures to leave out"):
        leave_out.read(tmp_path / "list.csv")


def test_a_list_that_is_not_there_is_refused_with_the_nearest(tmp_path: Path) -> None:
    (tmp_path / "list.csv").touch()
    with pytest.raises(DataError) as refused:
        leave_out.read(tmp_path / "lists.csv")
    assert refused.value.hint == f"did you mean {tmp_path / 'list.csv'}?"


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    for name in ("cat", "dog"):
        (tmp_path / "pictures" / name).mkdir(parents=True)
        for index in range(3):
            data_samples.picture(index).save(tmp_path / "pictures" / name / f"{index}.png")
    return tmp_path / "pictures"


def test_a_list_of_another_folder_is_refused(tmp_path: Path, pictures: Path) -> None:
    leave_out.write(tmp_path / "list.csv", [entry("emu/0.png", "leave out")])
    with pytest.raises(DataError, match=r"None of the 1 pictures .* such as emu/0\.png"):
        without_left_out(listed(pictures), pictures, str(tmp_path / "list.csv"))


def test_a_list_that_leaves_none_of_a_class_is_refused(tmp_path: Path, pictures: Path) -> None:
    leave_out.write(tmp_path / "list.csv", [entry(f"cat/{index}.png", "leave out") for index in range(3)])
    with pytest.raises(DataError, match="leaves out all pictures of class 'cat'"):
        without_left_out(listed(pictures), pictures, str(tmp_path / "list.csv"))


def test_what_the_list_names_and_the_folder_lacks_is_said(
    tmp_path: Path, pictures: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    leave_out.write(tmp_path / "list.csv", [entry("cat/0.png", "leave out"), entry("cat/9.png", "leave out")])
    kept = without_left_out(listed(pictures), pictures, str(tmp_path / "list.csv"))
    assert kept.names == ("1.png", "2.png", "0.png", "1.png", "2.png")
    words = capsys.readouterr().err
    assert "left out 1 of 6 pictures" in words
    assert "1 pictures that" in words


@pytest.mark.parametrize("way", kept_pictures.WAYS)
def test_a_picture_is_left_out_however_it_is_kept(tmp_path: Path, way: str) -> None:
    place = kept_pictures.WAYS[way](tmp_path / "pictures", kept_pictures.files(3))
    plan = plans.data_plan(str(place))
    own = data.listed(plan)
    name = leave_out.name(own.pictures[0], place)
    assert not name.startswith("/")
    leave_out.write(tmp_path / "list.csv", [entry(name, "leave out")])
    options = {**plan.options, "leave_out": str(tmp_path / "list.csv")}
    assert data.listed(DataPlan(name=plan.name, options=options)).pictures == own.pictures[1:]
