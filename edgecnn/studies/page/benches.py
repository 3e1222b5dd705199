"""A bench report on the page: its tables, its figures, and what limits its numbers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from edgecnn.pipeline.bench import show
from edgecnn.records import gates
from edgecnn.records.environment import Environment, fingerprint, machine_name
from edgecnn.studies.page import charts, tables
from edgecnn.studies.page.charts import SeriesLook
from edgecnn.studies.page.fronts import Group, groups, named
from edgecnn.studies.page.gather import Benched, Gathered, Trained
from edgecnn.studies.page.machines import Machines
from edgecnn.studies.page.svg import Picture, series
from edgecnn.studies.page.tables import Table

MARKERS = {"o": "circle", "s": "square", "^": "triangle", "D": "diamond"}


@dataclass(frozen=True, kw_only=True)
class Compared:
    """A group of candidates, with a figure per front and a table."""

    pictures: tuple[Picture, ...]
    table: Table


@dataclass(frozen=True, kw_only=True)
class Bench:
    """A bench report as the page shows it."""

    key: str
    title: str
    benched: Benched
    machine: int
    how: str
    tables: tuple[Table, ...]
    notes: tuple[str, ...]
    picture: Picture | None
    compared: tuple[Compared, ...]


def is_benched(trained: Trained, benches: Sequence[Benched]) -> bool:
    """Return whether some report measures files of a run."""
    return any(measurement.run == trained.run.name for bench in benches for measurement in bench.report.measurements)


def shown(gathered: Gathered, machines: Machines) -> Iterator[Bench]:
    """Yield each bench report as the page shows it."""
    data = {trained.run.name: trained.run.recipe.data.name for trained in gathered.runs}
    for index, benched in enumerate(gathered.benches, 1):
        key, report = f"bench-{index}", benched.report
        machine = machines.number(report.environment, f"bench {index}")
        machine_text = f"{_machine(report.environment)}, machine {machine}"
        timed = [(name, measurement) for name, measurement in named(report) if measurement.is_timed]
        yield Bench(
            key=key,
            title=f"Bench {index}: {_runs_of(benched)} on {report.board}",
            benched=benched,
            machine=machine,
            how=show.how(report),
            tables=tables.measured(key, report, f"{machine_text}; {show.how(report)}."),
            notes=tuple(_notes(gathered, benched)),
            picture=charts.latencies(f"{key}-latency", *zip(*timed, strict=True)) if timed else None,
            compared=tuple(
                _compared(f"{key}-front-{position}", group, machine_text)
                for position, group in enumerate(groups(report, data), 1)
            ),
        )


def _compared(key: str, group: Group, machine_text: str) -> Compared:
    numbers = {name: number for number, name in enumerate(group.names, 1)}
    runs = list(dict.fromkeys(measurement.run for measurement in group.measurements))
    formats = sorted({measurement.format for measurement in group.measurements})
    looks = {
        name: SeriesLook(
            number=numbers[name],
            colour=series(runs.index(measurement.run)),
            marker=list(MARKERS)[formats.index(measurement.format) % len(MARKERS)],
            filled=measurement.precision.startswith("int8"),
        )
        for name, measurement in zip(group.names, group.measurements, strict=True)
    }
    shapes = (f"{shape}: {name}" for shape, name in zip(MARKERS.values(), formats, strict=False))
    legend = f"Filled: int8; {'; '.join(shapes)}."
    pictures = tuple(charts.front(f"{key}-{front.cost.key}", front, looks, legend) for front in group.fronts)
    return Compared(pictures=pictures, table=tables.fronts(key, group, numbers, machine_text))


def _notes(gathered: Gathered, bench: Benched) -> Iterator[str]:
    """Yield a sentence for everything that limits what the numbers say."""
    digests = {
        artifact.name: artifact.description.sha256 for trained in gathered.runs for artifact in trained.artifacts
    }
    report = bench.report
    changed = sorted({m.file for m in report.measurements if digests.get(m.file, m.sha256) != m.sha256})
    if changed:
        yield f"Measured before it was exported again, so that the file is another now: {', '.join(changed)}."
    for measurement in report.measurements:
        validity = measurement.validity
        if validity.verdict != "VALID":
            yield f"{measurement.file} on {measurement.runtime} is {validity.verdict}: {'; '.join(validity.reasons)}."
    for gate in report.gates:
        yield f"Gate --{gate.limit}, {gates.word(gate.outcome)}: {gate.sentence}."
    for failure in report.failures:
        yield f"{failure.file} on {failure.runtime} failed: {failure.sentence}"
    for warning in report.warnings:
        yield warning.sentence
    if bench.older:
        yield f"Earlier benches of the same files here are not shown: {', '.join(map(str, bench.older))}."


def _machine(environment: Environment) -> str:
    return f"{machine_name(environment)}, fingerprint {fingerprint(environment)}"


def _runs_of(bench: Benched) -> str:
    names = list(dict.fromkeys(measurement.run or measurement.file for measurement in bench.report.measurements))
    return ", ".join(names) if 0 < len(names) < 5 else f"{len(names)} nets"
