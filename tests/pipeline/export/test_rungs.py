"""Every rung keeps to its contract, and does what its source says it does."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import small_runs
import torch
from torch.fx import Interpreter, Node

from edgecnn import formats
from edgecnn.common import plugins
from edgecnn.errors import PlanError, UsageError
from edgecnn.nets import graph as dataflow
from edgecnn.onboard import tensors
from edgecnn.pipeline.export import check, exportable, rungs, scheme
from edgecnn.pipeline.export.rungs import Options, RungTrial, equalisation
from edgecnn.pipeline.export.scheme import Scheme
from edgecnn.records import verdicts
from edgecnn.records.artifact import Artifact
from edgecnn.records.plans import ExportPlan
from edgecnn.testing import rungs as rungs_owe

NET = "mlp"
SHAPE = small_runs.SHAPES[NET]
FORMATS = ("onnx", "tflite")


def ground(**plan: Any) -> Scheme:
    model = small_runs.exportable(NET)
    plans = ExportPlan(name="test", calib_samples=16, qat_epochs=1, **plan)
    return scheme.plain(model.run, small_runs.splits(SHAPE), plans, model.net)


def outcome(options: Options, correct: Sequence[int], passed: bool = False) -> RungTrial:
    return RungTrial(options=options, correct=np.array(correct, dtype=bool), squared_error=1.0, passed=passed)


def tries(name: str) -> list[Options]:
    """All of a rung's tries, where none passes and each is as good as the one before."""
    outcomes = [outcome({}, [1, 0])]
    drawn = []
    for options in rungs.get(name).tries(ground(), outcomes):
        drawn.append(options)
        outcomes.append(outcome(options, [1, 0]))
    return drawn


def first_try(name: str) -> Scheme:
    return rungs.take(ground(), name, tries(name)[0])


def written(scheme: Scheme, format_name: str, folder: Path) -> Path:
    path = folder / f"{NET}{formats.get(format_name).SUFFIX}"
    model = exportable.exportable(scheme, small_runs.exportable(NET).net)
    formats.get(format_name).write(model, "int8", scheme.plan, path)
    return path


def channel_means(graph: torch.fx.GraphModule, pictures: torch.Tensor) -> dict[str, torch.Tensor]:
    names = {node: name for name, node in dataflow.layers(graph).items()}
    means = {}

    class Keeping(Interpreter):
        def run_node(self, n: Node) -> Any:
            output = super().run_node(n)
            if n in names:
                means[names[n]] = output.mean(0)
            return output

    with torch.no_grad():
        Keeping(graph).run(pictures)
    return means


def test_the_order_names_every_rung_once() -> None:
    assert sorted(rungs.ORDER) == list(plugins.own_names("edgecnn.pipeline.export.rungs"))


