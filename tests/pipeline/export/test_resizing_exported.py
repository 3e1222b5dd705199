"""The rule of resizing goes from the recipe into every file, and predict and the bench then follow it."""

import dataclasses
from pathlib import Path

import numpy as np
import photo_folders
import pytest
from PIL import Image

from edgecnn import formats
from edgecnn.common import config
from edgecnn.onboard import preprocessing
from edgecnn.pipeline.bench import test_inputs
from edgecnn.pipeline.export import export
from edgecnn.pipeline.predict.model import load_model
from edgecnn.pipeline.train.train import train
from edgecnn.records import artifact, foreign, plans, resizing
from edgecnn.records.artifact import Artifact
from edgecnn.records.foreign import PictureOptions
from edgecnn.records.plans import ExportPlan
from edgecnn.records.recipe import DataPlan, NetPlan, Recipe
from edgecnn.records.resizing import Resizing

HOW = "letterbox:114"
SIZE = [12, 16]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Artifact]:
    """An ONNX and a TFLite file of a net that learnt from letterboxed oblong pictures."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        folder = tmp_path_factory.mktemp("pictures")
        photo_folders.classes(folder, ("daisy", "poppy"), 12, ".jpg", width=50, height=31)
        recipe = Recipe(
            name="oblong",
            data=DataPlan(name="folder", options={"path": str(folder), "size": SIZE, "resize": HOW}),
            net=NetPlan(name="dscnn", options={"width": 8, "stages": 1, "depth": 1}),
            epochs=1,
            batch_size=8,
            num_threads=1,
            precision="fp32",
        )
        run = train(recipe, tmp_path_factory.mktemp("runs"))
        made = export.export(run, ExportPlan(name="test", precision=("fp32",), calib_samples=4))
    return {file.description.format: file for file in made}


@pytest.mark.parametrize("name", ["onnx", "tflite"])
def test_the_card_and_the_files_own_notes_say_it(name: str, files: dict[str, Artifact], tmp_path: Path) -> None:
    file, how = files[name], resizing.parse(HOW)
    size = file.preprocessing
    assert (size.height, size.width, size.resizing, size.resize) == (*SIZE, how, how.rule)
    assert artifact.read_card(file.path) == file
    bare = tmp_path / file.name
    bare.write_bytes(file.path.read_bytes())
    known = foreign.known(bare, formats.describe(bare))
    assert known.artifact.preprocessing.resizing == how
    assert how.rule.encode() in bare.read_bytes()


@pytest.mark.parametrize("name", ["onnx", "tflite"])
def test_predict_feeds_the_pixels_of_training(name: str, files: dict[str, Artifact], tmp_path: Path) -> None:
    picture = tmp_path / "picture.jpg"
    photo_folders.photograph(7, 90, 35).save(picture)
    fed = preprocessing.decode(picture, height=12, width=16, channels=3, resizing=resizing.parse(HOW))
    model = load_model(files[name].path)
    assert model(picture).top == model(fed).top
    assert model(picture).top != load_model(files[name].path, pictures=PictureOptions(resize=Resizing()))(picture).top


def test_pictures_to_bench_with_are_resized_as_the_file_says(files: dict[str, Artifact], tmp_path: Path) -> None:
    plan = plans.data_plan(str(photo_folders.classes(tmp_path / "p", ("daisy", "poppy"), 3)))
    assert test_inputs.sized(plan, files["onnx"]).options == plan.options | {
        "resize": HOW, "size": 12, "width": 16, "channels": 3,
    }  # fmt: skip
    own = dataclasses.replace(plan, options={**plan.options, "resize": "squash", "size": 8})
    assert test_inputs.sized(own, files["onnx"]) == own


def test_a_card_of_an_earlier_version_means_the_largest_crop(files: dict[str, Artifact], tmp_path: Path) -> None:
    size = dataclasses.asdict(files["onnx"].preprocessing)
    del size["resizing"]
    old = config.build(artifact.Preprocessing, size, "a card")
    assert old.resizing == Resizing()


def test_arrays_of_the_right_size_are_fed_as_they_are(files: dict[str, Artifact]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (12, 16, 3), dtype=np.uint8)
    assert np.array_equal(
        preprocessing.fit(Image.fromarray(pixels), height=12, width=16, channels=3, resizing=resizing.parse(HOW)),
        pixels,
    )
