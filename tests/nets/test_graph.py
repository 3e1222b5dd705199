"""Layers by their names, and the pairs between which a channel's scale can be moved."""

from __future__ import annotations

import copy
import functools
from collections import OrderedDict

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from edgecnn.nets import graph, layers
from edgecnn.nets.graph import Edge
from edgecnn.pipeline.export.rungs import equalisation

SHAPE = (2, 8, 8)
IN_BETWEEN: dict[str, tuple[nn.Module, bool]] = {
    "relu": (nn.ReLU(), True),
    "nothing": (nn.Identity(), True),
    "max pool": (nn.MaxPool2d(2), True),
    "average pool": (nn.AvgPool2d(2), True),
    "relu6": (nn.ReLU6(), False),
    "gelu": (nn.GELU(), False),
    "sigmoid": (nn.Sigmoid(), False),
}


def chain(middle: nn.Module, seed: int = 0) -> nn.Module:
    """Two convolutions with a batch norm and `middle` between them."""
    torch.manual_seed(seed)
    norm = nn.BatchNorm2d(4)
    for values in (norm.weight.data, norm.bias.data, norm.running_mean, norm.running_var):
        assert values is not None
        values.uniform_(0.5, 2.0)
    parts = {"first": nn.Conv2d(2, 4, 3), "norm": norm, "middle": middle, "second": nn.Conv2d(4, 3, 1)}
    return nn.Sequential(OrderedDict(parts)).eval()


@functools.cache
def the_pair(name: str) -> Edge:
    (pair,) = equalisation.pairs(chain(IN_BETWEEN[name][0]), SHAPE)
    return pair


@pytest.mark.parametrize("name", IN_BETWEEN)
def test_a_pair_needs_steps_that_a_scale_can_pass(name: str) -> None:
    middle, passes = IN_BETWEEN[name]
    pairs = [(pair.source, pair.target) for pair in equalisation.pairs(chain(middle), SHAPE)]
    assert pairs == ([("first", "second")] if passes else [])


def test_a_branch_breaks_a_pair_and_its_inside_does_not() -> None:
    block = layers.SeparableBlock(2, 2, kernel=3, stride=1, act="relu", residual=True)
    net = nn.Sequential(block, nn.Conv2d(2, 3, 1)).eval()
    assert [(pair.source, pair.target) for pair in equalisation.pairs(net, SHAPE)] == [
        ("0.depthwise.conv", "0.pointwise.conv")
    ]


def test_pixels_laid_in_a_row_are_no_channels() -> None:
    net = nn.Sequential(nn.Conv2d(2, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, 5)).eval()
    assert equalisation.pairs(net, SHAPE) == []
    pooled = nn.Sequential(nn.Conv2d(2, 4, 3), nn.ReLU(), layers.GlobalHead(4, 5)).eval()
    assert len(equalisation.pairs(pooled, SHAPE)) == 1


def test_layers_have_the_names_of_the_net_in_the_order_they_run() -> None:
    net = nn.Sequential(layers.conv_bn(2, 4, 3), nn.ReLU(), layers.GlobalHead(4, 5)).eval()
    assert list(graph.layers(graph.export(net, SHAPE))) == ["0.conv", "2.linear"]


@given(
    name=st.sampled_from([name for name, (_, passes) in IN_BETWEEN.items() if passes]),
    exponents=st.lists(st.floats(-5, 5), min_size=4, max_size=4),
    seed=st.integers(0, 99),
)
@settings(max_examples=25, deadline=None)
def test_a_rescaled_pair_computes_the_same(name: str, exponents: list[float], seed: int) -> None:
    net, pair = chain(IN_BETWEEN[name][0], seed), the_pair(name)
    changed = copy.deepcopy(net)
    pictures = torch.randn(3, *SHAPE)
    with torch.no_grad():
        equalisation.rescale(changed, pair, torch.exp2(torch.tensor(exponents)))
        before, after = net(pictures).numpy(), changed(pictures).numpy()
    assert np.allclose(before, after, rtol=1e-4, atol=1e-5)


def test_a_depthwise_pair_is_rescaled_filter_by_filter() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(2, 4, 1), nn.ReLU(), nn.Conv2d(4, 4, 3, groups=4), nn.ReLU(), nn.Conv2d(4, 2, 1))
    pairs = equalisation.pairs(net.eval(), SHAPE)
    assert [(pair.source, pair.target) for pair in pairs] == [("0", "2"), ("2", "4")]
    changed = copy.deepcopy(net)
    pictures = torch.randn(3, *SHAPE)
    with torch.no_grad():
        for pair in pairs:
            equalisation.rescale(changed, pair, torch.tensor([0.01, 1.0, 7.0, 100.0]))
        assert torch.allclose(net(pictures), changed(pictures), rtol=1e-4, atol=1e-5)
