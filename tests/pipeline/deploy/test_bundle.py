import dataclasses
import hashlib
import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
import small_bundles

from edgecnn import formats
from edgecnn.errors import GateFailed, ModelFileError, OutputError, RunError, UsageError
from edgecnn.onboard.runner import contents
from edgecnn.pipeline.deploy import bundle
from edgecnn.records.artifact import Verdict


def test_the_same_model_gives_the_same_bytes(tmp_path: Path) -> None:
    file, other = small_bundles.made(tmp_path / "a"), small_bundles.made(tmp_path / "b")
    assert file.archive() == other.archive()
    assert file.archive() != small_bundles.made(tmp_path / "c", seed=1).archive()


def test_it_holds_what_a_device_needs_and_nothing_else(tmp_path: Path) -> None:
    made = small_bundles.made(tmp_path)
    assert set(made.files) == {
        "animals-int8.tflite", "animals-int8.tflite.json", "labels.txt", "golden.npz", "edgecnn.pyz", "README.txt",
        "manifest.json",
    }  # fmt: skip
    assert made.packages == ("numpy", "pillow", "ai-edge-litert")
    assert made.files["labels.txt"].decode().split() == list(small_bundles.LABELS)


def test_the_manifest_has_the_digest_of_every_other_file(tmp_path: Path) -> None:
    made = small_bundles.made(tmp_path)
    digests = json.loads(made.files["manifest.json"])["files"]
    assert digests == {
        name: hashlib.sha256(data).hexdigest() for name, data in made.files.items() if name != "manifest.json"
    }


def test_the_archive_holds_the_files_as_they_are(tmp_path: Path) -> None:
    made = small_bundles.made(tmp_path)
    with zipfile.ZipFile(io.BytesIO(made.archive())) as packed:
        assert {name: packed.read(name) for name in packed.namelist()} == made.files


@pytest.mark.parametrize("kind", ["int8", "fp32", "onnx"])
def test_the_golden_vectors_are_this_files(kind: str, tmp_path: Path) -> None:
    file = small_bundles.exported(tmp_path, kind)
    with np.load(io.BytesIO(bundle.make(file).files["golden.npz"])) as golden:
        assert golden["images"].shape == (32, 8, 8, 3)
        assert np.array_equal(golden["outputs"], small_bundles.outputs(file, small_bundles.images()))


def test_on_disk_it_opens_again(tmp_path: Path) -> None:
    opened = contents.open_bundle(small_bundles.unpacked(tmp_path))
    contents.verify(opened)
    assert opened.manifest.name == "animals"
    assert opened.artifact.labels == small_bundles.LABELS


def test_the_readme_names_its_commands_and_packages(tmp_path: Path) -> None:
    text = small_bundles.made(tmp_path).files["README.txt"].decode()
    for words in ("edgecnn.pyz classify", "edgecnn.pyz selftest", "pip install numpy pillow ai-edge-litert"):
        assert words in text


def test_a_later_bundle_replaces_one_in_its_folder(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    small_bundles.made(tmp_path / "a", "int8").write(folder)
    later = small_bundles.made(tmp_path / "b", "fp32")
    later.write(folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == later.files


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "thesis.tex").write_text("dear")
    with pytest.raises(OutputError, match=r"thesis\.tex"):
        small_bundles.made(tmp_path / "a").write(folder)
    assert [path.name for path in folder.iterdir()] == ["thesis.tex"]


def test_a_file_that_did_not_pass_its_check_is_not_deployed(tmp_path: Path) -> None:
    failed = Verdict(
        passed=False, reason="every picture is called class 0", n=9, top1_percent=1, top1_low_percent=0,
        top1_high_percent=2, reference_top1_percent=90, drop_pp=89, drop_low_pp=80, drop_high_pp=95, p_value=0,
        agreement_percent=1, gained=0, lost=8, max_logit_difference=9, max_drop_pp=1,
    )  # fmt: skip
    with pytest.raises(GateFailed, match="every picture is called class 0"):
        bundle.make(dataclasses.replace(small_bundles.exported(tmp_path), verdict=failed))


def test_without_golden_vectors_there_is_no_bundle(tmp_path: Path) -> None:
    file = small_bundles.exported(tmp_path)
    (tmp_path / "golden.npz").unlink()
    with pytest.raises(RunError, match="no golden vectors"):
        bundle.make(file)


@pytest.mark.parametrize(
    ("run", "name"), [("animals", "animals"), ("my run; rm -rf", "my-run--rm--rf"), ("..", "model")]
)
def test_its_name_is_safe_as_a_folders_and_a_units(run: str, name: str, tmp_path: Path) -> None:
    assert bundle.make(small_bundles.exported(tmp_path, run=run)).name == name


def test_a_run_is_called_the_same_by_folder_file_and_name(tmp_path: Path) -> None:
    folder = small_bundles.run_folder(tmp_path / "animals", ["int8"])
    file = folder / "artifacts" / "animals-int8.tflite"
    assert {bundle.name_of(word) for word in (str(folder), str(file), "animals")} == {"animals"}


def test_a_run_is_called_what_its_files_were_exported_as_though_its_folder_was_renamed(tmp_path: Path) -> None:
    folder = small_bundles.run_folder(tmp_path / "animals", ["int8"]).rename(tmp_path / "cars")
    assert bundle.make(formats.choose(folder, "tflite", "int8")).name == "animals"
    assert bundle.name_of(str(folder)) == "animals"
    small_bundles.exported(folder / "artifacts", "fp32", run="cars")
    with pytest.raises(UsageError, match="exported under 2 names") as caught:
        bundle.name_of(str(folder))
    assert "animals, cars" in (caught.value.hint or "")


def test_a_long_name_leaves_room_for_what_is_added_to_it(tmp_path: Path) -> None:
    assert len(bundle.make(small_bundles.exported(tmp_path, run="x" * 240)).name) == bundle.LONGEST_NAME


@pytest.mark.parametrize("name", ["../model.tflite", "/etc/passwd", "a/../../b", "", "a//b", "."])
@pytest.mark.parametrize("place", ["model", "files"])
def test_a_manifest_that_names_what_is_outside_is_no_bundles(name: str, place: str, tmp_path: Path) -> None:
    folder = small_bundles.unpacked(tmp_path)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest |= {"model": name} if place == "model" else {"files": {**manifest["files"], name: "0" * 64}}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ModelFileError, match="which is not below its folder"):
        contents.open_bundle(folder)


@pytest.mark.parametrize("text", ["[]", "[" * 100_000, "null", "5", "", "\0", '{"bundle_version": NaN}'])
def test_a_damaged_manifest_is_said(text: str, tmp_path: Path) -> None:
    folder = small_bundles.unpacked(tmp_path)
    (folder / "manifest.json").write_text(text)
    with pytest.raises(ModelFileError, match="is not a bundle"):
        contents.open_bundle(folder)
