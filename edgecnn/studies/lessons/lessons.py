"""The lessons: what the textbook says of CNNs, compared with measurements of real nets.

OUTPUT/
    <lesson>.json       numbers, claims and their provenance (`edgecnn.studies.findings`)
    <lesson>*.png       figures
    runs/<lesson>/      trainings, kept so that a lesson that was stopped can continue
"""

from __future__ import annotations

import datetime
import shlex
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from edgecnn.common import console, files
from edgecnn.errors import EdgecnnError, MissingPackage, UsageError
from edgecnn.records import environment
from edgecnn.studies import findings, lessons
from edgecnn.studies.findings import Lesson
from edgecnn.studies.lessons import Setting

ALL = "all"


def titles() -> dict[str, str]:
    """Return the title of every lesson by its name."""
    return {name: lessons.get(name).TITLE for name in lessons.KIND.names()}


def lesson(
    names: Sequence[str], quick: bool, output: Path, tell: Callable[[Lesson], None] = lambda measured: None
) -> list[Lesson]:
    """Measure lessons, and write each into `output`.

    A claim that does not hold is a finding, not a failure. A lesson that cannot be measured stops no other: the first
    error is raised once the rest is done.

    Args:
        names: names of lessons, or "all".
        quick: whether to measure the small form.
        output: folder of results.
        tell: called with each lesson as soon as it is written.

    Raises:
        UsageError: a name is unknown; raised before anything is measured.
        OutputError: `output` cannot be written.
        EdgecnnError: the error of the first lesson that could not be measured.
    """
    chosen = lessons.KIND.names() if ALL in names else tuple(dict.fromkeys(names))
    for name in chosen:
        _known(name)
    files.make_folder(output)
    measured: list[Lesson] = []
    failure: EdgecnnError | None = None
    for name in chosen:
        try:
            measured.append(_measure(name, quick, output))
        except EdgecnnError as error:
            console.error(f"{name}: {error.sentence}", error.hint)
            failure = failure or error
            continue
        tell(measured[-1])
    if failure is not None:
        raise failure
    return measured


def _measure(name: str, quick: bool, output: Path) -> Lesson:
    teachable = _known(name)
    runs = files.make_folder(output / "runs" / name)
    console.note(f"{name}: {teachable.TITLE}")
    started = time.perf_counter()
    try:
        result = teachable.measure(Setting(folder=output, runs=runs, quick=quick))
    except ModuleNotFoundError as error:
        raise MissingPackage(str(error.name), "train", f"The lesson {name}") from error
    finished = Lesson(
        name=name,
        title=teachable.TITLE,
        command=shlex.join(["edgecnn", "lesson", name, *(["--quick"] if quick else [])]),
        date=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        quick=quick,
        environment=environment.here(),
        elapsed_s=time.perf_counter() - started,
        numbers=result.numbers,
        claims=result.claims,
        pictures=tuple(result.pictures),
        captions=tuple(result.pictures.values()),
        settings=result.settings,
    )
    findings.write(finished, output / f"{name}.json")
    return finished


def _known(name: str) -> lessons.Teachable:
    try:
        return lessons.get(name)
    except UsageError as error:
        raise UsageError(error.sentence, f"{error.hint}; or {ALL!r}") from error
