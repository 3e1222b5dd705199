"""`edgecnn compare`: two reports side by side, and whether the second is worse beyond the detectable difference."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from edgecnn.common import stats
from edgecnn.errors import EnvironmentUnfit
from edgecnn.records import environment, gates, isa, settling
from edgecnn.records.environment import Environment
from edgecnn.records.gates import Gate, Outcome
from edgecnn.records.measurement import Measurement
from edgecnn.records.report import Report
from edgecnn.records.summary import medians_ms

BETWEEN_BENCHES_PERCENT = 3.0
"""How far two benches of one file on one quiet machine may differ; the rounds of one bench cannot show it."""

HELD_PERCENT = 95.0
"""The least confidence of an interval that may find a difference; a single round has less."""

BETWEEN_BOOTS_PERCENT = 0.1
"""How far the instruction counts of one file on two boots of one emulated board may differ."""

Answer = Literal["worse", "better", "no difference found"]


@dataclass(frozen=True, kw_only=True)
class Latency:
    """The p50 latency of the second report (b) over that of the first (a), with its 95 % interval."""

    a_ms: float
    b_ms: float
    ratio: float
    low: float
    high: float
    held_percent: float
    """Confidence of the interval, not counting the drift between benches."""
    detectable_percent: float
    """The smallest slowdown that these rounds can tell from none."""
    rounds: int
    """Number of rounds of the report that has fewer."""
    answer: Answer


@dataclass(frozen=True, kw_only=True)
class Instructions:
    """Median instructions of one inference: those of the second report (b) over those of the first (a)."""

    a: float
    b: float
    ratio: float
    detectable_percent: float
    """The larger spread of the counts within a report, plus what two boots may add."""
    answer: Answer


@dataclass(frozen=True, kw_only=True)
class Drop:
    """Top-1 accuracy of the first report (a) less that of the second (b), with its 95 % interval."""

    a_percent: float
    b_percent: float
    pp: float
    low_pp: float
    high_pp: float
    identical: bool
    """Whether all outputs are equal bit by bit."""
    n: int
    """Number of images of the report that has fewer."""
    answer: Answer


@dataclass(frozen=True, kw_only=True)
class MeasurementPair:
    """One file on one runtime in both reports; a part that either report lacks is None."""

    file: str
    runtime: str
    latency: Latency | None
    instructions: Instructions | None
    drop: Drop | None


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Two reports, a before b: the pairs, and what only one report has."""

    a: str
    b: str
    pairs: tuple[MeasurementPair, ...]
    unpaired: tuple[str, ...]
    differences: tuple[str, ...]
    """Facts in which the machines differ and on which latency depends."""
    machines: tuple[str, str]
    """Names of both machines, with their instruction sets."""
    same_kind: bool
    """Whether both machines have the same instruction set by name."""


def compare(a: Report, b: Report, across: bool = False) -> Comparison:
    """Pair the measurements of two reports by file and runtime.

    Args:
        a: The report before a change.
        b: The report after it.
        across: Compare them even if their machines or versions differ.

    Raises:
        EnvironmentUnfit: If they have no file in common, a measurement is INVALID, the numbers of threads differ,
            or the machines or versions differ without `across` (outputs that are all equal need no `across`).
    """
    before, after = _by_key(a), _by_key(b)
    common = [key for key in before if key in after]
    if not common:
        raise EnvironmentUnfit("The two reports have no file on a common runtime.", "compare reports of the same files")
    pairs = tuple(_pair(before[key], after[key]) for key in common)
    differences = environment.differences(a.environment, b.environment)
    machines = environment.machine_name(a.environment), environment.machine_name(b.environment)
    same_kind = _instruction_set(a.environment) == _instruction_set(b.environment)
    if differences and not across and not all(_compares_equal_outputs_alone(pair) for pair in pairs):
        raise EnvironmentUnfit(
            f"The two were not measured alike ({'; '.join(differences)})." if same_kind else two_kinds(machines),
            "--across compares them all the same; a difference is then the machines' as well",
        )
    for key in common:
        _check_fit(before[key], after[key])
    return Comparison(
        a=f"{a.board}, {a.date}",
        b=f"{b.board}, {b.date}",
        pairs=pairs,
        unpaired=tuple(f"{file} on {runtime}" for file, runtime in before.keys() ^ after.keys()),
        differences=differences,
        machines=machines,
        same_kind=same_kind,
    )


def judge(comparison: Comparison, strict: bool = False) -> None:
    """Hold the gates: no pair may be worse beyond the detectable difference.

    Raises:
        GateFailed: If some pair is; it names all of them.
        Undecided: If `strict` and a pair may be worse or not, where the table says "no difference found".
    """
    held_gates = [gate for pair in comparison.pairs for gate in _gates(pair)]
    if not strict:  # the table says already which differences could be detected
        held_gates = [gate for gate in held_gates if gate.outcome == "fail"]
    settling.settle(held_gates, strict, None, "more --rounds tell latencies apart, more test pictures accuracies")


