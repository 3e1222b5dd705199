"""The conformance check of a net."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from edgecnn.errors import PlanError
from edgecnn.records.recipe import NetPlan
from edgecnn.testing._asserting import refused, require

SHAPES = ((1, 8, 8), (1, 28, 28), (3, 32, 32))
TOML = (bool, int, float, str)


def build(name: str, shape: tuple[int, int, int] = (1, 8, 8), classes: int = 10, **options: Any) -> Any:
    """Return the net, its weights drawn from seed 0."""
    import torch

    from edgecnn import nets

    torch.manual_seed(0)
    return nets.build(NetPlan(name=name, options=options), shape, classes)


def options(name: str) -> dict[str, Any]:
    """Return the options of a net with their defaults."""
    from edgecnn import nets

    parameters = inspect.signature(nets.get(name).build).parameters
    return {key: each.default for key, each in parameters.items() if key not in ("input_shape", "classes")}


def maps_pictures_to_finite_logits(name: str) -> None:
    import torch

    for shape in SHAPES:
        net = build(name, shape, classes=7).eval()
        with torch.inference_mode():
            logits = net(torch.randn(3, *shape))
        require(logits.shape == (3, 7), f"{name} gives {tuple(logits.shape)} for 3 pictures and 7 classes")
        require(logits.dtype == torch.float32, f"{name} gives {logits.dtype}")
        require(bool(logits.isfinite().all()), f"{name} gives logits that are not finite for {shape}")


def judges_each_picture_alone_in_eval_mode(name: str) -> None:
    import torch

    net, x = build(name).eval(), torch.randn(4, 1, 8, 8)
    torch.testing.assert_close(net(x)[:1], net(x[:1]))


def has_options_that_toml_can_write(name: str) -> None:
    others = [key for key, default in options(name).items() if type(default) not in TOML]
    require(not others, f"{name} has options without a default that TOML can write: {', '.join(others)}")


def has_integer_knobs_each_of_which_makes_it_larger(name: str) -> None:
    from edgecnn import nets
    from edgecnn.nets import anatomy

    known = options(name)
    small = anatomy.folded_parameters(build(name))
    for knob in nets.get(name).KNOBS:
        require(type(known.get(knob)) is int, f"{name} has no whole number {knob}, which is among its KNOBS")
        larger = anatomy.folded_parameters(build(name, **{knob: known[knob] + 1}))
        require(larger > small, f"{name} does not grow with {knob}")


def has_the_same_weights_for_every_size_of_picture_or_says_that_it_has_not(name: str) -> None:
    from edgecnn import nets

    sizes = [{key: value.shape for key, value in build(name, (1, n, n)).state_dict().items()} for n in (8, 16)]
    require((sizes[0] == sizes[1]) == nets.get(name).ANY_SIZE, f"{name}: ANY_SIZE is not what its weights say")


def draws_its_weights_from_the_seed(name: str) -> None:
    import torch

    from edgecnn import nets

    first, second = build(name).state_dict(), build(name).state_dict()
    require(all(torch.equal(first[key], second[key]) for key in first), f"{name} draws other weights from one seed")
    torch.manual_seed(1)
    third = nets.build(NetPlan(name=name), (1, 8, 8), 10).state_dict()
    require(any(not torch.equal(first[key], third[key]) for key in first), f"{name} draws one seed's weights from two")


def learns_with_every_parameter(name: str) -> None:
    import torch

    net = build(name).train()
    loss = torch.nn.functional.cross_entropy(net(torch.randn(8, 1, 8, 8)), torch.arange(8))
    loss.backward()  # type: ignore[no-untyped-call]
    silent = [key for key, each in net.named_parameters() if each.grad is None or not each.grad.any()]
    # What softmax attention and batch norm cancel is silent by construction: biases that shift every score alike.
    silent = [key for key in silent if not key.endswith("bias")]
    require(not silent, f"{name} has parameters that learn nothing: {', '.join(silent)}")


def can_memorise_a_handful_of_pictures(name: str) -> None:
    import torch

    net = build(name).train()
    x, y = torch.randn(16, 1, 8, 8), torch.arange(16) % 10
    optimizer = torch.optim.AdamW(net.parameters(), 3e-3)
    for _ in range(60):
        loss = torch.nn.functional.cross_entropy(net(x), y)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    require(bool((net(x).argmax(1) == y).float().mean() > 0.9), f"{name} does not memorise 16 pictures in 60 steps")


def goes_through_a_weights_file(name: str) -> None:
    import torch
    from safetensors.torch import load, save

    from edgecnn import nets

    net = build(name).eval()
    torch.manual_seed(5)
    other = nets.build(NetPlan(name=name), (1, 8, 8), 10).eval()
    other.load_state_dict(load(save(net.state_dict())))
    x = torch.randn(2, 1, 8, 8)
    require(torch.equal(net(x), other(x)), f"{name} answers differently with the weights of a file")


def exports_to_a_graph_that_computes_the_same(name: str) -> None:
    import torch

    net, x = build(name, (1, 28, 28)).eval(), torch.randn(1, 1, 28, 28)
    torch.testing.assert_close(torch.export.export(net, (x,)).module()(x), net(x))


def gives_the_same_logits_in_channels_last(name: str) -> None:
    import torch

    net, x = build(name, (3, 32, 32)).eval(), torch.randn(2, 3, 32, 32)
    expected = net(x)
    result = net.to(memory_format=torch.channels_last)(x.contiguous(memory_format=torch.channels_last))
    torch.testing.assert_close(result, expected, rtol=1e-4, atol=1e-4)


def names_an_option_it_does_not_have(name: str) -> None:
    with refused(PlanError, "unknown key 'widht'", f"the option widht of {name}"):
        build(name, widht=3)


def refuses_every_number_below_one(name: str) -> None:
    for key, default in options(name).items():
        if type(default) is int:
            with refused(PlanError, f"{key} = 0", f"{key} = 0 of {name}"):
                build(name, (1, 8, 8), 10, **{key: 0})


CHECKS: tuple[Callable[[str], None], ...] = (
    maps_pictures_to_finite_logits,
    judges_each_picture_alone_in_eval_mode,
    has_options_that_toml_can_write,
    has_integer_knobs_each_of_which_makes_it_larger,
    has_the_same_weights_for_every_size_of_picture_or_says_that_it_has_not,
    draws_its_weights_from_the_seed,
    learns_with_every_parameter,
    can_memorise_a_handful_of_pictures,
    goes_through_a_weights_file,
    exports_to_a_graph_that_computes_the_same,
    gives_the_same_logits_in_channels_last,
    names_an_option_it_does_not_have,
    refuses_every_number_below_one,
)
