"""A search for nets that take as long as the recipe's net on a board; each size tried is exported and timed there.

The nets are not trained, since an operator's time does not depend on its weights. The search varies MACs: time grows
nearly as a power of them, so the secant through two tries, in logarithms, gives the next. Each try is timed in turns
with the recipe's net, and their ratio is compared with 1, because a machine's drift cancels in the ratio.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from edgecnn import boards, data, formats, nets
from edgecnn.boards import Board
from edgecnn.common import config, console, documents, files, scratch, stats
from edgecnn.data import Split, Splits
from edgecnn.errors import PlanError, RunError, UsageError
from edgecnn.nets import budget
from edgecnn.onboard import runtimes
from edgecnn.onboard.job import Job, Timing
from edgecnn.pipeline.export import exportable
from edgecnn.records.artifact import Artifact
from edgecnn.records.plans import ExportPlan
from edgecnn.records.recipe import NetPlan
from edgecnn.records.run import Run
from edgecnn.studies.duel import families
from edgecnn.studies.duel.plan import DuelPlan

FORMAT = "tflite"
TOLERANCE = 0.05
MOST_TRIES = 6
ROUNDS = 4
"""Fresh processes per net in one comparison: the fewest that give a rank-based 95 % interval of the ratio."""
TIMING = Timing(warmup_runs=20, num_runs=50, min_secs=0.2)
CALIBRATION = 16
EXPONENTS = (0.3, 1.5)
"""Bounds for the exponent of MACs, since a secant through two noisy times can be anything."""
FILE = "latency.json"

KIND = documents.Kind(
    name="search", words="what a search found", error=RunError, hint="remove it, and the nets are searched for anew"
)


@dataclass(frozen=True, kw_only=True)
class Timed:
    """One family's net, and its time divided by that of the recipe's net, with its 95 % interval."""

    family: str
    net: NetPlan
    ratio: float
    ratio_low: float
    ratio_high: float
    tries: int


@dataclass(frozen=True, kw_only=True)
class Search:
    """The contents of latency.json."""

    asked: Mapping[str, Any]
    target_ms: float
    found: tuple[Timed, ...]


def search(plan: DuelPlan, training: Split, folder: Path) -> tuple[float, list[Timed]]:
    """Search for each family's net, or read the result of an earlier search from `folder`.

    The search takes the nearest of at most six tries and ends at the first within 5 %.

    Returns:
        (p50 of the recipe's net in ms, the contenders in the plan's order).

    Raises:
        UsageError: the board keeps no time.
        EnvironmentUnfit: int8 files cannot be written.
    """
    path, inputs = folder / FILE, question(plan)
    if path.is_file():
        return _read(path, inputs)
    formats.get(FORMAT).check()
    recipe, shape, classes = plan.recipe, training.input_shape, len(training.classes)
    macs = budget.cost(recipe.net, shape, classes, "macs")
    with boards.open_board(plan.board[0]) as board, scratch.folder() as work:
        if not board.keeps_time:
            raise UsageError(
                f"The board {plan.board[0]!r} keeps no time, so no net can be scaled to a latency there.",
                "--budget macs, or a real board",
            )
        reference = _untrained(recipe.net, plan, training, work / "reference")
        contenders, medians_ms = [], []
        for family in plan.families:
            if family == recipe.net.name:
                contenders.append(
                    Timed(family=family, net=recipe.net, ratio=1.0, ratio_low=1.0, ratio_high=1.0, tries=0)
                )
                continue
            contender, times_ms = _nearest(family, plan, training, macs, reference, board, work)
            contenders.append(contender)
            medians_ms += times_ms
    target_ms = stats.quantile(sorted(medians_ms), 0.5)
    files.write_json(
        path,
        {"asked": inputs, "target_ms": target_ms, "found": [config.table_of(contender) for contender in contenders]},
    )
    return target_ms, contenders


def _nearest(
    family: str, plan: DuelPlan, training: Split, macs: int, reference: Artifact, board: Board, work: Path
) -> tuple[Timed, list[float]]:
    """Find the family's net whose time is nearest to the reference's.

    Returns:
        (the net and its ratio, medians of the reference's processes in ms).
    """
    shape, classes = training.input_shape, len(training.classes)
    tried: list[tuple[float, Timed]] = []  # (log of MACs, result)
    medians_ms: list[float] = []
    goal = macs
    for attempt in range(1, MOST_TRIES + 1):
        try:
            net = families.fit(family, plan.recipe, shape, classes, goal, "macs")
        except PlanError:
            if not tried:
                raise
            break  # no size in between exists: take the nearer of the two
        if any(timed.net == net for _, timed in tried):
            break
        candidate = _untrained(net, plan, training, work / f"{family}-{attempt}")
        reference_ms, candidate_ms = _in_turns(board, reference, candidate)
        ratio, low, high, _ = stats.ratio_interval(reference_ms, candidate_ms)
        medians_ms += reference_ms
        timed = Timed(family=family, net=net, ratio=ratio, ratio_low=low, ratio_high=high, tries=attempt)
        tried.append((math.log(budget.cost(net, shape, classes, "macs")), timed))
        console.note(f"{family} with {budget.cost(net, shape, classes, 'macs'):,} MACs takes {ratio:.2f} of the budget")
        if abs(ratio - 1) <= TOLERANCE:
            break
        goal = next_goal([(log_macs, math.log(timed.ratio)) for log_macs, timed in tried])
    best = min((timed for _, timed in tried), key=lambda timed: abs(math.log(timed.ratio)))
    if abs(best.ratio - 1) > TOLERANCE:
        console.warn(
            f"{family} comes no nearer to the latency budget than {best.ratio:.2f} of it in {len(tried)} tries."
        )
    return dataclasses.replace(best, tries=len(tried)), medians_ms


def next_goal(points: Sequence[tuple[float, float]]) -> int:
    """Estimate the MACs at which the time equals the budget.

    Interpolates between the nearest tries below and above the budget; if all lie on one side, follows the secant
    through the two nearest.

    Args:
        points: (log MACs, log ratio) of the tries so far.
    """
    below = max((point for point in points if point[1] < 0), key=lambda point: point[1], default=None)
    above = min((point for point in points if point[1] >= 0), key=lambda point: point[1], default=None)
    first, *others = sorted(points, key=lambda point: abs(point[1]))
    second = others[0] if others else None
    if below is not None and above is not None:
        first, second = below, above
    exponent = 1.0
    if second is not None and second[0] != first[0]:
        exponent = (second[1] - first[1]) / (second[0] - first[0])
    return max(1, round(math.exp(first[0] - first[1] / min(max(exponent, EXPONENTS[0]), EXPONENTS[1]))))


def _untrained(net: NetPlan, plan: DuelPlan, training: Split, folder: Path) -> Artifact:
    """Write the int8 file of a net with fresh weights, calibrated on a few training pictures."""
    shape, (mean, std) = training.input_shape, data.pixel_statistics(training.images)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        module = nets.build(net, shape, len(training.classes))
    run = Run(
        folder=files.make_folder(folder),
        recipe=dataclasses.replace(plan.recipe, name=folder.name, net=net),
        input_shape=shape,
        labels=training.classes,
        mean=mean,
        std=std,
        params=0,
        macs=0,
        validation_top1_percent=0.0,
        validation_n=0,
        train_seconds=0.0,
    )
    nets.store(module, run.weights)
    chosen = np.arange(min(CALIBRATION, len(training)))
    few, nothing = training.take(chosen), training.take(chosen[:0])
    export_plan = ExportPlan(name="duel", format=(FORMAT,), precision=("int8",), calib_samples=len(few))
    model = exportable.prepare(run, Splits(few, nothing, nothing, chosen.astype(np.int64)), export_plan)
    path = folder / f"{folder.name}{formats.get(FORMAT).SUFFIX}"
    formats.get(FORMAT).write(model, "int8", export_plan, path)
    return Artifact(
        path=path, description=formats.describe(path), preprocessing=model.preprocessing, labels=training.classes
    )


def _in_turns(board: Board, a: Artifact, b: Artifact) -> tuple[list[float], list[float]]:
    """Time two files in turns, each first in every second round; return the p50 in ms of each one's processes."""
    medians_ms: dict[Path, list[float]] = {a.path: [], b.path: []}
    for round_ in range(ROUNDS):
        for artifact in boards.in_turns((a, b), round_):
            window = board.run(_job(artifact)).window
            assert window is not None
            medians_ms[artifact.path].append(stats.quantile(sorted(window.times_ms), 0.5))
    return medians_ms[a.path], medians_ms[b.path]


def _job(artifact: Artifact) -> Job:
    return Job.for_artifact(artifact, runtimes.for_format(FORMAT)[0], window=TIMING)


def question(plan: DuelPlan) -> dict[str, Any]:
    """Return what the search depends on, as a table that JSON can hold."""
    return documents.table(
        documents.to_json(
            {
                "net": config.table_of(plan.recipe.net),
                "data": config.table_of(plan.recipe.data),
                "families": plan.families,
                "board": plan.board[0],
            }
        )
    )


def _read(path: Path, inputs: dict[str, Any]) -> tuple[float, list[Timed]]:
    with KIND.expected(path):
        saved = config.build(Search, documents.table(path), path.name)
        if dict(saved.asked) != inputs:
            raise RunError(f"{path.parent} holds another duel's nets.", "choose another --name or --output")
        return saved.target_ms, list(saved.found)
