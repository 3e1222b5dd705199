"""The ranges of activations: what each observer makes of the values it has seen."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import small_runs
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from edgecnn.nets import graph as dataflow
from edgecnn.pipeline.export import scheme
from edgecnn.pipeline.export.scheme import Scheme
from edgecnn.records.plans import ExportPlan


def plain(net: str = "mlp", **plan: Any) -> Scheme:
    model = small_runs.exportable(net)
    return scheme.plain(model.run, small_runs.splits(small_runs.SHAPES[net]), ExportPlan(name="t", **plan), model.net)


def observed_first_activation(int8_scheme: Scheme) -> tuple[float, float]:
    """The range of the first activation that is not the input."""
    graph = scheme.observe(int8_scheme)
    kinds = ("MinMaxObserver", "HistogramObserver")
    name = next(n for n, module in graph.named_modules() if type(module).__name__ in kinds)
    scale, zero_point = (float(value) for value in graph.get_submodule(name).calculate_qparams())
    return (-128 - zero_point) * scale, (127 - zero_point) * scale


def rounding_error(values: Tensor, low: float, high: float) -> float:
    """Mean squared error of int8 with this range."""
    low, high = min(low, 0.0), max(high, 0.0)
    scale = (high - low) / 255
    zero_point = round(-128 - low / scale)
    stored = torch.clamp(torch.round(values / scale) + zero_point, -128, 127)
    return float(((stored - zero_point) * scale - values).square().mean())


def test_min_max_holds_every_value_and_percentile_fewer() -> None:
    whole = observed_first_activation(plain())
    clipped = observed_first_activation(dataclasses.replace(plain(), observer="percentile", percent=90.0))
    assert whole[1] - whole[0] > clipped[1] - clipped[0] > 0


@given(percent=st.floats(60, 100), seed=st.integers(0, 999), power=st.sampled_from([1, 2, 3]))
@settings(max_examples=30, deadline=None)
def test_the_percentile_is_that_of_the_values_within_a_bin(percent: float, seed: int, power: int) -> None:
    from torchao.quantization.pt2e.observer import HistogramObserver

    values = torch.from_numpy(np.random.default_rng(seed).normal(size=5000).astype(np.float32)) ** power
    observer = HistogramObserver(dtype=torch.int8, qscheme=torch.per_tensor_affine, quant_min=-128, quant_max=127)
    observer(values)
    graph = torch.nn.Module()
    graph.add_module("one", observer)
    graph.add_module("other", observer)  # shared, as a pool shares its input's
    scheme.clip_to_percentile(graph, percent)
    assert graph.one is graph.other
    bin_width = float(values.max() - values.min()) / observer.bins
    ordered, slack = np.sort(values.numpy()), 1.01 * bin_width
    for share, limit in ((100 - percent, graph.one.min_val), (percent, graph.one.max_val)):
        place = np.searchsorted(ordered, np.percentile(ordered, share, method="inverted_cdf"))
        # Between two values every range holds as many: where a share is a whole number of them, either will do.
        below, above = ordered[max(place - 1, 0)], ordered[min(place + 1, len(ordered) - 1)]
        assert below - slack <= float(limit) <= above + slack  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["normal", "relu", "laplace", "outlier"])
def test_torchao_finds_a_range_about_as_good_as_the_best_of_a_grid(kind: str) -> None:
    from torchao.quantization.pt2e.observer import HistogramObserver

    generator = torch.Generator().manual_seed(0)
    values = torch.randn(20_000, generator=generator)
    if kind == "relu":
        values = values.relu()
    elif kind == "laplace":
        values = values.sign() * -torch.rand(20_000, generator=generator).clamp(1e-6).log()
    elif kind == "outlier":
        values[:3] = 12.0
    observer = HistogramObserver(dtype=torch.int8, qscheme=torch.per_tensor_affine, quant_min=-128, quant_max=127)
    for part in values.split(1000):
        observer(part)
    scale, zero_point = (float(value) for value in observer.calculate_qparams())
    error = rounding_error(values, (-128 - zero_point) * scale, (127 - zero_point) * scale)
    lows = [float(values.min()) * share for share in np.linspace(0.3, 1, 15)]
    highs = [float(values.max()) * share for share in np.linspace(0.3, 1, 15)]
    best = min(rounding_error(values, low, high) for low in lows for high in highs)
    assert error <= 1.25 * best


def test_one_scale_for_a_whole_weight_or_one_for_each_channel() -> None:
    for per_channel, scales in ((True, 32), (False, 1)):
        graph = scheme.observe(plain(per_channel=per_channel))
        node = dataflow.layers(graph)["hidden.dense0"]
        observer = graph.get_submodule(str(node.args[1].target))
        assert observer.calculate_qparams()[0].numel() == scales


def test_a_graph_takes_any_number_of_pictures() -> None:
    graph = scheme.observe(plain())
    shape = small_runs.SHAPES["mlp"]
    single, several = graph(torch.ones(1, *shape)), graph(torch.ones(5, *shape))
    assert several.shape == (5, 4)
    assert torch.allclose(several, single.expand(5, 4), atol=1e-5)
