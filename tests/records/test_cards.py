"""A card that is not what was written beside its file does not pass: its labels in another order least of all."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
import small_runs
import tiny_models

from edgecnn.errors import ModelFileError
from edgecnn.formats.tflite import metadata
from edgecnn.records import artifact, own_labels
from edgecnn.records.artifact import Artifact
from edgecnn.records.labels import agree


def exported(folder: Path, format_name: str) -> Artifact:
    """A file that names its classes inside, with its card."""
    source = small_runs.written("dscnn", format_name, "fp32").path
    path = folder / source.name
    path.write_bytes(source.read_bytes())
    file = small_runs.artifact(path, small_runs.exportable("dscnn").preprocessing)
    artifact.write_card(file)
    return file


def rewrite(file: Artifact, **changes: Any) -> None:
    """The card with other keys; None leaves one out."""
    card = artifact.card_path(file.path)
    table = json.loads(card.read_text()) | changes
    card.write_text(json.dumps({key: value for key, value in table.items() if value is not None}))


@pytest.fixture(params=["tflite", "onnx"])
def card(request: pytest.FixtureRequest, tmp_path: Path) -> Artifact:
    return exported(tmp_path, request.param)


def test_a_card_opens_as_it_was_written_and_without_a_digest_as_earlier_ones(card: Artifact) -> None:
    assert artifact.read_card(card.path) == card
    rewrite(card, card_sha256=None)
    assert artifact.read_card(card.path) == card


def test_a_card_with_a_tensor_of_any_name_opens_again(tmp_path: Path) -> None:
    file = exported(tmp_path, "tflite")
    spec = dataclasses.replace(file.description.input, name="in\x1b[2J\x7f\u202e")
    artifact.write_card(dataclasses.replace(file, description=dataclasses.replace(file.description, input=spec)))
    again = artifact.read_card(file.path)
    assert again is not None
    assert again.description.input.name == "in\\x1b[2J\\x7f\\u202e"


def test_swapped_labels_are_found_by_the_digest_of_the_card(card: Artifact) -> None:
    rewrite(card, labels=card.labels[::-1])
    with pytest.raises(ModelFileError, match="was changed after it was written"):
        artifact.read_card(card.path)


def test_swapped_labels_are_found_by_what_the_file_itself_names(card: Artifact) -> None:
    assert own_labels.read(card.path) == card.labels
    described = json.loads(artifact.card_path(card.path).read_text())["description"] | {"labels": card.labels[::-1]}
    rewrite(card, card_sha256=None, labels=card.labels[::-1], description=described)
    with pytest.raises(ModelFileError, match="not those that the model file itself names"):
        artifact.read_card(card.path)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"labels": ["a", "b"]}, "2 classes for 4 outputs"),
        ({"preprocessing": {"height": -8}}, "-8 x 8 x 1"),
        ({"preprocessing": {"height": 0}}, "0 x 8 x 1"),
        ({"preprocessing": {"height": 1 << 40}}, "1099511627776 x 8 x 1"),
        ({"preprocessing": {"std": 0.0}}, "divides by 0"),
        ({"preprocessing": {"mean": True}}, "mean should be"),
        ({"labels": [1, 2, 3, 4]}, "labels should be of type str"),
        ({"card_version": None}, "no card version"),
    ],
)
def test_a_card_whose_parts_make_no_sense_is_one_sentence(change: dict[str, Any], reason: str, tmp_path: Path) -> None:
    file = exported(tmp_path, "tflite")
    table = json.loads(artifact.card_path(file.path).read_text())
    merged = {key: table[key] | value if isinstance(value, dict) else value for key, value in change.items()}
    rewrite(file, card_sha256=None, **merged)
    with pytest.raises(ModelFileError, match=reason):
        artifact.read_card(file.path)


def test_names_that_a_label_file_changes_are_still_the_same_names(tmp_path: Path) -> None:
    assert agree(["0 red", "1 blue"], ["red", "blue"])
    assert agree([" red ", "blue"], ["red", "blue"])
    assert not agree(["blue", "red"], ["red", "blue"])
    path = tiny_models.linear_tflite(tmp_path / "a.tflite", tiny_models.weights(8, 8, 1, 2), int8=False)
    assert own_labels.read(path) == ()
    path.write_bytes(metadata.append_labels(path.read_bytes(), ["ä", "b"]))
    assert own_labels.read(path) == ("ä", "b")
