"""Nets that fit the limits: drawn from the design spaces, costed without an export, and the most promising chosen.

Nobody knows a net's accuracy before it is trained. Within a family more multiply-accumulates and more weights make it
better as a rule, so those nets are proposed that have the most of both for their cost.
"""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from edgecnn import boards, formats, nets
from edgecnn.common import console, documents, scratch
from edgecnn.data import Splits
from edgecnn.errors import GateFailed, PlanError, UsageError
from edgecnn.nets import spaces
from edgecnn.pipeline.costs import predict, show, surveyed
from edgecnn.pipeline.costs.profile import RUNTIME, drafted
from edgecnn.pipeline.train import seen
from edgecnn.records import zoo
from edgecnn.records.cost_profile import CostProfile
from edgecnn.records.recipe import NetPlan, Recipe
from edgecnn.records.run import open_run
from edgecnn.studies.plan.records import PlanLimits, Proposal

DRAWN = 240
"""Nets drawn from each design space."""
PRECISION: Final = "int8"
CARD_BYTES = 2_400
"""The card and the signature of an exported file, at most (the zoo's have 1,600 to 2,300), without its labels."""
SMALLEST_SIDE = 16


def propose(
    profile: CostProfile,
    limits: PlanLimits,
    shapes: Sequence[tuple[int, int, int]],
    classes: Sequence[str],
    seed: int,
    trained: Mapping[str, NetPlan] | None = None,
) -> tuple[int, list[Proposal]]:
    """Draw nets and keep those that are predicted within the limits.

    Args:
        profile: What operators cost on the board.
        limits: Those of the user.
        shapes: (C, H, W) that pictures can be brought to, that of the recipe first.
        classes: Their names, which stand in the file.
        seed: Of the drawing.
        trained: Nets with weights to begin with, by their start; each is proposed in every shape that it takes.

    Returns:
        How many were drawn, and the candidates that fit.

    Raises:
        GateFailed: None fits; the sentence names the nearest.
    """
    proposed: list[Proposal] = []
    labels = notes_bytes(classes)
    with console.stage("nets drawn from the design spaces and costed"):
        for start, plan in (trained or {}).items():
            for shape in shapes if nets.get(plan.name).ANY_SIZE else shapes[:1]:
                with contextlib.suppress(PlanError):  # it takes no picture so small, or its cost is not known
                    layers = spaces.sketched(plan, shape, len(classes))
                    net = _costed(plan, shape, layers, profile, f"n{len(proposed):03}", labels)
                    proposed.append(dataclasses.replace(net, start=start))
        for name in spaces.names():
            for plan, shape, layers in spaces.different(name, DRAWN, shapes, len(classes), seed):
                proposed.append(_costed(plan, shape, layers, profile, f"n{len(proposed):03}", labels))
    fitting = [net for net in proposed if not excess(net, net.predicted, limits, profile)]
    if not fitting:
        raise GateFailed(_nearest(proposed, limits, profile), "a larger limit, or smaller pictures")
    return len(proposed), fitting


def notes_bytes(classes: Sequence[str]) -> int:
    """Return how many bytes the labels, the card and the signature add to a file, at most.

    The names of the classes stand in it twice: in the card, as JSON, and in labels.txt.
    """
    return CARD_BYTES + len(documents.to_json(list(classes))) + sum(len(name.encode()) + 1 for name in classes)


def excess(net: Proposal, cost: float, limits: PlanLimits, profile: CostProfile) -> float:
    """Return by which share a net exceeds its tightest limit, 0 if it keeps all."""
    most = limits.cost(profile.unit)
    pairs = [(cost, most)] if most else []
    if limits.max_kb:
        pairs.append((net.exported_bytes, 1000 * limits.max_kb))
    if limits.max_arena_kb:
        pairs.append((net.arena_bytes, 1000 * limits.max_arena_kb))
    return max([0.0, *(value / limit - 1 for value, limit in pairs)])


def shortlist(fitting: Sequence[Proposal], count: int) -> list[Proposal]:
    """Choose the nets to train: the families take turns, each with its front, the costliest of it first.

    Nets that have weights go first, and then the family with the most MACs for its cost: there may be no time for all.
    """
    fronts = []
    for name in dict.fromkeys(net.family for net in fitting):
        family = [net for net in fitting if net.family == name]
        front = [net for net in family if not any(_dominates(other, net) for other in family)]
        rest = [net for net in family if net not in front]
        fronts.append(sorted(front, key=lambda net: -net.predicted) + sorted(rest, key=lambda net: -net.macs))
    fronts.sort(key=lambda front: (not front[0].start, 0 if front[0].start else -front[0].macs))
    turns = itertools.chain.from_iterable(itertools.zip_longest(*fronts))
    return [net for net in turns if net is not None][:count]


