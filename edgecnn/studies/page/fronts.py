"""Fronts of accuracy against costs, from the measurements of a bench."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from edgecnn.common import units
from edgecnn.records.measurement import Measurement, p50
from edgecnn.records.report import Report
from edgecnn.studies.page import pareto
from edgecnn.studies.page.pareto import FrontPlace, Point, PointEstimate, places


@dataclass(frozen=True, kw_only=True)
class FrontCost:
    """A cost of a candidate, of which less is better."""

    key: str
    name: str
    """Name in the phrase "accuracy against <name>"."""
    of: Callable[[Measurement], PointEstimate | None]
    """Returns the cost of a measurement, None if it was not measured or means nothing."""
    write: Callable[[PointEstimate], str]
    """Formats the cost with its unit, and its interval if it has one."""
    unit: str
    per_unit: float
    """Size of one `unit` in the unit of the estimate."""


@dataclass(frozen=True, kw_only=True)
class Front:
    """A cost, and the place of every candidate for which it is known."""

    cost: FrontCost
    points: tuple[Point, ...]
    places: tuple[FrontPlace, ...]
    doubted: frozenset[str]
    """Names of the candidates whose cost was measured on an unfit machine (DEGRADED)."""


@dataclass(frozen=True, kw_only=True)
class Group:
    """The candidates of one report that were scored on the same pictures, so that they can be compared."""

    pictures: str
    """The data set and the number of its test pictures, in words."""
    names: tuple[str, ...]
    """Names of the candidates."""
    measurements: tuple[Measurement, ...]
    fronts: tuple[Front, ...]


def named(report: Report) -> list[tuple[str, Measurement]]:
    """Give each measurement a unique name: the file, with the runtime if the file ran on several."""
    files = [measurement.file for measurement in report.measurements]
    return [(m.file if files.count(m.file) == 1 else f"{m.file} ({m.runtime})", m) for m in report.measurements]


def groups(report: Report, data: Mapping[str, str]) -> Iterator[Group]:
    """Group the candidates of a report that are comparable; yield groups of at least two.

    Args:
        report: the report.
        data: name of a run -> its data set, for the runs that are known.
    """
    by_pictures: dict[str, list[tuple[str, Measurement]]] = {}
    for name, measurement in named(report):
        if measurement.summary.top1_n is None:
            continue
        data_name = data.get(measurement.run or "")
        pictures = f"{measurement.summary.top1_n:,} test pictures" + (f" of {data_name}" if data_name else "")
        by_pictures.setdefault(pictures, []).append((name, measurement))
    for pictures, candidates in by_pictures.items():
        if len(candidates) > 1:
            names, measurements = zip(*candidates, strict=True)
            fronts = tuple(front for cost in COSTS if (front := _front(cost, candidates)))
            yield Group(pictures=pictures, names=names, measurements=measurements, fronts=fronts)


def leading(front: Front) -> list[str]:
    """Format each point on the front by value, the cheapest first, with the candidate it is not told apart from."""
    places_by_name = {point.name: place for point, place in zip(front.points, front.places, strict=True)}
    return [
        f"{point.name} ({point.top1.value:.2f} % [{point.top1.low:.1f}, {point.top1.high:.1f}], "
        f"{written(front, point)}{unsure(places_by_name[point.name])})"
        for point in pareto.front(front.points)
    ]


def written(front: Front, point: Point) -> str:
    """Format the point's cost, marked as DEGRADED if the machine was not fit."""
    return front.cost.write(point.cost) + ", DEGRADED" * (point.name in front.doubted)


def unsure(place: FrontPlace) -> str:
    """Return the words ", not told apart from ..." for an undecided place, else an empty string."""
    return f", not told apart from {place.other}" if place.standing == "undecided" else ""


def top1(measurement: Measurement) -> PointEstimate:
    """Return top-1 in percent with its Wilson interval, for a measurement that has one."""
    s = measurement.summary
    assert s.top1_percent is not None
    assert s.top1_low_percent is not None
    assert s.top1_high_percent is not None
    return PointEstimate(s.top1_percent, s.top1_low_percent, s.top1_high_percent)


def _front(cost: FrontCost, candidates: list[tuple[str, Measurement]]) -> Front | None:
    known = [(name, measurement, estimate) for name, measurement in candidates if (estimate := cost.of(measurement))]
    if len(known) < 2:
        return None
    points = tuple(Point(name=name, top1=top1(measurement), cost=estimate) for name, measurement, estimate in known)
    if cost.key == "latency" and min(point.cost.value for point in points) < 1:
        cost = dataclasses.replace(cost, unit="µs", per_unit=0.001)
    doubted = frozenset(
        name for name, measurement, _ in known if cost.key == "latency" and measurement.validity.verdict == "DEGRADED"
    )
    return Front(cost=cost, points=points, places=places(points), doubted=doubted)


def _latency(measurement: Measurement) -> PointEstimate | None:
    """Return the p50; None if it is INVALID, since a throttled machine's time says nothing of the candidate."""
    return (
        PointEstimate(*p50(measurement)) if measurement.is_timed and measurement.validity.verdict != "INVALID" else None
    )


def _instructions(measurement: Measurement) -> PointEstimate | None:
    s = measurement.summary
    if measurement.is_timed or s.instructions_p50 is None or s.instructions_min is None or s.instructions_max is None:
        return None
    return PointEstimate(s.instructions_p50, float(s.instructions_min), float(s.instructions_max))


def _bytes(measurement: Measurement) -> PointEstimate:
    return PointEstimate(measurement.bytes, measurement.bytes, measurement.bytes)


def _memory(measurement: Measurement) -> PointEstimate | None:
    """Return the summary's peak RSS, with the smallest and the largest of all processes as its interval."""
    if measurement.summary.peak_rss_bytes is None:
        return None
    peaks = [
        process.peak_rss_bytes - process.baseline_rss_bytes for process in measurement.windows or measurement.counts
    ]
    return PointEstimate(measurement.summary.peak_rss_bytes, min(peaks), max(peaks))


def _scaled(factor: float, unit: str) -> Callable[[PointEstimate], str]:
    def write(estimate: PointEstimate) -> str:
        value, low, high = (units.digits(bound / factor) for bound in (estimate.value, estimate.low, estimate.high))
        return f"{value} {unit}" if low == high else f"{value} [{low}, {high}] {unit}"

    return write


COSTS = (
    FrontCost(
        key="latency",
        name="latency",
        of=_latency,
        write=lambda estimate: units.interval(estimate.value, estimate.low, estimate.high),
        unit="ms",
        per_unit=1,
    ),
    FrontCost(
        key="instructions",
        name="instructions",
        of=_instructions,
        write=_scaled(1e3, "k"),
        unit="thousand instructions of one inference",
        per_unit=1e3,
    ),
    FrontCost(key="bytes", name="file size", of=_bytes, write=_scaled(1e3, "kB"), unit="kB", per_unit=1e3),
    FrontCost(key="memory", name="peak memory", of=_memory, write=_scaled(1e6, "MB"), unit="MB", per_unit=1e6),
)
