"""The trainings of a plan, which are ordinary runs."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path

from edgecnn import nets
from edgecnn.common import console, plugins
from edgecnn.errors import DataError, EdgecnnError, GateFailed, PlanError, UsageError
from edgecnn.nets import spaces
from edgecnn.pipeline.train import progressive_resizing
from edgecnn.pipeline.train.train import train
from edgecnn.records.recipe import NetPlan, Recipe, SmallPlan
from edgecnn.studies.plan import halving, proposals, records
from edgecnn.studies.plan.records import Planned, PlannedRun, Proposal

TRIALS = "trials"


def trained(planned: Planned, recipe: Recipe, folder: Path) -> Planned:
    """Train what each rung has left, a run for each, while its share of the hours lasts.

    Raises:
        GateFailed: None of the nets can be trained.
    """
    epochs, count = planned.rungs[0]
    while len(planned.of_rung(epochs)) < count and (name := halving.next_net(planned)) is not None:
        if not _has_time(planned, name, epochs, count):
            break
        planned = _with_trial(planned, name, epochs, recipe, folder)
    if not planned.of_rung(epochs):
        raise GateFailed(
            f"No net could be trained; of the last one: {planned.trials[-1].failed}.",
            "edgecnn train RECIPE says more",
        )
    for place in range(1, len(planned.rungs)):
        planned = _rung(planned, place, recipe, folder)
    return planned


def _rung(planned: Planned, place: int, recipe: Recipe, folder: Path) -> Planned:
    """Train the best nets of the rung before for longer: for as long as is left, if that is less than was planned."""
    base = next(ended for epochs, _ in reversed(planned.rungs[:place]) if (ended := planned.of_rung(epochs)))
    whole, count = planned.rungs[place]
    epochs = halving.affordable(planned, whole, base)
    if epochs <= base[0].epochs:
        console.warn(f"There is no time for trainings of {whole} epochs.")
        return planned
    if epochs < whole:
        console.warn(f"The time that is left is enough for {epochs} epochs, not for {whole}.")
        rungs = (*planned.rungs[:place], (epochs, 1), *planned.rungs[place + 1 :])
        planned, count = dataclasses.replace(planned, rungs=rungs), 1
    for trial in base:
        if len(planned.of_rung(epochs)) == count:
            break
        if planned.was_tried(trial.candidate, epochs) or not halving.has_time(planned, trial.candidate, epochs):
            continue
        planned = _with_trial(planned, trial.candidate, epochs, recipe, folder)
    return planned


def _has_time(planned: Planned, name: str, epochs: int, count: int) -> bool:
    if halving.has_time(planned, name, epochs):
        return True
    done = len(planned.of_rung(epochs))
    console.warn(f"The time for trainings of {epochs} epochs is over after {done} of {count}.")
    return False


def _with_trial(planned: Planned, name: str, epochs: int, recipe: Recipe, folder: Path) -> Planned:
    trial = _trial(planned.candidate(name), epochs, recipe, folder)
    planned = dataclasses.replace(planned, trials=(*planned.trials, trial))
    records.write(planned, folder)
    return planned


def _trial(candidate: Proposal, epochs: int, recipe: Recipe, folder: Path) -> PlannedRun:
    """Train a candidate, or resume its training; one that cannot be trained is told of and left out.

    Raises:
        DataError: The pictures cannot be read any more.
        EnvironmentUnfit: This machine cannot train.
    """
    name = f"{candidate.name}-{epochs}"
    own = dataclasses.replace(with_net(recipe, candidate), name=name, epochs=epochs)
    place, start = folder / TRIALS / name, time.perf_counter()
    percent, n, seconds, failed = 0.0, 0, 0.0, ""
    try:
        with console.stage(f"{name} trained"), console.held_back():  # what a training tells stands in its folder
            run = train(own, place, resume=(place / "recipe.toml").is_file())
        percent, n, seconds = run.validation_top1_percent, run.validation_n, run.train_seconds
        console.note(f"{name}: {proposals.title(candidate)}, {percent:.2f} % on validation")
    except DataError:
        raise
    except (GateFailed, UsageError) as error:
        failed = error.sentence.rstrip(".")
    except EdgecnnError:
        raise
    except Exception as error:
        failed = plugins.reason(error)
    if failed:
        console.warn(f"{name}: {proposals.title(candidate)} cannot be trained: {failed}.")
    return PlannedRun(
        candidate=candidate.name,
        epochs=epochs,
        run=f"{TRIALS}/{name}",
        validation_percent=percent,
        validation_n=n,
        seconds=max(seconds, time.perf_counter() - start),
        failed=failed,
    )


def with_net(recipe: Recipe, candidate: Proposal) -> Recipe:
    """Return the recipe with a candidate's net and start, and pictures of its size.

    Layers whose weights are drawn all learn at the same rate. A net that takes pictures of one size alone, or cannot be
    built for those that the recipe shows first, sees no smaller ones.
    """
    options = dict(recipe.data.options)
    if isinstance(options.get("size"), int) and options["size"] != candidate.input_shape[1]:
        options["size"] = candidate.input_shape[1]
    plan = NetPlan(name=candidate.net, options=candidate.options)
    return dataclasses.replace(
        recipe,
        net=plan,
        start=candidate.start,
        optim=recipe.optim if candidate.start else dataclasses.replace(recipe.optim, body_lr=1.0),
        small=recipe.small if recipe.small and _takes_smaller(plan, candidate, recipe.small) else None,
        learn=recipe.learn if candidate.start and candidate.start == recipe.start else "all",
        data=dataclasses.replace(recipe.data, options=options),
    )


def _takes_smaller(plan: NetPlan, candidate: Proposal, small: SmallPlan) -> bool:
    if not nets.get(candidate.net).ANY_SIZE:
        return False
    channels, height, width = candidate.input_shape
    try:
        spaces.sketched(plan, (channels, *progressive_resizing.sides(small, height, width)), classes=2)
    except PlanError:
        return False
    return True
