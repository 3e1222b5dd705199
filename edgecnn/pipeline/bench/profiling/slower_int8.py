"""Why an int8 file is slower than the fp32 file of its net on the same runtime, from the two profiles."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

from edgecnn.formats import CODERS, MOVES, WEIGHTED
from edgecnn.pipeline.bench.profiling import rows as r
from edgecnn.pipeline.bench.profiling.results import Advice, Profile, Row
from edgecnn.pipeline.bench.profiling.words import amount, count
from edgecnn.pipeline.bench.report_warnings import family_of
from edgecnn.records.isa import X86


def explained(profiles: Sequence[Profile], arch: str) -> tuple[Profile, ...]:
    """The profiles, those of slower int8 files with the reasons in front."""
    return tuple(
        dataclasses.replace(one, advice=(_explanation(one, other, arch), *one.advice))
        if (other := _quicker_fp32(one, profiles))
        else one
        for one in profiles
    )


def _quicker_fp32(one: Profile, among: Sequence[Profile]) -> Profile | None:
    """The fp32 file of the same net, runtime and format, if the int8 one is slower beyond both intervals."""
    if not one.precision.startswith("int8"):
        return None
    for other in among:
        same = (other.runtime, other.format, family_of(other.run, other.file)) == (
            one.runtime,
            one.format,
            family_of(one.run, one.file),
        )
        if same and other.precision == "fp32" and one.whole.low > other.whole.high:
            return other
    return None


def _explanation(one: Profile, fp32: Profile, arch: str) -> Advice:
    lost = one.whole.p50 - fp32.whole.p50
    reasons = [*_reasons(one, fp32, arch)]
    return Advice(
        kind="int8-slower-than-fp32",
        saves=lost,
        sentence=f"int8 takes {amount(lost, one.unit)} more than {fp32.file} "
        f"({amount(one.whole.p50, one.unit)} against {amount(fp32.whole.p50, one.unit)}): {'; '.join(reasons)}.",
    )


def _reasons(one: Profile, fp32: Profile, arch: str) -> Iterator[str]:
    """Each with the cost behind it, the dearest first; those that no profile is needed for come last."""
    if not one.rows or not fp32.rows:
        yield f"operator by operator it is not available, because {one.reason if not one.rows else fp32.reason}"
    costs: list[tuple[float, str]] = []

    def found(those: Sequence[Row], words: str, instead: Sequence[Row] = ()) -> None:
        spent, extra = r.together(those), _spent(those) - _spent(instead)
        if those and extra > 0:
            costs.append((extra, f"{words} ({amount(extra, one.unit) if spent.is_told else 'below what can be told'})"))

    def of(profile: Profile, kinds: Sequence[str]) -> list[Row]:
        return [row for row in profile.rows if row.kind in kinds]

    stayed = [row for row in of(one, WEIGHTED) if row.is_float]
    weighted = of(one, WEIGHTED)
    if stayed:
        found(stayed, f"{len(stayed)} of its {count(len(weighted), 'layer')} stayed float")
    others = [row for row in one.rows if row.is_float and row.kind not in WEIGHTED]
    found(others, f"{count(len(others), 'operator')} without weights stayed float")
    coders = of(one, CODERS)
    found(coders, f"{count(len(coders), 'quantize or dequantize operator', 'quantize and dequantize operators')}")
    moves = of(one, MOVES)
    found(moves, count(len(moves), "transpose"), of(fp32, MOVES))
    integer = [row for row in weighted if not row.is_float]
    plain = of(fp32, WEIGHTED)
    found(
        integer,
        f"its {count(len(integer), 'integer layer')} are slower than the {len(plain)} of fp32",
        plain,
    )
    between = [row for row in one.rows if row not in weighted and row not in others and row.kind not in CODERS + MOVES]
    float_between = [row for row in fp32.rows if row.kind not in (*WEIGHTED, *CODERS, *MOVES)]
    found(
        between,
        f"{count(len(between), 'operator')} between its layers, {len(float_between)} in fp32, which fuses more",
        float_between,
    )
    yield from (words for _, words in sorted(costs, reverse=True))
    if one.call and one.rows and one.call.p50 + _start(one) > one.whole.p50 / 2:
        yield "at this size an operator's start costs more than its arithmetic, in int8 as in fp32"
    if one.runtime == "onnxruntime" and arch in X86 and _is_s8s8(one):
        yield "ONNX Runtime has no fast kernels for int8 activations on x86: `edgecnn export` writes uint8"


def _start(one: Profile) -> float:
    """What starting the operators costs: each at least what the cheapest that can be told does."""
    told = [row.cost.p50 for row in one.rows if row.cost.is_told]
    return min(told, default=0.0) * len(one.rows)


def _spent(those: Sequence[Row]) -> float:
    return sum(row.cost.p50 for row in those)


def _is_s8s8(one: Profile) -> bool:
    """int8 activations with int8 weights; of a file of any make the input tells."""
    return one.input_dtype == "int8"
