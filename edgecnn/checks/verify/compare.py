"""Everything that should give one answer is asked the same pictures, and what should be equal is compared."""

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
from edgecnn.onboard import runtimes
from edgecnn.records import artifact as artifacts
from edgecnn.records import verdicts
from edgecnn.records.artifact import Parity
from edgecnn.records.environment import Environment

HERE = "local"
NO_GATE = 100.0
"""A drop no answer can exceed, in percentage points."""


@dataclass(frozen=True)
class Asked:
    """An Answer with all it rests on."""

    answer: Answer
    logits: npt.NDArray[np.float32]
    """(N, K)"""
    raw: npt.NDArray[Any]
    """The output tensor (N, K) in its own type."""
    seat: Seat | None
    """None for the run's net."""


def ask(
    seat: Seat,
    name: str,
    board: str,
    machine: Environment,
    images: Path,
    labels: npt.NDArray[np.int64],
    order: Sequence[int],
) -> Asked:
    """Run a file on all pictures of a .npy file, uint8 (N, H, W, C), and put its classes in `order`.

    Raises what `Seat.outputs` does.
    """
    one, runtime = seat.candidate.artifact, seat.candidate.runtime
    raw = seat.outputs(images)
    logits = artifacts.decode(raw, one.description.output)[:, order]
    if one.description.output.reading == "scores":
        raw = raw[:, order]
    described = {
        "name": name,
        "board": board,
        "file": one.name,
        "sha256": one.description.sha256,
        "precision": one.description.precision,
        "runtime": runtime,
        "runtime_version": machine.packages.get(runtimes.get(runtime).PACKAGE, "unknown"),
    }
    return Asked(answer(logits, labels, **described), logits, raw, seat)


def answer(logits: npt.NDArray[np.float32], labels: npt.NDArray[np.int64], **described: str) -> Answer:
    """The Answer that logits (N, K) are; `described` are its other fields."""
    alone = verdicts.judge(logits, logits, labels, NO_GATE)
    return Answer(
        correct=int((logits.argmax(1) == labels).sum()),
        top1_percent=alone.top1_percent,
        top1_low_percent=alone.top1_low_percent,
        top1_high_percent=alone.top1_high_percent,
        degenerate=None if alone.passed else alone.reason,
        **described,
    )


def pairs(asked: Sequence[Asked]) -> Iterator[tuple[Asked, Asked]]:
    """Which answers to compare, each pair once: every one with the first, and with the one it should equal.

    A file on a board should equal itself here; a file here the first of its precision, so that the two formats
    are compared with each other.
    """
    for place, one in enumerate(asked[1:], start=1):
        yield asked[0], one
        twin = next((other for other in asked[1:place] if _should_equal(other.answer, one.answer)), None)
        if twin is not None:
            yield twin, one


def compare(
    before: Asked,
    after: Asked,
    images: npt.NDArray[np.uint8],
    labels: npt.NDArray[np.int64],
    tolerance: Tolerance,
) -> Difference:
    """One against the other; where both should be equal and are not, the first layer that differs is looked for.

    Raises what running a prefix raises: ModelFileError, EnvironmentUnfit or LinkError.
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
    if outputs[0].reading != outputs[1].reading:  # scores and a class number: different answers have no layer
        return result
    if not (prefixes.can_cut(before.seat.path) and prefixes.can_cut(after.seat.path)):
        return result
    chosen = _most_apart(before, after, tolerance, parity is not None)
    if not chosen:
        return result
    layer = layers.first_difference(before.seat, after.seat, images, chosen, tolerance)
    return dataclasses.replace(result, searched=True, layer=layer)


def _should_equal(one: Answer, other: Answer) -> bool:
    if HERE in (one.board, other.board) and one.board != other.board:
        return (one.sha256, one.runtime) == (other.sha256, other.runtime)
    return one.board == other.board == HERE and one.precision == other.precision


def _parity(before: Asked, after: Asked) -> Parity | None:
    if before.seat is None or after.seat is None:
        return None
    ours, theirs = before.seat.candidate.artifact, after.seat.candidate.artifact
    found = verdicts.parity(ours, theirs, before.raw, after.raw)
    return found and dataclasses.replace(found, against=after.answer.name)


def _most_apart(before: Asked, after: Asked, tolerance: Tolerance, in_steps: bool) -> list[int]:
    """The pictures whose outputs differ by more than the tolerance, the most different first, at most PICTURES."""
    a, b = before.logits.astype(np.float64), after.logits.astype(np.float64)
    same = (a == b) | (np.isnan(a) & np.isnan(b))
    finite = np.isfinite(a) & np.isfinite(b)
    apart = np.where(same, 0.0, np.where(finite, np.abs(a - b), np.inf)).max(1, initial=0.0)  # (N,)
    allowed = tolerance.relative * float(np.abs(a[finite]).max(initial=0.0))
    if in_steps and after.seat is not None:
        allowed = (tolerance.lsb + 0.5) * (after.seat.candidate.artifact.description.output.scale or 0.0)
    order = np.argsort(-apart, kind="stable")[:PICTURES]
    return [int(i) for i in order if apart[i] > allowed]
