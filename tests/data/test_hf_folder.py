"""A folder of pictures with tables that name them, as Hugging Face `datasets` reads it."""

import json
from pathlib import Path
from typing import Any

import kept_pictures
import pytest

from edgecnn.data import hf_folder
from edgecnn.errors import DataError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return kept_pictures.as_folder(tmp_path, kept_pictures.files(2))


def write(root: Path, rows: list[dict[str, Any]], name: str = "metadata.jsonl") -> None:
    (root / name).write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


ROWS = [
    {"file_name": f"{folder}/{name}.png", "label": label, "caption": "a, b"}
    for folder, label in (("cat", 3), ("dog", 10))
    for name in ("000", "001")
]


def test_numbers_are_classes_by_their_digits(root: Path) -> None:
    write(root, ROWS)
    own = hf_folder.listed(root)
    assert own.classes == ("10", "3")
    assert [own.classes[label] for label in own.labels] == ["10", "10", "3", "3"]


def test_a_csv_file_is_read_alike(root: Path) -> None:
    lines = [f'{row["file_name"]},"{row["caption"]}",{row["label"]}' for row in ROWS]
    (root / "metadata.csv").write_text("\n".join(["file_name,caption,label", *lines]))
    own = hf_folder.listed(root)
    assert (own.classes, own.names[0]) == (("10", "3"), "dog/000.png")


def test_another_column_may_hold_the_classes(root: Path) -> None:
    write(root, [{"file_name": row["file_name"], "species": "x" if row["label"] == 3 else "y"} for row in ROWS])
    assert hf_folder.listed(root, label="species").classes == ("x", "y")
    with pytest.raises(DataError, match=r"line 1: there is no 'label' among file_name, species\.") as caught:
        hf_folder.listed(root)
    assert "-s data.label=COLUMN" in str(caught.value.hint)
    assert f"--data folder:{root}" in str(caught.value.hint)


def test_a_split_is_the_folder_that_a_picture_lies_in(tmp_path: Path) -> None:
    kept_pictures.as_folder(tmp_path, kept_pictures.files(1, ("train", "validation", "test")))
    rows = [
        {"file_name": str(path.relative_to(tmp_path)), "label": path.parent.name}
        for path in sorted(tmp_path.rglob("*.png"))
    ]
    write(tmp_path, rows)
    own = hf_folder.listed(tmp_path)
    assert own.roles.tolist() == ["train", "train", "validation", "validation", "test", "test"]


def test_pictures_that_no_table_names_are_counted(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kept_pictures.as_folder(root, {"bird/000.png": kept_pictures.png(9)})
    write(root, ROWS)
    hf_folder.listed(root)
    assert f"left out 1 pictures of {root} that no table names, {root}/bird/000.png first" in capsys.readouterr().err


def test_a_picture_that_two_tables_name_is_refused(root: Path) -> None:
    write(root, ROWS)
    lines = [f"{row['file_name']},{row['label']}" for row in ROWS]
    (root / "metadata.csv").write_text("\n".join(["file_name,label", *lines]))
    with pytest.raises(DataError, match=r"4 pictures of .* are named by two tables"):
        hf_folder.listed(root)


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        ({"file_name": "cat/000.png"}, "line 5: there is no 'label' among file_name."),
        ({"label": 1}, "line 5: there is no 'file_name' among label."),
        ({"file_name": "cat/000.png", "label": None}, "line 5: the picture has no label."),
        ({"file_name": "cat/000.png", "label": 1.5}, "line 5: the label is neither a text nor a whole number."),
        ({"file_name": "cat/000.png", "label": True}, "line 5: the label is neither a text nor a whole number."),
        ({"file_name": "cat/000.png", "label": ["a"]}, "line 5: the label is neither a text nor a whole number."),
        ({"file_name": "../x.png", "label": 1}, "line 5: ../x.png leads out of {root}."),
        ({"file_name": "/x.png", "label": 1}, "line 5: /x.png leads out of {root}."),
    ],
)
def test_a_line_that_is_wrong_is_named(root: Path, row: dict[str, Any], sentence: str) -> None:
    write(root, [*ROWS, row])
    with pytest.raises(DataError) as caught:
        hf_folder.listed(root)
    assert caught.value.sentence == f"{root}/metadata.jsonl, {sentence.format(root=root)}"


def test_a_line_that_is_no_object(root: Path) -> None:
    (root / "metadata.jsonl").write_text('{"file_name": "cat/000.png", "label": 1}\n[1]\n')
    with pytest.raises(DataError, match=r"metadata\.jsonl, line 2: it is a list, not a table\."):
        hf_folder.listed(root)


def test_a_folder_without_a_table(root: Path) -> None:
    with pytest.raises(DataError, match=r"has no metadata\.csv or metadata\.jsonl\."):
        hf_folder.listed(root)
