"""Runs files on the same images and compares the answers, down to the layer where two files part."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.checks.verify import layers, prefixes
from edgecnn.checks.verify.layers import PICTURES, Tolerance
from edgecnn.checks.verify.matrix import Answer, Difference
from edgecnn.checks.verify.replay import Seat
from edgecnn.onboard import runtimes, tensors
from edgecnn.records import verdicts
from edgecnn.records.artifact import Parity
from edgecnn.records.environment import Environment

HERE = "local"
"""The name of this machine among the boards."""
NO_GATE = 100.0
"""A limit in percentage points that no drop can exceed."""


@dataclass(frozen=True)
class Asked:
    """An answer with the outputs behind it."""

    answer: Answer
    logits: npt.NDArray[np.float32]
    """(N, K), the logits as real numbers."""
    raw: npt.NDArray[Any]
    """(N, K), the output tensor in its own type."""
    seat: Seat | None
    """Where the file ran; None for the run's net in PyTorch."""


def ask(
    seat: Seat,
    name: str,
    board: str,
    machine: Environment,
    images: Path,
    labels: npt.NDArray[np.int64],
    order: Sequence[int],
) -> Asked:
    """Run a file on all test images.

    Args:
        seat: The file, its runtime and its machine.
        name: Name of the answer in the matrix.
        board: Name of the board.
        machine: The board's environment.
        images: A .npy file with uint8 (N, H, W, C).
        labels: The true classes (N,).
        order: Index of each class among the file's outputs.

    Raises:
        EdgecnnError: As `Seat.outputs` does.
    """
    artifact, runtime = seat.candidate.artifact, seat.candidate.runtime
    raw = seat.outputs(images)
    logits = tensors.decode(raw, artifact.description.output)[:, order]
    if artifact.description.output.reading == "scores":
        raw = raw[:, order]
    identity = {
        "name": name,
        "board": board,
        "file": artifact.name,
        "sha256": artifact.description.sha256,
        "precision": artifact.description.precision,
        "runtime": runtime,
        "runtime_version": machine.packages.get(runtimes.get(runtime).PACKAGE, "unknown"),
    }
    return Asked(answer(logits, labels, **identity), logits, raw, seat)


def answer(logits: npt.NDArray[np.float32], labels: npt.NDArray[np.int64], **described: str) -> Answer:
    """Return the answer for logits (N, K) and true classes (N,); `described` are its other fields."""
    alone = verdicts.judge(logits, logits, labels, NO_GATE)
    return Answer(
        correct=int((logits.argmax(1) == labels).sum()),
        top1_percent=alone.top1_percent,
        top1_low_percent=alone.top1_low_percent,
        top1_high_percent=alone.top1_high_percent,
        degenerate=None if alone.passed else alone.reason,
        **described,
    )


def pairs(answers: Sequence[Asked]) -> Iterator[tuple[Asked, Asked]]:
    """Yield the pairs of answers to compare: each with the first one, and with the one it should equal.

    A file on a board should equal the same file here; a file here should equal the first one of its precision, so that
    the two formats are compared with each other.
    """
    for index, answered in enumerate(answers[1:], start=1):
        yield answers[0], answered
        twin = next((other for other in answers[1:index] if _should_equal(other.answer, answered.answer)), None)
        if twin is not None:
            yield twin, answered


def compare(
    before: Asked,
    after: Asked,
    images: npt.NDArray[np.uint8],
    labels: npt.NDArray[np.int64],
    tolerance: Tolerance,
) -> Difference:
    """Compare two answers; if they should be equal and are not, find the first layer that differs.

    Args:
        before: The answer to compare with.
        after: The answer that is compared.
        images: All test images, uint8 (N, H, W, C).
        labels: The true classes (N,).
        tolerance: How far two values may be apart.

    Raises:
        ModelFileError, EnvironmentUnfit, LinkError: If a prefix of a file cannot be run.
    """
    parity = _parity(before, after)
    result = Difference(
        before=before.answer.name,
        after=after.answer.name,
        identical=parity.max_lsb == 0 if parity else np.array_equal(before.raw, after.raw),
        verdict=verdicts.judge(after.logits, before.logits, labels, NO_GATE),
        parity=parity,
        searched=False,
        layer=None,
    )
    if before.seat is None or after.seat is None or not _should_equal(before.answer, after.answer):
        return result
    outputs = [seat.candidate.artifact.description.output for seat in (before.seat, after.seat)]
    if outputs[0].reading != outputs[1].reading:  # scores and a class index have no layer in common
        return result
    if not (prefixes.can_cut(before.seat.path) and prefixes.can_cut(after.seat.path)):
        return result
    chosen = _most_apart(before, after, tolerance, parity is not None)
    if not chosen:
        return result
    layer = layers.first_difference(before.seat, after.seat, images, chosen, tolerance)
    return dataclasses.replace(result, searched=True, layer=layer)


def _should_equal(first: Answer, second: Answer) -> bool:
    if HERE in (first.board, second.board) and first.board != second.board:
        return (first.sha256, first.runtime) == (second.sha256, second.runtime)
    return first.board == second.board == HERE and first.precision == second.precision


def _parity(before: Asked, after: Asked) -> Parity | None:
    if before.seat is None or after.seat is None:
        return None
    ours, theirs = before.seat.candidate.artifact, after.seat.candidate.artifact
    parity = verdicts.parity(ours, theirs, before.raw, after.raw)
    return parity and dataclasses.replace(parity, against=after.answer.name)


def _most_apart(before: Asked, after: Asked, tolerance: Tolerance, in_steps: bool) -> list[int]:
    """Return the indices of at most PICTURES images whose outputs differ beyond the tolerance, the worst first."""
    a, b = before.logits.astype(np.float64), after.logits.astype(np.float64)
    same = (a == b) | (np.isnan(a) & np.isnan(b))
    finite = np.isfinite(a) & np.isfinite(b)
    apart = np.where(same, 0.0, np.where(finite, np.abs(a - b), np.inf)).max(1, initial=0.0)  # (N,)
    allowed = tolerance.relative * float(np.abs(a[finite]).max(initial=0.0))
    if in_steps and after.seat is not None:
        allowed = (tolerance.lsb + 0.5) * (after.seat.candidate.artifact.description.output.scale or 0.0)
    order = np.argsort(-apart, kind="stable")[:PICTURES]
    return [int(i) for i in order if apart[i] > allowed]
