"""From the measurements of a bench to fronts: which candidates are compared, and at what cost."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from edgecnn.common import units
from edgecnn.records.measurement import Measurement, p50
from edgecnn.records.report import Report
from edgecnn.studies.page import pareto
from edgecnn.studies.page.pareto import Estimate, Place, Point, places


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Something a candidate costs, of which less is better."""

    key: str
    name: str
    """As in "accuracy against <name>"."""
    of: Callable[[Measurement], Estimate | None]
    """None where it was not measured, or where the number means nothing."""
    write: Callable[[Estimate], str]
    """With its unit, and its interval if it has one."""
    unit: str
    per_unit: float
    """What one `unit` is in the estimate's own."""


@dataclass(frozen=True, kw_only=True)
class Front:
    """One cost, and the place of every candidate that has it."""

    cost: Cost
    points: tuple[Point, ...]
    places: tuple[Place, ...]
    doubted: frozenset[str]
    """Names of those whose cost was measured on a machine that was not fit: DEGRADED."""


@dataclass(frozen=True, kw_only=True)
class Group:
    """The candidates of one report that were scored on the same pictures, so that they can be compared."""

    pictures: str
    """Which: the data set and how many of its test pictures."""
    names: tuple[str, ...]
    """Of the candidates."""
    measurements: tuple[Measurement, ...]
    fronts: tuple[Front, ...]


def named(report: Report) -> list[tuple[str, Measurement]]:
    """Each measurement with a name of its own: the file, and the runtime where a file ran on several."""
    files = [one.file for one in report.measurements]
    return [
        (one.file if files.count(one.file) == 1 else f"{one.file} ({one.runtime})", one) for one in report.measurements
    ]


def groups(report: Report, data: Mapping[str, str]) -> Iterator[Group]:
    """The groups of at least two candidates; `data` names the data set of each run that is known."""
    found: dict[str, list[tuple[str, Measurement]]] = {}
    for name, one in named(report):
        if one.summary.top1_n is None:
            continue
        known = data.get(one.run or "")
        pictures = f"{one.summary.top1_n:,} test pictures" + (f" of {known}" if known else "")
        found.setdefault(pictures, []).append((name, one))
    for pictures, candidates in found.items():
        if len(candidates) > 1:
            names, measurements = zip(*candidates, strict=True)
            made = tuple(front for cost in COSTS if (front := _front(cost, candidates)))
            yield Group(pictures=pictures, names=names, measurements=measurements, fronts=made)


def leading(front: Front) -> list[str]:
    """The front by value, the cheapest first, each with its numbers and with what it is not told apart from."""
    at = {point.name: place for point, place in zip(front.points, front.places, strict=True)}
    return [
        f"{point.name} ({point.top1.value:.2f} % [{point.top1.low:.1f}, {point.top1.high:.1f}], "
        f"{written(front, point)}{unsure(at[point.name])})"
        for point in pareto.front(front.points)
    ]


def written(front: Front, point: Point) -> str:
    """The point's cost, marked where the machine was not fit."""
    return front.cost.write(point.cost) + ", DEGRADED" * (point.name in front.doubted)


def unsure(place: Place) -> str:
    """ ", not told apart from ..." of one that is undecided, or nothing."""
    return f", not told apart from {place.other}" if place.standing == "undecided" else ""


def top1(one: Measurement) -> Estimate:
    """Top-1 in percent with its Wilson interval, of a measurement that has one."""
    s = one.summary
    assert s.top1_percent is not None
    assert s.top1_low_percent is not None
    assert s.top1_high_percent is not None
    return Estimate(s.top1_percent, s.top1_low_percent, s.top1_high_percent)


def _front(cost: Cost, candidates: list[tuple[str, Measurement]]) -> Front | None:
    known = [(name, one, estimate) for name, one in candidates if (estimate := cost.of(one))]
    if len(known) < 2:
        return None
    points = tuple(Point(name=name, top1=top1(one), cost=estimate) for name, one, estimate in known)
    if cost.key == "latency" and min(point.cost.value for point in points) < 1:
        cost = dataclasses.replace(cost, unit="µs", per_unit=0.001)
    doubted = frozenset(name for name, one, _ in known if cost.key == "latency" and one.validity.verdict == "DEGRADED")
    return Front(cost=cost, points=points, places=places(points), doubted=doubted)


def _latency(one: Measurement) -> Estimate | None:
    """An INVALID latency is that of a throttled machine, and no candidate's."""
    return Estimate(*p50(one)) if one.is_timed and one.validity.verdict != "INVALID" else None


def _instructions(one: Measurement) -> Estimate | None:
    s = one.summary
    if one.is_timed or s.instructions_p50 is None or s.instructions_min is None or s.instructions_max is None:
        return None
    return Estimate(s.instructions_p50, float(s.instructions_min), float(s.instructions_max))


def _bytes(one: Measurement) -> Estimate:
    return Estimate(one.bytes, one.bytes, one.bytes)


def _memory(one: Measurement) -> Estimate | None:
    """The largest of all processes, as the summary has it, with the smallest and the largest around it."""
    if one.summary.peak_rss_bytes is None:
        return None
    peaks = [process.peak_rss_bytes - process.baseline_rss_bytes for process in one.windows or one.counts]
    return Estimate(one.summary.peak_rss_bytes, min(peaks), max(peaks))


def _scaled(factor: float, unit: str) -> Callable[[Estimate], str]:
    def write(one: Estimate) -> str:
        value, low, high = (units.digits(number / factor) for number in (one.value, one.low, one.high))
        return f"{value} {unit}" if low == high else f"{value} [{low}, {high}] {unit}"

    return write


COSTS = (
    Cost(
        key="latency",
        name="latency",
        of=_latency,
        write=lambda one: units.interval(one.value, one.low, one.high),
        unit="ms",
        per_unit=1,
    ),
    Cost(
        key="instructions",
        name="instructions",
        of=_instructions,
        write=_scaled(1e3, "k"),
        unit="thousand instructions of one inference",
        per_unit=1e3,
    ),
    Cost(key="bytes", name="file size", of=_bytes, write=_scaled(1e3, "kB"), unit="kB", per_unit=1e3),
    Cost(key="memory", name="peak memory", of=_memory, write=_scaled(1e6, "MB"), unit="MB", per_unit=1e6),
)
