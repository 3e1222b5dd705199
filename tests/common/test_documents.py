"""Documents that are damaged, of another shape, or endless: one sentence each; what is written is JSON."""

from __future__ import annotations

import io
import json
import math
import os
import re
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import small_bundles

import edgecnn
from edgecnn.common import arrays, config, documents
from edgecnn.common.documents import Missing, Unreadable
from edgecnn.errors import ModelFileError, OutputError, PlanError, RunError, UsageError
from edgecnn.onboard import golden
from edgecnn.onboard.runner import contents
from edgecnn.records import artifact, history, report
from edgecnn.records.plans import Suite
from edgecnn.records.run import open_run

PACKAGE = Path(edgecnn.__file__).parent
ALONE = {
    "agent.py",
    "releases.py",
    "counters.py",
    "onboard/json_files.py",
    "onboard/signatures.py",
    "onboard/soak.py",
    "onboard/state.py",
    "checks/doctor/installation.py",
    "data/coco.py",
}
"""Programs that run on a board or in a child by themselves, with nothing of the package; and what reads COCO's
annotations, which are larger than any document."""


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"a": NaN}', "NaN for a number"),
        ("[-Infinity]", "-Infinity for a number"),
        ("[1e999]", "too large"),
        ("[99999999999999999999]", "too large"),
        ("9" * 5000, "too large"),
        ('{"a": 1, "a": 2}', "the key 'a' twice"),
        ("[" * 100_000, "nested deeper than 64"),
        ('{"a":' * 65 + "1" + "}" * 65, "nested deeper than 64"),
        ('{"a": 1', "not JSON"),
        ("", "not JSON"),
        (b'{"a": "\xff"}', "no UTF-8 text"),
    ],
)
def test_what_is_no_document_is_told_in_a_few_words(text: str | bytes, reason: str) -> None:
    with pytest.raises(Unreadable, match=reason):
        documents.parse(text)


def test_a_document_of_another_shape_is_named() -> None:
    for text, name in (("[1]", "a list"), ("3", "a number"), ("null", "null"), ('"a"', "a text")):
        with pytest.raises(Unreadable, match=f"it is {name}, not a table"):
            documents.table(text)


def test_text_is_read_with_its_control_characters_made_visible() -> None:
    assert documents.parse('"\\u001b[2J \\u202e \\ud800 \\u2603\\n"') == "\\x1b[2J \\u202e \\ud800 ☃\n"
    assert documents.parse('{"\\u0007": 1}') == {"\\x07": 1}


def test_a_byte_order_mark_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(b'\xef\xbb\xbf{"a": 1}')
    assert documents.table(path) == {"a": 1}


def test_only_a_regular_file_is_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "zero").symlink_to("/dev/zero")
    for name in ("pipe", "zero", "."):
        with pytest.raises(Unreadable, match=r"no regular file|cannot be read"):
            documents.read(tmp_path / name)
    with pytest.raises(Missing):
        documents.read(tmp_path / "none")


def test_a_file_is_read_up_to_its_bound(tmp_path: Path) -> None:
    path = tmp_path / "large.json"
    with path.open("wb") as stream:
        stream.truncate(documents.LARGEST_JSON + 1)
    with pytest.raises(Unreadable, match="more than"):
        documents.read(path)


def test_what_is_written_is_json() -> None:
    value = {"a": [math.nan, math.inf, 1.5], "b": "\x7f\x1b ☃"}
    for text in (documents.to_json(value), documents.to_json(value, None), documents.to_json(value, letters=True)):
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f]|NaN|Infinity", text)
        assert json.loads(text) == {"a": [None, None, 1.5], "b": "\x7f\x1b ☃"}


def test_a_number_that_is_none_is_not_written_down(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"a\.1\.drop is not finite"):
        documents.to_file({"a": [1, {"drop": math.nan}]}, tmp_path / "a.json")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a = " + "[" * 5000, "nested deeper"),
        ("a." * 3000 + "b = 1", "nested deeper"),
        ("a." * 100_000 + "b = 1", "more than"),
        ("rounds = 9223372036854775808", "9223372036854775808"),
        ("min_secs = nan", "nan"),
        ("min_secs = " + "9" * 5000, "not valid TOML"),
        ("rounds = true", "rounds should be of type int, not True"),
        ("rounds = [1]", r"rounds should be of type int, not \[1\]"),
        ("min_secs = true", "min_secs should be of type float"),
        ("input = {}", "input should be of type str"),
        ("runtime = 3", "runtime should be a list"),
        ("x" * 1000 + " = 3", "unknown key"),
        ("a = 1\n" * 200_000, "more than"),
    ],
)
def test_a_plan_of_any_wrong_shape_is_one_short_sentence(text: str, sentence: str, tmp_path: Path) -> None:
    path = tmp_path / "suite.toml"
    path.write_text(text)
    with pytest.raises(PlanError, match=sentence) as caught:
        config.build(Suite, config.read(path), path.name)
    assert len(caught.value.sentence) < 400


def test_a_table_is_wanted_where_one_stands() -> None:
    values: tuple[Any, ...] = ([], "text", None, 3)
    for value in values:
        with pytest.raises(PlanError, match="should be a table"):
            config.build(Suite, value, "suite")


