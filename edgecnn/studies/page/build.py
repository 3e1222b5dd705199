"""`edgecnn report`: gather, draw, and write one self-contained HTML file."""

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
from edgecnn.studies.page.charts import SeriesLook
from edgecnn.studies.page.fronts import Group, groups, named
from edgecnn.studies.page.gather import Benched, Gathered, Trained, gather
from edgecnn.studies.page.svg import Picture, series
from edgecnn.studies.page.tables import Table

HERE = Path(__file__).parent
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
    found: Benched
    machine: int
    how: str
    tables: tuple[Table, ...]
    notes: tuple[str, ...]
    picture: Picture | None
    compared: tuple[Compared, ...]


class Machines:
    """The machines of a page, in order of first use, and what was done on each."""

    def __init__(self) -> None:
        self.environments: list[Environment] = []
        self.used: list[list[str]] = []

    def number(self, environment: Environment, use: str) -> int:
        """Return the machine's number, from 1, and record what it was used for."""
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
    """Write the page to `output` and return its path; the same input gives the same bytes.

    Args:
        runs: run folders; their exported files, and bench reports beside them, are shown too.
        output: path of the HTML file.
        duel: a duel's folder or JSON file.
        lessons: folder of lessons' JSON files.
        benches: further bench reports.

    Raises:
        RunError, ModelFileError, UsageError: an input cannot be read.
        MissingPackage: a package that draws the page is missing.
        OutputError: `output` cannot be written.
    """
    gathered = gather(runs, duel, lessons, benches)
    files.make_folder(output.parent)
    command_words = ["edgecnn", "report", *map(str, runs)]
    command_words += ["--duel", str(duel)] if duel else []
    command_words += ["--lessons", str(lessons)] if lessons else []
    command_words += [word for path in benches for word in ("--bench", str(path))]
    files.write_text(output, html(gathered, shlex.join([*command_words, "-o", str(output)])))
    return output


def html(gathered: Gathered, command: str) -> str:
    """Render the page as text; `command` is the command line that repeats it."""
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
    return escapes.text(template.render(style=style, command=command, **_view(gathered)))


def _view(gathered: Gathered) -> dict[str, Any]:
    """Return the variables of the template."""
    machines = Machines()
    trained_on = {
        trained.run.name: machines.number(trained.environment, f"training {trained.run.name}")
        for trained in gathered.runs
        if trained.environment
    }
    benches = list(_benches(gathered, machines))
    lessons = [
        lesson.shown(
            f"lesson-{index}", taught, machines.number(taught.lesson.environment, f"lesson {taught.lesson.name}")
        )
        for index, taught in enumerate(gathered.lessons, 1)
    ]
    view: dict[str, Any] = {
        "runs": gathered.runs,
        "names": ", ".join(trained.run.name for trained in gathered.runs),
        "overview": tables.overview(gathered.runs, trained_on),
        "recipes": tables.recipes(gathered.runs),
        "curves": _curves(gathered.runs),
        "files": tables.files(gathered.runs) if any(trained.artifacts for trained in gathered.runs) else None,
        "parities": tables.parities(gathered.runs),
        "benches": benches,
        "unbenched": [
            trained for trained in gathered.runs if trained.artifacts and not _is_benched(trained, gathered.benches)
        ],
        "duel": gathered.duel,
        "lessons": lessons,
        "in_short": summary.sentences(gathered),
    }
    if gathered.duel:
        machine = machines.number(gathered.duel.environment, f"the duel {gathered.duel.name}")
        sentences = (*gathered.duel.sentences, *(crossover.sentence for crossover in gathered.duel.crossovers))
        view |= {
            "duel_machine": machine,
            "duel_told": tuple(dict.fromkeys(sentences)),
            "duel_pictures": (duel.learning(gathered.duel), duel.costs(gathered.duel)),
            "duel_tables": (duel.shares(gathered.duel), duel.contenders(gathered.duel, f"machine {machine}")),
            "duel_trials": duel.trials(gathered.duel),
        }
    return {**view, "machines": tables.machines(machines.environments, machines.used)}


def _curves(runs: Sequence[Trained]) -> list[Picture]:
    return [
        charts.curves(f"curves-{index}", trained.run.name, trained.history)
        for index, trained in enumerate(runs, 1)
        if trained.history
    ]


def _is_benched(trained: Trained, benches: Sequence[Benched]) -> bool:
    return any(measurement.run == trained.run.name for bench in benches for measurement in bench.report.measurements)


def _benches(gathered: Gathered, machines: Machines) -> Iterator[Bench]:
    data = {trained.run.name: trained.run.recipe.data.name for trained in gathered.runs}
    for index, benched in enumerate(gathered.benches, 1):
        key, report = f"bench-{index}", benched.report
        machine = machines.number(report.environment, f"bench {index}")
        machine_text = f"{_machine(report.environment)}, machine {machine}"
        timed = [(name, measurement) for name, measurement in named(report) if measurement.is_timed]
        yield Bench(
            key=key,
            title=f"Bench {index}: {_runs_of(benched)} on {report.board}",
            found=benched,
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
