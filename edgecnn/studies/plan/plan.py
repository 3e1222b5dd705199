"""`edgecnn plan`: proposes nets within the limits of a board, trains the most promising, and measures the best there.

plans/NAME/
    journal.json     what was asked for and all that has been done, written anew after every step
    trials/          a run for each training; one that was killed is resumed to the same bits
    plan.md          the front, predicted against measured, and how far short trainings could be trusted
"""

from __future__ import annotations

import dataclasses
import math
import time
from pathlib import Path

from edgecnn import boards
from edgecnn.common import config, console, files, locks
from edgecnn.errors import GateFailed, RunError, UsageError
from edgecnn.pipeline.costs import show as costs
from edgecnn.pipeline.costs import surveyed
from edgecnn.pipeline.costs.profile import RUNTIME
from edgecnn.pipeline.export import export as exporting
from edgecnn.pipeline.train import pace
from edgecnn.pipeline.train.distributed import ALONE
from edgecnn.pipeline.train.job import load_pictures
from edgecnn.records import cost_profile, gates, settling
from edgecnn.records.cost_profile import CostProfile
from edgecnn.records.gates import Gate
from edgecnn.records.plans import ExportPlan
from edgecnn.records.recipe import Recipe
from edgecnn.records.run import open_run
from edgecnn.studies.plan import halving, proposals, records, show, trials
from edgecnn.studies.plan.records import Finalist, PlanLimits, Planned, PlanSettings

LOCK = ".lock"
PAGE = "plan.md"
SPARE = 3
"""How many times as many nets are measured as drafts as are trained: a prediction may be a little too low."""


def plan(
    recipe: Recipe,
    folder: Path,
    board: str,
    limits: PlanLimits,
    hours: float = 2.0,
    resume: bool = False,
    seed: int = 0,
) -> Planned:
    """Find the most accurate net within the limits, as far as the hours allow.

    Args:
        recipe: How to train; its net is replaced, its epochs are the most that any training takes. If it has a start,
            its own net with those weights and the zoo's are proposed beside nets with drawn ones.
        folder: Where the plan is kept.
        board: The board whose costs count; it has a profile (`edgecnn board profile`).
        limits: What the file may cost there and how right it must be.
        hours: For trainings, exports and measurements together.
        resume: Go on with the plan in the folder, which must have been asked for the same.
        seed: Of the nets that are drawn.

    Returns:
        What was found; `judge` holds the gates.

    Raises:
        UsageError: No limit is set that the board can hold, or it has no profile.
        GateFailed: No net of the design spaces is within the limits.
        RunError: The folder holds a plan already, or another one than is resumed.
    """
    profile = cost_profile.find(board)
    _require_limits(limits, profile, hours)
    if recipe.budget:
        console.note("The recipe's [budget] is left out: the plan's limits take its place.")
        recipe = dataclasses.replace(recipe, budget=None)
    settings = PlanSettings(recipe=config.table_of(recipe), board=board, limits=limits, hours=hours, seed=seed)
    files.make_folder(folder)
    with locks.held(folder / LOCK, "plan"):
        planned = _begun(folder, settings, resume)
        if planned is None:
            planned = _proposed(recipe, profile, settings)
            records.write(planned, folder)
        planned = trials.trained(planned, recipe, folder)
        planned = _exported(planned, folder)
        planned = dataclasses.replace(planned, gates=tuple(_hold(planned)))
        records.write(planned, folder)
        files.write_text(folder / PAGE, show.markdown(planned))
    return planned


def judge(planned: Planned, strict: bool = False) -> None:
    """Hold the gates, after the plan was written and shown.

    Raises:
        GateFailed: The best file found is beyond a limit.
        Undecided: If `strict` and an interval contains the limit.
    """
    settling.settle(
        planned.gates, strict, "more --hours, or a larger limit", "a larger test split tells the accuracy closer"
    )


def best(planned: Planned) -> Finalist:
    """Return the file that was chosen: of those within the limits, or else of all, the best on validation."""
    order = [trial.candidate for trial in planned.longest()]
    within = [done for done in planned.exported if _keeps_limits(planned, done)]
    return min(within or planned.exported, key=lambda done: order.index(done.candidate))


def _require_limits(limits: PlanLimits, profile: CostProfile, hours: float) -> None:
    wrong = limits.max_minstr if profile.unit == "ms" else limits.max_ms
    if wrong is not None:
        option = "--max-ms" if profile.unit == "ms" else "--max-minstr"
        raise UsageError(f"Costs on {profile.board} are told in {profile.unit}.", f"set {option}")
    if limits.cost(profile.unit) is None and limits.max_kb is None and limits.max_arena_kb is None:
        raise UsageError("A plan needs a limit.", "--max-ms 2, --max-minstr 0.6, --max-kb 100 or --max-arena-kb 64")
    if not 0 < hours < math.inf:
        raise UsageError(f"--hours {hours:g} is no time.", "--hours 2")


def _begun(folder: Path, settings: PlanSettings, resume: bool) -> Planned | None:
    """Return the plan that is in the folder; None if there is none."""
    if not (folder / records.FILE).exists():
        return None
    if not resume:
        raise RunError(f"{folder} holds a plan already.", "--resume goes on with it; -o and --name take another folder")
    planned = records.read(folder)
    if _comparable(planned.settings) != _comparable(settings):
        raise RunError(f"The plan in {folder} was asked for something else.", "resume it with the same words")
    return planned


