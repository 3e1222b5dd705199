"""The trainings of a plan, which are ordinary runs."""

from __future__ import annotations

import dataclasses
import itertools
import time
from pathlib import Path

from edgecnn import nets
from edgecnn.common import console
from edgecnn.pipeline.train.train import train
from edgecnn.records.recipe import NetPlan, Recipe
from edgecnn.studies.plan import halving, proposals, records
from edgecnn.studies.plan.records import Planned, PlannedRun, Proposal

TRIALS = "trials"


def trained(planned: Planned, recipe: Recipe, folder: Path) -> Planned:
    """Train what each rung has left, a run for each, while its share of the hours lasts."""
    first = planned.rungs[0]
    while len(planned.of_rung(first[0])) < first[1] and (name := halving.next_net(planned)) is not None:
        if not _has_time(planned, name, *first):
            break
        planned = _with_trial(planned, name, first[0], recipe, folder)
    for (shorter, _), (epochs, count) in itertools.pairwise(planned.rungs):
        for trial in planned.of_rung(shorter)[:count]:
            if any(done.candidate == trial.candidate for done in planned.of_rung(epochs)):
                continue
            if not _has_time(planned, trial.candidate, epochs, count):
                break
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
    name = f"{candidate.name}-{epochs}"
    own = dataclasses.replace(with_net(recipe, candidate), name=name, epochs=epochs)
    place, start = folder / TRIALS / name, time.perf_counter()
    with console.stage(f"{name} trained"), console.held_back():  # what a training tells stands in its folder
        run = train(own, place, resume=(place / "recipe.toml").is_file())
    console.note(f"{name}: {proposals.title(candidate)}, {run.validation_top1_percent:.2f} % on validation")
    return PlannedRun(
        candidate=candidate.name,
        epochs=epochs,
        run=f"{TRIALS}/{name}",
        validation_percent=run.validation_top1_percent,
        validation_n=run.validation_n,
        seconds=max(run.train_seconds, time.perf_counter() - start),
    )


def with_net(recipe: Recipe, candidate: Proposal) -> Recipe:
    """Return the recipe with a candidate's net and start, and pictures of its size.

    Layers whose weights are drawn all learn at the same rate, and a net that takes pictures of one size alone sees no
    smaller ones first.
    """
    options = dict(recipe.data.options)
    if options.get("size") not in (None, candidate.input_shape[1]):
        options["size"] = candidate.input_shape[1]
    return dataclasses.replace(
        recipe,
        net=NetPlan(name=candidate.net, options=candidate.options),
        start=candidate.start,
        optim=recipe.optim if candidate.start else dataclasses.replace(recipe.optim, body_lr=1.0),
        small=recipe.small if nets.get(candidate.net).ANY_SIZE else None,
        learn=recipe.learn if candidate.start and candidate.start == recipe.start else "all",
        data=dataclasses.replace(recipe.data, options=options),
    )
