"""Advice computed from a profile: what to change in a net, and what that would save.

A saving is arithmetic on measured numbers, such as an operator's MACs at the best rate of its family. Whether a changed
net reaches it, only a profile of that net can tell.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from edgecnn.formats import CODERS, MOVES
from edgecnn.pipeline.bench.profiling import rows as r
from edgecnn.pipeline.bench.profiling.results import Advice, OperatorCost, Profile, ProfileRow
from edgecnn.pipeline.bench.profiling.words import amount, count, percent, rate

LEAST_SHARE_PERCENT = 5.0
"""Operators below this share of the cost get no advice."""
BEHIND_PERCENT = 50.0
"""Operators below this share of the best rate of their family are slow for their MACs."""
MOST_BEHIND = 3
"""How many slow operators get advice at most."""
OUT_OF_PROPORTION = 1.5
"""The ratio of cost share to MAC share above which a kind of operators is too expensive."""
FEW_CHANNELS = 4
"""Up to so many input channels fill only a part of a vector; up to so many pixels hardly reuse a weight."""
CALL_SHARE_PERCENT = 15.0
"""Share of the call of an empty graph, above which a smaller net gains little."""
STRIDE_2_LEAVES = 0.25
"""Share of an operator's pixels that remain at half the width and height."""


def advice(profile: Profile) -> tuple[Advice, ...]:
    """Return all advice the numbers support, the largest saving first; if there is none, that nothing stands out."""
    items = [
        *sorted(_slow_operators(profile), key=lambda item: -(item.saves or 0.0))[:MOST_BEHIND],
        *_stem(profile),
        *_depthwise(profile),
        *_float_operators(profile),
        *_moves(profile),
        *_coders(profile),
        *_operators_between(profile),
        *_call(profile),
    ]
    items.sort(key=lambda item: -(item.saves or 0.0))
    if not items and profile.rows:
        words = "The time follows the MACs: no operator is slow for its work, so fewer MACs is what saves time."
        items.append(Advice(kind="nothing", sentence=words.replace("time", "cost") if profile.unit != "ms" else words))
    return (*items, *_threads(profile))


def _slow_operators(profile: Profile) -> Iterator[Advice]:
    """Find operators that are slow for their MACs, compared with the best of their family."""
    for row in profile.rows:
        top = r.best(row, profile.rows)
        if top is None or top.macs_per_unit is None or row.macs_per_unit is None or top == row:
            continue
        if row.share_percent < LEAST_SHARE_PERCENT or (row.of_best_percent or 0.0) > BEHIND_PERCENT:
            continue
        saves = row.cost.p50 - row.macs / top.macs_per_unit
        yield Advice(
            kind="behind-its-macs",
            saves=saves,
            sentence=f"{_name(row)} takes {percent(row.share_percent)} of the {_cost(profile)} for "
            f"{percent(row.macs_percent)} of the MACs{_reason(row, top)}: {rate(row.macs_per_unit, profile.unit)} "
            f"against {rate(top.macs_per_unit, profile.unit)} of {_name(top)}, at which it would take "
            f"{amount(saves, profile.unit)} less.",
        )


def _stem(profile: Profile) -> Iterator[Advice]:
    """Find a first convolution at full size; stride 2 there costs the least accuracy per microsecond saved."""
    stem = next((row for row in profile.rows if row.macs), None)
    if stem is None or stem.kind != "conv" or stem.stride > 1 or stem.share_percent < 2 * LEAST_SHARE_PERCENT:
        return
    same_size = [row for row in profile.rows if row.place > stem.place and _pixels(row) == _pixels(stem)]
    stem_saves = (1 - STRIDE_2_LEAVES) * stem.cost.p50
    rest_saves = (1 - STRIDE_2_LEAVES) * sum(row.cost.p50 for row in same_size)
    behind = (
        f", and up to {amount(rest_saves, profile.unit)} in the {len(same_size)} behind it at that size"
        if same_size
        else ""
    )
    yield Advice(
        kind="stem",
        saves=stem_saves + rest_saves,
        sentence=f"{_name(stem)} runs at full size and takes {percent(stem.share_percent)}: with stride 2 it would "
        f"save about {amount(stem_saves, profile.unit)}{behind}.",
    )


