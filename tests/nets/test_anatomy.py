import operator
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval
from torch.utils.flop_counter import FlopCounterMode

from edgecnn import nets
from edgecnn.common import plugins
from edgecnn.nets import anatomy
from edgecnn.records.recipe import NetPlan

NETS = plugins.own_names("edgecnn.nets.architectures")
SHAPES = [(1, 8, 8), (1, 28, 28), (3, 32, 32)]


def build(name: str, shape: tuple[int, int, int] = (3, 32, 32), **options: Any) -> Any:
    torch.manual_seed(0)
    return nets.build(NetPlan(name=name, options=options), shape, 10).eval()


def fold(net: nn.Module) -> Any:
    """Batch norm after a convolution multiplied into it, for real."""
    for module in list(net.modules()):
        if hasattr(module, "conv") and hasattr(module, "bn"):
            module.conv = fuse_conv_bn_eval(module.conv, module.bn)  # type: ignore[arg-type, type-var]
            module.bn = nn.Identity()


@pytest.mark.parametrize("name", NETS)
class TestEveryNet:
    @pytest.mark.parametrize("shape", SHAPES)
    def test_macs_are_half_the_flops_torch_counts(self, name: str, shape: tuple[int, int, int]) -> None:
        net = build(name, shape).to("meta")  # on the CPU the counter overlooks fused attention
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            net(torch.empty(1, *shape, device="meta"))
        assert 2 * anatomy.macs(net, shape) == counter.get_total_flops()

    def test_parameters_are_those_left_when_batch_norm_is_really_folded(self, name: str) -> None:
        net = build(name)
        x = torch.randn(2, 3, 32, 32)
        counted, logits = anatomy.folded_parameters(net), net(x)
        fold(net)
        torch.testing.assert_close(net(x), logits, rtol=1e-4, atol=1e-4)
        assert counted == sum(parameter.numel() for parameter in net.parameters())

    def test_layers_add_up_to_the_net(self, name: str) -> None:
        net = build(name)
        layers = anatomy.layers(net, (3, 32, 32))
        assert sum(layer.parameters for layer in layers) == anatomy.folded_parameters(net)
        assert sum(layer.macs_percent for layer in layers) == pytest.approx(100)
        assert layers[-1].output_shape == (10,)
        assert layers[-1].receptive_field is None  # logits depend on every pixel

    def test_looking_changes_nothing(self, name: str) -> None:
        net = build(name).train()
        before = {key: value.clone() for key, value in net.state_dict().items()}
        state = torch.get_rng_state()
        anatomy.layers(net, (3, 32, 32))
        assert net.training
        assert torch.equal(state, torch.get_rng_state())
        after = net.state_dict()
        assert all(after[key].device.type == "cpu" and torch.equal(value, after[key]) for key, value in before.items())

    def test_a_net_without_numbers_has_the_same_anatomy(self, name: str) -> None:
        with torch.device("meta"):
            hollow = nets.build(NetPlan(name=name), (3, 32, 32), 10)
        assert anatomy.layers(hollow, (3, 32, 32)) == anatomy.layers(build(name), (3, 32, 32))


def seen_by_the_centre(features: nn.Module, channels: int, side: int) -> tuple[int, int]:
    """(side of the part of the picture the middle output depends on, its shift to the next output), by gradient."""
    for parameter in features.parameters():
        nn.init.constant_(parameter, 0.1)  # all positive: nothing cancels, no ReLU is silent
    x = torch.ones(1, channels, side, side, requires_grad=True)
    y = features(x)
    middle = y.shape[-1] // 2
    spans = []
    for row in (middle, middle + 1):
        (gradient,) = torch.autograd.grad(y[0, :, row, middle].sum(), x, retain_graph=True)
        rows = gradient[0, 0].sum(1).nonzero().flatten()
        spans.append((int(rows[0]), int(rows[-1])))
    return spans[0][1] - spans[0][0] + 1, spans[1][0] - spans[0][0]


step = st.tuples(st.sampled_from(["conv", "pool"]), st.integers(1, 5), st.integers(1, 3))


@given(st.lists(step, min_size=1, max_size=4))
@settings(deadline=None, max_examples=40)
def test_receptive_field_and_stride_are_those_the_gradient_shows(steps: Any) -> None:
    parts: list[nn.Module] = []
    for kind, kernel, stride in steps:
        if kind == "conv":
            parts.append(nn.Conv2d(1, 1, kernel, stride))
        else:
            parts.append(nn.AvgPool2d(kernel, stride))
    features = nn.Sequential(*parts)
    last = anatomy.layers(features, (1, 700, 700))[-1]
    assert seen_by_the_centre(features, 1, 700) == (last.receptive_field, last.stride)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("dscnn", {"pool": "average"}),
        ("dscnn", {"pool": "stride", "kernel": 5}),
        ("resnet", {}),
        ("resnet", {"depth": 14}),
    ],
)
def test_the_receptive_field_of_a_whole_net_is_what_the_gradient_shows(name: str, options: dict[str, Any]) -> None:
    net = build(name, (3, 192, 192), width=2, **options).double()
    last = [layer for layer in anatomy.layers(net, (3, 192, 192)) if layer.receptive_field][-1]
    features = nn.Sequential(net.stem, net.blocks)
    assert seen_by_the_centre(features.float(), 3, 192) == (last.receptive_field, last.stride)


def test_a_batch_norm_that_follows_no_convolution_stays_a_layer() -> None:
    net = nn.Sequential(nn.BatchNorm2d(3), nn.Conv2d(3, 4, 3), nn.ReLU(), nn.BatchNorm2d(4))
    assert [layer.kind for layer in anatomy.layers(net, (3, 8, 8))] == ["BatchNorm2d", "conv 3x3", "BatchNorm2d"]
    assert anatomy.folded_parameters(net) == 6 + 4 * 27 + 4 + 8


def test_a_convolution_with_a_bias_keeps_one_when_batch_norm_is_folded() -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    assert anatomy.folded_parameters(net) == 4 * 27 + 4
    assert [layer.parameters for layer in anatomy.layers(net, (3, 8, 8))] == [4 * 27 + 4]


def test_attention_written_out_counts_the_same() -> None:
    class Written(nn.Module):
        def forward(self, x: torch.Tensor) -> Any:
            x = x.flatten(2)
            return operator.matmul(torch.softmax(torch.matmul(x, x.transpose(1, 2)), -1), x)

    class Called(nn.Module):
        def forward(self, x: torch.Tensor) -> Any:
            x = x.flatten(2)
            return F.scaled_dot_product_attention(x, x, x)

    assert anatomy.macs(Written(), (6, 4, 4)) == anatomy.macs(Called(), (6, 4, 4)) == 2 * 6 * 6 * 16


def test_tokens_are_treated_alike_until_attention_mixes_them() -> None:
    layers = {layer.name: layer for layer in anatomy.layers(build("vit", (1, 28, 28)), (1, 28, 28))}
    assert (layers["blocks.0.attention.qkv"].receptive_field, layers["blocks.0.attention.qkv"].stride) == (4, 4)
    assert layers["blocks.0.attention.attend"].receptive_field is None
    assert layers["positions"].parameters == 49 * 64


def test_a_dense_first_layer_explodes_where_a_filter_does_not() -> None:
    assert anatomy.dense_first_layer((3, 224, 224)) == 150_528_000
    assert nn.Conv2d(3, 1, 3, bias=False).weight.numel() == 27
