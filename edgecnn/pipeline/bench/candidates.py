"""The candidates of a bench: each file of each target, on each runtime that reads it."""

from __future__ import annotations

import contextlib
import datetime
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edgecnn import formats
from edgecnn.common import config, console, files, locks
from edgecnn.errors import EdgecnnError, MissingPackage, RunError, UsageError
from edgecnn.onboard import runtimes
from edgecnn.onboard.job import Job
from edgecnn.pipeline.bench import validity
from edgecnn.pipeline.train import seen
from edgecnn.records import artifact, data_paths, foreign, plans, zoo
from edgecnn.records.artifact import Artifact
from edgecnn.records.environment import Environment
from edgecnn.records.foreign import Known, PictureOptions
from edgecnn.records.measurement import Accuracy, Count, EndToEnd, Golden, Measurement, Window
from edgecnn.records.plans import Suite
from edgecnn.records.recipe import DataPlan
from edgecnn.records.run import BENCH_LOCK, BENCHES, Run, is_run, open_run
from edgecnn.records.summary import summarise


@dataclass
class Candidate:
    """One file on one runtime, and what has been measured of it so far."""

    name: str
    artifact: Artifact
    runtime: str
    carded: bool
    """Whether a card lies beside the file."""
    data: DataPlan | None
    runs: tuple[Run, ...] = ()
    """The run in whose folder the file lies; empty for a file elsewhere."""
    assumed: bool = False
    """Whether the preprocessing is a guess, because nothing states it."""
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
    """Return a candidate for every file of the targets and every runtime of the suite that reads it.

    Args:
        targets: Run folders or model files.
        suite: The runtimes, and the input size of files that leave it open.
        data: The data set to score on; None takes each run's own.
        pictures: How images are fed, where it differs from what a file says of itself.

    Raises:
        UsageError, RunError, ModelFileError, DataError: If a target cannot be measured.
    """
    if not targets:
        raise UsageError("There is nothing to measure.", "name a run folder or model files")
    for name in suite.runtime:
        runtimes.get(name)
    options = pictures or PictureOptions()
    known_files = [item for target in targets for item in _files(target, data, suite.input_shape, options)]
    names = [known.artifact.name for known, *_ in known_files]
    candidates = []
    for known, carded, plan, runs in known_files:
        known = foreign.with_options(known, pictures or PictureOptions())
        model = known.artifact
        if data is not None or pictures:
            console.note(f"{known.sentence}.")
        readers = [name for name in runtimes.for_format(model.description.format) if name in (suite.runtime or (name,))]
        if not readers:
            raise UsageError(
                f"None of the runtimes asked for ({', '.join(suite.runtime)}) reads {model.path}.",
                f"these do: {', '.join(runtimes.for_format(model.description.format))}",
            )
        # The path tells files of the same name in different folders apart.
        name = model.name if names.count(model.name) == 1 else str(model.path)
        candidates += [Candidate(name, model, reader, carded, plan, runs, known.whose is None) for reader in readers]
    return candidates


def installed(candidates: list[Candidate], machine: Environment, suite: Suite) -> list[Candidate]:
    """Return the candidates whose runtime the board has.

    Raises:
        MissingPackage: If a runtime that was asked for by name is not there, or none at all is.
    """
    ready = []
    missing: dict[str, str] = {}
    for candidate in candidates:
        package = runtimes.get(candidate.runtime).PACKAGE
        if package in machine.packages:
            ready.append(candidate)
        else:
            missing[candidate.runtime] = package
    for runtime, package in missing.items():
        if runtime in suite.runtime or not ready:
            raise MissingPackage(package, None, f"The runtime {runtime!r}")
        console.warn(f"The board has no {package}: files for {runtime} are passed over.")
    return ready


def job_of(candidate: Candidate, suite: Suite) -> Job:
    """Return a job for a candidate that asks for nothing yet."""
    return Job.for_artifact(candidate.artifact, candidate.runtime, suite.num_threads)


def measurement(candidate: Candidate, suite: Suite, machine: Environment) -> Measurement:
    """Return the record of all that was measured of a candidate."""
    description = candidate.artifact.description
    peak_bytes = description.planned_activation_peak_bytes
    assert peak_bytes is not None  # a file that leaves sizes open is not measured
    return Measurement(
        file=candidate.name,
        run=candidate.artifact.run,
        sha256=description.sha256,
        format=description.format,
        precision=description.precision,
        bytes=description.bytes,
        planned_activation_peak_bytes=peak_bytes,
        parameters=description.parameters,
        macs=description.macs,
        input_shape=description.input.shape,
        runtime=candidate.runtime,
        runtime_version=machine.packages[runtimes.get(candidate.runtime).PACKAGE],
        num_threads=suite.num_threads,
        preprocessing_assumed=candidate.assumed,
        verdict=candidate.artifact.verdict,
        summary=summarise(candidate.windows, candidate.accuracy, candidate.end_to_end, candidate.counts),
        accuracy=candidate.accuracy,
        end_to_end=candidate.end_to_end,
        windows=tuple(candidate.windows),
        validity=validity.judge(candidate.windows),
        counts=tuple(candidate.counts),
        target=candidate.artifact.target,
        golden=candidate.golden,
    )


