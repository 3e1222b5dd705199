"""Costs that are sums over operators are found again from files alone, tiles included."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from edgecnn.errors import UsageError
from edgecnn.formats import Operator
from edgecnn.pipeline.costs import design, features, fit
from edgecnn.pipeline.costs.fit import Sample
from edgecnn.pipeline.costs.profile import drafted, drawn_nets
from edgecnn.records.cost_profile import HeldOutNet, KindCost

TILES = {"conv": (4, 16, 4), "pointwise": (6, 8, 1), "dense": (1, 32, 4), "depthwise 3x3": (1, 16, 4)}


def true_costs(files: Mapping[str, tuple[Operator, ...]]) -> dict[str, KindCost]:
    """Make up a machine: each term of each kind costs something that is told by its name alone."""
    costs = {}
    for file in files.values():
        for kind, operator in zip(features.kinds(file), file, strict=True):
            tile = TILES.get(kind, (1, 16, 4))
            terms = features.terms(kind, operator, tile)
            costs[kind] = KindCost(tile=tile, terms={name: 3.0 + len(name) for name in terms if "weights" not in name})
    return costs


def test_a_machine_that_works_in_tiles_is_found_again() -> None:
    files = {
        file.name: drafted(file.layers, (file.picture[2], *file.picture[:2]), "int8")[1] for file in design.files(0.35)
    }
    truth = true_costs(files)
    samples = [Sample(name, file, fit.cost(1000.0, truth, file)[0]) for name, file in files.items()]
    fitted = fit.fit(samples)
    assert max(map(abs, fitted.errors)) < 0.01
    assert fitted.operators["conv"].tile == TILES["conv"]
    nets = [
        HeldOutNet(
            net=net.net,
            options=net.options,
            input_shape=net.input_shape,
            macs=net.macs,
            predicted=fit.cost(fitted.call, fitted.operators, net.operators)[0],
            measured=fit.cost(1000.0, truth, net.operators)[0],
        )
        for net in drawn_nets(2, "int8")
    ]
    held_out = fit.held_out(nets)
    assert held_out.median_percent < 5


def test_the_designed_set_is_the_same_every_time_and_grows_kind_by_kind() -> None:
    once, again, larger = design.files(0.2), design.files(0.2), design.files(0.4)
    assert once == again
    assert {file.name for file in once} < {file.name for file in larger}
    assert set(once) <= set(larger)


def test_padding_costs_something_only_where_no_convolution_takes_it_in() -> None:
    def kinds(name: str) -> list[str]:
        file = next(file for file in design.files(1.0) if file.name.startswith(name) and file.layers[0].kind == "pad")
        return features.kinds(drafted(file.layers, (file.picture[2], *file.picture[:2]), "int8")[1])

    assert kinds("conv")[0] == "free"
    assert kinds("pad")[0] == "pad"


def test_an_operator_that_was_never_measured_is_refused_by_its_name() -> None:
    file = design.files(0.1)[0]
    operators = drafted(file.layers, (file.picture[2], *file.picture[:2]), "int8")[1]
    with pytest.raises(UsageError, match="is not predicted"):
        fit.cost(0.0, {}, operators)
