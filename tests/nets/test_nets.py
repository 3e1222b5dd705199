"""The contract of a net, and the tests of each net alone."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from edgecnn.common import plugins
from edgecnn.errors import PlanError, UsageError
from edgecnn.nets import anatomy, layers
from edgecnn.testing import nets as nets_owe
from edgecnn.testing.nets import build

NETS = plugins.own_names("edgecnn.nets.architectures")


@pytest.mark.parametrize("check", nets_owe.CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", NETS)
def test_every_net_keeps_its_contract(name: str, check: Callable[[str], None]) -> None:
    check(name)


def test_an_unknown_net_is_answered_with_the_known_ones() -> None:
    with pytest.raises(UsageError, match="no net named 'dscn'") as error:
        build("dscn")
    assert "dscnn" in error.value.hint


@pytest.mark.parametrize("value", ["2", True])
def test_an_option_of_another_type_is_refused(value: Any) -> None:
    with pytest.raises(PlanError, match=r"growth = .* should be of type float"):
        build("dscnn", growth=value)


KEYWORDS = {
    "width": 64, "stages": 1, "depth": 4, "residual": False, "stem_height": 10, "stem_width": 4, "stem_stride": 2,
}  # fmt: skip


class TestMobileNets:
    @pytest.mark.parametrize(
        ("name", "shape", "classes", "options", "parameters", "macs"),
        [
            ("mobilenet", (3, 96, 96), 2, {}, 210_850, 7_489_664),  # MLPerf Tiny's for visual wake words
            ("dscnn", (1, 49, 10), 12, KEYWORDS, 22_604, 2_656_768),  # MLPerf Tiny's for keyword spotting
            ("mobilenet", (3, 224, 224), 1000, {"width": 32}, 4_221_032, 568_740_352),
            ("mobilenet-v2", (3, 224, 224), 1000, {"width": 32}, 3_487_816, 300_774_272),
        ],
    )
    def test_cost_what_the_papers_nets_cost(
        self, name: str, shape: tuple[int, int, int], classes: int, options: Any, parameters: int, macs: int
    ) -> None:
        net = build(name, shape, classes, **options)
        assert (anatomy.folded_parameters(net), anatomy.macs(net, shape)) == (parameters, macs)

    @pytest.mark.parametrize(
        ("options", "parameters"),
        [({}, 4_652_008), ({"depth": 1.1}, 5_416_680), ({"width": 1.1, "depth": 1.2}, 6_092_072)],
    )
    def test_lite_nets_have_as_many_weights_as_were_published(self, options: Any, parameters: int) -> None:
        net = build("efficientnet-lite", (3, 33, 33), 1000, **options)
        assert sum(weights.numel() for weights in net.parameters()) == parameters

    @pytest.mark.parametrize(
        ("channels", "rounded"),
        [(3.2, 8), (12.0, 16), (24.0, 24), (40 * 1.1, 48), (80 * 1.1, 88), (11.2, 16), (17.0, 16)],
    )
    def test_channels_are_rounded_by_less_than_a_tenth_downwards(self, channels: float, rounded: int) -> None:
        assert layers.rounded_channels(channels, 8) == rounded
        assert rounded > 0.9 * channels

    @pytest.mark.parametrize("wrong", [{"width": 0.0}, {"depth": -1.0}, {"dropout": 1.0}])
    def test_numbers_that_make_no_net_are_refused(self, wrong: dict[str, Any]) -> None:
        with pytest.raises(PlanError, match=r"\[net\] "):
            build("efficientnet-lite", (3, 33, 33), **wrong)


class TestDSCNN:
    @pytest.mark.parametrize("height", [4, 5, 10, 49])
    @pytest.mark.parametrize("sides", [(10, 4), (3, 3), (2, 5), (4, 7)])
    @pytest.mark.parametrize("stride", [1, 2])
    def test_a_stem_of_any_sides_keeps_height_and_width_but_for_its_stride(
        self, height: int, sides: tuple[int, int], stride: int
    ) -> None:
        options = {"stem_height": min(sides[0], 2 * height), "stem_width": sides[1], "stem_stride": stride, "stages": 1}
        if stride == 1 and sides != (3, 3):
            with pytest.raises(PlanError, match="should have odd sides"):
                build("dscnn", (1, height, 10), **options)
            return
        net = build("dscnn", (1, height, 10), **options)
        y = net.stem(torch.zeros(1, 1, height, 10))
        assert y.shape[2:] == (-(-height // stride), -(-10 // stride))

    def test_a_stem_larger_than_the_picture_is_refused(self) -> None:
        with pytest.raises(PlanError, match=r"filters of 31 x 3 are too large for 10 x 10 pixels"):
            build("dscnn", (1, 10, 10), stem_height=31, stages=1)

    @pytest.mark.parametrize("pool", ["max", "average", "stride"])
    @pytest.mark.parametrize("residual", [True, False])
    def test_halves_the_picture_between_stages(self, pool: str, residual: bool) -> None:
        net = build("dscnn", (1, 28, 28), width=4, stages=3, pool=pool, residual=residual).eval()
        x = net.blocks(net.stem(torch.randn(1, 1, 28, 28)))
        assert x.shape == (1, 16, 7, 7)

    def test_has_the_blocks_and_channels_it_is_told(self) -> None:
        net = build("dscnn", width=10, stages=2, depth=3, growth=1.5)
        pointwise = [block.pointwise.conv.out_channels for block in net.blocks if hasattr(block, "pointwise")]
        assert pointwise == [10, 10, 10, 15, 15, 15]

    def test_residuals_cost_nothing(self) -> None:
        with_, without = build("dscnn", residual=True), build("dscnn", residual=False)
        assert anatomy.folded_parameters(with_) == anatomy.folded_parameters(without)

    def test_strided_and_pooled_nets_have_the_same_weights(self) -> None:
        assert [p.shape for p in build("dscnn", pool="stride").parameters()] == [
            p.shape for p in build("dscnn", pool="max").parameters()
        ]

    def test_a_picture_cannot_be_halved_below_a_pixel(self) -> None:
        assert build("dscnn", (1, 8, 8), stages=4, width=2).eval()(torch.randn(1, 1, 8, 8)).shape == (1, 10)
        with pytest.raises(PlanError, match="stages = 5 would halve 8 pixels to none") as error:
            build("dscnn", (1, 8, 8), stages=5)
        assert error.value.hint == "at most 4 stages fit"

    @pytest.mark.parametrize(
        ("option", "sentence"),
        [
            ({"pool": "mean"}, "pool = 'mean' is unknown"),
            ({"kernel": 4}, "kernel = 4 should be odd"),
            ({"growth": 0.5}, "growth = 0.5 should be at least 1"),
            ({"dropout": 1.0}, "dropout = 1.0 should lie"),
            ({"activation": "gelu"}, "activation = 'gelu' is unknown"),
        ],
    )
    def test_numbers_that_do_not_fit_are_named(self, option: dict[str, Any], sentence: str) -> None:
        with pytest.raises(PlanError, match=sentence):
            build("dscnn", **option)


class TestResNet:
    def test_is_the_resnet8_of_mlperf_tiny(self) -> None:
        net = build("resnet", (3, 32, 32), 10)
        assert anatomy.folded_parameters(net) == 77_706
        assert anatomy.macs(net, (3, 32, 32)) == 12_501_632

    @pytest.mark.parametrize("depth", [8, 14, 20])
    def test_is_as_deep_as_it_is_told(self, depth: int) -> None:
        net = build("resnet", (3, 32, 32), depth=depth)
        on_the_path = [
            layer for layer in anatomy.layers(net, (3, 32, 32)) if layer.macs and "shortcut" not in layer.name
        ]
        assert len(on_the_path) == depth

    @pytest.mark.parametrize(("growth", "widths"), [(1, {24}), (1.5, {24, 36, 54}), (2, {24, 48, 96})])
    def test_its_stages_are_as_wide_as_growth_says(self, growth: str, widths: list[int]) -> None:
        net = build("resnet", (3, 32, 32), width=24, growth=growth)
        assert {p.shape[0] for p in net.parameters() if p.ndim == 4} == widths

    def test_stages_do_not_get_narrower(self) -> None:
        with pytest.raises(PlanError, match=r"growth = 0\.5 should be at least 1"):
            build("resnet", growth=0.5)

    @pytest.mark.parametrize(("depth", "hint"), [(9, "8 and 14"), (19, "14 and 20"), (2, "8 and 14")])
    def test_other_depths_are_answered_with_the_next_ones(self, depth: int, hint: str) -> None:
        with pytest.raises(PlanError, match=f"depth = {depth} is not 6 n") as error:
            build("resnet", depth=depth)
        assert error.value.hint == f"the next are {hint}"


def test_a_squeezed_net_has_fewer_channels_in_its_last_stage_alone() -> None:
    shapes = [
        [tuple(p.shape[:2]) for n, p in build("dscnn", width=8, stages=2, squeeze=s).named_parameters() if p.ndim == 4]
        for s in (1.0, 0.5)
    ]
    half = len(shapes[0]) // 2 + 1
    assert shapes[0][:half] == shapes[1][:half]
    assert shapes[0][-1] == (16, 16)
    assert shapes[1][-1] == (8, 8)
    with pytest.raises(PlanError, match=r"squeeze = 0 should lie above 0"):
        build("dscnn", squeeze=0)


def test_an_mlp_has_the_units_it_is_told() -> None:
    shapes = [tuple(p.shape) for p in build("mlp", hidden=20, depth=2, last=5).parameters() if p.dim() == 2]
    assert shapes == [(20, 64), (20, 20), (5, 20), (10, 5)]


class TestViT:
    def test_a_patch_that_does_not_divide_is_answered_with_those_that_do(self) -> None:
        with pytest.raises(PlanError, match="patch = 5 does not divide 28 x 28") as error:
            build("vit", (1, 28, 28), patch=5)
        assert error.value.hint == "these do: 1, 2, 4, 7, 14, 28"

    def test_a_head_needs_a_feature(self) -> None:
        with pytest.raises(PlanError, match="dim = 3 is too small for heads = 4"):
            build("vit", dim=3)

    def test_tells_places_apart_by_its_positions_alone(self) -> None:
        net = build("vit", (1, 8, 8)).eval()
        x = torch.randn(1, 1, 8, 8)
        turned = torch.cat([x[..., 4:, :], x[..., :4, :]], dim=2)  # the patches change places, whole
        assert not torch.allclose(net(x), net(turned), atol=1e-6)
        torch.nn.init.zeros_(net.positions)
        torch.testing.assert_close(net(x), net(turned), rtol=1e-4, atol=1e-5)
