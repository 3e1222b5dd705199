"""The data set of the pictures at a path is told by what lies there, and never guessed."""

from pathlib import Path

import pytest

from edgecnn.errors import DataError
from edgecnn.records import data_paths, plans
from edgecnn.records.data_paths import located

JPEG = b"\xff\xd8\xff"


def make(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"file_name,label\n" if name.endswith((".csv", ".jsonl")) else JPEG)
    return root


@pytest.mark.parametrize(
    ("names", "data"),
    [
        (["cat/1.jpg", "dog/1.jpg"], "folder"),
        (["train/cat/1.jpg", "test/cat/1.jpg", "labels.csv"], "folder"),
        (["cat/1.jpg", "photos.tar.xz", "README.md"], "folder"),
        ([".hidden.tar", "cat/1.jpg"], "folder"),
        (["cat/backup.tar", "cat/1.jpg"], "folder"),
        (["README.md"], "folder"),
        (["metadata.csv", "1.jpg"], "hf-folder"),
        (["train/metadata.jsonl", "train/cat/1.jpg", "test/metadata.jsonl"], "hf-folder"),
        (["train-00000-of-00001.parquet", "README.md"], "parquet"),
        (["data/train-00000-of-00001.parquet", "assets/logo.svg.txt"], "parquet"),
        (["test/0000.parquet", "train/0000.parquet"], "parquet"),
        (["train-000000.tar", "test-000000.tar", "classnames.txt"], "webdataset"),
        (["train/000000.tar", "test/000000.tar"], "webdataset"),
    ],
)
def test_a_folder_is_recognised_by_what_it_holds(tmp_path: Path, names: list[str], data: str) -> None:
    assert located(str(make(tmp_path, *names))) == (data, tmp_path.resolve())


def test_a_table_without_file_names_makes_no_folder_of_hugging_face(tmp_path: Path) -> None:
    make(tmp_path, "cat/1.jpg", "dog/1.jpg")
    (tmp_path / "metadata.csv").write_text("camera,exposure\n")
    assert located(str(tmp_path)) == ("folder", tmp_path.resolve())


@pytest.mark.parametrize(
    ("names", "held", "ways"),
    [
        (["cat/1.jpg", "x.tar"], "class folders and tar shards (x.tar)", ["folder", "webdataset"]),
        (["train/cat/1.jpg", "x.parquet"], "class folders and Parquet files (x.parquet)", ["folder", "parquet"]),
        (["a.parquet", "b.tar"], "Parquet files (a.parquet) and tar shards (b.tar)", ["parquet", "webdataset"]),
        (
            ["metadata.csv", "a.parquet", "cat/1.jpg"],
            "class folders, a table of file names (metadata.csv) and Parquet files (a.parquet)",
            ["folder", "hf-folder", "parquet"],
        ),
    ],
)
def test_a_folder_that_could_be_read_in_several_ways_is_refused_with_all_of_them(
    tmp_path: Path, names: list[str], held: str, ways: list[str]
) -> None:
    with pytest.raises(DataError) as caught:
        located(str(make(tmp_path, *names)))
    assert caught.value.sentence == f"{tmp_path} holds {held}: any of them could be the pictures."
    assert caught.value.hint == "name one: " + " or ".join(f"--data {way}:{tmp_path}" for way in ways)
    for way in ways:
        assert located(f"{way}:{tmp_path}") == (way, tmp_path.resolve())


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.csv", "csv-list"),
        ("a.CSV", "csv-list"),
        ("a.parquet", "parquet"),
        ("a.tar", "webdataset"),
        ("metadata.jsonl", "hf-folder"),
    ],
)
def test_a_file_is_recognised_by_its_suffix_there_or_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, data: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert located(name) == (data, tmp_path.resolve() / name)
    make(tmp_path, name)
    assert located(name) == located(str(tmp_path / name)) == (data, tmp_path.resolve() / name)


def test_another_file_is_refused_with_what_is_known(tmp_path: Path) -> None:
    path = make(tmp_path, "photos.zip") / "photos.zip"
    with pytest.raises(DataError) as caught:
        located(str(path))
    assert caught.value.sentence == (f"{path} is no file of pictures that is known here (.csv .jsonl .parquet .tar).")


def test_a_link_to_a_file_is_named_by_where_it_lies(tmp_path: Path) -> None:
    make(tmp_path, "blobs/0123", "list.csv")
    (tmp_path / "train-0.parquet").symlink_to("blobs/0123")
    assert located(str(tmp_path / "train-0.parquet")) == ("parquet", tmp_path.resolve() / "train-0.parquet")


def test_a_name_is_a_name_and_a_path_that_leads_nowhere_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert located("digits") is None
    make(tmp_path, "digits")  # a file of that name
    assert located("digits") is None
    assert located("photos/cats") == ("folder", tmp_path.resolve() / "photos/cats")


def test_a_data_set_may_be_named_before_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert located("csv-list:list.txt") == ("csv-list", tmp_path.resolve() / "list.txt")
    (tmp_path / "folder:photos").mkdir()
    assert located("folder:photos") == ("folder", tmp_path.resolve() / "folder:photos")


@pytest.mark.parametrize(
    "typed", ["digits", "{}/photos", "{}/photos/list.csv", "folder:{}/both", "webdataset:{}/both", "fashion-mnist:{}"]
)
def test_a_plan_is_written_down_as_it_can_be_typed_again(tmp_path: Path, typed: str) -> None:
    make(tmp_path, "photos/cat/1.jpg", "photos/list.csv", "both/cat/1.jpg", "both/x.tar")
    plan = plans.data_plan(typed.format(tmp_path))
    assert data_paths.word(plan) == typed.format(tmp_path)
    assert plans.data_plan(data_paths.word(plan)) == plan


def test_what_all_of_them_understand_stays_when_one_takes_the_place_of_another(tmp_path: Path) -> None:
    make(tmp_path, "list.csv", "cat/1.jpg")
    before = ["data.name=folder", "data.path=elsewhere", "data.size=96", "data.split=drawn", "data.validation=0.2"]
    recipe = plans.load_recipe("dscnn-digits", before)
    (tmp_path / "recipe.toml").write_text(plans.dump(recipe))
    replaced = plans.load_recipe(str(tmp_path / "recipe.toml"), data=str(tmp_path / "list.csv")).data
    assert (replaced.name, replaced.validation) == ("csv-list", 0.2)
    assert replaced.options == {"size": 96, "path": str(tmp_path / "list.csv")}
    again = plans.load_recipe(str(tmp_path / "recipe.toml"), data=str(tmp_path)).data
    assert again.options == {"size": 96, "split": "drawn", "path": str(tmp_path)}
    assert plans.load_recipe(str(tmp_path / "recipe.toml"), data="shapes").data.options == {}


def test_every_data_set_of_ones_own_pictures_has_the_options_that_stay() -> None:
    import inspect

    from edgecnn import data

    for name in data_paths.NAMES:
        assert set(inspect.signature(data.get(name).load).parameters) >= data_paths.SHARED | {"path"}, name
        assert callable(data.get(name).listed), name  # type: ignore[attr-defined]
