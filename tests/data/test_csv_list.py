"""A list of pictures: what it may say, and what it says wrong, by the line."""

import contextlib
import csv
import os
from pathlib import Path

import kept_pictures
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecnn.common import escapes
from edgecnn.data import csv_list
from edgecnn.data._listed import Listed
from edgecnn.errors import DataError
from edgecnn.records.labels import composed

LINES = "cat/000.png,cat\ncat/001.png,cat\ndog/000.png,dog\ndog/001.png,dog\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with two pictures of each class."""
    return kept_pictures.as_folder(tmp_path, kept_pictures.files(2))


def read(root: Path, text: str | bytes, **options: str) -> Listed:
    table = root / "list.csv"
    table.write_bytes(text.encode() if isinstance(text, str) else text)
    return csv_list.listed(table, **options)


def refused(root: Path, text: str | bytes, **options: str) -> DataError:
    with pytest.raises(DataError) as caught:
        read(root, text, **options)
    assert "\n" not in caught.value.sentence
    return caught.value


def shown(own: Listed) -> list[tuple[str, str, str]]:
    return [
        (name, own.classes[label], str(role))
        for name, label, role in zip(own.names, own.labels, own.roles, strict=True)
    ]


# --- what it may say


@pytest.mark.parametrize(
    "header", ["", "path,label\n", "PATH,Label\r\n", " file_name , class\n", '"filename","label"\n']
)
def test_a_header_names_the_columns_and_without_one_they_are_path_and_label(root: Path, header: str) -> None:
    assert shown(read(root, header + LINES)) == [
        ("cat/000.png", "cat", "train"),
        ("cat/001.png", "cat", "train"),
        ("dog/000.png", "dog", "train"),
        ("dog/001.png", "dog", "train"),
    ]


def test_which_columns_are_read_is_said(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    read(root, LINES)
    assert f"{root}/list.csv has no header: its columns are path, label\n" in capsys.readouterr().err
    read(
        root,
        "width,label,path\n" + "".join(f"12,{line.split(',')[1]},{line.split(',')[0]}\n" for line in LINES.split()),
    )
    assert f"{root}/list.csv: its columns path, label are read, not width\n" in capsys.readouterr().err


def test_another_column_may_hold_the_classes(root: Path) -> None:
    text = "path,species\n" + LINES
    assert read(root, text, label="species").classes == ("cat", "dog")
    error = refused(root, text)
    assert error.sentence == f"{root}/list.csv has no column label or class: path, species."
    assert error.hint == "name it: -s data.label=COLUMN"


@pytest.mark.parametrize(
    "text",
    ["\ufeffpath,label\n" + LINES, "path,label\n" + LINES.replace("\n", "\r\n"), "path,label\n\n" + LINES + "\n\n"],
)
def test_marks_of_windows_and_empty_lines_do_not_count(root: Path, text: str) -> None:
    assert len(read(root, text).pictures) == 4


def test_cells_may_be_quoted(root: Path) -> None:
    (root / 'a "b", c.png').write_bytes(kept_pictures.png(77))
    own = read(root, 'path,label\n"a ""b"", c.png","dog, small"\n' + LINES)
    assert own.classes == ("cat", "dog", "dog, small")
    assert own.names[-1] == 'a "b", c.png'


def test_the_words_for_splits_are_those_of_folders(root: Path) -> None:
    words = ["Train", "VAL", "training", "valid"]
    lines = [f"{line},{word}" for line, word in zip(LINES.split(), words, strict=True)]
    own = read(root, "\n".join(lines))
    assert own.roles.tolist() == ["train", "train", "validation", "validation"]


@settings(deadline=None, max_examples=50)
@given(
    st.dictionaries(
        st.text(min_size=1, max_size=20).filter(
            lambda name: not escapes.has_controls(name) and "/" not in name and name.strip(". ")
        ),
        st.text(min_size=1, max_size=20).filter(
            lambda label: not escapes.has_controls(label) and label.strip() == label
        ),
        min_size=1,
        max_size=8,
    )
)
def test_whatever_the_names_and_classes_are_they_are_read_back(
    tmp_path_factory: pytest.TempPathFactory, labels: dict[str, str]
) -> None:
    root = kept_pictures.as_folder(tmp_path_factory.mktemp("list"), kept_pictures.files(1))
    labels = {f"x{name}"[:40]: label for name, label in labels.items()} | {"cat/000.png": "cat", "dog/000.png": "dog"}
    with (root / "list.csv").open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([["path", "label"], *labels.items()])
    own = csv_list.listed(root / "list.csv")
    assert {name: own.classes[label] for name, label in zip(own.names, own.labels, strict=True)} == {
        name: composed(label) for name, label in labels.items()
    }


@settings(deadline=None, max_examples=200)
@given(st.binary(max_size=200) | st.text(alphabet='path,label\n\r"/.0123 catdog;\t\0', max_size=200).map(str.encode))
def test_any_bytes_are_a_list_or_one_sentence(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    root = tmp_path_factory.getbasetemp() / "any"
    root.mkdir(exist_ok=True)
    with contextlib.suppress(DataError):
        read(root, content)


# --- what is refused, with its line


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("dog/000.png", "line 6 has 1 cells, the first one 2."),
        ("dog/000.png,dog,more", "line 6 has 3 cells, the first one 2."),
        ("dog/000.png,", "line 6: the picture has no label."),
        ("dog/000.png,  ", "line 6: the picture has no label."),
        (",dog", "line 6: the file name is empty."),
        ("dog/000.png,cat", "line 6: dog/000.png is 'cat', and 'dog' in line 4."),
        ("/etc/passwd,cat", "line 6: /etc/passwd leads out of {root}."),
        ("../cat.png,cat", "line 6: ../cat.png leads out of {root}."),
        ("cat/../../cat.png,cat", "line 6: cat/../../cat.png leads out of {root}."),
        ("cat/\x1b[2J.png,cat", "line 6: the file name holds control characters."),
        ('"dog/000.png,dog', "line 6: it is not CSV (unexpected end of data)."),
        ('"dog"/000.png,dog', "line 6: it is not CSV (',' expected after '\"')."),
    ],
)
def test_a_line_that_is_wrong_is_named(root: Path, line: str, sentence: str) -> None:
    error = refused(root, f"path,label\n{LINES}{line}\n")
    assert error.sentence == f"{root}/list.csv, {sentence.format(root=root)}".replace(
        "csv, line 6 has", "csv, line 6 has"
    )


