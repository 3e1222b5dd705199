"""Nets that are fine in float and collapse in int8, each for a reason of its own, made from one small trained net."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

from edgecnn import data, nets
from edgecnn.pipeline.export.rungs import equalisation
from edgecnn.pipeline.export.scheme import normalised
from edgecnn.records.recipe import DataPlan, NetPlan, OptimPlan, Recipe
from edgecnn.records.run import Run, open_run, write_facts

RECIPE = Recipe(
    name="textures",
    data=DataPlan(
        name="shapes",
        validation=1 / 3,
        options={"count": 4500, "test": 2000, "task": "texture", "size": 16, "smallest": 8, "largest": 14},
    ),
    net=NetPlan(name="dscnn", options={"width": 16, "stages": 2, "depth": 1}),
    optim=OptimPlan(lr=0.02),
    epochs=4,
    batch_size=64,
    num_threads=1,
    precision="fp32",
)
"""About 99 % right on 1,500 validation and 2,000 test pictures, so that a tenth of a point is a few of them."""

Break = Callable[[nn.Module, Run], None]


def broken(run: Run, how: Break, folder: Path) -> Run:
    """A copy of the run with its weights changed; what it is in float is its own reference."""
    shutil.copytree(run.folder, folder, ignore=shutil.ignore_patterns("artifacts"))
    copy = open_run(folder)
    net = nets.restore(copy)
    with torch.no_grad():
        how(net, copy)
    copy = dataclasses.replace(copy, weights_sha256=nets.store(net, copy.weights))
    write_facts(copy)
    return copy


def nothing(net: nn.Module, run: Run) -> None:
    """Leave it as it is."""


def spread(times: float) -> Break:
    """Channels whose ranges differ by so many times, wherever a scale can pass: the float function stays the same."""

    def how(net: nn.Module, run: Run) -> None:
        generator = torch.Generator().manual_seed(0)
        half = torch.tensor(times).log2().item() / 2
        for pair in equalisation.pairs(net, run.input_shape):
            channels = len(net.get_parameter(f"{pair.source}.weight"))
            exponents = torch.linspace(-half, half, channels).round()[torch.randperm(channels, generator=generator)]
            equalisation.rescale(net, pair, torch.exp2(exponents))

    return how


def activation_outlier(net: nn.Module, run: Run) -> None:
    """One channel of the first block fires on few pixels, a thousand times as high as all others, and is not used."""
    block = net.blocks[0]  # type: ignore[index]
    channel = int(block.pointwise.conv.weight.abs().amax((0, 2, 3)).argmin())  # the one that is missed least
    block.pointwise.conv.weight[:, channel] = 0.0
    seen: list[torch.Tensor] = []
    handle = block.depthwise.bn.register_forward_hook(lambda module, inputs, output: seen.append(output))
    net(normalised(data.load(run.recipe.data).train.images[:300], run))
    handle.remove()
    values, highest = seen[0][:, channel].flatten(), seen[0].max()
    threshold = values.quantile(0.9995)
    gain = 1000 * highest / (values.max() - threshold)
    block.depthwise.bn.bias[channel] = gain * (block.depthwise.bn.bias[channel] - threshold)
    block.depthwise.bn.weight[channel] *= gain


def weight_outlier(net: nn.Module, run: Run) -> None:
    """The last filters have a huge weight on a channel that is never on, so that their other weights have no steps."""
    block, channel = net.blocks[2], 0  # type: ignore[index]
    block.depthwise.bn.weight[channel], block.depthwise.bn.bias[channel] = 0.0, -1.0
    weight = block.pointwise.conv.weight
    weight[:, channel] = 300 * weight.abs().max()
