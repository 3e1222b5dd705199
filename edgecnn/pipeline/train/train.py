"""`edgecnn train`: trains a Recipe into a Run.

Training can be resumed bit for bit. All random draws of epoch e come from generators seeded by (recipe.seed, e), and
the learning rate is a function of the step, so an epoch depends on nothing but the checkpoint before it.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from edgecnn import nets
from edgecnn.common import console, files, locks
from edgecnn.data import Split
from edgecnn.errors import EnvironmentUnfit, GateFailed
from edgecnn.nets import budget, code, counts, device
from edgecnn.nets.anatomy import Size
from edgecnn.pipeline.train import (
    checkpoint,
    curves,
    distributed,
    learner,
    loop,
    malloc,
    optimizer,
    phases,
    replacing,
    resources,
    run_folder,
    seen,
    tracking,
)
from edgecnn.pipeline.train.checkpoint import Basis, Earlier, Epoch, State
from edgecnn.pipeline.train.distillation import Teacher
from edgecnn.pipeline.train.distributed import Team
from edgecnn.pipeline.train.job import FreshNet, TrainJob, announce, build_net, load_pictures, reproducible
from edgecnn.pipeline.train.learner import Learner
from edgecnn.pipeline.train.loop import Journal, Watch
from edgecnn.pipeline.train.phases import Phase
from edgecnn.pipeline.train.tracking import Tracking
from edgecnn.pipeline.train.train_step import TrainContext
from edgecnn.records import plans
from edgecnn.records.recipe import Recipe
from edgecnn.records.run import (
    CODE,
    DIVERGED,
    TRAINING_LOCK,
    WEIGHTS,
    Run,
    Taken,
    is_run,
    open_run,
    write_facts,
)


@dataclass(frozen=True)
class _Trained:
    """The result of a training: the net, its history and its times."""

    net: nn.Module
    """On the CPU."""
    fresh: FreshNet
    """As it was before the first step."""
    size: Size
    history: Sequence[Epoch]
    taken: Taken
    seconds: float


def train(
    recipe: Recipe,
    folder: Path,
    resume: bool = False,
    watch: Watch | None = None,
    trackers: Sequence[str] = (),
    force: bool = False,
) -> Run:
    """Train a recipe into a run folder.

    Under torchrun its processes share every batch, and the first one writes (`train.distributed`). Where the recipe
    says "auto", this machine decides (`edgecnn.nets.device`, `train.resources`).

    Args:
        recipe: what to train.
        folder: the run folder, which is made if it is not there.
        resume: continue from the checkpoint in the folder. Precision, threads and device may differ from those the
            training was begun with; everything else must be the same.
        watch: called with the fresh net, and after every epoch.
        trackers: the names of those that record the training (`train.trackers`).
        force: overwrite the run that is in the folder, once all is checked (`train.replacing`).

    Returns:
        The finished run.

    Raises:
        RunError: the folder holds a run already and `force` is not set, or something that is no part of a run; its
            checkpoint is of another recipe; or another training is at work in it.
        GateFailed: the training loss is not finite.
        EnvironmentUnfit: the device or a tracker's package is not here, or processes would take different precisions.
        UsageError: there is no such tracker, or the processes cannot share a batch evenly.
        PeerLost: another process of this training has ended.
    """
    tracking.require(trackers)
    begun = plans.load(Recipe, str(folder / "recipe.toml")) if resume and is_run(folder) else None
    if begun is not None:
        recipe = run_folder.with_machine_keys(recipe, begun)
    process = distributed.here()
    chosen = device.choose(
        recipe.device, processes=process.count, local_processes=process.local_count, local_rank=process.local_rank
    )
    with distributed.joined(chosen.type) as team, malloc.keep_freed_pages(), contextlib.ExitStack() as held:
        if not resume:
            run_folder.refuse_a_run(folder, force)
            code.allow(recipe.net.name)
        with console.stage("pictures read, split and checked"):
            pictures, seen_before = load_pictures(recipe, team)
        splits = pictures.splits
        asked = budget.resolve(recipe, splits.train.input_shape, len(splits.train.classes))
        if resume:
            recipe = run_folder.same_recipe(asked, begun, folder)
            if (folder / "run.json").is_file():
                console.note(f"{folder} is complete already.")
                return open_run(folder)
        job = TrainJob(
            recipe=recipe if resume else asked,
            asked=asked,
            folder=folder,
            resume=resume,
            force=force,
            pictures=pictures,
            seen_before=seen_before,
            team=team,
            device=chosen,
            trackers=trackers if team.is_leader else (),
            held=held,
        )
        return _train(job, watch)


def _train(job: TrainJob, watch: Watch | None) -> Run:
    """Train the job's net, phase by phase, and return the finished run, which the leader writes."""
    recipe, training, team = job.recipe, job.splits.train, job.team
    teacher = _teacher(job)
    facts = resources.here()
    taken = resources.take(job.asked, job.device.type, device.why(job.asked.device), facts, team)
    started = time.perf_counter()
    first, *later = phases.left(recipe, checkpoint.epochs(job.folder) if job.resume else 0)
    with reproducible(recipe.seed, taken.num_threads):
        if teacher is not None:
            teacher.ask(recipe.name, recipe.augment.flip)
        fresh = build_net(job)
        size = counts.size(fresh.net, training.input_shape)
        learns, state = _begun(job, first, fresh, fresh.net, [])
        earlier, taken = _take_folder(job, state, Basis(learns.data_sha256, fresh.start_sha256), taken)
        announce(job, size, taken, earlier.taken)
        if slow := resources.warning(taken, facts):
            console.warn(slow)
        tracked = job.held.enter_context(tracking.tracked(job.trackers, recipe, taken, job.folder, state.history))
        if watch is not None and not state.history and team.is_leader:
            watch(0, learns.whole(device.cpu_version(learns.net.eval())))
        for phase in (first, *later):
            if phase is not first:
                whole = learns.whole(device.cpu_version(state.eval_net))
                learns, state = _begun(job, phase, fresh, whole, state.history)
            ctx = TrainContext(
                phase.recipe,
                learns.training,
                learns.mean,
                learns.std,
                teacher if phase.recipe.distill else None,
                team,
                device=job.device,
                precision=taken.precision,
                labelled=training if learns.training is not training and phase.recipe.learn == "all" else None,
                before=phase.before,
            )
            journal = Journal(
                folder=job.folder,
                epochs=phases.phases_of(recipe)[-1].end,
                basis=Basis(learns.data_sha256, fresh.start_sha256),
                taken=taken,
                earlier_s=earlier.seconds + time.perf_counter() - started,
                tracking=tracked,
                watch=learns.watched(watch),
            )
            _fit(job, ctx, state, learns.validation, journal)
    if team.is_leader:
        seconds = earlier.seconds + time.perf_counter() - started
        whole = learns.whole(device.cpu_version(state.eval_net))
        _write_run(job, _Trained(whole, fresh, size, state.history, taken, seconds), tracked)
    team.barrier()
    return open_run(job.folder)


