"""Every design space holds nets that can be built, and a net without one is not proposed."""

from __future__ import annotations

import inspect

import pytest

from edgecnn import nets
from edgecnn.nets import spaces


@pytest.mark.parametrize("name", spaces.names())
def test_a_space_names_options_of_its_net_and_draws_different_nets(name: str) -> None:
    assert spaces.space(name).keys() <= inspect.signature(nets.get(name).build).parameters.keys()
    drawn = spaces.different(name, 4, [(3, 32, 32)], 5, seed=0)
    assert drawn
    assert len({tuple(plan.options.items()) for plan, _, _ in drawn}) == len(drawn)
    assert all(layers[-1].shape == (5,) for _, _, layers in drawn)


def test_the_same_seed_draws_the_same_nets() -> None:
    plans = [[plan for plan, _, _ in spaces.different("dscnn", 3, [(1, 28, 28)], 10, seed=3)] for _ in range(2)]
    assert plans[0] == plans[1]


def test_attention_has_no_space() -> None:
    assert "vit" not in spaces.names()
    assert spaces.space("vit") == {}
