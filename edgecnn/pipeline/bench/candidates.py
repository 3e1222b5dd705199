"""What a bench measures: each file of each target, on each runtime that reads it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from edgecnn import formats
from edgecnn.common import console, plugins
from edgecnn.errors import EdgecnnError, MissingPackage, RunError, UsageError
from edgecnn.onboard import measure, runtimes
from edgecnn.onboard.measure import Job
from edgecnn.pipeline.bench import validity
from edgecnn.pipeline.train import seen
from edgecnn.records import artifact, foreign
from edgecnn.records.artifact import Artifact
from edgecnn.records.environment import Environment
from edgecnn.records.foreign import Known, PictureOptions
from edgecnn.records.plans import Suite
from edgecnn.records.recipe import DataPlan
from edgecnn.records.report import Accuracy, Count, EndToEnd, Golden, Measurement, Window
from edgecnn.records.run import Run, is_run, open_run
from edgecnn.records.summary import summarise


@dataclass
class Candidate:
    """One file on one runtime, and what has been measured of it so far."""

    name: str
    artifact: Artifact
    runtime: str
    carded: bool
    data: DataPlan | None
    runs: tuple[Run, ...] = ()
    """The run in whose folder it lies; none for a file that lies elsewhere."""
    assumed: bool = False
    """Nobody said what stands for a pixel."""
    windows: list[Window] = field(default_factory=list)
    accuracy: Accuracy | None = None
    end_to_end: EndToEnd | None = None
    counts: list[Count] = field(default_factory=list)
    golden: Golden | None = None
    error: EdgecnnError | None = None

    @property
    def has_begun(self) -> bool:
        return bool(self.windows or self.counts)


def find(
    targets: Sequence[Path], suite: Suite, data: DataPlan | None, pictures: PictureOptions | None = None
) -> list[Candidate]:
    """All of the targets' files, to be fed as `pictures` says.

    Raises UsageError, RunError, ModelFileError or DataError for one that cannot be measured.
    """
    if not targets:
        raise UsageError("There is nothing to measure.", "name a run folder or model files")
    for name in suite.runtime:
        runtimes.get(name)
    wanted = pictures or PictureOptions()
    found = [item for target in targets for item in _files(target, data, suite.input_shape, wanted)]
    names = [file.artifact.name for file, *_ in found]
    candidates = []
    for file, carded, plan, runs in found:
        file = foreign.with_options(file, pictures or PictureOptions())
        one = file.artifact
        if data is not None or pictures:
            console.note(f"{file.sentence}.")
        readers = [name for name in runtimes.for_format(one.description.format) if name in (suite.runtime or (name,))]
        if not readers:
            raise UsageError(
                f"None of the runtimes asked for ({', '.join(suite.runtime)}) reads {one.path}.",
                f"these do: {', '.join(runtimes.for_format(one.description.format))}",
            )
        # Two files of one name from two folders are told apart by their paths.
        name = one.name if names.count(one.name) == 1 else str(one.path)
        candidates += [Candidate(name, one, reader, carded, plan, runs, file.whose is None) for reader in readers]
    return candidates


def installed(candidates: list[Candidate], machine: Environment, suite: Suite) -> list[Candidate]:
    """The candidates whose runtime the board has; one that was asked for by name must be there."""
    kept = []
    missing: dict[str, str] = {}
    for one in candidates:
        package = runtimes.get(one.runtime).PACKAGE
        if package in machine.packages:
            kept.append(one)
        else:
            missing[one.runtime] = package
    for runtime, package in missing.items():
        if runtime in suite.runtime or not kept:
            raise MissingPackage(package, None, f"The runtime {runtime!r}")
        console.warn(f"The board has no {package}: files for {runtime} are passed over.")
    return kept


def job_of(one: Candidate, suite: Suite) -> Job:
    """A job without its parts."""
    return measure.job_of(one.artifact, one.runtime, suite.num_threads)


def measurement(one: Candidate, suite: Suite, machine: Environment) -> Measurement:
    """All that was measured of it."""
    description = one.artifact.description
    peak_bytes = description.planned_activation_peak_bytes
    assert peak_bytes is not None  # a file that leaves sizes open is not measured
    return Measurement(
        file=one.name,
        run=one.artifact.run,
        sha256=description.sha256,
        format=description.format,
        precision=description.precision,
        bytes=description.bytes,
        planned_activation_peak_bytes=peak_bytes,
        parameters=description.parameters,
        macs=description.macs,
        input_shape=description.input.shape,
        runtime=one.runtime,
        runtime_version=machine.packages[runtimes.get(one.runtime).PACKAGE],
        num_threads=suite.num_threads,
        preprocessing_assumed=one.assumed,
        verdict=one.artifact.verdict,
        summary=summarise(one.windows, one.accuracy, one.end_to_end, one.counts),
        accuracy=one.accuracy,
        end_to_end=one.end_to_end,
        windows=tuple(one.windows),
        validity=validity.judge(one.windows),
        counts=tuple(one.counts),
        target=one.artifact.target,
        golden=one.golden,
    )


def _files(
    target: Path, data: DataPlan | None, input_shape: Sequence[int], pictures: PictureOptions
) -> Iterator[tuple[Known, bool, DataPlan | None, tuple[Run, ...]]]:
    """(file, whether it has a card, the pictures to score it on, its run) of a run folder or a file."""
    if not target.is_dir():
        card = artifact.read_card(target) if target.is_file() else None
        yield formats.known(target, card, input_shape, pictures), card is not None, data, _run_around(target)
        return
    run = open_run(target)
    on_boards = set(runtimes.on_boards())  # a C array runs in no board's runtime: it is measured when it is named
    suffixes = {
        formats.get(name).SUFFIX
        for name in plugins.names("formats")
        if on_boards.intersection(runtimes.for_format(name))
    }
    paths = [path for path in run.exported() if path.suffix in suffixes]
    if not paths:
        raise RunError(f"{target} has no exported files.", f"edgecnn export {target}")
    plan = data or seen.data_of(run)
    for path in paths:
        card = artifact.read_card(path)
        yield formats.known(path, card, input_shape, pictures), card is not None, plan, (run,)


def _run_around(path: Path) -> tuple[Run, ...]:
    """The run in whose artifacts/ the file lies, if it lies in one."""
    folder = path.resolve().parent.parent
    return (open_run(folder),) if is_run(folder) and (folder / "run.json").is_file() else ()
