"""What to change and what it would save, in plain sentences computed from a profile's numbers.

A saving is arithmetic on what was measured, such as an operator's MACs at the rate of the best of its
family; whether a changed net reaches it, its own profile tells.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from edgecnn.formats import CODERS, MOVES
from edgecnn.pipeline.bench.profiling import rows as r
from edgecnn.pipeline.bench.profiling.results import Advice, Cost, Profile, Row
from edgecnn.pipeline.bench.profiling.words import amount, count, percent, rate

LEAST_SHARE_PERCENT = 5.0
"""What takes less than this is not worth a sentence."""
BEHIND_PERCENT = 50.0
"""An operator below this share of the best rate of its family is slow for its work."""
MOST_BEHIND = 3
"""As many of them get a sentence."""
OUT_OF_PROPORTION = 1.5
"""Share of the time over share of the MACs, from which on a sort of operators is called dear."""
FEW_CHANNELS = 4
CALL_SHARE_PERCENT = 15.0
"""Of the call alone: from here on the net is as small as it pays to make it."""
STRIDE_2_LEAVES = 0.25
"""Of an operator's pixels, at half the width and height."""


def advice(profile: Profile) -> tuple[Advice, ...]:
    """All that the numbers support, what saves most first; one sentence that nothing stands out if there is none."""
    found = [
        *sorted(_behind(profile), key=lambda one: -(one.saves or 0.0))[:MOST_BEHIND],
        *_stem(profile),
        *_depthwise(profile),
        *_float_operators(profile),
        *_moves(profile),
        *_coders(profile),
        *_between(profile),
        *_call(profile),
    ]
    found.sort(key=lambda one: -(one.saves or 0.0))
    if not found and profile.rows:
        words = "The time follows the MACs: no operator is slow for its work, so fewer MACs is what saves time."
        found.append(Advice(kind="nothing", sentence=words.replace("time", "cost") if profile.unit != "ms" else words))
    return (*found, *_threads(profile))


def _behind(profile: Profile) -> Iterator[Advice]:
    """Operators that are slow for their MACs against the best of their family."""
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
    """A first convolution at full size: halving its picture is the change that costs least accuracy a microsecond."""
    stem = next((row for row in profile.rows if row.macs), None)
    if stem is None or stem.kind != "conv" or stem.stride > 1 or stem.share_percent < 2 * LEAST_SHARE_PERCENT:
        return
    same = [row for row in profile.rows if row.place > stem.place and _pixels(row) == _pixels(stem)]
    stem_saves = (1 - STRIDE_2_LEAVES) * stem.cost.p50
    rest_saves = (1 - STRIDE_2_LEAVES) * sum(row.cost.p50 for row in same)
    behind = f", and up to {amount(rest_saves, profile.unit)} in the {len(same)} behind it at that size" if same else ""
    yield Advice(
        kind="stem",
        saves=stem_saves + rest_saves,
        sentence=f"{_name(stem)} runs at full size and takes {percent(stem.share_percent)}: with stride 2 it would "
        f"save about {amount(stem_saves, profile.unit)}{behind}.",
    )


