"""`edgecnn selftest`: does a model answer here, or on a board, what it answered where it was made?

A run, a bundle and every exported file bring golden vectors along: test pictures and the exact output tensors
they gave. A file of another maker has none; `record` makes them from this machine, in the same form.
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
from edgecnn.common import arrays, config, files, scratch
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
SEED = 0


@dataclass(frozen=True, kw_only=True)
class Replayed:
    """One file's golden vectors on one runtime."""

    file: str
    sha256: str
    precision: str
    runtime: str
    runtime_version: str
    comparison: GoldenComparison
    cause: str | None = None
    """Why it differs, where its weights and the machine's instruction set tell."""


@dataclass(frozen=True, kw_only=True)
class Selftest:
    """All that was replayed on one machine."""

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
    """Replay the golden vectors of a run's files, of a bundle, or of one file, on every runtime that reads it.

    `golden` is the .npz file that holds them; by default the one beside the file. `input_size` is the size of an
    input that a file leaves open. Raises RunError or UsageError
    if there are none, ModelFileError for a damaged bundle, what the board raises if it fails.
    """
    suite = _suite({"input": input_size})
    with scratch.folder() as work:
        found = candidates.find([_model(target)], suite, None, pictures)
        recorded = {one.artifact.path: _vectors(target, one, golden, work) for one in found}
        with boards.open_board(board) as machine:
            facts = machine.facts()
            ready = candidates.installed(found, facts, suite)
            replayed = tuple(_replay(machine, facts, one, recorded[one.artifact.path], suite) for one in ready)
            return Selftest(board=machine.name, environment=facts, replayed=replayed)


def record(
    target: Path,
    golden: Path,
    plan: DataPlan | None = None,
    pictures: PictureOptions | None = None,
    input_size: str | None = None,
) -> int:
    """Write golden vectors of a model file of any make, as this machine computes them; returns how many pictures.

    The pictures are test pictures of `plan`, or random ones, the same every time. Raises UsageError if the file
    brings its own, or if `golden` exists already.
    """
    suite = _suite({"limit": PICTURES, "input": input_size})
    (one, *_) = candidates.find([target], suite, plan, pictures)
    if target.is_dir() or one.carded:
        raise UsageError(f"{target} brings its golden vectors along.", f"edgecnn selftest {target}")
    if golden.exists():
        raise UsageError(f"{golden} exists already.", "what is golden is recorded once; name another file")
    with scratch.folder() as work, boards.open_board("local") as here:
        if plan is not None:
            images = arrays.one(Path(Shelf(work, PICTURES).take(plan, one.artifact, one.runs).test.images))
        else:
            images = _random_pictures(one)
        path = work / "golden.npy"
        np.save(path, images)
        job = dataclasses.replace(job_of(one, suite), replay=str(path))
        outputs = np.array(here.run(job).replay, dtype=one.artifact.description.output.dtype)
    stream, held = io.BytesIO(), {vectors.IMAGES: images, one.artifact.name: outputs}
    np.savez(stream, allow_pickle=False, **held)
    files.write_bytes(golden, stream.getvalue())
    return len(images)


def _suite(keys: dict[str, Any]) -> Suite:
    table = {"name": "selftest", **{key: value for key, value in keys.items() if value is not None}}
    return config.build(Suite, table, "selftest")


def judge(result: Selftest) -> None:
    """Raises GateFailed for a file that is another model here; EnvironmentUnfit for an integer output a step off."""
    worst: dict[int, list[str]] = {}
    causes = [one.cause for one in result.replayed if one.cause]
    for one in result.replayed:
        worst.setdefault(one.comparison.exit_code, []).append(f"{one.file}: {one.comparison.sentence}")
    if failed := worst.get(EXIT_GATE):
        hint = " ".join(causes) or "export it again, or deploy again"
        raise GateFailed(f"Not what it was where it was made: {'; '.join(failed)}.", hint)
    for code, said in worst.items():
        if code != EXIT_PASS:
            hint = " ".join(causes) or "edgecnn verify names the first layer that differs"
            raise EnvironmentUnfit(f"Almost what it was where it was made: {'; '.join(said)}.", hint)


def rows(result: Selftest) -> tuple[Sequence[str], list[Sequence[str]]]:
    """The table for people: head and rows."""
    head = ("file", "runtime", "answers", "differing", "of")
    return head, [
        (
            one.file,
            f"{one.runtime} {one.runtime_version}",
            _words(one.comparison),
            f"{one.comparison.differing:,}",
            f"{one.comparison.values:,}",
        )
        for one in result.replayed
    ]


def to_table(result: Selftest) -> dict[str, Any]:
    """As JSON takes it."""
    from edgecnn.records import environment

    return {**dataclasses.asdict(result), "environment": environment.to_table(result.environment)}


def _words(comparison: GoldenComparison) -> str:
    if comparison.verdict != "within":
        return comparison.verdict
    if comparison.max_lsb is not None:
        return f"within {comparison.max_lsb} LSB"
    return f"within {comparison.max_relative:.1e}"


def _model(target: Path) -> Path:
    """The model file of a bundle, checked against its manifest; a run or a file as it is."""
    if not (target / contents.MANIFEST).is_file():
        return target
    bundle = contents.open_bundle(target)
    contents.verify(bundle)
    return bundle.artifact.path


def _vectors(target: Path, one: Candidate, golden: Path | None, work: Path) -> GoldenVectors:
    name, path = one.artifact.name, golden or one.artifact.path.with_name(contents.GOLDEN)
    key = "outputs" if (target / contents.MANIFEST).is_file() and golden is None else name
    hint = "export it again" if one.carded else f"make them here: edgecnn selftest {target} --record {contents.GOLDEN}"
    try:
        images, outputs = vectors.read(path, key, one.artifact)
    except Unreadable as error:
        kind = RunError if one.carded else UsageError
        reason = f"there is no {path}" if isinstance(error, Missing) else f"{path} holds none ({error})"
        raise kind(f"{name} has no golden vectors: {reason}.", hint) from error
    shown = work / f"golden-{one.artifact.description.sha256[:12]}.npy"
    np.save(shown, images)
    return GoldenVectors(images=shown, outputs=outputs)


def _replay(board: Board, facts: Environment, one: Candidate, recorded: GoldenVectors, suite: Suite) -> Replayed:
    outcome = board.run(dataclasses.replace(job_of(one, suite), replay=str(recorded.images)))
    here = np.array(outcome.replay, dtype=one.artifact.description.output.dtype)
    comparison = runner.compare(here, recorded.outputs.reshape(len(recorded.outputs), -1))
    differs = comparison.verdict != "identical"
    return Replayed(
        file=one.artifact.name,
        sha256=one.artifact.description.sha256,
        precision=one.artifact.description.precision,
        runtime=one.runtime,
        runtime_version=facts.packages[runtimes.get(one.runtime).PACKAGE],
        comparison=comparison,
        cause=saturation.cause(one.artifact.path, one.runtime, facts) if differs else None,
    )


def _random_pictures(one: Candidate) -> npt.NDArray[np.uint8]:
    """uint8 (N, H, W, C), or (N, ...) for an input that is no picture; the same ones every time."""
    spec = one.artifact.description.input
    shape = list(spec.shape[1:])
    if spec.layout == "NCHW":
        shape = [*shape[1:], shape[0]]
    return np.random.default_rng(SEED).integers(0, 256, (PICTURES, *shape), dtype=np.uint8)
