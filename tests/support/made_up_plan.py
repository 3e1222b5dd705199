"""Records of plans that nobody has made: proposals, trainings that ended, and splits of pictures."""

from __future__ import annotations

import numpy as np

from edgecnn.data import Split, Splits
from edgecnn.studies.plan import records
from edgecnn.studies.plan.records import PlanLimits, Planned

LIMITS = PlanLimits(max_ms=1.0, max_kb=30)
TEN = [f"class {number}" for number in range(10)]


def splits_of(channels: int, side: int) -> Splits:
    """Return splits of pictures that nobody has seen."""
    images = np.random.default_rng(0).integers(0, 256, (20, side, side, channels), dtype=np.uint8)
    split = Split(images, np.arange(20) % 10, tuple(TEN), np.array([f"{number:064x}" for number in range(20)]))
    return Splits(split, split, split, np.arange(20))


def proposal(name: str, drafted: float = 1.0) -> records.Proposal:
    return records.Proposal(
        name=name, net="dscnn", options={}, input_shape=(1, 8, 8), macs=1, parameters=1, file_bytes=1, arena_bytes=1,
        predicted=1.0, drafted=drafted,
    )  # fmt: skip


def ended(name: str, epochs: int, percent: float = 50, seconds: float = 1, failed: str = "") -> records.PlannedRun:
    return records.PlannedRun(
        candidate=name, epochs=epochs, run=f"{name}-{epochs}", validation_percent=percent, validation_n=100,
        seconds=seconds, failed=failed,
    )  # fmt: skip


def planned_with(
    rungs: tuple[tuple[int, int], ...], trials: tuple[records.PlannedRun, ...], *, hours: float = 1, **drafted: float
) -> Planned:
    names = {trial.candidate: 1.0 for trial in trials} | drafted
    return Planned(
        settings=records.PlanSettings(recipe={}, board="local", limits=LIMITS, hours=hours), unit="ms", p95_percent=1,
        drawn=3, fitting=3, rungs=rungs, candidates=tuple(proposal(*item) for item in names.items()), trials=trials,
    )  # fmt: skip
