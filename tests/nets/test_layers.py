import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from edgecnn import nets
from edgecnn.errors import PlanError
from edgecnn.nets import layers
from edgecnn.records.recipe import NetPlan


def block(
    channels_in: int = 4, channels_out: int = 4, stride: int = 1, residual: bool = True, act: str = "relu"
) -> Any:
    torch.manual_seed(0)
    return layers.SeparableBlock(channels_in, channels_out, kernel=3, stride=stride, act=act, residual=residual).eval()


def test_a_separable_block_holds_nine_weights_a_channel_and_one_a_pair() -> None:
    weights = sum(m.weight.numel() for m in block(8, 16).modules() if isinstance(m, nn.Conv2d))
    assert weights == 9 * 8 + 8 * 16


def test_the_input_is_added_only_where_shapes_agree() -> None:
    assert block().residual
    assert not block(4, 8).residual
    assert not block(stride=2).residual
    assert not block(residual=False).residual


def test_a_residual_block_whose_branch_is_silent_passes_its_input_on() -> None:
    net = block()
    nn.init.zeros_(net.pointwise.conv.weight)
    x = torch.rand(2, 4, 6, 6)
    assert torch.equal(net(x), x)


@given(dy=st.integers(-3, 3), dx=st.integers(-3, 3))
@settings(deadline=None, max_examples=20)
def test_a_block_moves_its_output_as_the_picture_moves(dy: int, dx: int) -> None:
    net = block()
    picture = torch.zeros(1, 4, 24, 24)
    picture[..., 9:15, 9:15] = torch.rand(1, 4, 6, 6, generator=torch.Generator().manual_seed(1))
    moved = torch.roll(picture, (dy, dx), (2, 3))
    torch.testing.assert_close(net(moved), torch.roll(net(picture), (dy, dx), (2, 3)))


def test_relu6_stops_at_six() -> None:
    net = block(residual=False, act="relu6")
    assert net(torch.full((1, 4, 6, 6), 1e6)).max() <= 6


def test_an_unknown_activation_is_named_with_the_nearest() -> None:
    with pytest.raises(PlanError, match="'relu7' is unknown") as error:
        layers.activation("relu7")
    assert "relu6" in error.value.hint


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("side", [7, 8])
def test_a_residual_block_fits_its_shortcut_to_odd_and_even_pictures(stride: int, side: int) -> None:
    net = layers.ResidualBlock(4, 4 * stride, stride=stride)
    assert net(torch.rand(2, 4, side, side)).shape == (
        2,
        4 * stride,
        math.ceil(side / stride),
        math.ceil(side / stride),
    )


def test_attention_is_the_softmax_of_scaled_products() -> None:
    torch.manual_seed(0)
    net = layers.Attention(dim=8, heads=2)
    x = torch.randn(3, 5, 8)
    q, k, v = net.qkv(x).split(8, dim=-1)
    heads = []
    for part in (slice(0, 4), slice(4, 8)):
        weights = torch.softmax(q[..., part] @ k[..., part].transpose(1, 2) / math.sqrt(4), dim=-1)
        heads.append(weights @ v[..., part])
    torch.testing.assert_close(net(x), net.project(torch.cat(heads, dim=-1)))


def test_attention_takes_a_dim_its_heads_do_not_divide() -> None:
    assert layers.Attention(dim=10, heads=4)(torch.randn(1, 3, 10)).shape == (1, 3, 10)


def test_normalise_takes_raw_pixels() -> None:
    x = torch.tensor([0.0, 33.0, 255.0])
    torch.testing.assert_close(layers.Normalise(33.0, 74.0)(x), torch.tensor([-33 / 74, 0.0, 3.0]))


def test_dropout_is_for_training_only() -> None:
    head = layers.GlobalHead(4, 3, dropout=0.5)
    x = torch.rand(1, 4, 5, 5)
    head.eval()
    assert torch.equal(head(x), head(x))


def test_initial_weights_have_the_variance_that_keeps_the_signal() -> None:
    torch.manual_seed(0)
    depthwise = nn.Conv2d(2048, 2048, 3, groups=2048)
    dense = nn.Linear(400, 400)
    layers.initialise(nn.ModuleList([depthwise, dense]))
    assert depthwise.weight.std().item() == pytest.approx(math.sqrt(2 / 9), rel=0.05)
    assert dense.weight.std().item() == pytest.approx(math.sqrt(2 / 400), rel=0.05)
    assert not dense.bias.any()


class TestBlurPool:
    @pytest.mark.parametrize("side", range(2, 12))
    def test_halves_a_picture_as_the_other_pools_do(self, side: int) -> None:
        x = torch.randn(2, 3, side, side)
        shapes = {name: build(3)(x).shape for name, build in layers.POOLS.items()}
        assert set(shapes.values()) == {(2, 3, side // 2, side // 2)}

    def test_keeps_a_constant_away_from_the_border(self) -> None:
        y = layers.blur_pool(3)(torch.full((1, 3, 12, 12), 5.0))
        assert torch.equal(y[..., 1:-1, 1:-1], torch.full((1, 3, 4, 4), 5.0))

    def test_neither_draws_nor_learns_its_filter(self) -> None:
        pool = layers.blur_pool(4)
        layers.initialise(pool)
        assert not any(parameter.requires_grad for parameter in pool.parameters())
        assert torch.equal(pool[1].weight, layers.blur_pool(4)[1].weight)  # type: ignore[arg-type]
        assert pool[1].weight.sum((1, 2, 3)).tolist() == [1.0] * 4


def test_a_net_without_its_batch_norms_answers_as_before() -> None:
    net = nets.build(NetPlan(name="dscnn", options={"width": 8}), (1, 12, 12), 10)
    for norm in (m for m in net.modules() if isinstance(m, nn.BatchNorm2d)):
        nn.init.uniform_(norm.running_mean, -1, 1)  # type: ignore[arg-type]
        nn.init.uniform_(norm.running_var, 0.5, 2)  # type: ignore[arg-type]
    x = torch.rand(3, 1, 12, 12)
    with torch.no_grad():
        before = net.eval()(x)
        folded = layers.fold_batch_norms(net)
        torch.testing.assert_close(folded(x), before, rtol=1e-4, atol=1e-4)
    assert not any(isinstance(m, nn.BatchNorm2d) for m in folded.modules())
