"""COCO's annotations and pictures become two classes by the rule of visual wake words."""

import json
from pathlib import Path

import coco_folders
import numpy as np
import pytest

from edgecnn import data
from edgecnn.data import coco
from edgecnn.errors import DataError, PlanError
from edgecnn.records.recipe import DataPlan

SHOWS_A_PERSON = [True, False, False, True, False, True]


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    coco_folders.write(tmp_path / "coco", "train2017", 3 * coco_folders.BOXES)
    coco_folders.write(tmp_path / "coco", "val2017", coco_folders.BOXES, seed=1_000)
    return tmp_path / "coco"


def answers(listed: data.Listed, role: str, thing: str = "person") -> list[bool]:
    chosen = np.flatnonzero(listed.roles == role)
    order = sorted(chosen, key=lambda index: listed.names[index])
    return [listed.classes[listed.labels[index]] == thing for index in order]


def test_a_box_of_half_a_percent_shows_a_person_and_a_smaller_one_does_not(root: Path) -> None:
    listed = coco.listed(root)
    assert listed.classes == ("not person", "person")
    assert answers(listed, "train") == 3 * SHOWS_A_PERSON
    assert answers(listed, "test") == SHOWS_A_PERSON  # COCO's val


def test_other_things_and_other_shares_can_be_asked_for(root: Path) -> None:
    assert answers(coco.listed(root, "cat"), "test", "cat") == [False, False, True, True, False, False]
    assert answers(coco.listed(root, least_share=0.1), "test") == [False, False, False, True, False, True]


def test_pictures_are_read_in_place_at_the_nets_size(root: Path) -> None:
    splits = data.load(DataPlan(name="coco", validation=0.3, options={"path": str(root)}))
    assert splits.test.images.shape == (6, 96, 96, 3)
    assert len(splits.train) + len(splits.validation) == 18
    assert splits.test.files is not None
    assert Path(str(splits.test.files[0])).parent == root / "val2017"


def test_a_single_file_of_annotations_is_split(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    coco_folders.write(tmp_path / "coco", "val2014", 4 * coco_folders.BOXES, folder="images/val2014")
    train, test = coco.load(path=str(tmp_path / "coco"), size=16)
    assert len(train) > len(test) > 0


def test_an_unknown_thing_gets_the_nearest(root: Path) -> None:
    with pytest.raises(PlanError, match="has no category 'persn'") as caught:
        coco.listed(root, "persn")
    assert "person" in (caught.value.hint or "")


@pytest.mark.parametrize(
    "content", ["{", "[]", '{"images": []}', '{"images": [1], "annotations": [], "categories": []}']
)
def test_a_file_that_is_no_table_of_instances_is_one_sentence(root: Path, content: str) -> None:
    path = root / "annotations" / "instances_val2017.json"
    path.write_text(content)
    with pytest.raises((DataError, PlanError)) as caught:
        coco.listed(root)
    assert str(path) in caught.value.sentence


def test_what_is_missing_is_named(root: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"holds no instances_\*\.json"):
        coco.listed(tmp_path)
    (root / "val2017").rename(root / "elsewhere")
    with pytest.raises(DataError, match=r"The pictures that .*instances_val2017\.json names lie in none of"):
        coco.listed(root)


def test_a_name_that_leads_out_is_refused(root: Path) -> None:
    path = root / "annotations" / "instances_val2017.json"
    table = json.loads(path.read_text())
    table["images"][1]["file_name"] = "../../x.jpg"
    path.write_text(json.dumps(table))
    with pytest.raises(DataError, match=r"leads out of its folder"):
        coco.listed(root)
