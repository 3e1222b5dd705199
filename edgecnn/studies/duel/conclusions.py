"""The conclusions of a duel, as sentences generated from its numbers."""

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
    """Write all sentences: budget, both ends of the curves, a lead's worth in pictures, crossings, files."""
    return (
        *_budget(contenders, budget, value),
        *(_standing(curves, share) for share in _ends(curves)),
        *_worth(curves),
        *(crossing.sentence for crossing in crossovers),
        *_files(contenders),
    )


def _budget(contenders: Sequence[Contender], budget: str, value: float) -> Iterator[str]:
    sizes = _listed(
        [f"{contender.family} {contender.params:,} parameters and {contender.macs:,} MACs" for contender in contenders]
    )
    if budget == "latency":
        ratios = _listed([_share(contender) for contender in contenders if contender.budget_ratio != 1])
        yield f"The budget is {duration(value)} for one picture as int8, measured in turns before training: {ratios}."
        yield f"That buys {sizes}."
    else:
        furthest = max(abs(contender.budget_ratio - 1) for contender in contenders)
        unit = {"params": "parameters", "macs": "MACs"}[budget]
        yield f"The budget is {value:,.0f} {unit}, kept within {100 * furthest:.1f} %: {sizes}."


def _share(contender: Contender) -> str:
    low, high = contender.budget_ratio_low, contender.budget_ratio_high
    interval = f" [{low:.2f}, {high:.2f}]" if low is not None and high is not None else ""
    return f"{contender.family} takes {contender.budget_ratio:.2f}{interval} of it"


def _standing(curves: Curves, share: int) -> str:
    """Say what each family reaches on one share, and whether the first is significantly ahead of the second."""
    ranked = sorted((cells[share] for cells in curves.values()), key=lambda cell: -cell.mean_percent)
    best, second = ranked[0], ranked[1]
    reached = _listed(
        [
            f"{cell.family} {cell.mean_percent:.1f} % [{cell.low_percent:.1f}, {cell.high_percent:.1f}]"
            for cell in ranked
        ]
    )
    repeats = len(best.top1_percents)
    sentence = (
        f"On {best.pictures:,} training pictures: {reached}, n = {repeats} training{'s' if repeats > 1 else ''} each"
    )
    if repeats == 1:
        return f"{sentence}; a single one does not say how far another would lie from it."
    lead, low, high = mean_interval([a - b for a, b in zip(best.top1_percents, second.top1_percents, strict=True)])
    verdict = "is ahead of" if 0 < low < high else "cannot be told from"
    return f"{sentence}; {best.family} {verdict} {second.family} ({lead:+.1f} pp [{low:+.1f}, {high:+.1f}])."


def _worth(curves: Curves) -> Iterator[str]:
    """Say how few pictures the winner on all data needs for what each other family reaches on all data."""
    winner = max(curves.values(), key=lambda cells: cells[-1].mean_percent)
    if len(winner[0].top1_percents) == 1 or len(winner) == 1:
        return
    for family, cells in curves.items():
        if cells is winner:
            continue
        match = crossover.to_match(winner, cells)
        goal = f"what {family} reaches with {cells[-1].pictures:,} pictures ({cells[-1].mean_percent:.1f} %)"
        if match.high == 0:
            yield f"{winner[0].family} surpasses {goal} with {winner[0].pictures:,}, the fewest here."
        elif match.is_inside:
            yield (
                f"{winner[0].family} needs {crossover.rounded(match.pictures)} [{crossover.rounded(match.low)}, "
                f"{crossover.rounded(match.high)}] pictures for {goal}."
            )


def _files(contenders: Sequence[Contender]) -> Iterator[str]:
    timed = [contender for contender in contenders if contender.p50_ms is not None]
    if timed:
        times = _listed(
            [
                f"{contender.family} {duration(contender.p50_ms)}"
                for contender in sorted(timed, key=lambda contender: contender.p50_ms or 0)
            ]
        )
        yield f"One picture takes {times} (p50, one thread)."
    for contender in contenders:
        if contender.precision != "int8":
            yield (
                f"The file of {contender.family} is {contender.precision}, not int8: "
                f"{contender.float_operators} of its operators compute in float."
            )


def _ends(curves: Curves) -> list[int]:
    shares = len(next(iter(curves.values())))
    return [shares - 1, 0] if shares > 1 else [0]


def _listed(parts: Sequence[str]) -> str:
    return " and ".join([", ".join(parts[:-1]), parts[-1]]) if len(parts) > 1 else "".join(parts)
