"""Pictures in Parquet files: which columns are read, what is refused, and that no such file harms the process."""

import importlib.util
import io
import json
from pathlib import Path
from typing import Any

import kept_pictures
import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecnn.common.cache import cache_folder
from edgecnn.data import _parquet_child, _unpacked, parquet
from edgecnn.errors import DataError, EdgecnnError, EnvironmentUnfit, MissingPackage, OutputError

PNG = [kept_pictures.png(seed) for seed in range(4)]
NAMED = ("cat", "dog")


@pytest.fixture(autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))


def rows(labels: list[Any], **more: Any) -> list[dict[str, Any]]:
    return [
        {"image": {"bytes": PNG[number], "path": f"{number}.png"}, "label": label, **more}
        for number, label in enumerate(labels)
    ]


def refused(path: Path, **options: str) -> DataError:
    with pytest.raises(DataError) as caught:
        parquet.listed(path, **options)
    assert "\n" not in caught.value.sentence
    return caught.value


def unpacked(path: Path, out: Path, image: str = "", label: str = "") -> dict[str, Any]:
    """Return the answer of the process that reads a file, run here in this one."""
    return _parquet_child.unpack(path, out, image, label)


# --- what is read


def test_bytes_paths_and_named_classes(tmp_path: Path) -> None:
    path = kept_pictures.write_parquet(tmp_path / "x.parquet", rows([1, 0, 1]), NAMED)
    own = parquet.listed(path)
    assert own.classes == NAMED
    assert own.names == ("1.png", "0.png", "2.png")
    assert [str(picture) for picture in own.pictures] == [f"{path}:{row}" for row in (1, 0, 2)]
    assert [picture.read() for picture in own.pictures] == [PNG[1], PNG[0], PNG[2]]


@pytest.mark.parametrize(
    ("kind", "labels", "classes"),
    [
        (pyarrow.int64(), [10, 9], ["10", "9"]),
        (pyarrow.uint8(), [1, 2], ["1", "2"]),
        (pyarrow.string(), ["b", "ä"], ["b", "ä"]),
        (pyarrow.large_string(), ["b", "a"], ["b", "a"]),
        (pyarrow.dictionary(pyarrow.int8(), pyarrow.string()), ["b", "a"], ["b", "a"]),
    ],
)
def test_classes_without_names_are_called_as_they_stand_there(
    tmp_path: Path, kind: pyarrow.DataType, labels: list[Any], classes: list[str]
) -> None:
    path = kept_pictures.write_parquet(tmp_path / "x.parquet", rows(labels), label=kind)
    assert unpacked(path, tmp_path / "out")["labels"] == classes


@pytest.mark.parametrize("kind", [pyarrow.binary(), pyarrow.large_binary()])
def test_pictures_may_be_bytes_alone(tmp_path: Path, kind: pyarrow.DataType) -> None:
    content = [{"image": PNG[number], "label": "x"} for number in range(3)]
    path = kept_pictures.write_parquet(tmp_path / "x.parquet", content, image=kind, label=pyarrow.string())
    answer = unpacked(path, tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == b"".join(PNG[:3])
    assert (answer["sizes"], answer["paths"]) == ([len(png) for png in PNG[:3]], [None] * 3)


def test_other_columns_may_be_named(tmp_path: Path) -> None:
    kinds = {"img": pyarrow.binary(), "fine": pyarrow.string(), "coarse": pyarrow.string()}
    content = [{"img": PNG[number], "fine": f"f{number}", "coarse": f"c{number}"} for number in range(2)]
    path = kept_pictures.write_parquet(tmp_path / "x.parquet", content, **kinds)
    assert parquet.listed(path, image="img", label="coarse").classes == ("c0", "c1")
    error = refused(path, image="img")
    assert error.sentence == f"{path} has no column 'label': img, fine, coarse."
    assert error.hint == "name the column: -s data.label=COLUMN"


def test_the_columns_that_are_declared_are_read_whatever_they_are_called(tmp_path: Path) -> None:
    features = {"img": {"_type": "Image"}, "kind": {"_type": "ClassLabel", "names": ["a", "b"]}}
    schema = pyarrow.schema(
        [("img", pyarrow.binary()), ("kind", pyarrow.int64())],
        metadata={"huggingface": json.dumps({"info": {"features": features}})},
    )
    content = [{"img": PNG[number], "kind": number} for number in range(2)]
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(content, schema=schema), tmp_path / "x.parquet")
    assert parquet.listed(tmp_path / "x.parquet").classes == ("a", "b")


