"""The verb: gather, draw, and write one HTML file that needs nothing else."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgecnn.common import escapes, files
from edgecnn.errors import MissingPackage
from edgecnn.pipeline.bench import show
from edgecnn.records import gates
from edgecnn.records.environment import Environment, fingerprint, machine_name
from edgecnn.studies.page import charts, duel, lesson, summary, tables
from edgecnn.studies.page.charts import Look
from edgecnn.studies.page.fronts import Group, groups, named
from edgecnn.studies.page.gather import Benched, Gathered, Trained, gather
from edgecnn.studies.page.svg import Picture, series
from edgecnn.studies.page.tables import Table

HERE = Path(__file__).parent
MARKERS = {"o": "circle", "s": "square", "^": "triangle", "D": "diamond"}


@dataclass(frozen=True, kw_only=True)
class Compared:
    """One group of candidates: its fronts as figures, and its table."""

    pictures: tuple[Picture, ...]
    table: Table


@dataclass(frozen=True, kw_only=True)
class Bench:
    """One report as the page shows it."""

    key: str
    title: str
    found: Benched
    machine: int
    how: str
    tables: tuple[Table, ...]
    notes: tuple[str, ...]
    picture: Picture | None
    compared: tuple[Compared, ...]


class Machines:
    """The machines in the order they come up, and what was done on each."""

    def __init__(self) -> None:
        self.environments: list[Environment] = []
        self.used: list[list[str]] = []

    def number(self, environment: Environment, use: str) -> int:
        """Its number, from 1."""
        if environment not in self.environments:
            self.environments.append(environment)
            self.used.append([])
        index = self.environments.index(environment)
        self.used[index].append(use)
        return index + 1


def build(
    runs: Sequence[Path],
    output: Path,
    duel: Path | None = None,
    lessons: Path | None = None,
    benches: Sequence[Path] = (),
) -> Path:
    """Write the page of these runs to `output` and return its path.

    Shown are the runs, their exported files, the benches found beside them and those named, the duel of
    a folder or JSON file and the lessons of a folder. The same input gives the same bytes.
    Raises RunError, ModelFileError or UsageError for what cannot be read, MissingPackage, OutputError.
    """
    found = gather(runs, duel, lessons, benches)
    files.make_folder(output.parent)
    words = ["edgecnn", "report", *map(str, runs)]
    words += ["--duel", str(duel)] if duel else []
    words += ["--lessons", str(lessons)] if lessons else []
    words += [word for path in benches for word in ("--bench", str(path))]
    files.write_text(output, html(found, shlex.join([*words, "-o", str(output)])))
    return output


def html(found: Gathered, command: str) -> str:
    """The page as text; `command` is what makes it again."""
    try:
        import jinja2
        from markupsafe import Markup
    except ImportError as error:
        raise MissingPackage(str(error.name), "train", "The report page") from error

    loader = jinja2.FileSystemLoader(HERE)
    template = jinja2.Environment(
        loader=loader,
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    ).get_template("template.html.j2")
    style = Markup((HERE / "style.css").read_text(encoding="utf-8"))
    return escapes.text(template.render(style=style, command=command, **_view(found)))


def _view(found: Gathered) -> dict[str, Any]:
    """What the template names."""
    machines = Machines()
    trained_on = {
        one.run.name: machines.number(one.environment, f"training {one.run.name}")
        for one in found.runs
        if one.environment
    }
    benches = list(_benches(found, machines))
    taught = [
        lesson.shown(f"lesson-{number}", one, machines.number(one.lesson.environment, f"lesson {one.lesson.name}"))
        for number, one in enumerate(found.lessons, 1)
    ]
    view: dict[str, Any] = {
        "runs": found.runs,
        "names": ", ".join(one.run.name for one in found.runs),
        "overview": tables.overview(found.runs, trained_on),
        "recipes": tables.recipes(found.runs),
        "curves": _curves(found.runs),
        "files": tables.files(found.runs) if any(one.artifacts for one in found.runs) else None,
        "parities": tables.parities(found.runs),
        "benches": benches,
        "unbenched": [one for one in found.runs if one.artifacts and not _is_benched(one, found.benches)],
        "duel": found.duel,
        "lessons": taught,
        "in_short": summary.sentences(found),
    }
    if found.duel:
        number = machines.number(found.duel.environment, f"the duel {found.duel.name}")
        told = (*found.duel.sentences, *(crossover.sentence for crossover in found.duel.crossovers))
        view |= {
            "duel_machine": number,
            "duel_told": tuple(dict.fromkeys(told)),
            "duel_pictures": (duel.learning(found.duel), duel.costs(found.duel)),
            "duel_tables": (duel.shares(found.duel), duel.contenders(found.duel, f"machine {number}")),
            "duel_trials": duel.trials(found.duel),
        }
    return {**view, "machines": tables.machines(machines.environments, machines.used)}


def _curves(runs: Sequence[Trained]) -> list[Picture]:
    return [
        charts.curves(f"curves-{number}", one.run.name, one.history)
        for number, one in enumerate(runs, 1)
        if one.history
    ]


def _is_benched(one: Trained, benches: Sequence[Benched]) -> bool:
    return any(measured.run == one.run.name for bench in benches for measured in bench.report.measurements)


def _benches(found: Gathered, machines: Machines) -> Iterator[Bench]:
    data = {one.run.name: one.run.recipe.data.name for one in found.runs}
    for number, one in enumerate(found.benches, 1):
        key, report = f"bench-{number}", one.report
        machine = machines.number(report.environment, f"bench {number}")
        where = f"{_machine(report.environment)}, machine {machine}"
        timed = [(name, measured) for name, measured in named(report) if measured.is_timed]
        yield Bench(
            key=key,
            title=f"Bench {number}: {_runs_of(one)} on {report.board}",
            found=one,
            machine=machine,
            how=show.how(report),
            tables=tables.measured(key, report, f"{where}; {show.how(report)}."),
            notes=tuple(_notes(found, one)),
            picture=charts.latencies(f"{key}-latency", *zip(*timed, strict=True)) if timed else None,
            compared=tuple(
                _compared(f"{key}-front-{place}", group, where) for place, group in enumerate(groups(report, data), 1)
            ),
        )


def _compared(key: str, group: Group, where: str) -> Compared:
    numbers = {name: number for number, name in enumerate(group.names, 1)}
    runs = list(dict.fromkeys(one.run for one in group.measurements))
    formats = sorted({one.format for one in group.measurements})
    looks = {
        name: Look(
            number=numbers[name],
            colour=series(runs.index(one.run)),
            marker=list(MARKERS)[formats.index(one.format) % len(MARKERS)],
            filled=one.precision.startswith("int8"),
        )
        for name, one in zip(group.names, group.measurements, strict=True)
    }
    shapes = (f"{shape}: {name}" for shape, name in zip(MARKERS.values(), formats, strict=False))
    legend = f"Filled: int8; {'; '.join(shapes)}."
    pictures = tuple(charts.front(f"{key}-{front.cost.key}", front, looks, legend) for front in group.fronts)
    return Compared(pictures=pictures, table=tables.fronts(key, group, numbers, where))


def _notes(found: Gathered, bench: Benched) -> Iterator[str]:
    """Everything that limits what the numbers say."""
    now = {artifact.name: artifact.description.sha256 for one in found.runs for artifact in one.artifacts}
    report = bench.report
    changed = sorted({one.file for one in report.measurements if now.get(one.file, one.sha256) != one.sha256})
    if changed:
        yield f"Measured before it was exported again, so that the file is another now: {', '.join(changed)}."
    for one in report.measurements:
        if one.validity.verdict != "VALID":
            yield f"{one.file} on {one.runtime} is {one.validity.verdict}: {'; '.join(one.validity.reasons)}."
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
    names = list(dict.fromkeys(one.run or one.file for one in bench.report.measurements))
    return ", ".join(names) if 0 < len(names) < 5 else f"{len(names)} nets"
