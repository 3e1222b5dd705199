"""The input of the page: runs with files, evaluation, benches and profiles beside them, a duel, a sweep, lessons."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgecnn import formats
from edgecnn.common import console, documents
from edgecnn.common.documents import Unreadable
from edgecnn.errors import RunError, UsageError
from edgecnn.pipeline.bench.profiling import results
from edgecnn.pipeline.bench.profiling.results import ProfileReport
from edgecnn.records import artifact, environment, evaluation, history, report, shown_pictures, zoo
from edgecnn.records.artifact import Artifact
from edgecnn.records.environment import Environment
from edgecnn.records.evaluation import Evaluation
from edgecnn.records.report import Report
from edgecnn.records.run import BENCHES, Run, open_run
from edgecnn.records.shown_pictures import ShownPictures
from edgecnn.studies import findings
from edgecnn.studies.findings import Duel, Lesson, Sweep

MACHINE = documents.Kind(name="machine", words="a machine that was described", error=RunError, hint="train it again")
LARGEST_PICTURE = 16 << 20
"""Largest size in bytes of a lesson's picture, since it is embedded in the page."""
PROFILE = "-profile"
"""End of the name of a profile."""
PNG = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True, kw_only=True)
class Trained:
    """A run and its exported files."""

    run: Run
    history: Mapping[str, tuple[float, ...]]
    """Columns of metrics.csv, one value per epoch; empty if there is no such file."""
    environment: Environment | None
    artifacts: tuple[Artifact, ...]
    uncarded: tuple[Path, ...]
    """Model files without a card, of which nothing is known."""
    evaluated: Evaluated | None
    profile: ProfileReport | None
    """The newest one of the run's files, by `edgecnn bench --profile`."""

    @property
    def target(self) -> str:
        """The run as a command line names it."""
        return shlex.quote(zoo.named(self.run.folder))

    @property
    def recipe(self) -> str:
        """The run's recipe as a command line names it."""
        return shlex.quote(str(self.run.folder / "recipe.toml"))

    @property
    def eval_command(self) -> str:
        """The command that evaluates the run; of the installed zoo it writes elsewhere."""
        elsewhere = " -o evaluation" if zoo.is_installed(self.run.folder) else ""
        return f"edgecnn eval {self.target}{elsewhere}"


@dataclass(frozen=True, kw_only=True)
class Evaluated:
    """An evaluation of `edgecnn eval`, and the pixels of the pictures it tells of."""

    evaluation: Evaluation
    pictures: ShownPictures | None


@dataclass(frozen=True, kw_only=True)
class Benched:
    """A report of `edgecnn bench`."""

    path: Path
    report: Report
    older: tuple[Path, ...] = ()
    """Earlier reports of the same files on the same machine, found beside it and not shown."""


@dataclass(frozen=True, kw_only=True)
class Taught:
    """A lesson and the bytes of its PNG pictures."""

    lesson: Lesson
    pictures: tuple[bytes, ...]


@dataclass(frozen=True, kw_only=True)
class Gathered:
    """Everything that one page shows."""

    runs: tuple[Trained, ...]
    benches: tuple[Benched, ...]
    duel: Duel | None
    sweep: Sweep | None
    lessons: tuple[Taught, ...]


def gather(
    runs: Sequence[Path],
    duel: Path | None = None,
    lessons: Path | None = None,
    benches: Sequence[Path] = (),
    evaluations: Sequence[Path] = (),
    sweep: Path | None = None,
) -> Gathered:
    """Read everything that the page shows.

    Args:
        runs: run folders.
        duel: a folder with a duel.json, or that file.
        lessons: folder of lessons' JSON files.
        benches: reports to show in addition to those found beside the runs.
        evaluations: folders that `edgecnn eval -o` wrote into, each of a file of one of the runs.
        sweep: a folder with a sweep.json, or that file.

    Raises:
        RunError, ModelFileError, UsageError: an input cannot be read.
    """
    named = [_evaluated(path) for path in evaluations]
    opened = tuple(_trained(open_run(folder), named) for folder in runs)
    names = [trained.run.name for trained in opened]
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise UsageError(f"Two runs are called {repeated[0]!r}.", "a page tells runs apart by their folders' names")
    for path, chosen in zip(evaluations, named, strict=True):
        if all(trained.evaluated is not chosen for trained in opened):
            raise UsageError(f"{path} evaluates no file of these runs.", "edgecnn eval RUN -o FOLDER makes one")
    return Gathered(
        runs=opened,
        benches=_benches([trained.run for trained in opened], benches),
        duel=findings.read(Duel, duel / "duel.json" if duel.is_dir() else duel) if duel else None,
        sweep=findings.read(Sweep, sweep / "sweep.json" if sweep.is_dir() else sweep) if sweep else None,
        lessons=tuple(_lessons(lessons)) if lessons else (),
    )


