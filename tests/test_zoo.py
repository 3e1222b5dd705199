"""The zoo: what its cards say is what its files do."""

from __future__ import annotations

import dataclasses
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from checkout import ROOT

from edgecnn import data
from edgecnn.checks import selftest
from edgecnn.onboard import tensors
from edgecnn.pipeline.export import check
from edgecnn.records import artifact, plans
from edgecnn.records.recipe import OF_THE_MACHINE
from edgecnn.records.run import open_run

MODELS = sorted(path.parent.name for path in (ROOT / "models" / "zoo").glob("*/run.json"))
LARGEST_BYTES = 14_000_000


@pytest.mark.parametrize("name", MODELS)
def test_the_int8_file_gets_as_many_test_pictures_right_as_its_card_says(name: str) -> None:
    run = open_run(ROOT / "models" / "zoo" / name)
    file = artifact.read_card(next(run.artifacts.glob("*-int8.tflite")))
    assert file is not None
    assert file.verdict is not None
    pictures = run.recipe.data.options.get("path")
    if pictures is not None and not Path(pictures).is_dir():
        pytest.skip(f"{pictures} is not here: its golden vectors alone are replayed")
    test = data.load(run.recipe.data).test
    logits = tensors.decode(check.outputs(file, test.load_all()), file.description.output)
    assert 100 * (logits.argmax(1) == test.labels).mean() == pytest.approx(file.verdict.top1_percent)
    assert len(test) == file.verdict.n


@pytest.mark.parametrize("name", MODELS)
def test_its_golden_vectors_are_replayed_here(name: str) -> None:
    selftest.judge(selftest.selftest(ROOT / "models" / "zoo" / name))


@pytest.mark.skipif(shutil.which("qemu-x86_64") is None, reason="qemu-user emulates the older CPU")
@pytest.mark.parametrize("name", MODELS)
def test_its_onnx_file_answers_the_same_with_avx2_and_no_vnni(name: str) -> None:
    path = ROOT / "models" / "zoo" / name / "artifacts" / f"{name}-int8.onnx"
    result = selftest.selftest(path, board="emulated:x86-64-v3")
    assert [replay.comparison.verdict for replay in result.replayed] == ["identical"]


@pytest.mark.parametrize("name", MODELS)
def test_its_recipe_is_the_published_one(name: str) -> None:
    trained = open_run(ROOT / "models" / "zoo" / name).recipe
    of_its_machine = {key: getattr(trained, key) for key in OF_THE_MACHINE}
    assert dataclasses.replace(plans.load_recipe(name), **of_its_machine) == trained


def test_its_cards_are_made_from_its_files(tmp_path: Path) -> None:
    before = {path: path.read_text() for path in (ROOT / "models" / "zoo").glob("*/README.md")}
    subprocess.run([sys.executable, "bench/zoo.py"], cwd=ROOT, check=True, capture_output=True)
    assert before == {path: path.read_text() for path in (ROOT / "models" / "zoo").glob("*/README.md")}
    assert len(before) == len(MODELS) > 0


def test_it_is_light_enough_to_be_cloned() -> None:
    assert sum(path.stat().st_size for path in (ROOT / "models" / "zoo").rglob("*")) < LARGEST_BYTES
