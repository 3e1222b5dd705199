"""Text of strangers where it goes: a terminal, Markdown, a page, a picture; and what may be a name at all."""

from __future__ import annotations

import re
import warnings
from pathlib import Path

import page_samples
import pytest

import edgecnn
from edgecnn.common import console, escapes, plotting
from edgecnn.errors import DataError, UsageError
from edgecnn.pipeline.train import curves
from edgecnn.pipeline.train.checkpoint import Epoch
from edgecnn.records import labels, names
from edgecnn.studies.page import build

PACKAGE = Path(edgecnn.__file__).parent
REAL = (
    "dscnn-digits",
    "Äpfel & Birnen",
    "猫と犬",
    "кошки",
    "قطط",
    "🐱 (v2)",
    "👩‍🚀",
    "it's 5$^$",
    "a.b,c;d",
    "#1",
    "~x",
)


@pytest.mark.parametrize("name", REAL)
def test_names_of_the_real_world_are_names(name: str) -> None:
    names.require(name, "--name")
    labels.require_plain([name], "a folder")
    assert escapes.text(name) == escapes.line(name) == name


@pytest.mark.parametrize(
    "name",
    ["", " ", ".", "..", "../../x", "a/b", "a\\b", "/etc/x", "-rf", "--name", "a\nb", "a\x1b[2J", "\x00", "a\u202eb",
     "a\u2028b", "\x9b31m", "a\udcffb", "x" * 161, "ä" * 81],
)  # fmt: skip
def test_a_name_that_is_none_of_a_file_is_refused_in_plain_words(name: str) -> None:
    with pytest.raises(UsageError) as caught:
        names.require(name, "--name")
    assert not escapes.has_controls(caught.value.sentence)


@pytest.mark.parametrize("name", ["a:b", "CON", "nul.txt", "what?", "dot.", "a|b"])
def test_a_name_that_another_system_refuses_is_said(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    names.require(name, "--name")
    assert "FAT" in capsys.readouterr().err


@pytest.mark.parametrize("label", ["a\nb", "\x1b[31mred", "\u202eevil", "bell\x07"])
def test_a_class_nobody_could_write_down_is_refused_by_name(label: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="control characters") as caught:
        labels.require_plain(["cat", label], "the folder")
    assert not escapes.has_controls(caught.value.sentence)


def test_a_label_file_with_escape_codes_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "labels.txt"
    path.write_text("cat\n\x1b[31mdog\n")
    with pytest.raises(DataError, match="control characters"):
        labels.read(path)
    assert labels.parse("9" * 5000 + " x\n") == ("9" * 5000 + " x",)


def test_a_terminal_is_shown_what_it_would_obey(capsys: pytest.CaptureFixture[str]) -> None:
    hostile = "\x1b]0;pwned\x07 \u202e \x9b \r"
    escapes.say(hostile)
    console.warn(hostile)
    console.error(hostile, hostile)
    console.note(hostile)
    console.table((hostile,), [(f"{hostile}\nx",)])
    out, err = capsys.readouterr()
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", out + err)
    assert len(out.splitlines()) == 4, "a cell stays in its row"


def test_markdown_takes_it_letter_by_letter() -> None:
    assert escapes.markdown("a|b") == "a\\|b"
    assert escapes.markdown("<script>") == "\\<script>"
    assert escapes.markdown("[x](http://y)") == "[x]\\(http://y)"
    assert escapes.markdown("a\n# b") == r"a\\n# b"
    assert escapes.markdown("92.25 [91.0, 93.1] (n 400)") == "92.25 [91.0, 93.1] (n 400)"


@pytest.mark.parametrize("title", ["price 5$^$", "$\\frac{$", "a\x1b[2Jb", *REAL])
def test_any_title_can_be_drawn(title: str, tmp_path: Path) -> None:
    history = [Epoch(number, 0.1, 0.5 / number, 50.0, 0.6, 60.0, 1.0, 10.0) for number in (1, 2)]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        curves.draw(history, title, tmp_path / "curves.png")
    assert (tmp_path / "curves.png").stat().st_size > 1000


def test_powers_of_ten_are_still_set_as_such() -> None:
    figure, axes = plotting.panels(1)
    axes.set_yscale("log")
    axes.plot([1, 2], [0.1, 100])
    axes.set_title("$^$")
    plotting.take_literally(figure)
    assert axes.title.get_parse_math() is False
    assert all(label.get_parse_math() for label in axes.get_yticklabels())


def test_pictures_are_written_and_text_is_printed_in_one_place_each() -> None:
    alone = {
        "agent.py",
        "releases.py",
        "counters.py",
        "installation.py",
        "board_facts.py",
        "board_cache.py",
        "archive.py",
        "_parquet_child.py",  # one line of JSON, for the process that started it
    }
    own = {"escapes.py", "tflite_micro.py", "__init__.py"}
    for path in sorted(PACKAGE.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        if "savefig(" in text:
            assert "take_literally(figure)" in text, path
        if path.name not in alone | own:
            assert not re.search(r"(?<![.\w])print\(", text), f"{path}: escapes.say shows a terminal what it may see"


def test_a_page_of_a_run_folder_of_any_name_has_no_control_characters(tmp_path: Path) -> None:
    run = page_samples.run(tmp_path / "a\x1b[2J\u202eb")
    page = build.build([run], tmp_path / "page.html").read_text(encoding="utf-8")
    assert escapes.text(page) == page
    assert "\\x1b[2J" in page