def _trained(run: Run, named: Sequence[Evaluated]) -> Trained:
    suffixes = {plugin.SUFFIX for plugin in formats.KIND.usable().values()}
    paths = [path for path in run.exported() if path.suffix in suffixes]
    cards = {path: artifact.read_card(path) for path in paths}
    digests = {card.description.sha256 for card in cards.values() if card}
    evaluated = next(
        (candidate for candidate in named if digests & {file.sha256 for file in candidate.evaluation.files}), None
    )
    return Trained(
        run=run,
        history=_history(run.folder / "metrics.csv"),
        environment=_environment(run.folder / "environment.json"),
        artifacts=tuple(card for card in cards.values() if card),
        uncarded=tuple(path for path, card in cards.items() if card is None),
        evaluated=evaluated or _own_evaluation(run.folder / evaluation.FOLDER),
        profile=_profile(run),
    )


def _own_evaluation(folder: Path) -> Evaluated | None:
    """Return the evaluation that lies in a run; None, with a warning if there is a damaged one."""
    if not (folder / evaluation.FILE).is_file():
        return None
    try:
        return _evaluated(folder)
    except UsageError as error:
        console.warn(f"{error.sentence} It is left out.")
        return None


def _evaluated(folder: Path) -> Evaluated:
    result = evaluation.read(folder)
    return Evaluated(evaluation=result, pictures=shown_pictures.read(folder if folder.is_dir() else folder.parent))


def _profile(run: Run) -> ProfileReport | None:
    """Return the newest profile of a run's files, of those in its bench/ folder and in the one beside it."""
    newest: ProfileReport | None = None
    for folder in (run.benches, run.folder.parent / BENCHES):
        for path in sorted(folder.glob(f"*{PROFILE}.json")):
            try:
                result = results.read(path)
            except UsageError as error:
                console.warn(f"{error.sentence} It is left out.")
                continue
            own = tuple(profile for profile in result.profiles if folder == run.benches or profile.run == run.name)
            if own and (newest is None or result.date >= newest.date):
                newest = dataclasses.replace(result, profiles=own)
    return newest


def _history(path: Path) -> dict[str, tuple[float, ...]]:
    if not path.is_file():
        return {}
    return history.columns(path)


def _environment(path: Path) -> Environment | None:
    if not path.is_file():
        return None
    with MACHINE.expected(path):
        return environment.from_table(documents.table(path))


def _benches(runs: Sequence[Run], named: Sequence[Path]) -> tuple[Benched, ...]:
    """Read reports: the newest of each kind found beside the runs, then the named ones in their order."""
    explicit = [(path, report.read(path)) for path in named]
    beside: list[tuple[Path, Report]] = []
    for path, candidate in _reports_beside(runs):
        if all(candidate != other for _, other in (*explicit, *beside)):
            beside.append((path, candidate))
    beside.sort(key=lambda pair: (pair[1].date, str(pair[0])))
    newest = {_kind(result): path for path, result in beside}
    shown = [
        Benched(
            path=path,
            report=result,
            older=tuple(other for other, older in beside if _kind(older) == _kind(result) and other != path),
        )
        for path, result in beside
        if newest[_kind(result)] == path
    ]
    return (*shown, *(Benched(path=path, report=result) for path, result in explicit))


def _reports_beside(runs: Sequence[Run]) -> Iterator[tuple[Path, Report]]:
    """Yield the reports in the runs' bench/ folders, and those of these runs in the bench/ folder beside them."""
    names = {run.name for run in runs}
    own = [path for run in runs for path in sorted(run.benches.glob("*.json"))]
    shared = dict.fromkeys(run.folder.parent / BENCHES for run in runs)
    common = [path for folder in shared for path in sorted(folder.glob("*.json"))]
    for path in (*own, *common):
        if path.stem.endswith(PROFILE):  # a profile is not a report
            continue
        try:
            result = report.read(path)
        except UsageError as error:
            console.warn(f"{error.sentence} It is left out.")
            continue
        if path in own or names & {measurement.run for measurement in result.measurements}:
            yield path, result


def _kind(result: Report) -> tuple[object, ...]:
    """Return a key that is equal for two reports if the later one replaces the earlier."""
    files = frozenset((m.file, m.runtime, m.num_threads) for m in result.measurements)
    return result.board, environment.fingerprint(result.environment), files


def _lessons(folder: Path) -> Iterator[Taught]:
    paths = sorted(folder.glob("*.json"))
    if not paths:
        raise UsageError(f"There is no lesson in {folder}.", f"edgecnn lesson all -o {folder}")
    for path in paths:
        lesson = findings.read(Lesson, path)
        if len(lesson.pictures) != len(lesson.captions):
            raise UsageError(f"{path} has {len(lesson.pictures)} pictures and {len(lesson.captions)} captions.")
        yield Taught(lesson=lesson, pictures=tuple(_png(path.parent / Path(name).name) for name in lesson.pictures))


def _png(path: Path) -> bytes:
    try:
        data = documents.content(path, LARGEST_PICTURE)
    except Unreadable as error:
        raise UsageError(f"The picture {path} of a lesson cannot be read.", "run the lesson again") from error
    if not data.startswith(PNG):
        raise UsageError(f"{path} is not a PNG picture.", "run the lesson again")
    return data