def _gates(pair: MeasurementPair) -> Iterator[Gate]:
    name, latency, counts, drop = f"{pair.file} on {pair.runtime}", pair.latency, pair.instructions, pair.drop
    if latency:
        slower, most = 100 * (latency.ratio - 1), 1 + BETWEEN_BENCHES_PERCENT / 100
        outcome: Outcome = "fail" if latency.answer == "worse" else "pass"
        sentence = f"{name} is {slower:.1f} % slower"
        if outcome == "pass" and (latency.high > most or latency.held_percent < HELD_PERCENT):
            outcome = "cannot tell"
            needed = stats.needed_n(latency.rounds, latency.ratio, latency.low, latency.high, most)
            interval = f"[{latency.low:.3f}, {latency.high:.3f}]"
            sentence = f"{name} takes {latency.ratio:.3f} {interval} times as long, at most {most:.2f} allowed, "
            sentence += gates.doubt(latency.rounds, needed, "rounds")
        yield Gate(limit="latency", subject=name, outcome=outcome, sentence=sentence)
    elif counts:
        outcome = "fail" if counts.answer == "worse" else "pass"
        sentence = f"{name} takes {100 * (counts.ratio - 1):.2f} % more instructions"
        yield Gate(limit="instructions", subject=name, outcome=outcome, sentence=sentence)
    if drop:
        outcome = gates.at_most(drop.low_pp, drop.high_pp, 0.0)
        sentence = f"{name} is {drop.pp:.2f} pp less accurate"
        if outcome == "cannot tell":
            needed = stats.needed_n(drop.n, drop.pp, drop.low_pp, drop.high_pp, 0.0)
            sentence += f" [{drop.low_pp:+.2f}, {drop.high_pp:+.2f}], {gates.doubt(drop.n, needed)}"
        yield Gate(limit="accuracy", subject=name, outcome=outcome, sentence=sentence)


def two_kinds(machines: tuple[str, str]) -> str:
    """Say that two machines have different instruction sets."""
    return f"The two were measured on different kinds of CPU: {machines[0]}, and {machines[1]}."


def _instruction_set(machine: Environment) -> str:
    return isa.name(machine.arch, machine.features)


def _compares_equal_outputs_alone(pair: MeasurementPair) -> bool:
    """Return whether only outputs are compared and all are equal, so that the machines do not matter."""
    return pair.drop is not None and pair.drop.identical and pair.latency is None and pair.instructions is None


def _by_key(bench_report: Report) -> dict[tuple[str, str], Measurement]:
    return {(measurement.file, measurement.runtime): measurement for measurement in bench_report.measurements}


def _check_fit(a: Measurement, b: Measurement) -> None:
    for measurement in (a, b):
        if measurement.validity.verdict == "INVALID":
            reasons = ", ".join(measurement.validity.reasons)
            raise EnvironmentUnfit(
                f"{measurement.file} on {measurement.runtime} is INVALID: {reasons}.", "measure it again"
            )
    if a.num_threads != b.num_threads:
        raise EnvironmentUnfit(f"{a.file} was measured with {a.num_threads} threads and with {b.num_threads}.")


def _pair(a: Measurement, b: Measurement) -> MeasurementPair:
    return MeasurementPair(
        file=a.file, runtime=a.runtime, latency=_latency(a, b), instructions=_instructions(a, b), drop=_drop(a, b)
    )


def _latency(a: Measurement, b: Measurement) -> Latency | None:
    before, after = medians_ms(a.windows), medians_ms(b.windows)
    if not before or not after:
        return None
    ratio, low, high, held_percent = stats.typical_ratio_interval(before, after)
    drift = 1 + BETWEEN_BENCHES_PERCENT / 100
    answer = _answer(low, high, 1 / drift, drift) if held_percent >= HELD_PERCENT else "no difference found"
    return Latency(
        a_ms=stats.quantile(before, 0.5),
        b_ms=stats.quantile(after, 0.5),
        ratio=ratio,
        low=low,
        high=high,
        held_percent=held_percent,
        detectable_percent=100 * (drift * ratio / low - 1),
        answer=answer,
        rounds=min(len(before), len(after)),
    )


def _instructions(a: Measurement, b: Measurement) -> Instructions | None:
    before, after = a.summary.instructions_p50, b.summary.instructions_p50
    if before is None or after is None:
        return None
    detectable_percent = max(_spread_percent(a), _spread_percent(b)) + BETWEEN_BOOTS_PERCENT
    ratio, least = after / before, 1 + detectable_percent / 100
    return Instructions(
        a=before,
        b=after,
        ratio=ratio,
        detectable_percent=detectable_percent,
        answer=_answer(ratio, ratio, 1 / least, least),
    )


def _spread_percent(measurement: Measurement) -> float:
    s = measurement.summary
    if s.instructions_p50 is None or s.instructions_min is None or s.instructions_max is None:
        return 0.0
    return 100 * (s.instructions_max - s.instructions_min) / s.instructions_p50


def _drop(a: Measurement, b: Measurement) -> Drop | None:
    if a.accuracy is None or b.accuracy is None:
        return None
    before = stats.wilson(a.accuracy.correct, a.accuracy.n)
    after = stats.wilson(b.accuracy.correct, b.accuracy.n)
    identical = a.accuracy.outputs_sha256 == b.accuracy.outputs_sha256
    pp, low, high = (0.0, 0.0, 0.0) if identical else stats.unpaired_drop_pp(before, after)
    return Drop(
        a_percent=before.percent,
        b_percent=after.percent,
        pp=pp,
        low_pp=low,
        high_pp=high,
        identical=identical,
        answer=_answer(low, high, 0.0, 0.0),
        n=min(before.n, after.n),
    )


def _answer(low: float, high: float, least: float, most: float) -> Answer:
    """Return what the interval of a cost says if anything between `least` and `most` is no difference."""
    return "worse" if low > most else "better" if high < least else "no difference found"