def _depthwise(profile: Profile) -> Iterator[Advice]:
    """Depthwise convolutions have few MACs for the bytes they move."""
    chosen = [row for row in profile.rows if row.kind == "depthwise"]
    others = [row for row in profile.rows if row.macs and row.kind != "depthwise"]
    share, macs = sum(row.share_percent for row in chosen), sum(row.macs_percent for row in chosen)
    if not chosen or not others or share < 2 * LEAST_SHARE_PERCENT or share < OUT_OF_PROPORTION * macs:
        return
    slow, quick = _rate(chosen), _rate(others)
    each = _spent(chosen) / len(chosen)
    yield Advice(
        kind="depthwise",
        saves=each,
        sentence=f"{count(len(chosen), 'depthwise convolution')} take {percent(share)} of the {_cost(profile)} for "
        f"{percent(macs)} of the MACs ({rate(slow, profile.unit)} against {rate(quick, profile.unit)} of the other "
        f"layers): they move more than they compute, so fewer and wider blocks are quicker at equal MACs; one block "
        f"less saves its depthwise part, about {amount(each, profile.unit)}.",
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
    """What computes in float in a file that has integer operators as well."""
    stayed = [row for row in profile.rows if row.is_float]
    if not profile.precision.startswith("int8") or not stayed:
        return
    kinds = sorted({row.kind for row in stayed})
    spent = r.together(stayed)
    yield Advice(
        kind="float-operators",
        saves=None,
        sentence=f"{len(stayed)} of {count(len(profile.rows), 'operator')} compute in float ({', '.join(kinds)}) and "
        f"{_take(len(stayed))} {_share(profile, spent)}.",
    )


def _between(profile: Profile) -> Iterator[Advice]:
    """What stands between the layers and multiplies nothing: additions, pools, arithmetic on the input."""
    known = ("reshape", *MOVES, *CODERS)
    chosen = [row for row in profile.rows if not row.macs and row.kind not in known]
    share = sum(row.share_percent for row in chosen)
    if share < 2 * LEAST_SHARE_PERCENT:
        return
    first = next((row.place for row in profile.rows if row.macs), 0)
    front = [row for row in chosen if row.place < first]
    kinds = {kind: [row for row in chosen if row.kind == kind] for kind in {row.kind for row in chosen}}
    by_cost = sorted(kinds.items(), key=lambda one: -sum(row.cost.p50 for row in one[1]))
    words = ", ".join(f"{len(those)} {kind} {amount(_spent(those), profile.unit)}" for kind, those in by_cost[:3])
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
    at = next(one for one in profile.threads if one.num_threads == profile.knee)
    one, most = profile.threads[0], profile.threads[-1]
    if at.num_threads == one.num_threads:
        others = ", ".join(f"{other.num_threads} take {amount(other.p50_ms, 'ms')}" for other in profile.threads[1:])
        words = f"One thread is as good as any: {amount(one.p50_ms, 'ms')}, {others}."
    elif at == most:
        words = f"{at.num_threads} threads are {one.p50_ms / at.p50_ms:.1f} times quicker than one, all cores taken."
    else:
        words = f"{at.num_threads} threads are {one.p50_ms / at.p50_ms:.1f} times quicker than one; more win nothing."
    yield Advice(kind="threads", sentence=words)


def _reason(row: Row, top: Row) -> str:
    """What makes an operator slow for its MACs against the best, where its type or shape tells."""
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
    """Runs of operators in float, coders left out."""
    marks = [row.is_float for row in profile.rows if row.kind not in (*CODERS, *MOVES, "reshape")]
    return sum(here and not before for before, here in zip([False, *marks], marks, strict=False))


def _pixels(row: Row) -> int:
    """Of the output: what is left of its values without the channels."""
    return max(1, math.prod(row.output_shape) // max(1, row.channels[1] if row.channels else row.output_shape[-1]))


def _rate(those: Sequence[Row]) -> float:
    return sum(row.macs for row in those) / max(_spent(those), 1e-12)


def _spent(those: Sequence[Row]) -> float:
    return sum(row.cost.p50 for row in those)


def _share(profile: Profile, cost: Cost) -> str:
    """As in "3.2 µs (3 %)"."""
    if not profile.rows:
        return "what is not available"
    if not cost.is_told:
        return "less than can be told"
    return f"{amount(cost.p50, profile.unit)} ({percent(100 * cost.p50 / profile.sum.p50)})"


def _is_worth(profile: Profile, cost: Cost) -> bool:
    return cost.is_told and 100 * cost.p50 / profile.sum.p50 >= 1


def _cost(profile: Profile) -> str:
    return "time" if profile.unit == "ms" else "instructions"


def _take(number: int) -> str:
    return "takes" if number == 1 else "take"


def _name(row: Row) -> str:
    return f"{row.place} {row.label}"