def test_of_several_declared_columns_none_is_guessed(tmp_path: Path) -> None:
    features = {name: {"_type": "ClassLabel", "names": ["a", "b"]} for name in ("fine", "coarse")}
    schema = pyarrow.schema(
        [("image", pyarrow.binary()), ("fine", pyarrow.int64()), ("coarse", pyarrow.int64())],
        metadata={"huggingface": json.dumps({"info": {"features": features}})},
    )
    content = [{"image": PNG[number], "fine": number, "coarse": 0} for number in range(2)]
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(content, schema=schema), tmp_path / "x.parquet")
    path = tmp_path / "x.parquet"
    assert refused(path).sentence == f"{path} has several columns that could be the label: fine, coarse."


def test_which_columns_are_read_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = kept_pictures.write_parquet(tmp_path / "x.parquet", rows([0, 1]), NAMED)
    parquet.listed(path)
    assert capsys.readouterr().err == (
        f"{path}: 2 pictures of 1 Parquet file, by the columns image and label (whose numbers have names); unpacked in"
        f" {cache_folder() / 'unpacked'}\n"
    )


# --- what is refused


@pytest.mark.parametrize(
    ("labels", "named", "kind", "sentence"),
    [
        ([0, None, None], NAMED, pyarrow.int64(), "2 of 3 rows of {path} have no class in label, row 1 first."),
        ([0, 1, -1], NAMED, pyarrow.int64(), "1 of 3 rows of {path} have no class in label, row 2 first."),
        (["a", "", "b"], (), pyarrow.string(), "1 of 3 rows of {path} have no class in label, row 1 first."),
        ([0, 1, 2], NAMED, pyarrow.int64(), "{path}: A row is of class 2, and 2 classes have names."),
        (
            [0.5, 1.0],
            (),
            pyarrow.float64(),
            "{path}: The column of the classes holds float, and no text or whole number.",
        ),
        (
            [True, False],
            (),
            pyarrow.bool_(),
            "{path}: The column of the classes holds bool, and no text or whole number.",
        ),
    ],
)
def test_rows_without_a_plain_class(
    tmp_path: Path, labels: list[Any], named: tuple[str, ...], kind: pyarrow.DataType, sentence: str
) -> None:
    path = kept_pictures.write_parquet(tmp_path / "x.parquet", rows(labels), named, label=kind)
    assert refused(path).sentence == sentence.format(path=path)


def test_pictures_that_are_no_bytes(tmp_path: Path) -> None:
    content = [{"image": [1, 2], "label": 0}]
    path = kept_pictures.write_parquet(tmp_path / "x.parquet", content, image=pyarrow.list_(pyarrow.int64()))
    assert refused(path).sentence == f"{path}: The column of the pictures holds list, and no bytes."


def test_pictures_that_are_kept_elsewhere_cannot_be_read(tmp_path: Path) -> None:
    content: list[dict[str, Any]] = [{"image": {"bytes": None, "path": "/data/1.png"}, "label": 0}]
    content.append({"image": None, "label": 1})
    path = kept_pictures.write_parquet(tmp_path / "x.parquet", content, NAMED)
    own = parquet.listed(path)
    with pytest.raises(DataError, match=rf"Cannot read {path}:[01]: it is empty\."):
        own.pictures[0].read()


def test_files_that_differ_in_what_they_name(tmp_path: Path) -> None:
    kept_pictures.write_parquet(tmp_path / "train-0.parquet", rows([0, 1]), NAMED)
    kept_pictures.write_parquet(tmp_path / "train-1.parquet", rows([0, 1]))
    assert refused(tmp_path).sentence == (
        f"{tmp_path}/train-0.parquet and {tmp_path}/train-1.parquet differ in their columns, or only one names its"
        " classes."
    )


def test_a_folder_without_such_files(tmp_path: Path) -> None:
    assert refused(tmp_path).sentence == f"{tmp_path} holds no .parquet files."


@pytest.mark.parametrize("content", [b"", b"PAR1", b"no Parquet at all", b"PAR1" + bytes(100) + b"PAR1"])
def test_what_is_no_parquet_file(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.parquet").write_bytes(content)
    assert refused(tmp_path / "x.parquet").sentence.startswith(f"{tmp_path}/x.parquet cannot be read: ")


def test_without_the_library_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = kept_pictures.write_parquet(tmp_path / "x.parquet", rows([0, 1]), NAMED)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingPackage) as caught:
        parquet.listed(path)
    assert caught.value.hint == "pip install 'edgecnn[parquet]'"


# --- the cache


def reading_forbidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise AssertionError("the file is read again")

    monkeypatch.setattr(_unpacked, "_asked", fail)


def test_a_file_is_unpacked_once_wherever_it_lies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = kept_pictures.write_parquet(tmp_path / "x.parquet", rows([0, 1]), NAMED)
    parquet.listed(path)
    reading_forbidden(monkeypatch)
    path.rename(tmp_path / "y.parquet")
    assert parquet.listed(tmp_path / "y.parquet").classes == NAMED


