"""Proposals: they keep the limits, and each is trained on pictures that it can take."""

from __future__ import annotations

import dataclasses

from made_up_plan import TEN, proposal, splits_of

from edgecnn.records import cost_profile, plans
from edgecnn.studies.plan import proposals, trials
from edgecnn.studies.plan.records import PlanLimits

RECIPE = plans.load_recipe("dscnn-digits", ["epochs=3", "precision=fp32"])


def test_everything_proposed_is_predicted_within_the_limits() -> None:
    profile = cost_profile.find("local")
    limits = PlanLimits(max_ms=0.05, max_kb=100, max_arena_kb=60)
    drawn, fitting = proposals.propose(profile, limits, [(1, 28, 28)], TEN, seed=0)
    assert 0 < len(fitting) < drawn
    for net in fitting:
        assert net.predicted <= 0.05
        assert net.exported_bytes <= 100_000
        assert net.arena_bytes <= 60_000
    families = {net.net for net in fitting}
    chosen = proposals.shortlist(fitting, len(families))
    assert {net.net for net in chosen} == families
    assert [net.macs for net in chosen] == sorted((net.macs for net in chosen), reverse=True)


def test_a_recipe_with_a_start_has_trained_nets_proposed_in_every_size() -> None:
    sized = plans.build_recipe(
        {
            "name": "x",
            "net": {"name": "resnet", "width": 16},
            "data": {"name": "folder", "path": "p", "size": 48},
            "start": "zoo:colour-90k",
            "learn": "head",
            "optim": {"body_lr": 0.1},
        },
        "a recipe",
    )
    trained = proposals.trained_nets(sized, splits_of(3, 48))
    assert next(iter(trained)) == "zoo:colour-90k"
    assert {"zoo:colour-10k", "zoo:colour-30k"} <= set(trained)
    assert not any("fashion" in start for start in trained)
    assert proposals.trained_nets(RECIPE, splits_of(3, 48)) == {}

    shapes = proposals.shapes_of(sized, (3, 48, 48))
    _, fitting = proposals.propose(cost_profile.find("local"), PlanLimits(max_ms=1.0), shapes, TEN, 0, trained)
    own = [net for net in fitting if net.start == "zoo:colour-90k"]
    assert [net.input_shape[1] for net in own] == [48, 32, 24]
    assert proposals.title(own[1]) == "zoo:colour-90k at 32 x 32"
    assert {net.family for net in proposals.shortlist(fitting, len(trained))} == set(trained)
    (other,) = (net for net in fitting if net.start == "zoo:colour-30k" and net.input_shape[1] == 32)
    drawn = next(net for net in fitting if not net.start)
    recipes = [trials.with_net(sized, net) for net in (own[0], other, drawn)]
    assert [(plan.start, plan.learn, plan.optim.body_lr) for plan in recipes] == [
        ("zoo:colour-90k", "head", 0.1), ("zoo:colour-30k", "all", 0.1), ("", "all", 1.0),
    ]  # fmt: skip


def test_a_net_of_one_size_alone_is_not_shown_smaller_pictures_first() -> None:
    recipe = plans.load_recipe("colour-90k")
    _, fitting = proposals.propose(cost_profile.find("local"), PlanLimits(max_ms=1.0), [(3, 32, 32)], TEN, seed=0)
    planned = {net.net: trials.with_net(recipe, net) for net in fitting}
    assert planned["mlp"].small is None
    assert planned["resnet"].small == recipe.small is not None


def test_pictures_are_tried_smaller_where_their_data_set_takes_a_size() -> None:
    sized = plans.build_recipe(
        {"name": "x", "net": {"name": "dscnn"}, "data": {"name": "folder", "path": "p", "size": 64}}, "a recipe"
    )
    assert proposals.shapes_of(sized, (3, 64, 64)) == [(3, 64, 64), (3, 48, 48), (3, 32, 32)]
    assert proposals.shapes_of(RECIPE, (1, 8, 8)) == [(1, 8, 8)]


def test_pictures_of_two_sides_keep_them() -> None:
    recipe = plans.build_recipe(
        {"name": "x", "net": {"name": "dscnn"}, "data": {"name": "folder", "path": "p", "size": [32, 64]}}, "a recipe"
    )
    wide = dataclasses.replace(proposal("n"), input_shape=(3, 32, 64))
    assert trials.with_net(recipe, wide).data.options["size"] == [32, 64]


def test_a_net_that_smaller_pictures_would_halve_to_nothing_is_not_shown_them_first() -> None:
    recipe = plans.load_recipe("colour-90k")
    deep = {"width": 8, "stages": 4, "depth": 1, "pool": "max", "stem_stride": 2}
    small, large = (dataclasses.replace(proposal("n"), options=deep, input_shape=(3, side, side)) for side in (16, 32))
    assert trials.with_net(recipe, small).small is None
    assert trials.with_net(recipe, large).small == recipe.small


def test_the_names_of_many_classes_count_as_bytes_of_the_file() -> None:
    birds = [f"{number:03}.Black_footed_Albatross" for number in range(100)]
    assert proposals.notes_bytes(TEN) < 2_800
    assert proposals.notes_bytes(birds) - proposals.notes_bytes(TEN) > 2 * sum(map(len, birds[10:]))