def measured_drafts(profile: CostProfile, chosen: Sequence[Proposal], classes: int) -> list[Proposal]:
    """Measure files with the nets' layers on the board: what a file costs does not depend on what was learnt."""
    contents = {}
    for net in chosen:
        layers = spaces.sketched(NetPlan(name=net.net, options=net.options), net.input_shape, classes)
        contents[net.name] = drafted(layers, net.input_shape, PRECISION)[0]
    with boards.open_board(profile.board) as ready:
        show.warn_of_another_machine(profile, ready.facts())
        costs = surveyed.measure(ready, contents, RUNTIME, 1)
    return [dataclasses.replace(net, drafted=costs[net.name]) for net in chosen]


def trained_nets(recipe: Recipe, splits: Splits) -> dict[str, NetPlan]:
    """Return nets with weights to begin with, by their start: the recipe's own, and the zoo's for such pictures.

    There are none for a recipe without a start, whose nets begin with drawn weights. A model of the zoo that has learnt
    from pictures to validate or to test with is none of them.
    """
    if not recipe.start:
        return {}
    plans = {recipe.start: recipe.net}
    alone = dataclasses.replace(recipe, distill=None, data=dataclasses.replace(recipe.data, only_unseen=False))
    for name in zoo.names():
        with contextlib.suppress(UsageError):  # its files are not installed, or it has seen them
            run = open_run(zoo.located(start := f"{zoo.PREFIX}{name}"))
            if run.input_shape[0] == splits.train.input_shape[0] and start not in plans:
                seen.held_out(dataclasses.replace(alone, start=start), splits)
                plans[start] = run.recipe.net
    return plans


def shapes_of(recipe: Recipe, shape: tuple[int, int, int]) -> list[tuple[int, int, int]]:
    """Return the sizes worth trying: the whole one, and three quarters and half of it for pictures from files."""
    channels, height, width = shape
    options = recipe.data.options
    if height != width or options.get("size") != height or "width" in options or "path" not in options:
        return [shape]
    sides = dict.fromkeys((height, 3 * height // 32 * 8, height // 16 * 8))
    return [(channels, side, side) for side in sides if side == height or side >= SMALLEST_SIDE]


def _costed(
    plan: NetPlan, shape: tuple[int, int, int], layers: Sequence[Any], profile: CostProfile, name: str, labels: int
) -> Proposal:
    content, operators = drafted(layers, shape, PRECISION)
    with scratch.folder() as folder:
        path = Path(folder) / "draft.tflite"
        path.write_bytes(content)
        description = formats.describe(path)
    assert description.planned_activation_peak_bytes is not None
    return Proposal(
        name=name,
        net=plan.name,
        options=dict(plan.options),
        input_shape=shape,
        macs=sum(operator.macs for operator in operators),
        parameters=description.parameters,
        file_bytes=len(content),
        arena_bytes=description.planned_activation_peak_bytes,
        predicted=predict.of_operators(operators, profile, PRECISION).cost,
        notes_bytes=labels,
    )


def _dominates(net: Proposal, other: Proposal) -> bool:
    """Return whether a net costs no more than another and has no fewer MACs or parameters, and is not its equal."""
    pairs = ((other.predicted, net.predicted), (net.macs, other.macs), (net.parameters, other.parameters))
    return all(better >= worse for better, worse in pairs) and any(better > worse for better, worse in pairs)


def _nearest(proposed: Sequence[Proposal], limits: PlanLimits, profile: CostProfile) -> str:
    if not proposed:
        raise UsageError("No design space has a net for these pictures.", "larger pictures")
    net = min(proposed, key=lambda net: excess(net, net.predicted, limits, profile))
    return (
        f"None of {len(proposed)} nets is predicted within the limits on {profile.board}; the nearest, {title(net)}, "
        f"needs {show.amount(net.predicted, profile.unit)}, {net.exported_bytes / 1000:.0f} kB and "
        f"{net.arena_bytes / 1000:.0f} kB of activations."
    )


def title(net: Proposal) -> str:
    """Return a net in words: "dscnn width 8, stages 3 at 28 x 28", "zoo:colour-90k at 48 x 48"."""
    _, height, width = net.input_shape
    if net.start:
        return f"{net.start} at {height} x {width}"
    return f"{net.net} {', '.join(f'{key} {value}' for key, value in net.options.items())} at {height} x {width}"