@pytest.mark.parametrize("suffix", [".bin", ".json"])
@pytest.mark.parametrize("damage", ["removed", "cut", "a bit"])
def test_a_damaged_cache_is_made_anew(tmp_path: Path, suffix: str, damage: str) -> None:
    path = kept_pictures.write_parquet(tmp_path / "x.parquet", rows([0, 1]), NAMED)
    before = [picture.read() for picture in parquet.listed(path).pictures]
    (cached,) = _unpacked.folder().glob(f"*{suffix}")
    content = bytearray(cached.read_bytes())
    content[len(content) // 2] ^= 1
    cached.unlink() if damage == "removed" else cached.write_bytes(content[:99] if damage == "cut" else content)
    assert [picture.read() for picture in parquet.listed(path).pictures] == before


def test_a_cache_that_cannot_be_written_says_which_variable_to_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = kept_pictures.write_parquet(tmp_path / "x.parquet", rows([0, 1]), NAMED)
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(OutputError) as caught:
        parquet.listed(path)
    assert "XDG_CACHE_HOME" in str(caught.value.hint)


# --- hostile files


def test_pictures_far_larger_than_their_file_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_parquet_child, "MOST_BYTES", 1000)
    content = [{"image": bytes(100_000), "label": 0} for _ in range(40)]
    path = kept_pictures.write_parquet(tmp_path / "x.parquet", content, image=pyarrow.binary())
    with pytest.raises(DataError, match=r"holds pictures of more than [\d,]+ bytes, 100 times its own size"):
        unpacked(path, tmp_path / "out")


def test_more_memory_than_such_a_file_may_take_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = [{"image": bytes(150_000_000), "label": 0}]
    path = kept_pictures.write_parquet(tmp_path / "x.parquet", content, image=pyarrow.binary())
    monkeypatch.setenv("EDGECNN_MODEL_MEMORY_MB", "80")
    with pytest.raises(EnvironmentUnfit, match="takes more memory than the 80 MB"):
        parquet.listed(path)


@pytest.mark.parametrize(("program", "sentence"), [
    ("import os; os.abort()", "the process that read it was ended by SIGABRT"),
    ("import os, signal; os.kill(os.getpid(), signal.SIGPROF)", r"to read it took more than \d+ s of CPU time"),
    ("import sys; sys.exit('no such luck')", r"the process that read it failed \(no such luck\)"),
])  # fmt: skip
def test_a_process_that_ends_early_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str, sentence: str
) -> None:
    path = kept_pictures.write_parquet(tmp_path / "x.parquet", rows([0, 1]), NAMED)
    (tmp_path / "ends_early.py").write_text(program)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(_unpacked, "CHILD", "ends_early")
    with pytest.raises(EnvironmentUnfit, match=sentence):
        parquet.listed(path)
    assert [*_unpacked.folder().iterdir()] == []


def test_a_module_of_the_folder_one_works_in_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = kept_pictures.write_parquet(tmp_path / "x.parquet", rows([0, 1]), NAMED)
    (tmp_path / "pyarrow.py").write_text("raise SystemExit('run')")
    monkeypatch.chdir(tmp_path)
    assert parquet.listed(path).classes == NAMED


@pytest.fixture(scope="module")
def whole() -> bytes:
    """A small file."""
    stream = io.BytesIO()
    pyarrow.parquet.write_table(
        pyarrow.table(
            {"image": [PNG[row % 4][:60] for row in range(20)], "label": [str(row % 2) for row in range(20)]}
        ),
        stream,
    )
    return stream.getvalue()


def damaged(whole: bytes, damage: list[tuple[float, int]]) -> bytes:
    content = bytearray(whole)
    for place, value in damage:
        content[int(place * (len(content) - 1))] = value
    return bytes(content)


@settings(deadline=None, max_examples=200)
@given(st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=6))
def test_any_damage_ends_in_rows_or_one_sentence(
    tmp_path_factory: pytest.TempPathFactory, whole: bytes, damage: list[tuple[float, int]]
) -> None:
    folder = tmp_path_factory.getbasetemp()
    (folder / "damaged.parquet").write_bytes(damaged(whole, damage))
    path, out = folder / "damaged.parquet", folder / "out"
    try:
        answer = unpacked(path, out)
    except Exception as problem:
        explained: EdgecnnError | None = _parquet_child._explained(path, problem)
        answer = {"sizes": [], "labels": [], "paths": []}
        out.unlink(missing_ok=True)
        out.touch()
    else:
        explained = None
    assert isinstance(explained, DataError | EnvironmentUnfit | None)
    assert sum(answer["sizes"]) == out.stat().st_size
    assert len(answer["sizes"]) == len(answer["labels"]) == len(answer["paths"])