def _depthwise(profile: Profile) -> Iterator[Advice]:
    """Find depthwise convolutions that cost too much: they have few MACs for the bytes they move."""
    depthwise = [row for row in profile.rows if row.kind == "depthwise"]
    others = [row for row in profile.rows if row.macs and row.kind != "depthwise"]
    share, macs = sum(row.share_percent for row in depthwise), sum(row.macs_percent for row in depthwise)
    if not depthwise or not others or share < 2 * LEAST_SHARE_PERCENT or share < OUT_OF_PROPORTION * macs:
        return
    own_rate, other_rate = _rate(depthwise), _rate(others)
    mean_cost = _spent(depthwise) / len(depthwise)
    yield Advice(
        kind="depthwise",
        saves=mean_cost,
        sentence=f"{count(len(depthwise), 'depthwise convolution')} take {percent(share)} of the {_cost(profile)} for "
        f"{percent(macs)} of the MACs ({rate(own_rate, profile.unit)} against {rate(other_rate, profile.unit)} of "
        f"the other layers): they move more than they compute, so fewer and wider blocks are quicker at equal MACs; "
        f"one block less saves its depthwise part, about {amount(mean_cost, profile.unit)}.",
    )


def _moves(profile: Profile) -> Iterator[Advice]:
    total = profile.moves
    if not total.operators:
        return
    inner = "channels last from end to end" if profile.format == "tflite" else "an input in the layout the kernels use"
    yield Advice(
        kind="transposes",
        saves=max(0.0, total.cost.p50),
        sentence=f"{count(total.operators, 'transpose')} {_take(total.operators)} {_share(profile, total.cost)}"
        f"{f'; {inner} would save that' if _is_worth(profile, total.cost) else ''}.",
    )


def _coders(profile: Profile) -> Iterator[Advice]:
    total = profile.coders
    if not total.operators:
        return
    names = [kind for row in profile.rows for kind in row.kinds]
    words = " and ".join(f"{names.count(kind)} {kind}" for kind in CODERS if kind in names) or str(total.operators)
    around = f" around {count(islands, 'float island')}" if (islands := _islands(profile)) else ""
    yield Advice(
        kind="coders",
        saves=max(0.0, total.cost.p50),
        sentence=f"{words} {'operators run' if total.operators > 1 else 'operator runs'}{around} and "
        f"{_take(total.operators)} {_share(profile, total.cost)}"
        f"{'; integer from end to end would save that' if _is_worth(profile, total.cost) else ''}.",
    )


def _float_operators(profile: Profile) -> Iterator[Advice]:
    """Find operators of an int8 file that compute in float."""
    float_rows = [row for row in profile.rows if row.is_float]
    if not profile.precision.startswith("int8") or not float_rows:
        return
    kinds = sorted({row.kind for row in float_rows})
    spent = r.together(float_rows)
    yield Advice(
        kind="float-operators",
        saves=None,
        sentence=f"{len(float_rows)} of {count(len(profile.rows), 'operator')} compute in float ({', '.join(kinds)}) "
        f"and {_take(len(float_rows))} {_share(profile, spent)}.",
    )


def _operators_between(profile: Profile) -> Iterator[Advice]:
    """Find operators without MACs between the layers: additions, pools, arithmetic on the input."""
    other_kinds = ("reshape", *MOVES, *CODERS)
    chosen = [row for row in profile.rows if not row.macs and row.kind not in other_kinds]
    share = sum(row.share_percent for row in chosen)
    if share < 2 * LEAST_SHARE_PERCENT:
        return
    first = next((row.place for row in profile.rows if row.macs), 0)
    front = [row for row in chosen if row.place < first]
    kinds = {kind: [row for row in chosen if row.kind == kind] for kind in {row.kind for row in chosen}}
    by_cost = sorted(kinds.items(), key=lambda item: -sum(row.cost.p50 for row in item[1]))
    words = ", ".join(f"{len(group)} {kind} {amount(_spent(group), profile.unit)}" for kind, group in by_cost[:3])
    in_front = f"; {amount(_spent(front), profile.unit)} of it before the first layer, where bytes as input need none"
    yield Advice(
        kind="between-layers",
        saves=_spent(front) if front else None,
        sentence=f"{percent(share)} of the {_cost(profile)} goes to operators without MACs ({words})"
        f"{in_front if front and _spent(front) > 0 else ''}.",
    )


