"""The exported file that is meant if a run is named."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import small_bundles

from edgecnn import formats
from edgecnn.errors import ModelFileError, RunError, UsageError
from edgecnn.records import artifact


@pytest.mark.parametrize(
    ("format_name", "precision", "name"),
    [
        ("tflite", "int8", "animals-int8.tflite"),
        ("tflite", "fp32", "animals-fp32.tflite"),
        ("onnx", "fp32", "animals-fp32.onnx"),
    ],
)
def test_a_runs_file_is_chosen_by_format_and_precision(
    format_name: str, precision: str, name: str, tmp_path: Path
) -> None:
    folder = small_bundles.run_folder(tmp_path / "animals")
    assert formats.choose(folder, format_name, precision).name == name


def test_a_run_without_a_pure_int8_file_gives_the_mixed_one(tmp_path: Path) -> None:
    folder = small_bundles.run_folder(tmp_path / "animals", ["int8"])
    chosen = formats.choose(folder, "tflite", "int8")
    artifact.write_card(
        dataclasses.replace(chosen, description=dataclasses.replace(chosen.description, precision="int8-mixed"))
    )
    assert formats.choose(folder, "tflite", "int8").description.precision == "int8-mixed"


def test_what_a_run_does_not_have_is_said_with_what_it_has(tmp_path: Path) -> None:
    folder = small_bundles.run_folder(tmp_path / "animals", ["fp32"])
    with pytest.raises(UsageError, match="no onnx file in int8") as caught:
        formats.choose(folder, "onnx", "int8")
    assert caught.value.hint == "it has: tflite fp32"


def test_two_files_that_fit_are_not_guessed_between(tmp_path: Path) -> None:
    folder = small_bundles.run_folder(tmp_path / "animals", ["fp32"])
    first = formats.choose(folder, "tflite", "fp32")
    second = dataclasses.replace(first, path=first.path.with_name("animals-fp32-again.tflite"))
    second.path.write_bytes(first.path.read_bytes())
    artifact.write_card(second)
    with pytest.raises(UsageError, match="2 files that fit"):
        formats.choose(folder, "tflite", "fp32")
    assert formats.choose(second.path, "tflite", "fp32").name == second.name


def test_what_is_neither_run_nor_exported_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="neither a run nor a file"):
        formats.choose(tmp_path / "nothing.tflite", "tflite", "int8")
    with pytest.raises(RunError, match="not a run folder"):
        formats.choose(tmp_path, "tflite", "int8")
    file = small_bundles.exported(tmp_path)
    artifact.card_path(file.path).unlink()
    with pytest.raises(ModelFileError, match="has no card"):
        formats.choose(file.path, "tflite", "int8")