def test_a_split_that_is_none_and_a_picture_without_one(root: Path) -> None:
    text = "path,label,split\ncat/000.png,cat,train\ncat/001.png,cat,{}\ndog/000.png,dog,train\ndog/001.png,dog,train\n"
    error = refused(root, text.format("blue"))
    assert error.sentence == f"{root}/list.csv, line 3: 'blue' is no split."
    assert error.hint == "train, validation or test"
    assert refused(root, text.format("")).sentence == (
        f"{root}/list.csv puts some pictures into a split (train) and {root}/cat/001.png into none, with 0 more."
    )


def test_a_picture_in_two_splits(root: Path) -> None:
    text = "path,label,split\ncat/000.png,cat,train\n./cat/000.png,cat,test\n"
    assert refused(root, text).sentence == (
        f"{root}/list.csv, line 3: ./cat/000.png is 'cat' test, and 'cat' train in line 2."
    )


def test_a_picture_that_is_named_twice_counts_once(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own = read(root, "path,label\n" + LINES + LINES)
    assert len(own.pictures) == 4
    assert f"4 lines of {root}/list.csv name a picture that an earlier one names" in capsys.readouterr().err


@pytest.mark.parametrize(
    "first", ["picture,kind", "none.png,cat", "cat/000.png;cat", "cat/000.png\tcat", "cat/000.png"]
)
def test_a_first_line_that_is_no_header_and_no_picture_is_not_guessed_at(root: Path, first: str) -> None:
    error = refused(root, f"{first}\n")
    assert error.sentence.startswith(f"The first line of {root}/list.csv is no header and no picture that is there: ")
    assert error.hint == csv_list.HINT


def test_two_columns_of_a_kind(root: Path) -> None:
    error = refused(root, "path,file_name,label\n")
    assert error.sentence == f"{root}/list.csv has 2 columns of file names: path, file_name."


@pytest.mark.parametrize("content", [b"", b"\n\n"])
def test_an_empty_list(root: Path, content: bytes) -> None:
    assert refused(root, content).sentence == f"{root}/list.csv is empty."


def test_a_header_alone(root: Path) -> None:
    assert refused(root, "path,label\n").sentence == f"{root}/list.csv names no pictures."


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16"])
def test_text_that_is_not_utf8(root: Path, encoding: str) -> None:
    error = refused(root, ("path,label\n" + LINES.replace("cat/", "kätzchen/")).encode(encoding))
    assert error.sentence == f"Cannot read {root}/list.csv: it is no UTF-8 text."


def test_pictures_that_are_all_somewhere_else(root: Path) -> None:
    error = refused(root, "path,label\nphotos/cat/000.png,cat\n")
    assert (
        error.sentence
        == f"None of the 1 pictures that {root}/list.csv names is there, {root}/photos/cat/000.png first."
    )
    assert error.hint == f"file names are read from the folder of the table, {root}"
    assert refused(root, "path,label\ncat\\000.png,cat\n").hint == "write / between folders"


def test_a_picture_that_is_missing_is_one_that_cannot_be_read(root: Path) -> None:
    (root / "list.csv").write_text("path,label\n" + LINES + "cat/none.png,cat\n")
    with pytest.raises(DataError, match=r"Cannot read .*/cat/none\.png: No such file or directory\.") as caught:
        csv_list.load(str(root / "list.csv"), size=12)
    assert "skip_broken" in str(caught.value.hint)


def test_a_name_that_no_file_can_have_is_not_there(root: Path) -> None:
    assert refused(root, f"{'x' * 300},cat\n").sentence.startswith(f"The first line of {root}/list.csv is no header")
    assert refused(root, f"path,label\n{'x' * 300},cat\n").sentence.startswith("None of the 1 pictures")
    (root / "list.csv").write_text(f"path,label\n{LINES}{'x' * 300}.png,cat\n")
    with pytest.raises(DataError, match="File name too long"):
        csv_list.load(str(root / "list.csv"), size=12)


def test_a_pipe_is_no_list(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "list.csv")
    with pytest.raises(DataError, match=r"list\.csv is no file\."):
        csv_list.listed(tmp_path / "list.csv")
