"""Explains why an int8 file is slower than the fp32 file of its net on the same runtime, from both profiles."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

from edgecnn.formats import CODERS, MOVES, WEIGHTED
from edgecnn.pipeline.bench.profiling import rows as r
from edgecnn.pipeline.bench.profiling.results import Advice, Profile, ProfileRow
from edgecnn.pipeline.bench.profiling.words import amount, count
from edgecnn.pipeline.bench.report_warnings import family_of
from edgecnn.records.isa import X86


def explained(profiles: Sequence[Profile], arch: str) -> tuple[Profile, ...]:
    """Return the profiles; the advice of a slower int8 file begins with the reasons."""
    return tuple(
        dataclasses.replace(profile, advice=(_explanation(profile, fp32, arch), *profile.advice))
        if (fp32 := _quicker_fp32(profile, profiles))
        else profile
        for profile in profiles
    )


def _quicker_fp32(int8: Profile, profiles: Sequence[Profile]) -> Profile | None:
    """Return the fp32 profile of the same net, runtime and format, if int8 is slower beyond both intervals."""
    if not int8.precision.startswith("int8"):
        return None
    for other in profiles:
        same = (other.runtime, other.format, family_of(other.run, other.file)) == (
            int8.runtime,
            int8.format,
            family_of(int8.run, int8.file),
        )
        if same and other.precision == "fp32" and int8.whole.low > other.whole.high:
            return other
    return None


def _explanation(int8: Profile, fp32: Profile, arch: str) -> Advice:
    lost = int8.whole.p50 - fp32.whole.p50
    reasons = [*_reasons(int8, fp32, arch)]
    return Advice(
        kind="int8-slower-than-fp32",
        saves=lost,
        sentence=f"int8 takes {amount(lost, int8.unit)} more than {fp32.file} "
        f"({amount(int8.whole.p50, int8.unit)} against {amount(fp32.whole.p50, int8.unit)}): {'; '.join(reasons)}.",
    )


def _reasons(int8: Profile, fp32: Profile, arch: str) -> Iterator[str]:
    """Yield the reasons with their costs, the most expensive first; those that need no profile come last."""
    if not int8.rows or not fp32.rows:
        yield f"operator by operator it is not available, because {int8.reason if not int8.rows else fp32.reason}"
    costs: list[tuple[float, str]] = []

    def add(rows: Sequence[ProfileRow], words: str, instead: Sequence[ProfileRow] = ()) -> None:
        spent, extra = r.together(rows), _spent(rows) - _spent(instead)
        if rows and extra > 0:
            costs.append(
                (extra, f"{words} ({amount(extra, int8.unit) if spent.is_told else 'below what can be told'})")
            )

    def of_kinds(profile: Profile, kinds: Sequence[str]) -> list[ProfileRow]:
        return [row for row in profile.rows if row.kind in kinds]

    float_layers = [row for row in of_kinds(int8, WEIGHTED) if row.is_float]
    weighted = of_kinds(int8, WEIGHTED)
    if float_layers:
        add(float_layers, f"{len(float_layers)} of its {count(len(weighted), 'layer')} stayed float")
    float_others = [row for row in int8.rows if row.is_float and row.kind not in WEIGHTED]
    add(float_others, f"{count(len(float_others), 'operator')} without weights stayed float")
    coders = of_kinds(int8, CODERS)
    add(coders, f"{count(len(coders), 'quantize or dequantize operator', 'quantize and dequantize operators')}")
    moves = of_kinds(int8, MOVES)
    add(moves, count(len(moves), "transpose"), of_kinds(fp32, MOVES))
    integer_layers = [row for row in weighted if not row.is_float]
    fp32_layers = of_kinds(fp32, WEIGHTED)
    add(
        integer_layers,
        f"its {count(len(integer_layers), 'integer layer')} are slower than the {len(fp32_layers)} of fp32",
        fp32_layers,
    )
    between = [
        row for row in int8.rows if row not in weighted and row not in float_others and row.kind not in CODERS + MOVES
    ]
    float_between = [row for row in fp32.rows if row.kind not in (*WEIGHTED, *CODERS, *MOVES)]
    add(
        between,
        f"{count(len(between), 'operator')} between its layers, {len(float_between)} in fp32, which fuses more",
        float_between,
    )
    yield from (words for _, words in sorted(costs, reverse=True))
    if int8.call and int8.rows and int8.call.p50 + _start(int8) > int8.whole.p50 / 2:
        yield "at this size an operator's start costs more than its arithmetic, in int8 as in fp32"
    if int8.runtime == "onnxruntime" and arch in X86 and _is_s8s8(int8):
        yield "ONNX Runtime has no fast kernels for int8 activations on x86: `edgecnn export` writes uint8"


def _start(profile: Profile) -> float:
    """Estimate the cost of starting the operators: each as much as the cheapest one whose cost can be told."""
    told_costs = [row.cost.p50 for row in profile.rows if row.cost.is_told]
    return min(told_costs, default=0.0) * len(profile.rows)


def _spent(rows: Sequence[ProfileRow]) -> float:
    return sum(row.cost.p50 for row in rows)


def _is_s8s8(profile: Profile) -> bool:
    """Return whether activations and weights are int8, which the input type of any file tells."""
    return profile.input_dtype == "int8"
