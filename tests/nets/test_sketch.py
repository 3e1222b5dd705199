"""A net's sketch is what its exported file turns out to be, before anything is exported."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from edgecnn import formats, nets
from edgecnn.errors import PlanError
from edgecnn.formats import Operator
from edgecnn.formats.tflite import drafted, operators
from edgecnn.nets import sketch
from edgecnn.records.recipe import NetPlan
from edgecnn.records.run import open_run

ZOO = Path(__file__).parents[2] / "models" / "zoo"
MODELS = sorted(folder.name for folder in ZOO.iterdir() if (folder / "recipe.toml").is_file())


def executed(operator: Operator) -> tuple[Any, ...]:
    """Return all that a kernel's cost depends on."""
    o = operator
    return (o.kind, o.label, o.input_shape, o.output_shape, o.bytes, o.kernel, o.stride, o.is_rectified, o.is_float)


@pytest.mark.parametrize("model", MODELS)
def test_a_file_drawn_from_a_sketch_has_the_operators_and_the_memory_of_the_exported_one(
    model: str, tmp_path: Path
) -> None:
    run = open_run(ZOO / model)
    channels, height, width = run.input_shape
    with torch.device("meta"):
        net = nets.build(run.recipe.net, (channels, height, width), len(run.labels))
    layers = sketch.layers(net, (channels, height, width))
    draft = tmp_path / "draft.tflite"
    draft.write_bytes(drafted.write(layers, (height, width, channels), "int8"))
    exported = ZOO / model / "artifacts" / f"{model}-int8.tflite"
    assert [executed(o) for o in operators.read(draft.read_bytes(), {})] == [
        executed(o) for o in operators.read(exported.read_bytes(), {})
    ]
    drawn, described = formats.describe(draft), formats.describe(exported)
    assert drawn.planned_activation_peak_bytes == described.planned_activation_peak_bytes
    assert drawn.precision == described.precision == "int8"
    assert 0 < described.bytes - drawn.bytes < 2_700  # labels, card and signature


@pytest.mark.parametrize("precision", ["int8", "fp32"])
@pytest.mark.parametrize("name", ["mlp", "dscnn", "resnet", "mobilenet-v2"])
def test_litert_runs_a_draft(name: str, precision: Any, tmp_path: Path) -> None:
    from ai_edge_litert.interpreter import Interpreter

    with torch.device("meta"):
        net = nets.build(NetPlan(name=name, options={}), (3, 32, 32), 7)
    content = drafted.write(sketch.layers(net, (3, 32, 32)), (32, 32, 3), precision)
    interpreter = Interpreter(model_content=content)
    interpreter.allocate_tensors()
    interpreter.invoke()
    assert tuple(interpreter.get_output_details()[0]["shape"]) == (1, 7)


def test_padding_that_a_stride_needs_is_a_layer_unless_it_is_the_same_on_both_sides() -> None:
    net = nn.Sequential(nn.Conv2d(1, 8, 3, stride=2, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    kinds = {side: [layer.kind for layer in sketch.layers(net.to("meta"), (1, side, side))] for side in (8, 9)}
    assert kinds == {8: ["pad", "conv", "mean"], 9: ["conv", "mean"]}


def test_a_net_keeps_its_mode() -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(4, 2)).to("meta").train()
    assert [layer.kind for layer in sketch.layers(net, (1, 2, 2))] == ["flatten", "dense"]
    assert net.training


def test_attention_is_refused_in_one_sentence() -> None:
    with torch.device("meta"):
        net = nets.build(NetPlan(name="vit", options={}), (1, 8, 8), 10)
    with pytest.raises(PlanError, match="is not known before the net is exported"):
        sketch.layers(net, (1, 8, 8))