WRONG: tuple[Any, ...] = ([], [1], "text", 3, None, {"a": [[[[1]]]]}, {"schema_version": 1, "environment": []})


@pytest.mark.parametrize("value", WRONG, ids=str)
def test_every_reader_says_one_sentence_to_a_document_of_another_shape(value: Any, tmp_path: Path) -> None:
    bundle = small_bundles.unpacked(tmp_path)
    run = small_bundles.run_folder(tmp_path / "run", ("int8",))
    model = run / "artifacts" / "animals-int8.tflite"
    for path, read, error in (
        (run / "run.json", lambda: open_run(run), RunError),
        (artifact.card_path(model), lambda: artifact.read_card(model), ModelFileError),
        (tmp_path / "report.json", lambda: report.read(tmp_path / "report.json"), UsageError),
        (bundle / "manifest.json", lambda: contents.open_bundle(bundle), ModelFileError),
    ):
        path.write_text(json.dumps(value))
        with pytest.raises(error) as caught:
            read()
        assert "\n" not in caught.value.sentence


def test_the_history_of_a_training_is_a_table_of_numbers(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    head = "epoch,train_loss,train_top1_percent,validation_loss,validation_top1_percent\n"
    path.write_text(f"{head}1,0.5,50,0.5,50\n2,0.25,60,0.5,55\n")
    assert history.columns(path)["train_loss"] == (0.5, 0.25)
    for text in (
        f"{head}1\n",
        f"{head}1,nan,1,1,1\n",
        f"{head}1,1e300,1,1,1\n",
        f"{head[:-1]},epoch\n1,1,1,1,1,1\n",
        "epoch\n1\n",
        '"',
        "",
    ):
        path.write_text(text)
        with pytest.raises(RunError, match="not the history of a training"):
            history.columns(path)


def npz(**held: Any) -> bytes:
    stream = io.BytesIO()
    np.savez(stream, **held)
    return stream.getvalue()


def test_arrays_of_numbers_are_read_and_nothing_else() -> None:
    held = arrays.read(npz(a=np.arange(3), b=np.ones((2, 2), np.float32)))
    assert held["a"].tolist() == [0, 1, 2]
    assert held["b"].dtype == np.float32
    assert list(arrays.read(npz(a=np.arange(3), b=np.ones(2)), ["b"])) == ["b"]
    for damaged, reason in (
        (npz(a=np.array(["x"])), "holds no numbers"),
        (npz(a=np.array([{}], dtype=object)), "holds no numbers"),
        (npz(b=np.ones(1)), "holds no 'a'"),
        (npz(a=np.ones(9))[:100], "no whole .npz file"),
        (b"PK\x03\x04", "no whole .npz file"),
        (b"", "no whole .npz file"),
    ):
        with pytest.raises(Unreadable, match=reason):
            arrays.read(damaged, ["a"])


def test_an_archive_that_unpacks_to_far_more_than_it_is_stays_packed() -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("a.npy", "w") as packed:
        for _ in range(arrays.LARGEST_BYTES // (1 << 20) + 1):
            packed.write(bytes(1 << 20))
    with pytest.raises(Unreadable, match="more than"):
        arrays.read(stream.getvalue())


def test_an_array_that_declares_more_than_it_brings_is_not_made_room_for() -> None:
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "|u1", "fortran_order": False, "shape": (1 << 40,)})
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("a.npy", header.getvalue() + b"few")
    with pytest.raises(Unreadable, match="not as large as it says"):
        arrays.read(stream.getvalue())


def test_golden_vectors_have_to_fit_their_model(tmp_path: Path) -> None:
    file = small_bundles.exported(tmp_path)
    images, outputs = golden.read(tmp_path / "golden.npz", file.name, file)
    assert (len(images), images.dtype, len(outputs)) == (32, np.uint8, 32)
    for held, reason in (
        ({"images": images[:, :4], "k": outputs}, "takes"),
        ({"images": images.astype(np.float32), "k": outputs}, "its pictures are float32"),
        ({"images": images[:0], "k": outputs[:0]}, "its pictures are"),
        ({"images": images, "k": outputs[:3]}, "for 32 pictures"),
        ({"images": images, "k": outputs[:, :2]}, "puts out 3 int8 a picture"),
        ({"images": images, "k": outputs.astype(np.float32)}, "its outputs are float32"),
        ({"images": images, "k": np.int8(3)}, "outputs of shape"),
    ):
        with pytest.raises(Unreadable, match=reason):
            golden.read(npz(**held), "k", file)


def test_nothing_else_in_the_package_reads_json_or_arrays() -> None:
    raw = re.compile(r"\bjson\.(loads?|dumps?)\(|\bnp\.load\(|\btomllib\.loads?\(")
    readers = {"documents.py", "arrays.py", "config.py"}
    calls = [
        f"{path.relative_to(PACKAGE)}: {match[0]}"
        for path in sorted(PACKAGE.rglob("*.py"))
        if path.name not in readers and not {path.name, str(path.relative_to(PACKAGE))} & ALONE
        for match in raw.finditer(path.read_text(encoding="utf-8"))
    ]
    assert not calls