def _call(profile: Profile) -> Iterator[Advice]:
    if profile.call is None or profile.sum.p50 <= 0:
        return
    share = 100 * profile.call.p50 / profile.sum.p50
    if share >= CALL_SHARE_PERCENT:
        yield Advice(
            kind="call",
            sentence=f"{amount(profile.call.p50, profile.unit)}, {percent(share)}, is the call of an empty graph: "
            "no smaller net goes below that.",
        )


def _threads(profile: Profile) -> Iterator[Advice]:
    if len(profile.threads) < 2 or profile.knee is None:
        return
    knee = next(t for t in profile.threads if t.num_threads == profile.knee)
    single, most = profile.threads[0], profile.threads[-1]
    gain = single.p50_ms / knee.p50_ms
    if knee.num_threads == single.num_threads:
        others = ", ".join(f"{t.num_threads} take {amount(t.p50_ms, 'ms')}" for t in profile.threads[1:])
        words = f"One thread is as good as any: {amount(single.p50_ms, 'ms')}, {others}."
    elif knee == most:
        words = f"{knee.num_threads} threads are {gain:.1f} times quicker than one, all cores taken."
    else:
        words = f"{knee.num_threads} threads are {gain:.1f} times quicker than one; more win nothing."
    yield Advice(kind="threads", sentence=words)


def _reason(row: ProfileRow, top: ProfileRow) -> str:
    """Return why an operator is slower for its MACs than `top`, where its type or shape tells it, or ""."""
    if row.is_float and not top.is_float:
        return ", because it stayed float"
    channels = row.channels or (0, 0)
    if row.kind in ("conv", "pointwise") and channels[0] <= FEW_CHANNELS:
        return f", because {count(channels[0], 'input channel')} can fill but a part of a vector"
    if row.kind in ("dense", "matmul") or _pixels(row) <= FEW_CHANNELS:
        return ", because every weight is fetched for a single use"
    if row.kind == "depthwise" and row.stride > 1:
        return ", because a stride skips what it has loaded"
    if min(channels) % 8:
        return f", because {channels[0]} and {channels[1]} channels leave vectors part empty"
    return ""


def _islands(profile: Profile) -> int:
    """Return the number of runs of consecutive float operators; quantize and dequantize operators do not count."""
    marks = [row.is_float for row in profile.rows if row.kind not in (*CODERS, *MOVES, "reshape")]
    return sum(here and not before for before, here in zip([False, *marks], marks, strict=False))


def _pixels(row: ProfileRow) -> int:
    """Return the number of output values per channel."""
    return max(1, math.prod(row.output_shape) // max(1, row.channels[1] if row.channels else row.output_shape[-1]))


def _rate(rows: Sequence[ProfileRow]) -> float:
    return sum(row.macs for row in rows) / max(_spent(rows), 1e-12)


def _spent(rows: Sequence[ProfileRow]) -> float:
    return sum(row.cost.p50 for row in rows)


def _share(profile: Profile, cost: OperatorCost) -> str:
    """Return a cost in words, such as "3.2 µs (3 %)"."""
    if not profile.rows:
        return "what is not available"
    if not cost.is_told:
        return "less than can be told"
    return f"{amount(cost.p50, profile.unit)} ({percent(100 * cost.p50 / profile.sum.p50)})"


def _is_worth(profile: Profile, cost: OperatorCost) -> bool:
    return cost.is_told and 100 * cost.p50 / profile.sum.p50 >= 1


def _cost(profile: Profile) -> str:
    return "time" if profile.unit == "ms" else "instructions"


def _take(operators: int) -> str:
    return "takes" if operators == 1 else "take"


def _name(row: ProfileRow) -> str:
    return f"{row.place} {row.label}"
