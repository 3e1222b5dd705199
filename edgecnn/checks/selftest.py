"""`edgecnn selftest`: does a model answer here, or on a board, as it did where it was made?

Runs, bundles and exported files come with golden vectors: test images and the exact output tensors for them. For other
files `record` makes them on this machine.
"""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn import boards
from edgecnn.boards import Board
from edgecnn.common import arrays, files, scratch
from edgecnn.common.documents import Missing, Unreadable
from edgecnn.errors import EXIT_GATE, EXIT_PASS, EnvironmentUnfit, GateFailed, RunError, UsageError
from edgecnn.formats.onnx import saturation
from edgecnn.onboard import golden as vectors
from edgecnn.onboard import runtimes
from edgecnn.onboard.runner import contents
from edgecnn.onboard.runner import selftest as runner
from edgecnn.onboard.runner.selftest import GoldenComparison
from edgecnn.pipeline.bench import candidates
from edgecnn.pipeline.bench.candidates import Candidate, job_of
from edgecnn.pipeline.bench.test_inputs import GoldenVectors, Shelf
from edgecnn.records.environment import Environment
from edgecnn.records.foreign import PictureOptions
from edgecnn.records.plans import Suite
from edgecnn.records.recipe import DataPlan
from edgecnn.records.run import reads_exports

PICTURES = 32
"""How many images `record` takes."""
SEED = 0


@dataclass(frozen=True, kw_only=True)
class Replayed:
    """The replay of one file's golden vectors on one runtime."""

    file: str
    sha256: str
    precision: str
    runtime: str
    runtime_version: str
    comparison: GoldenComparison
    cause: str | None = None
    """Why the outputs differ, as far as weights and CPU tell it."""


@dataclass(frozen=True, kw_only=True)
class Selftest:
    """All replays on one machine."""

    board: str
    environment: Environment
    replayed: tuple[Replayed, ...]


@reads_exports
def selftest(
    target: Path,
    board: str = "local",
    golden: Path | None = None,
    pictures: PictureOptions | None = None,
    input_size: str | None = None,
) -> Selftest:
    """Replay golden vectors on every runtime that reads the files.

    Args:
        target: A run folder, a bundle, or a model file.
        board: Where the files run.
        golden: The .npz file with golden vectors; None takes the one beside each file.
        pictures: How images are fed, where it differs from what a file says of itself.
        input_size: Size of an input that a file leaves open.

    Raises:
        RunError, UsageError: If there are no golden vectors.
        ModelFileError: If a bundle is damaged.
        EnvironmentUnfit, LinkError: If the board fails.
    """
    suite = candidates.suite_of("selftest", "selftest", input=input_size)
    with scratch.folder() as work:
        all_candidates = candidates.find([_model(target)], suite, None, pictures)
        recorded = {c.artifact.path: _vectors(target, c, golden, work) for c in all_candidates}
        with boards.open_board(board) as machine:
            facts = machine.facts()
            ready = candidates.installed(all_candidates, facts, suite)
            replayed = tuple(_replay(machine, facts, c, recorded[c.artifact.path], suite) for c in ready)
            return Selftest(board=machine.name, environment=facts, replayed=replayed)


def record(
    target: Path,
    golden: Path,
    plan: DataPlan | None = None,
    pictures: PictureOptions | None = None,
    input_size: str | None = None,
) -> int:
    """Write golden vectors of a model file of any make, as this machine computes them.

    Args:
        target: The model file.
        golden: The .npz file to write.
        plan: The data set whose test images are taken; None takes random ones, always the same.
        pictures: How images are fed, where it differs from what the file says of itself.
        input_size: Size of an input that the file leaves open.

    Returns:
        The number of images.

    Raises:
        UsageError: If the file has golden vectors, or `golden` exists already.
    """
    suite = candidates.suite_of("selftest", "selftest", limit=PICTURES, input=input_size)
    (candidate, *_) = candidates.find([target], suite, plan, pictures)
    if target.is_dir() or candidate.carded:
        raise UsageError(f"{target} brings its golden vectors along.", f"edgecnn selftest {target}")
    if golden.exists():
        raise UsageError(f"{golden} exists already.", "what is golden is recorded once; name another file")
    with scratch.folder() as work, boards.open_board("local") as machine:
        if plan is not None:
            stimuli = Shelf(work, PICTURES).take(plan, candidate.artifact, candidate.runs)
            images = arrays.read_array(Path(stimuli.test.images))
        else:
            images = _random_pictures(candidate)
        path = work / "golden.npy"
        np.save(path, images)
        job = dataclasses.replace(job_of(candidate, suite), replay=str(path))
        outputs = np.array(machine.run(job).replay, dtype=candidate.artifact.description.output.dtype)
    stream, arrays_by_name = io.BytesIO(), {vectors.IMAGES: images, candidate.artifact.name: outputs}
    np.savez(stream, allow_pickle=False, **arrays_by_name)
    files.write_bytes(golden, stream.getvalue())
    return len(images)


