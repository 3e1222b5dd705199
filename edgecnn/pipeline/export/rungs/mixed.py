"""mixed: keep the most sensitive layers in float, which makes the file int8-mixed.

Each layer is first kept float alone, which measures the cost of its rounding; then the k layers that gained most are
kept float together, for doubling k. It costs latency and bytes, which the price list states.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

from edgecnn.errors import PlanError, nearest
from edgecnn.nets import graph
from edgecnn.pipeline.export.rungs import Options, RungTrial
from edgecnn.pipeline.export.scheme import Scheme

TITLE = "The most sensitive layers stay float."


def tries(scheme: Scheme, outcomes: Sequence[RungTrial]) -> Iterator[Options]:
    """Try every layer alone; then, until one passes, the best 2, 4, 8 ... up to half of the layers."""
    names = list(graph.layers(graph.export(scheme.net, scheme.run.input_shape)))
    for name in names:
        yield {"layers": [name]}
    alone = {outcome.options["layers"][0]: outcome for outcome in outcomes[1:]}
    ranked = sorted(names, key=lambda name: alone[name].rank, reverse=True)
    count = 2
    while count <= len(names) // 2 and not any(outcome.passed for outcome in outcomes[1:]):
        yield {"layers": ranked[:count]}
        count *= 2


def label(options: Options) -> str:
    layers = options["layers"]
    return f"float {layers[0].removesuffix('.conv')}" if len(layers) == 1 else f"float, {len(layers)} layers"


def apply(scheme: Scheme, *, layers: Sequence[str] = ()) -> Scheme:
    """Keep layers in float.

    Args:
        scheme: The scheme to change.
        layers: Paths of layers with weights, such as "blocks.0.pointwise.conv".
    """
    known = graph.layers(graph.export(scheme.net, scheme.run.input_shape))
    for name in layers:
        if name not in known:
            raise PlanError(f"{scheme.run.name} has no layer named {name!r}.", nearest(name, known))
    return dataclasses.replace(scheme, in_float=tuple(layers))
