"""Fitting costs of operators to measured files: non-negative least squares of relative errors, with tiles looked for.

A file costs what its operators cost together, and a call. Sizes of tiles are not linear, so each kind of operator takes
the sizes with which it leaves the smallest error, a kind after the other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.errors import UsageError
from edgecnn.formats import Operator
from edgecnn.pipeline.costs import features
from edgecnn.pipeline.costs.features import Tile
from edgecnn.records.cost_profile import HeldOut, HeldOutNet, KindCost

ROUNDS = 2
"""How often the tiles of every kind are looked for, each time with those of all others as they are."""
FIRST: Tile = (4, 16, 4)

Vector = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Sample:
    """A file and what it costs."""

    name: str
    operators: tuple[Operator, ...]
    cost: float


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """A fitted cost model, with its error on each file."""

    call: float
    operators: Mapping[str, KindCost]
    errors: tuple[float, ...]
    """(predicted - measured) / measured of each file."""


def fit(samples: Sequence[Sample]) -> Fitted:
    """Fit costs to files, each by its relative error, so that a small file counts as much as a large one.

    Raises:
        UsageError: An operator has no model.
    """
    design = _Design(samples)
    tiles = dict.fromkeys(design.kinds, FIRST)
    for _ in range(ROUNDS):
        for kind in design.kinds:
            if kind in features.TILED:
                tiles[kind] = design.best_tile(kind, tiles)
    call, costs = design.solve(tiles)
    return Fitted(
        call=call,
        operators={kind: KindCost(tile=tiles[kind], terms=_kept(costs[kind])) for kind in design.kinds},
        errors=tuple(design.errors(tiles)),
    )


def cost(call: float, operators: Mapping[str, KindCost], file: Sequence[Operator]) -> tuple[float, list[float]]:
    """Return what a file costs, and what each of its operators does.

    Raises:
        UsageError: An operator's cost is not known.
    """
    each = []
    for kind, operator in zip(features.kinds(file), file, strict=True):
        known = operators.get(kind)
        if known is None and kind != features.FREE:
            raise UsageError(
                f"The cost of {operator.label!r} is not predicted: the profile has measured no {kind}.",
                f"it has measured {', '.join(operators)}",
            )
        terms = features.terms(kind, operator, known.tile) if known else {}
        each.append(sum(known.terms.get(name, 0.0) * value for name, value in terms.items()) if known else 0.0)
    return call + sum(each), each


def held_out(nets: Sequence[HeldOutNet]) -> HeldOut:
    """Return how far predictions are off for nets that nothing was fitted to."""
    errors = [net.error_percent for net in nets]
    return HeldOut(
        median_percent=float(np.median(errors)),
        p95_percent=float(np.percentile(errors, 95)),
        largest_percent=max(errors),
        nets=tuple(nets),
    )


class _Design:
    """The files' terms as matrices, one a kind and tile."""

    def __init__(self, samples: Sequence[Sample]) -> None:
        self._costs = np.array([sample.cost for sample in samples])
        self._kinds = [features.kinds(sample.operators) for sample in samples]
        self._files = [sample.operators for sample in samples]
        self.kinds = sorted({kind for kinds in self._kinds for kind in kinds} - {features.FREE})
        self._blocks: dict[tuple[str, Tile], tuple[list[str], Vector]] = {}

    def solve(self, tiles: Mapping[str, Tile]) -> tuple[float, dict[str, dict[str, float]]]:
        """Return the cost of a call, and those of each kind's terms."""
        blocks = [self._block(kind, tiles[kind]) for kind in self.kinds]
        matrix = np.hstack([np.ones((len(self._costs), 1)), *(block for _, block in blocks)])
        weights = _solve(matrix / self._costs[:, None], np.ones(len(self._costs)))
        costs, start = {}, 1
        for kind, (names, _) in zip(self.kinds, blocks, strict=True):
            costs[kind] = dict(zip(names, map(float, weights[start : start + len(names)]), strict=True))
            start += len(names)
        return float(weights[0]), costs

    def errors(self, tiles: Mapping[str, Tile]) -> list[float]:
        call, costs = self.solve(tiles)
        return list(
            (call + sum(self._costs_of(kind, tiles[kind], costs[kind]) for kind in self.kinds)) / self._costs - 1
        )

    def best_tile(self, kind: str, tiles: Mapping[str, Tile]) -> Tile:
        """Return the tile with which a kind explains best what all other kinds leave of its files' costs."""
        call, costs = self.solve(tiles)
        others = call + sum(self._costs_of(other, tiles[other], costs[other]) for other in self.kinds if other != kind)
        mine = [place for place, kinds in enumerate(self._kinds) if kind in kinds]
        rest = ((self._costs - others) / self._costs)[mine]
        candidates = features.MATRIX_TILES if kind in ("conv", "pointwise") else features.VECTOR_TILES

        def left(tile: Tile) -> float:
            matrix = (self._block(kind, tile)[1] / self._costs[:, None])[mine]
            return float(np.linalg.norm(matrix @ _solve(matrix, rest) - rest))

        return min(candidates, key=left)

    def _costs_of(self, kind: str, tile: Tile, costs: Mapping[str, float]) -> Vector:
        names, block = self._block(kind, tile)
        total: Vector = block @ np.array([costs[name] for name in names])
        return total

    def _block(self, kind: str, tile: Tile) -> tuple[list[str], Vector]:
        """Return the names of a kind's terms, and their sums in each file."""
        if (kind, tile) not in self._blocks:
            rows: list[dict[str, float]] = []
            for file, kinds in zip(self._files, self._kinds, strict=True):
                row: dict[str, float] = {}
                for operator, its in zip(file, kinds, strict=True):
                    if its == kind:
                        for name, value in features.terms(kind, operator, tile).items():
                            row[name] = row.get(name, 0.0) + value
                rows.append(row)
            names = list(next(row for row in rows if row))
            self._blocks[kind, tile] = names, np.array([[row.get(name, 0.0) for name in names] for row in rows], float)
        return self._blocks[kind, tile]


def _solve(matrix: Vector, goal: Vector) -> Vector:
    """Return non-negative weights; columns are scaled first, for they differ by six orders of magnitude."""
    from scipy.optimize import nnls

    scale = np.abs(matrix).max(axis=0)
    scale[scale == 0] = 1
    answer: Any = nnls(matrix / scale, goal, maxiter=100 * matrix.shape[1])
    weights: Vector = answer[0] / scale
    return weights


def _kept(terms: Mapping[str, float]) -> dict[str, float]:
    """Leave out terms that cost nothing, and digits that say nothing."""
    return {name: float(f"{value:.6g}") for name, value in terms.items() if value > 0}