def _files(
    target: Path, data: DataPlan | None, input_shape: Sequence[int], pictures: PictureOptions
) -> Iterator[tuple[Known, bool, DataPlan | None, tuple[Run, ...]]]:
    """Yield (file, whether it has a card, the data to score it on, its run) for a run folder or a model file."""
    if not target.is_dir():
        card = artifact.read_card(target) if target.is_file() else None
        yield formats.known(target, card, input_shape, pictures), card is not None, data, _run_around(target)
        return
    run = open_run(target)
    on_boards = set(runtimes.on_boards())  # leaves out C arrays, which only run when they are named
    suffixes = {
        plugin.SUFFIX
        for name, plugin in formats.KIND.usable().items()
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
    """Return the run in whose artifacts/ folder the file lies, if any."""
    folder = path.resolve().parent.parent
    return (open_run(folder),) if is_run(folder) and (folder / "run.json").is_file() else ()


def destination(targets: Sequence[Path], suite: Suite, output: Path | None, mark: str = "") -> Path | None:
    """Return the path of the JSON, after making its folder, so that an unwritable one fails before the work.

    Args:
        targets: The run folders and model files of the bench.
        suite: Names the board, which is part of the file's name.
        output: File or folder; None takes bench/ in the run or in the runs' parent.
        mark: The end of a generated file name.

    Returns:
        The path; None for loose files and models of the installed zoo without `output`.
    """
    stamp = datetime.datetime.now(datetime.UTC).strftime("%Y%m%d-%H%M%S")
    name = f"{suite.board.replace('/', '').replace(':', '-')}-{stamp}{mark}.json"
    folders = [target for target in targets if is_run(target) and not zoo.is_installed(target)]
    if output is not None:
        path = output if output.suffix == ".json" else output / name
    elif len(folders) < len(targets):
        return None
    elif len(folders) == 1:
        path = folders[0] / BENCHES / name
    else:
        path = folders[0].parent / BENCHES / name
    files.make_folder(path.parent)
    return path


@contextlib.contextmanager
def alone(path: Path | None, output: Path | None) -> Iterator[None]:
    """Lock the bench/ folder that `path` lies in, unless the user named the `output`.

    Raises:
        RunError: If another bench is at work there: two at a time would slow each other down.
    """
    with locks.held(path.parent / BENCH_LOCK, "bench") if path and output is None else contextlib.nullcontext():
        yield


def command(targets: Sequence[Path], suite: Suite, data: DataPlan | None, *options: str) -> str:
    """Return the command line that repeats the bench: targets, options, and all keys that are not the default."""
    defaults = {**config.table_of(plans.load(Suite, "default")), "name": suite.name}
    changed = {key: value for key, value in config.table_of(suite).items() if value != defaults.get(key)}
    words = ["edgecnn", "bench", *map(zoo.named, targets), *options]
    if suite.input:
        words += ["--input", changed.pop("input")]  # -s would read "16000" as a number
    for key, value in changed.items():
        words += ["-s", f"{key}={','.join(value) if isinstance(value, list) else value}"]
    return shlex.join([*words, *_data_words(data)])


def words(suite: Suite, data: DataPlan | None, pictures: PictureOptions | None) -> list[str]:
    """Return the options that say which pictures a verb takes, and how a file is fed."""
    chosen = _data_words(data)
    if suite.limit is not None:
        chosen += ["--limit", str(suite.limit)]
    if suite.input is not None:
        chosen += ["--input", suite.input]
    chosen += pictures.words() if pictures else []
    return [*chosen, *(["--only-unseen"] if suite.only_unseen else [])]


def suite_of(verb: str, source: str, **keys: Any) -> Suite:
    """Return the suite of a verb that measures no time, of the keys that are not None; errors call it `source`."""
    return config.build(Suite, {"name": verb, **{k: v for k, v in keys.items() if v is not None}}, source)


def _data_words(data: DataPlan | None) -> list[str]:
    return ["--data", data_paths.word(data)] if data else []