def judge(result: Selftest) -> None:
    """Hold the gates: every file should answer as where it was made.

    Raises:
        GateFailed: If a file is a different model here.
        EnvironmentUnfit: If an integer output is off by a step or two.
    """
    worst: dict[int, list[str]] = {}
    causes = [replayed.cause for replayed in result.replayed if replayed.cause]
    for replayed in result.replayed:
        worst.setdefault(replayed.comparison.exit_code, []).append(f"{replayed.file}: {replayed.comparison.sentence}")
    if failed := worst.get(EXIT_GATE):
        hint = " ".join(causes) or "export it again, or deploy again"
        raise GateFailed(f"Not what it was where it was made: {'; '.join(failed)}.", hint)
    for code, sentences in worst.items():
        if code != EXIT_PASS:
            hint = " ".join(causes) or "edgecnn verify names the first layer that differs"
            raise EnvironmentUnfit(f"Almost what it was where it was made: {'; '.join(sentences)}.", hint)


def rows(result: Selftest) -> tuple[Sequence[str], list[Sequence[str]]]:
    """Return (head, rows) of the table for people."""
    head = ("file", "runtime", "answers", "differing", "of")
    return head, [
        (
            replayed.file,
            f"{replayed.runtime} {replayed.runtime_version}",
            _words(replayed.comparison),
            f"{replayed.comparison.differing:,}",
            f"{replayed.comparison.values:,}",
        )
        for replayed in result.replayed
    ]


def to_table(result: Selftest) -> dict[str, Any]:
    """Return the result as a table for JSON."""
    from edgecnn.records import environment

    return {**dataclasses.asdict(result), "environment": environment.to_table(result.environment)}


def _words(comparison: GoldenComparison) -> str:
    if comparison.verdict != "within":
        return comparison.verdict
    if comparison.max_lsb is not None:
        return f"within {comparison.max_lsb} LSB"
    return f"within {comparison.max_relative:.1e}"


def _model(target: Path) -> Path:
    """Return the model file of a bundle, checked against its manifest; any other target as it is."""
    if not (target / contents.MANIFEST).is_file():
        return target
    bundle = contents.open_bundle(target)
    contents.verify(bundle)
    return bundle.artifact.path


def _vectors(target: Path, candidate: Candidate, golden: Path | None, work: Path) -> GoldenVectors:
    name, path = candidate.artifact.name, golden or candidate.artifact.path.with_name(contents.GOLDEN)
    key = "outputs" if (target / contents.MANIFEST).is_file() and golden is None else name
    hint = (
        "export it again"
        if candidate.carded
        else f"make them here: edgecnn selftest {target} --record {contents.GOLDEN}"
    )
    try:
        images, outputs = vectors.read(path, key, candidate.artifact)
    except Unreadable as error:
        kind = RunError if candidate.carded else UsageError
        reason = f"there is no {path}" if isinstance(error, Missing) else f"{path} holds none ({error})"
        raise kind(f"{name} has no golden vectors: {reason}.", hint) from error
    images_path = work / f"golden-{candidate.artifact.description.sha256[:12]}.npy"
    np.save(images_path, images)
    return GoldenVectors(images=images_path, outputs=outputs)


def _replay(board: Board, facts: Environment, candidate: Candidate, recorded: GoldenVectors, suite: Suite) -> Replayed:
    outcome = board.run(dataclasses.replace(job_of(candidate, suite), replay=str(recorded.images)))
    outputs = np.array(outcome.replay, dtype=candidate.artifact.description.output.dtype)
    comparison = runner.compare(outputs, recorded.outputs.reshape(len(recorded.outputs), -1))
    differs = comparison.verdict != "identical"
    return Replayed(
        file=candidate.artifact.name,
        sha256=candidate.artifact.description.sha256,
        precision=candidate.artifact.description.precision,
        runtime=candidate.runtime,
        runtime_version=facts.packages[runtimes.get(candidate.runtime).PACKAGE],
        comparison=comparison,
        cause=saturation.cause(candidate.artifact.path, candidate.runtime, facts) if differs else None,
    )


def _random_pictures(candidate: Candidate) -> npt.NDArray[np.uint8]:
    """Return random uint8 (N, H, W, C), or (N, ...) for an input that is no image; always the same."""
    spec = candidate.artifact.description.input
    shape = list(spec.shape[1:])
    if spec.layout == "NCHW":
        shape = [*shape[1:], shape[0]]
    return np.random.default_rng(SEED).integers(0, 256, (PICTURES, *shape), dtype=np.uint8)
