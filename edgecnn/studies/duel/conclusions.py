"""What follows from a duel's numbers, in words made from them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from edgecnn.common.stats import mean_interval
from edgecnn.common.units import duration
from edgecnn.studies.duel import crossover
from edgecnn.studies.findings import Cell, Contender, Crossover

Curves = Mapping[str, Sequence[Cell]]
"""Family -> its cells, the smallest share first."""


def all_of(
    curves: Curves, crossovers: Sequence[Crossover], contenders: Sequence[Contender], budget: str, value: float
) -> tuple[str, ...]:
    """Budget, both ends of the curves, what a lead is worth in pictures, crossings, files; in this order."""
    return (
        *_budget(contenders, budget, value),
        *(_standing(curves, share) for share in _ends(curves)),
        *_worth(curves),
        *(one.sentence for one in crossovers),
        *_files(contenders),
    )


def _budget(contenders: Sequence[Contender], budget: str, value: float) -> Iterator[str]:
    sizes = _listed([f"{one.family} {one.params:,} parameters and {one.macs:,} MACs" for one in contenders])
    if budget == "latency":
        ratios = _listed([_share(one) for one in contenders if one.budget_ratio != 1])
        yield f"The budget is {duration(value)} for one picture as int8, measured in turns before training: {ratios}."
        yield f"That buys {sizes}."
    else:
        furthest = max(abs(one.budget_ratio - 1) for one in contenders)
        unit = {"params": "parameters", "macs": "MACs"}[budget]
        yield f"The budget is {value:,.0f} {unit}, kept within {100 * furthest:.1f} %: {sizes}."


def _share(one: Contender) -> str:
    low, high = one.budget_ratio_low, one.budget_ratio_high
    held = f" [{low:.2f}, {high:.2f}]" if low is not None and high is not None else ""
    return f"{one.family} takes {one.budget_ratio:.2f}{held} of it"


def _standing(curves: Curves, share: int) -> str:
    """Who reaches what on one share, and whether the first is ahead of the second beyond doubt."""
    ranked = sorted((cells[share] for cells in curves.values()), key=lambda cell: -cell.mean_percent)
    best, second = ranked[0], ranked[1]
    reached = _listed(
        [f"{one.family} {one.mean_percent:.1f} % [{one.low_percent:.1f}, {one.high_percent:.1f}]" for one in ranked]
    )
    repeats = len(best.top1_percents)
    said = f"On {best.pictures:,} training pictures: {reached}, n = {repeats} training{'s' if repeats > 1 else ''} each"
    if repeats == 1:
        return f"{said}; a single one does not say how far another would lie from it."
    lead, low, high = mean_interval([a - b for a, b in zip(best.top1_percents, second.top1_percents, strict=True)])
    verdict = "is ahead of" if 0 < low < high else "cannot be told from"
    return f"{said}; {best.family} {verdict} {second.family} ({lead:+.1f} pp [{low:+.1f}, {high:+.1f}])."


def _worth(curves: Curves) -> Iterator[str]:
    """How few pictures the winner on the most needs for what the others reach on the most."""
    winner = max(curves.values(), key=lambda cells: cells[-1].mean_percent)
    if len(winner[0].top1_percents) == 1 or len(winner) == 1:
        return
    for family, cells in curves.items():
        if cells is winner:
            continue
        found = crossover.to_match(winner, cells)
        goal = f"what {family} reaches with {cells[-1].pictures:,} pictures ({cells[-1].mean_percent:.1f} %)"
        if found.high == 0:
            yield f"{winner[0].family} surpasses {goal} with {winner[0].pictures:,}, the fewest here."
        elif found.is_inside:
            yield (
                f"{winner[0].family} needs {crossover.rounded(found.pictures)} [{crossover.rounded(found.low)}, "
                f"{crossover.rounded(found.high)}] pictures for {goal}."
            )


def _files(contenders: Sequence[Contender]) -> Iterator[str]:
    timed = [one for one in contenders if one.p50_ms is not None]
    if timed:
        times = _listed(
            [f"{one.family} {duration(one.p50_ms)}" for one in sorted(timed, key=lambda one: one.p50_ms or 0)]
        )
        yield f"One picture takes {times} (p50, one thread)."
    for one in contenders:
        if one.precision != "int8":
            yield (
                f"The file of {one.family} is {one.precision}, not int8: {one.float_operators} of its operators "
                "compute in float."
            )


def _ends(curves: Curves) -> list[int]:
    shares = len(next(iter(curves.values())))
    return [shares - 1, 0] if shares > 1 else [0]


def _listed(parts: Sequence[str]) -> str:
    return " and ".join([", ".join(parts[:-1]), parts[-1]]) if len(parts) > 1 else "".join(parts)
