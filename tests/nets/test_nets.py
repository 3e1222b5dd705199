"""What every net owes, and what each one owes alone."""

import inspect
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from edgecnn import nets
from edgecnn.common import plugins
from edgecnn.errors import PlanError, UsageError
from edgecnn.nets import anatomy
from edgecnn.records.recipe import NetPlan

NETS = plugins.names("nets.architectures")
SHAPES = [(1, 8, 8), (1, 28, 28), (3, 32, 32)]
TOML = (bool, int, float, str)


def build(name: str, shape: tuple[int, int, int] = (1, 8, 8), classes: int = 10, **options: Any) -> Any:
    torch.manual_seed(0)
    return nets.build(NetPlan(name=name, options=options), shape, classes)


def options(name: str) -> Any:
    signature = inspect.signature(nets.get(name).build)
    return {key: p.default for key, p in signature.parameters.items() if key not in ("input_shape", "classes")}


@pytest.mark.parametrize("name", NETS)
class TestEveryNet:
    @pytest.mark.parametrize("shape", SHAPES)
    def test_maps_pictures_to_finite_logits(self, name: str, shape: tuple[int, int, int]) -> None:
        net = build(name, shape, classes=7).eval()
        with torch.inference_mode():
            logits = net(torch.randn(3, *shape))
        assert logits.shape == (3, 7)
        assert logits.dtype == torch.float32
        assert logits.isfinite().all()

    def test_judges_each_picture_alone_in_eval_mode(self, name: str) -> None:
        net = build(name).eval()
        x = torch.randn(4, 1, 8, 8)
        torch.testing.assert_close(net(x)[:1], net(x[:1]))

    def test_has_options_that_toml_can_write(self, name: str) -> None:
        assert all(type(default) in TOML for default in options(name).values())

    def test_has_integer_knobs_each_of_which_makes_it_larger(self, name: str) -> None:
        known = options(name)
        small = anatomy.folded_parameters(build(name))
        for knob in nets.get(name).KNOBS:
            assert type(known[knob]) is int
            assert anatomy.folded_parameters(build(name, **{knob: known[knob] + 1})) > small

    def test_has_the_same_weights_for_every_size_of_picture_or_says_that_it_has_not(self, name: str) -> None:
        sizes = [{key: value.shape for key, value in build(name, (1, n, n)).state_dict().items()} for n in (8, 16)]
        assert (sizes[0] == sizes[1]) == nets.get(name).ANY_SIZE

    def test_draws_its_weights_from_the_seed(self, name: str) -> None:
        first, second = build(name).state_dict(), build(name).state_dict()
        assert all(torch.equal(first[key], second[key]) for key in first)
        torch.manual_seed(1)
        third = nets.build(NetPlan(name=name), (1, 8, 8), 10).state_dict()
        assert any(not torch.equal(first[key], third[key]) for key in first)

    def test_learns_with_every_parameter(self, name: str) -> None:
        net = build(name).train()
        loss = torch.nn.functional.cross_entropy(net(torch.randn(8, 1, 8, 8)), torch.arange(8))
        loss.backward()
        silent = [key for key, p in net.named_parameters() if p.grad is None or not p.grad.any()]
        # What softmax attention and batch norm cancel is silent by construction: biases that shift every score alike.
        assert not [key for key in silent if not key.endswith("bias")]

    def test_can_memorise_a_handful_of_pictures(self, name: str) -> None:
        net = build(name).train()
        x, y = torch.randn(16, 1, 8, 8), torch.arange(16) % 10
        optimiser = torch.optim.AdamW(net.parameters(), 3e-3)
        for _ in range(60):
            loss = torch.nn.functional.cross_entropy(net(x), y)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        assert (net(x).argmax(1) == y).float().mean() > 0.9

    def test_goes_through_a_weights_file(self, name: str, tmp_path: Path) -> None:
        net = build(name).eval()
        save_file(net.state_dict(), tmp_path / "model.safetensors")
        torch.manual_seed(5)
        other = nets.build(NetPlan(name=name), (1, 8, 8), 10).eval()
        other.load_state_dict(load_file(tmp_path / "model.safetensors"))
        x = torch.randn(2, 1, 8, 8)
        assert torch.equal(net(x), other(x))

    def test_exports_to_a_graph_that_computes_the_same(self, name: str) -> None:
        net = build(name, (1, 28, 28)).eval()
        x = torch.randn(1, 1, 28, 28)
        torch.testing.assert_close(torch.export.export(net, (x,)).module()(x), net(x))

    def test_gives_the_same_logits_in_channels_last(self, name: str) -> None:
        net = build(name, (3, 32, 32)).eval()
        x = torch.randn(2, 3, 32, 32)
        expected = net(x)
        got = net.to(memory_format=torch.channels_last)(x.contiguous(memory_format=torch.channels_last))
        torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-4)

    def test_names_an_option_it_does_not_have(self, name: str) -> None:
        with pytest.raises(PlanError, match="unknown key 'widht'"):
            build(name, widht=3)

    def test_refuses_every_number_below_one(self, name: str) -> None:
        for key, default in options(name).items():
            if type(default) is int:
                with pytest.raises(PlanError, match=f"{key} = 0"):
                    build(name, **{key: 0})  # type: ignore[arg-type]


def test_an_unknown_net_is_answered_with_the_known_ones() -> None:
    with pytest.raises(UsageError, match="no net named 'dscn'") as error:
        build("dscn")
    assert "dscnn" in error.value.hint


@pytest.mark.parametrize("value", ["2", True])
def test_an_option_of_another_type_is_refused(value: Any) -> None:
    with pytest.raises(PlanError, match=r"growth = .* should be of type float"):
        build("dscnn", growth=value)


class TestDSCNN:
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
