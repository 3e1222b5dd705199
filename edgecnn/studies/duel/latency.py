"""Nets that take as long as the recipe's net on a board: each size that is tried is exported and timed there.

The nets are not trained: an operator's time does not depend on its weights. MACs are the handle. A net's time grows
nearly as a power of them, so the secant of two tries, in logarithms, points at the next. Each try is timed in turns
with the recipe's net, and what is searched for is their ratio, which a machine that drifts does not move.
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
"""Fresh processes a side in one comparison: the fewest whose ranks hold a ratio with 95 %."""
TIMING = Timing(warmup_runs=20, num_runs=50, min_secs=0.2)
CALIBRATION = 16
EXPONENTS = (0.3, 1.5)
"""What a power of MACs can be; a secant through two noisy times is kept within."""
FILE = "latency.json"


KIND = documents.Kind(
    name="search", words="what a search found", error=RunError, hint="remove it, and the nets are searched for anew"
)


@dataclass(frozen=True, kw_only=True)
class Timed:
    """One family's net and its time over the recipe's net's, with its 95 % interval."""

    family: str
    net: NetPlan
    ratio: float
    ratio_low: float
    ratio_high: float
    tries: int


@dataclass(frozen=True, kw_only=True)
class Search:
    """latency.json"""

    asked: Mapping[str, Any]
    target_ms: float
    found: tuple[Timed, ...]


def search(plan: DuelPlan, training: Split, folder: Path) -> tuple[float, list[Timed]]:
    """(p50 of the recipe's net in ms, the contenders in the plan's order), searched for or read from `folder`.

    Of at most six tries the nearest is taken, the first within 5 % ends the search.

    Raises UsageError for a board that keeps no time, EnvironmentUnfit where int8 files cannot be written.
    """
    path, asked = folder / FILE, question(plan)
    if path.is_file():
        return _read(path, asked)
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
        found, medians_ms = [], []
        for family in plan.families:
            if family == recipe.net.name:
                found.append(Timed(family=family, net=recipe.net, ratio=1.0, ratio_low=1.0, ratio_high=1.0, tries=0))
                continue
            one, times_ms = _nearest(family, plan, training, macs, reference, board, work)
            found.append(one)
            medians_ms += times_ms
    target_ms = stats.quantile(sorted(medians_ms), 0.5)
    files.write_json(path, {"asked": asked, "target_ms": target_ms, "found": [config.table_of(one) for one in found]})
    return target_ms, found


def _nearest(
    family: str, plan: DuelPlan, training: Split, macs: int, reference: Artifact, board: Board, work: Path
) -> tuple[Timed, list[float]]:
    """The family's net whose time is nearest to the reference's, and the reference's medians in ms."""
    shape, classes = training.input_shape, len(training.classes)
    tried: list[tuple[float, Timed]] = []  # (log of MACs, what came out)
    medians_ms: list[float] = []
    goal = macs
    for number in range(1, MOST_TRIES + 1):
        try:
            net = families.fit(family, plan.recipe, shape, classes, goal, "macs")
        except PlanError:
            if not tried:
                raise
            break  # between two sizes that exist: the nearer one is taken
        if any(one.net == net for _, one in tried):
            break
        made = _untrained(net, plan, training, work / f"{family}-{number}")
        against_ms, own_ms = _in_turns(board, reference, made)
        ratio, low, high, _ = stats.ratio_interval(against_ms, own_ms)
        medians_ms += against_ms
        one = Timed(family=family, net=net, ratio=ratio, ratio_low=low, ratio_high=high, tries=number)
        tried.append((math.log(budget.cost(net, shape, classes, "macs")), one))
        console.note(f"{family} with {budget.cost(net, shape, classes, 'macs'):,} MACs takes {ratio:.2f} of the budget")
        if abs(ratio - 1) <= TOLERANCE:
            break
        goal = next_goal([(size, math.log(seen.ratio)) for size, seen in tried])
    best = min((one for _, one in tried), key=lambda one: abs(math.log(one.ratio)))
    if abs(best.ratio - 1) > TOLERANCE:
        console.warn(
            f"{family} comes no nearer to the latency budget than {best.ratio:.2f} of it in {len(tried)} tries."
        )
    return dataclasses.replace(best, tries=len(tried)), medians_ms


def next_goal(points: Sequence[tuple[float, float]]) -> int:
    """MACs at which the time should be the budget, from (log MACs, log ratio) of the tries so far.

    Between the nearest below and the nearest above the budget; with one side only, along the secant of the two nearest.
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
    """The int8 file of a net with fresh weights, its ranges observed on a few training pictures."""
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
    """The p50 in ms of each process of a and of b, which take turns, each first in every second round."""
    medians_ms: dict[Path, list[float]] = {a.path: [], b.path: []}
    for round_ in range(ROUNDS):
        for one in boards.in_turns((a, b), round_):
            window = board.run(_job(one)).window
            assert window is not None
            medians_ms[one.path].append(stats.quantile(sorted(window.times_ms), 0.5))
    return medians_ms[a.path], medians_ms[b.path]


def _job(one: Artifact) -> Job:
    return Job.for_artifact(one, runtimes.for_format(FORMAT)[0], window=TIMING)


def question(plan: DuelPlan) -> dict[str, Any]:
    """What the search depends on."""
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


def _read(path: Path, asked: dict[str, Any]) -> tuple[float, list[Timed]]:
    with KIND.expected(path):
        held = config.build(Search, documents.table(path), path.name)
        if dict(held.asked) != asked:
            raise RunError(f"{path.parent} holds another duel's nets.", "choose another --name or --output")
        return held.target_ms, list(held.found)
