"""Training under int8 rounding: what it mends, and that it comes out the same."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import broken_nets
import numpy as np
import pytest
import torch

from edgecnn import data, nets
from edgecnn.pipeline.export import check, export, exportable, qat, scheme, weight_range
from edgecnn.pipeline.export.scheme import Scheme
from edgecnn.records.plans import ExportPlan
from edgecnn.records.run import Run


@pytest.fixture(scope="module")
def wide(textures_run: Run, tmp_path_factory: pytest.TempPathFactory) -> Scheme:
    """A net whose channels are spread too far for weights with one scale."""
    run = broken_nets.broken(textures_run, broken_nets.spread(100), tmp_path_factory.mktemp("qat") / "wide")
    plan = ExportPlan(name="test", per_channel=False)
    return scheme.plain(run, data.load(run.recipe.data), plan, nets.restore(run))


def fewer(int8_scheme: Scheme, pictures: int) -> Scheme:
    train = int8_scheme.splits.train.take(np.arange(pictures))
    return dataclasses.replace(int8_scheme, splits=dataclasses.replace(int8_scheme.splits, train=train))


def int8_top1(int8_scheme: Scheme) -> float:
    """Return the accuracy on the validation pictures, in percent."""
    graph = exportable.exportable(int8_scheme, int8_scheme.net).int8_module(fold_weights=True)
    with torch.no_grad():
        logits = graph(scheme.normalised(int8_scheme.splits.validation.load_all(), int8_scheme.run))
    return 100 * float((logits.argmax(1).numpy() == int8_scheme.splits.validation.labels).mean())


def test_one_epoch_wins_back_most_of_what_rounding_lost(wide: Scheme) -> None:
    reference = check.reference_logits(wide.run, wide.splits.validation.load_all())
    float_top1 = 100 * float((reference.argmax(1) == wide.splits.validation.labels).mean())
    plain, trained = int8_top1(wide), int8_top1(dataclasses.replace(wide, trained=qat.train(wide, epochs=1)))
    assert float_top1 - plain > 8
    assert float_top1 - trained < 0.5 * (float_top1 - plain)


def test_the_same_scheme_trains_to_the_same_weights_and_ranges(wide: Scheme) -> None:
    few = fewer(wide, 256)
    first, second = (qat.train(few, epochs=2).state_dict() for _ in range(2))
    assert first.keys() == second.keys()
    assert all(torch.equal(value, second[name]) for name, value in first.items())


def test_a_weights_range_is_that_of_the_weight_that_is_exported(wide: Scheme) -> None:
    few = fewer(wide, 128)
    graph = qat.train(few, epochs=1)
    weight = graph.get_parameter("stem.conv.weight")
    (user,) = graph.graph.find_nodes(op="get_attr", target="stem.conv.weight")[0].users
    scale, _ = graph.get_submodule(str(user.target)).activation_post_process.calculate_qparams()
    assert float(scale) == pytest.approx(float(weight_range.least_range(weight).max()) / 127, rel=1e-3)


def test_the_run_itself_is_not_touched(wide: Scheme, tmp_path: Path) -> None:
    before = {name: value.clone() for name, value in wide.net.state_dict().items()}
    few = fewer(wide, 64)
    qat.train(few, epochs=1)
    assert all(torch.equal(value, before[name]) for name, value in wide.net.state_dict().items())


def test_a_run_whose_recipe_ends_in_qat_is_exported_through_it(textures_run: Run, tmp_path: Path) -> None:
    recipe = dataclasses.replace(textures_run.recipe, qat_epochs=1)
    run = dataclasses.replace(textures_run, folder=tmp_path / "run", recipe=recipe)
    shutil.copytree(textures_run.folder, run.folder, ignore=shutil.ignore_patterns("artifacts"))
    plan = ExportPlan(name="test", format=("tflite",), precision=("int8",), max_drop=100.0)
    (trained,) = export.export(run, plan)
    assert json.loads((run.artifacts / "calibration.json").read_text())["rungs"] == {"qat": {"epochs": 1}}
    (plain,) = export.export(dataclasses.replace(run, recipe=textures_run.recipe), plan)
    assert trained.description.sha256 != plain.description.sha256
    assert "rungs" not in json.loads((run.artifacts / "calibration.json").read_text())
