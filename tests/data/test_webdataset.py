"""WebDataset shards: how members become samples, and samples pictures with a class."""

import json
from pathlib import Path

import kept_pictures
import pytest

from edgecnn.data import webdataset
from edgecnn.errors import DataError

PNG = [kept_pictures.png(seed) for seed in range(4)]


def shard(root: Path, members: dict[str, bytes], name: str = "x-000000.tar") -> Path:
    return kept_pictures.write_tar(root / name, members)


def refused(path: Path) -> DataError:
    with pytest.raises(DataError) as caught:
        webdataset.listed(path)
    return caught.value


TWO = {"0.png": PNG[0], "0.cls": b"0", "1.png": PNG[1], "1.cls": b"1"}


def test_numbers_without_names_are_the_names(tmp_path: Path) -> None:
    own = webdataset.listed(shard(tmp_path, {**TWO, "2.png": PNG[2], "2.cls": b"10\n"}))
    assert own.classes == ("0", "1", "10")


def test_numbers_are_named_by_the_file_beside_the_shards(tmp_path: Path) -> None:
    (tmp_path / "classnames.txt").write_text("wolf\ndog\n")
    path = shard(tmp_path, TWO)
    assert webdataset.listed(path).classes == webdataset.listed(tmp_path).classes == ("dog", "wolf")
    (tmp_path / "classnames.txt").write_text("wolf\n")
    assert refused(path).sentence == f"{path}:1.cls is of class 1, and classnames.txt has 1 names."


def test_classes_may_stand_in_json_or_in_text(tmp_path: Path) -> None:
    notes = [json.dumps({"label": label, "width": 3}).encode() for label in ("cat", 7)]
    members = {"0.png": PNG[0], "0.json": notes[0], "1.png": PNG[1], "1.json": notes[1]}
    assert webdataset.listed(shard(tmp_path / "json", members)).classes == ("7", "cat")
    texts = {"0.png": PNG[0], "0.txt": "Kätzchen\n".encode(), "1.png": PNG[1], "1.txt": b"dog"}
    assert webdataset.listed(shard(tmp_path / "txt", texts)).classes == ("Kätzchen", "dog")


def test_the_likeliest_label_is_read_and_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    members = {
        "0.txt": b"a cat on a mat",
        "0.png": PNG[0],
        "0.cls": b"0",
        "1.cls": b"1",
        "1.txt": b"x",
        "1.png": PNG[1],
    }
    path = shard(tmp_path, members)
    assert webdataset.listed(path).classes == ("0", "1")
    assert f"{path}: 2 pictures of 1 shard, their classes in .cls\n" in capsys.readouterr().err


def test_a_key_ends_at_the_first_dot_and_has_its_folder(tmp_path: Path) -> None:
    members = {"a/0.v1.png": PNG[0], "a/0.cls": b"0", "b/0.v1.PNG": PNG[1], "b/0.cls": b"1"}
    own = webdataset.listed(shard(tmp_path, members))
    assert own.names == ("a/0.v1.png", "b/0.v1.PNG")
    assert [str(picture) for picture in own.pictures] == [f"{tmp_path}/x-000000.tar:{name}" for name in own.names]


def test_what_is_neither_picture_nor_label_is_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    more = {"2.npy": b"x", "2.cls": b"0", "3.cls": b"1", "README": b"x", ".hidden.png": b"x", "__meta__.json": b"{}"}
    webdataset.listed(shard(tmp_path, {**TWO, **more}))
    said = capsys.readouterr().err
    assert "left out 1 .npy (save each picture as PNG)" in said
    assert "2 hidden" in said
    assert "2 label without a picture" in said
    assert "1 without a suffix" in said


@pytest.mark.parametrize(
    ("members", "sentence"),
    [
        ({"0.png": PNG[0]}, ":0 has no class: there is no 0.cls, .json or .txt."),
        ({**TWO, "2.png": PNG[2], "2.txt": b"cat"}, ":2 has no .cls, as the first one has."),
        ({**TWO, "2.cls": b"1", "2.a.png": PNG[2], "2.b.png": PNG[3]}, ":2 has 2 pictures: 2.a.png and 2.b.png."),
        ({**TWO, "2.png": PNG[2], "2.cls": b"cat"}, ":2.cls holds 'cat', and no number of a class."),
        ({**TWO, "2.png": PNG[2], "2.cls": b"-1"}, ":2.cls holds '-1', and no number of a class."),
        ({**TWO, "2.png": PNG[2], "2.cls": b" "}, ":2.cls names no class."),
        ({**TWO, "2.png": PNG[2], "2.cls": b"1" * 99}, ":2.cls has 99 bytes, more than the 64 of a label."),
        ({"0.png": PNG[0], "0.txt": b"one\ntwo"}, ":0.txt names no class."),
        ({"0.png": PNG[0], "0.txt": b"\xff"}, ":0.txt is no label: "),
        ({"0.png": PNG[0], "0.json": b'{"caption": 1}'}, ":0.json names no class."),
        ({"0.png": PNG[0], "0.json": b'{"label": [1]}'}, ":0.json names no class."),
        ({"0.png": PNG[0], "0.json": b"{"}, ":0.json is no label: "),
        ({"0.png": PNG[0], "1.png": PNG[1], "0.cls": b"0"}, ":0 has no class: "),
    ],
)
def test_a_sample_without_a_plain_class_is_named(tmp_path: Path, members: dict[str, bytes], sentence: str) -> None:
    path = shard(tmp_path, members)
    assert refused(path).sentence.startswith(f"{path}{sentence}")


def test_the_files_of_a_key_stand_together(tmp_path: Path) -> None:
    path = shard(tmp_path, {"0.png": PNG[0], "0.cls": b"0", "1.png": PNG[1], "1.cls": b"1", "0.txt": b"x"})
    assert refused(path).sentence == f"{path}: the files of 0 do not stand together."


def test_a_shard_whose_name_has_two_splits(tmp_path: Path) -> None:
    path = shard(tmp_path, TWO, "train-test-000000.tar")
    assert "has the words of two splits: test, train" in refused(path).sentence


def test_a_folder_without_shards(tmp_path: Path) -> None:
    assert refused(tmp_path).sentence == f"{tmp_path} holds no .tar shards."


def test_a_shard_that_shrinks_after_it_was_listed_has_broken_pictures(tmp_path: Path) -> None:
    path = shard(tmp_path, TWO)
    own = webdataset.listed(path)
    path.write_bytes(path.read_bytes()[:600])
    with pytest.raises(DataError, match=rf"Cannot read {path}:0\.png: {path} ends before it does\."):
        own.pictures[0].read()