def _teacher(job: TrainJob) -> Teacher | None:
    """Return the nets that the job's net learns from; None without any."""
    plan, training = job.recipe.distill, job.splits.train
    return Teacher(plan, training.input_shape, training.classes, job.device, job.pictures) if plan else None


def _begun(
    job: TrainJob, phase: Phase, fresh: FreshNet, net: nn.Module, history: Sequence[Epoch]
) -> tuple[Learner, State]:
    """Return what a phase trains, and its state before its first step.

    Args:
        job: the training.
        phase: of it.
        fresh: how pixels are normalized.
        net: as the phase before left it, on the CPU.
        history: of the phases before.
    """
    learns = learner.learner_of(job, phase.recipe, net, fresh.mean, fresh.std)
    of_classes = job.of_classes if phase.recipe.optim.body_lr != 1 else ()
    state = optimizer.fresh_state(device.move(learns.net, job.device), phase.recipe.optim, of_classes)
    state.history.extend(history)
    return learns, state


def _take_folder(job: TrainJob, state: State, basis: Basis, taken: Taken) -> tuple[Earlier, Taken]:
    """Lock the folder, claim it for a new training or load its checkpoint into `state`.

    Returns:
        What the training did before, and what it takes of the machine from here on.

    Raises:
        RunError: another training is at work in the folder, or the checkpoint does not fit.
        EnvironmentUnfit: the processes would take different precisions.
    """
    if job.resume and job.team.is_leader:
        job.held.enter_context(locks.held(job.folder / TRAINING_LOCK, "training"))
    earlier = checkpoint.load(job.folder, state, basis) if job.resume else Earlier()
    if earlier.taken:
        taken = resources.resumed(job.asked, taken, earlier.taken)
    _agree_on_precision(job.team, taken)
    if not job.resume and job.team.is_leader:
        if job.force:
            job.held.enter_context(replacing.replaced(job.folder))
        job.held.enter_context(locks.held(files.make_folder(job.folder) / TRAINING_LOCK, "training"))
        run_folder.refuse_a_run(job.folder)  # another training may have come and gone since the first look
        run_folder.claim(job.recipe, job.folder)
    return earlier, taken


def _fit(job: TrainJob, ctx: TrainContext, state: State, validation: Split, journal: Journal) -> None:
    """Train all epochs; a loss that is not finite is noted in the folder if there is a checkpoint."""
    try:
        loop.fit(state, ctx, validation, journal)
    except GateFailed as diverged:
        if job.team.is_leader and state.history:
            files.write_text(job.folder / DIVERGED, f"{diverged.sentence}\n")
        raise
    (job.folder / DIVERGED).unlink(missing_ok=True)  # a resume in another precision may not diverge again


def _write_run(job: TrainJob, trained: _Trained, tracked: Tracking) -> None:
    """Write the weights, the curves and the facts of a finished training, and remove its checkpoint."""
    training = job.splits.train
    run = Run(
        folder=job.folder,
        recipe=job.recipe,
        input_shape=training.input_shape,
        labels=training.classes,
        mean=trained.fresh.mean,
        std=trained.fresh.std,
        params=trained.size.params,
        macs=trained.size.macs,
        validation_top1_percent=trained.history[-1].validation_top1_percent,
        validation_n=len(job.splits.validation),
        train_seconds=trained.seconds,
        processes=job.team.count,
        weights_sha256=nets.store(trained.net, job.folder / WEIGHTS),
        training=trained.taken,
        start_sha256=trained.fresh.start_sha256,
        code_sha256=files.sha256(job.folder / CODE) if (job.folder / CODE).is_file() else None,
    )
    curves.draw(trained.history, run.recipe.name, run.folder / "curves.png")
    seen.record(run.folder, job.splits, job.seen_before, job.pictures.unlabelled)
    tracked.finish(run)  # before the facts, which end the training: a kill between the two lets a resume finish both
    write_facts(run)
    checkpoint.remove(run.folder)
    replacing.forget(run.folder)


def _agree_on_precision(team: Team, taken: Taken) -> None:
    """Raise EnvironmentUnfit in every process if some would take bf16 and others fp32."""
    (in_bf16,) = team.all_reduce_sum(float(taken.precision == "bf16"))
    if in_bf16 not in (0, team.count):
        raise EnvironmentUnfit(
            f"Of the {team.count} processes of this training {in_bf16:.0f} would take bf16, and the others fp32.",
            "name one precision for all: --precision fp32",
        )