@pytest.mark.parametrize("check", rungs_owe.CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", plugins.own_names("edgecnn.pipeline.export.rungs"))
def test_every_rung_keeps_its_contract(name: str, check: Callable[[str], None]) -> None:
    check(name)


@pytest.mark.parametrize("name", plugins.own_names("edgecnn.pipeline.export.rungs"))
def test_after_a_rung_the_same_bytes_come_twice_and_both_formats_hold_the_same_scales(
    name: str, tmp_path: Path
) -> None:
    files: dict[str, Artifact] = {}
    for format_name in FORMATS:
        twice = [written(first_try(name), format_name, tmp_path).read_bytes() for _ in range(2)]
        assert twice[0] == twice[1]
        path = tmp_path / f"{NET}{formats.get(format_name).SUFFIX}"
        files[format_name] = small_runs.artifact(path, small_runs.exportable(NET).preprocessing)
    images = small_runs.splits(SHAPE).test.load_all()
    values = {format_name: check.outputs(file, images) for format_name, file in files.items()}
    parity = verdicts.parity(files["onnx"], files["tflite"], values["onnx"], values["tflite"])
    assert parity is not None  # None when the scales of the logits differ
    assert parity.max_lsb <= 1
    pictures = scheme.normalised(images, ground().run)
    wanted = (
        exportable.exportable(first_try(name), ground().net).int8_module(fold_weights=True)(pictures).detach().numpy()
    )
    for format_name, file in files.items():  # a layer that a runtime or converter quantised by itself would show here
        step = file.description.output.scale
        assert step is not None
        assert np.abs(tensors.decode(values[format_name], file.description.output) - wanted).max() < 1.5 * step


def test_equalisation_gives_both_layers_of_a_pair_the_same_ranges() -> None:
    net = first_try("equalisation").net
    pairs = equalisation.pairs(net, SHAPE)
    assert len(pairs) == 2
    for pair in pairs:
        source, target = (net.get_parameter(f"{layer}.weight") for layer in (pair.source, pair.target))
        alive = (source.abs().amax(1) > 0) & (target.abs().amax(0) > 0)
        assert torch.allclose(source.abs().amax(1)[alive], target.abs().amax(0)[alive], rtol=5e-3)


def test_equalisation_without_a_pair_is_refused() -> None:
    model = small_runs.exportable("dscnn")  # ReLU6, and a pool before the next layer
    plan = ExportPlan(name="test", calib_samples=4)
    relu6 = scheme.plain(model.run, small_runs.splits(small_runs.SHAPES["dscnn"]), plan, model.net)
    assert list(rungs.get("equalisation").tries(relu6, [])) == []
    with pytest.raises(PlanError, match="has no pair of layers to equalise"):
        rungs.take(relu6, "equalisation", {})


def test_bias_correction_gives_every_layer_the_mean_it_has_in_float() -> None:
    before, after = ground(per_channel=False), rungs.take(ground(per_channel=False), "bias-correction", {})
    pictures = scheme.normalised(before.calibration.images, before.run)
    wanted = channel_means(scheme.observe(before), pictures)
    errors = []
    for state in (before, after):
        model = exportable.exportable(state, state.net)
        means = channel_means(model.int8_module(fold_weights=False), pictures)
        errors.append(max(float((means[name] - mean).abs().max()) for name, mean in wanted.items()))
    assert errors[1] < 0.2 * errors[0]


def test_a_layer_in_float_has_no_rounded_weight() -> None:
    assert list(first_try("mixed").in_float) == ["hidden.dense0"]
    graph = exportable.exportable(first_try("mixed"), ground().net).int8_module(fold_weights=False)
    rounded = {name for name, node in dataflow.layers(graph).items() if node.args[1].op != "get_attr"}
    assert rounded == {"hidden.dense1", "head"}


def test_layers_are_left_in_float_together_in_the_order_of_what_each_brought() -> None:
    model = small_runs.exportable("dscnn")
    plan = ExportPlan(name="test", calib_samples=4)
    net = scheme.plain(model.run, small_runs.splits(small_runs.SHAPES["dscnn"]), plan, model.net)
    names = list(dataflow.layers(dataflow.export(net.net, net.run.input_shape)))
    outcomes, tried = [outcome({}, [0] * 9)], []
    for options in rungs.get("mixed").tries(net, outcomes):
        tried.append(list(options["layers"]))
        worth = sum(names.index(layer) for layer in options["layers"])  # the later a layer, the more it brings
        outcomes.append(outcome(options, [i < worth for i in range(9)]))
    assert tried[: len(names)] == [[name] for name in names]
    assert tried[len(names) :] == [names[:-3:-1]]


def test_more_layers_are_not_tried_once_one_passes() -> None:
    outcomes = [outcome({}, [0])]
    tried = []
    for options in rungs.get("mixed").tries(ground(), outcomes):
        tried.append(options)
        outcomes.append(outcome(options, [1], passed=True))
    assert [len(options["layers"]) for options in tried] == [1, 1, 1]


def test_more_pictures_are_tried_with_the_observer_that_came_out_best() -> None:
    tried = []
    outcomes = [outcome({}, [0, 0])]
    for options in rungs.get("calibration-set").tries(ground(), outcomes):
        tried.append(options)
        outcomes.append(outcome(options, [1, options["observer"] == "mse"]))
    assert tried[-1] == {"observer": "mse", "samples": 64}


@pytest.mark.parametrize(
    ("name", "options", "sentence"),
    [
        ("calibration-set", {"observer": "mean"}, "no observer named 'mean'"),
        ("calibration-set", {"observer": "percentile", "percent": 12.0}, "percent = 12.0 should lie above 50"),
        ("calibration-set", {"samples": -1}, "should not be negative"),
        ("mixed", {"layers": ["hidden.dense7"]}, "no layer named 'hidden.dense7'"),
        ("qat", {"epochs": 0}, "epochs = 0 should be at least 1"),
        ("qat", {"epochs": "many"}, "should be of type int"),
    ],
)
def test_options_that_do_not_fit_are_refused_in_one_sentence(name: str, options: Options, sentence: str) -> None:
    with pytest.raises(PlanError, match=sentence):
        rungs.take(ground(), name, options)


def test_an_unknown_rung_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UsageError, match="no rung named 'equalization'") as caught:
        rungs.climbed(ground(), {"equalization": {}})
    assert "equalisation" in str(caught.value.hint)


def test_rungs_are_taken_in_their_order_whatever_the_plans() -> None:
    plan = {"bias-correction": {}, "calibration-set": {"observer": "mse"}, "equalisation": {}}
    assert list(rungs.climbed(ground(), plan).taken) == ["calibration-set", "equalisation", "bias-correction"]


def test_a_gain_is_beyond_doubt_when_its_interval_lies_above_zero() -> None:
    many, few = outcome({}, [1] * 20 + [0] * 80), outcome({}, [1] * 2 + [0] * 98)
    none = outcome({}, [0] * 100)
    assert many.beats(none)
    assert not few.beats(none)
    assert dataclasses.replace(few).rank > none.rank
