"""What there is to show: the runs, and what was exported, measured and found beside them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgecnn import formats
from edgecnn.common import console, documents
from edgecnn.common.documents import Unreadable
from edgecnn.errors import RunError, UsageError
from edgecnn.records import artifact, environment, history, report
from edgecnn.records.artifact import Artifact
from edgecnn.records.environment import Environment
from edgecnn.records.report import Report
from edgecnn.records.run import Run, open_run
from edgecnn.studies import findings
from edgecnn.studies.findings import Duel, Lesson

MACHINE = documents.Kind(name="machine", words="a machine that was described", error=RunError, hint="train it again")
LARGEST_PICTURE = 16 << 20
"""Bytes of a lesson's picture, which goes into the page."""
PNG = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True, kw_only=True)
class Trained:
    """A run and what was exported from it."""

    run: Run
    history: Mapping[str, tuple[float, ...]]
    """The columns of metrics.csv, one value an epoch; empty where there is none."""
    environment: Environment | None
    artifacts: tuple[Artifact, ...]
    uncarded: tuple[Path, ...]
    """Model files without a card: nothing is known of them."""


@dataclass(frozen=True, kw_only=True)
class Benched:
    """One report of `edgecnn bench`."""

    path: Path
    report: Report
    older: tuple[Path, ...] = ()
    """Earlier reports of the same files on the same machine, found beside it and not shown."""


@dataclass(frozen=True, kw_only=True)
class Taught:
    """A lesson and its pictures, PNG."""

    lesson: Lesson
    pictures: tuple[bytes, ...]


@dataclass(frozen=True, kw_only=True)
class Gathered:
    """All that goes onto one page."""

    runs: tuple[Trained, ...]
    benches: tuple[Benched, ...]
    duel: Duel | None
    lessons: tuple[Taught, ...]


def gather(runs: Sequence[Path], duel: Path | None, lessons: Path | None, benches: Sequence[Path]) -> Gathered:
    """Read everything; `benches` are shown besides the reports found beside the runs.

    `duel` is a folder with a duel.json or that file, `lessons` a folder of lessons' JSON files.
    Raises RunError, ModelFileError or UsageError for what cannot be read.
    """
    opened = tuple(_trained(open_run(folder)) for folder in runs)
    names = [one.run.name for one in opened]
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise UsageError(f"Two runs are called {repeated[0]!r}.", "a page tells runs apart by their folders' names")
    return Gathered(
        runs=opened,
        benches=_benches([one.run for one in opened], benches),
        duel=findings.read(Duel, duel / "duel.json" if duel.is_dir() else duel) if duel else None,
        lessons=tuple(_lessons(lessons)) if lessons else (),
    )


def _trained(run: Run) -> Trained:
    suffixes = {plugin.SUFFIX for plugin in formats.KIND.usable().values()}
    paths = [path for path in run.exported() if path.suffix in suffixes]
    cards = {path: artifact.read_card(path) for path in paths}
    return Trained(
        run=run,
        history=_history(run.folder / "metrics.csv"),
        environment=_environment(run.folder / "environment.json"),
        artifacts=tuple(card for card in cards.values() if card),
        uncarded=tuple(path for path, card in cards.items() if card is None),
    )


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
    """The reports named, in that order, and before them the newest of each kind found beside the runs."""
    wanted = [(path, report.read(path)) for path in named]
    found: list[tuple[Path, Report]] = []
    for path, one in _beside(runs):
        if all(one != other for _, other in (*wanted, *found)):
            found.append((path, one))
    found.sort(key=lambda pair: (pair[1].date, str(pair[0])))
    newest = {_kind(one): path for path, one in found}
    shown = [
        Benched(path=path, report=one, older=tuple(p for p, o in found if _kind(o) == _kind(one) and p != path))
        for path, one in found
        if newest[_kind(one)] == path
    ]
    return (*shown, *(Benched(path=path, report=one) for path, one in wanted))


def _beside(runs: Sequence[Run]) -> Iterator[tuple[Path, Report]]:
    """Reports in the runs' own bench/ folders, and those of several runs in the one beside them."""
    names = {run.name for run in runs}
    own = [path for run in runs for path in sorted(run.benches.glob("*.json"))]
    shared = dict.fromkeys(run.folder.parent / "bench" for run in runs)
    common = [path for folder in shared for path in sorted(folder.glob("*.json"))]
    for path in (*own, *common):
        if path.stem.endswith("-profile"):  # time per operator is no report
            continue
        try:
            one = report.read(path)
        except UsageError as error:
            console.warn(f"{error.sentence} It is left out.")
            continue
        if path in own or names & {measured.run for measured in one.measurements}:
            yield path, one


def _kind(one: Report) -> tuple[object, ...]:
    """What two reports have in common when the later one takes the place of the earlier."""
    files = frozenset((measured.file, measured.runtime, measured.num_threads) for measured in one.measurements)
    return one.board, environment.fingerprint(one.environment), files


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