def _comparable(settings: PlanSettings) -> tuple[Recipe, PlanSettings]:
    """Return settings that are equal for the same plan, also if an earlier version wrote one of them."""
    return config.build(Recipe, settings.recipe, records.FILE), dataclasses.replace(settings, recipe={})


def _proposed(recipe: Recipe, profile: CostProfile, settings: PlanSettings) -> Planned:
    begin = time.perf_counter()
    pictures, _ = load_pictures(recipe, ALONE)
    training = pictures.splits.train
    shapes = proposals.shapes_of(recipe, training.input_shape)
    trained = proposals.trained_nets(recipe, pictures.splits)
    drawn, fitting = proposals.propose(profile, settings.limits, shapes, training.classes, settings.seed, trained)
    promising = proposals.shortlist(fitting, SPARE * halving.MOST)
    likely = sorted(promising[: halving.MOST], key=lambda net: net.macs)
    middle = likely[len(likely) // 2]
    seconds = pace.seconds_per_epoch(trials.with_net(recipe, middle), middle.input_shape, pictures)
    rungs = halving.rungs(recipe, seconds, halving.seconds_for_trainings(settings.hours, 0))
    chosen = promising[: SPARE * rungs[0][1]]
    with console.stage(f"files of {len(chosen)} nets measured on {settings.board} before they are trained"):
        measured = proposals.measured_drafts(profile, chosen, len(training.classes))
    kept = [net for net in measured if not proposals.excess(net, net.drafted or 0.0, settings.limits, profile)]
    if not kept:
        nearest = min(measured, key=lambda net: net.drafted or 0.0)
        raise GateFailed(
            f"No net is within the limits as measured on {settings.board}; {proposals.title(nearest)} needs "
            f"{costs.amount(nearest.drafted or 0.0, profile.unit)}.",
            "a larger limit",
        )
    prepared = time.perf_counter() - begin
    rungs = halving.rungs(recipe, seconds, halving.seconds_for_trainings(settings.hours, prepared), len(kept))
    console.note(
        f"{len(fitting)} of {drawn} nets are predicted within the limits; about {seconds:.1f} s an epoch: "
        + ", then ".join(f"{count} for {epochs} epochs" for epochs, count in rungs)
    )
    return Planned(
        settings=settings,
        unit=profile.unit,
        p95_percent=profile.model(proposals.PRECISION).held_out.p95_percent,
        drawn=drawn,
        fitting=len(fitting),
        rungs=rungs,
        candidates=tuple(kept),
        prepared_seconds=prepared,
    )


def _exported(planned: Planned, folder: Path) -> Planned:
    """Export and measure nets, the longest trained first and of those the best, until one is within the limits."""
    profile = cost_profile.find(planned.settings.board)
    for trial in planned.longest():
        if any(_keeps_limits(planned, done) for done in planned.exported):
            break
        if any(trial.candidate == done.candidate for done in planned.exported):
            continue
        made = exporting.export(
            open_run(folder / trial.run), ExportPlan(name="plan", format=("tflite",), precision=(proposals.PRECISION,))
        )[0]
        with boards.open_board(profile.board) as board:
            measured = surveyed.measure(board, {made.name: made.path.read_bytes()}, RUNTIME, 1)[made.name]
        assert made.verdict is not None
        assert made.description.planned_activation_peak_bytes is not None
        done = Finalist(
            candidate=trial.candidate,
            file=f"{trial.run}/artifacts/{made.name}",
            file_bytes=made.description.bytes,
            arena_bytes=made.description.planned_activation_peak_bytes,
            measured=measured,
            top1_percent=made.verdict.top1_percent,
            top1_low_percent=made.verdict.top1_low_percent,
            top1_high_percent=made.verdict.top1_high_percent,
            test_n=made.verdict.n,
        )
        planned = dataclasses.replace(planned, exported=(*planned.exported, done))
        records.write(planned, folder)
    return planned


def _costs(planned: Planned, done: Finalist) -> list[tuple[str, float, float, str]]:
    """Return (option, value, limit, words) of each limit on a cost."""
    limits = planned.settings.limits
    held = [
        ("max-kb", done.file_bytes / 1000, limits.max_kb, f"{done.file_bytes / 1000:.1f} kB"),
        ("max-arena-kb", done.arena_bytes / 1000, limits.max_arena_kb, f"{done.arena_bytes / 1000:.1f} kB at once"),
        (
            "max-ms" if planned.unit == "ms" else "max-minstr",
            done.measured,
            limits.cost(planned.unit),
            costs.amount(done.measured, planned.unit) + " at its quickest tenth" * (planned.unit == "ms"),
        ),
    ]
    return [(option, value, limit, words) for option, value, limit, words in held if limit is not None]


def _keeps_limits(planned: Planned, done: Finalist) -> bool:
    return all(value <= limit for _, value, limit, _ in _costs(planned, done))


def _hold(planned: Planned) -> list[Gate]:
    chosen = best(planned)
    held = [
        Gate(
            limit=option,
            subject=chosen.file,
            outcome=gates.at_most(value, value, limit),
            sentence=f"{chosen.file} needs {words}, {'within' if value <= limit else 'over'} --{option}",
        )
        for option, value, limit, words in _costs(planned, chosen)
    ]
    if (min_acc := planned.settings.limits.min_acc) is not None:
        outcome = gates.at_least(chosen.top1_low_percent, chosen.top1_high_percent, min_acc)
        held.append(
            Gate(
                limit="min-acc",
                subject=chosen.file,
                outcome=outcome,
                sentence=f"the best that was found within the limits reaches {show.accuracy(chosen)}, and {min_acc:g} "
                "% were asked for",
            )
        )
    return held
