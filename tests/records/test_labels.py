import unicodedata
from pathlib import Path

import pytest

from edgecnn.errors import DataError
from edgecnn.records import labels

NFD = unicodedata.normalize("NFD", "Äpfel")


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("red\ngreen\nblue\n", ("red", "green", "blue")),
        ("0 red\n1 green\n2 blue", ("red", "green", "blue")),
        ("1: red\r\n0: dark green\r\n\r\n", ("dark green", "red")),
        ("1 red\n2 green\n", ("red", "green")),
        ("\ufeff0,red\n1,green\n", ("red", "green")),
        ("7 up\ncola\n", ("7 up", "cola")),
        ("0\n1\n2\n", ("0", "1", "2")),
        (f"{NFD}\nBirne\n", ("Äpfel", "Birne")),
        ("", ()),
    ],
)
def test_a_label_file_is_plain_or_numbered_lines(text: str, names: tuple[str, ...]) -> None:
    assert labels.parse(text) == names


def test_a_label_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "labels.txt").write_bytes(b"\xff\xfe\x00r")
    with pytest.raises(DataError, match=r"Cannot read the class names in .*labels\.txt"):
        labels.read(tmp_path / "labels.txt")


@pytest.mark.parametrize(
    ("names", "known", "places"),
    [
        (("blue", "green", "red"), ("red", "green", "blue"), [2, 1, 0]),
        (("T-shirt_top", "Bag"), ("Bag", "T-shirt/top"), [1, 0]),
        ((NFD, "Birne"), ("Birne", "Äpfel"), [1, 0]),
        (("C", "C++"), ("C++", "C"), [1, 0]),
        (("dog",), ("cat", "dog"), [1]),
    ],
)
def test_names_are_found_as_they_are_written_or_as_folders_have_them(
    names: tuple[str, ...], known: tuple[str, ...], places: list[int]
) -> None:
    assert labels.places(names, known, "pictures", "model") == places


@pytest.mark.parametrize(
    ("names", "known", "problem"),
    [
        (("cat", "bird"), ("cat", "dog"), "model knows no class 'bird': pictures has cat, bird; model has cat, dog"),
        (("crane", "gull"), ("crane", "gull", "crane"), "'crane' could be two classes"),
        (("a b", "a_b"), ("a-b", "c"), "'a_b' could be two classes"),
    ],
)
def test_names_that_are_not_known_or_not_clear_are_refused_with_both_lists(
    names: tuple[str, ...], known: tuple[str, ...], problem: str
) -> None:
    with pytest.raises(DataError, match=problem.replace("+", r"\+")):
        labels.places(names, known, "pictures", "model")


def test_of_the_label_files_beside_a_model_its_own_comes_first(tmp_path: Path) -> None:
    model = tmp_path / "net.tflite"
    assert labels.files_beside(model) == []
    (tmp_path / "labels_other.txt").write_text("x")
    assert [path.name for path in labels.files_beside(model)] == ["labels_other.txt"]
    (tmp_path / "more_labels.txt").write_text("x")
    assert labels.files_beside(model) == []
    for name in ("labels.txt", "labels_net.txt"):
        (tmp_path / name).write_text("x")
    assert [path.name for path in labels.files_beside(model)] == ["labels_net.txt", "labels.txt"]
