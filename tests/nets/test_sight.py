"""First filters, and class activation maps that add up to the logits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from edgecnn import nets
from edgecnn.nets import inference, sight
from edgecnn.testing import samples


@pytest.mark.parametrize("name", ["dscnn", "resnet"])
def test_the_maps_mean_and_the_bias_are_the_logits(name: str, tmp_path: Path) -> None:
    run = samples.run(name, tmp_path / name)
    net = nets.restore(run)
    images = samples.pictures(5, samples.SHAPES[name], 7).load_all()
    seen = sight.class_activation(net, images, run.mean, run.std)
    assert seen is not None
    assert (seen.logits == inference.logits(net, images, run.mean, run.std).numpy()).all()
    (head,) = (module for module in net.modules() if isinstance(module, nn.Linear))
    summed = seen.maps.mean((2, 3)) + head.bias.detach().numpy()
    np.testing.assert_allclose(summed, seen.logits, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("name", ["mlp", "vit"])
def test_a_net_that_does_not_end_in_a_pool_and_a_layer_has_no_exact_map(name: str, tmp_path: Path) -> None:
    run = samples.run(name, tmp_path / name)
    images = samples.pictures(2, samples.SHAPES[name], 7).load_all()
    assert sight.class_activation(nets.restore(run), images, run.mean, run.std) is None


def test_a_head_on_a_maximum_is_found_out_by_its_numbers() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(4, 3)).eval()
    images = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 1), dtype=np.uint8)
    assert sight.class_activation(net, images, 128.0, 64.0) is None


def test_first_filters_are_those_of_a_convolution_on_pixels(tmp_path: Path) -> None:
    filters = sight.first_filters(nets.restore(samples.run("dscnn", tmp_path / "dscnn")))
    assert filters is not None
    assert filters.shape == (8, 1, 3, 3)
    assert sight.first_filters(nets.restore(samples.run("mlp", tmp_path / "mlp"))) is None
    assert sight.first_filters(nn.Sequential(nn.Conv2d(8, 4, 3))) is None
