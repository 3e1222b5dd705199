"""A training that is about to begin: what it is of, where it goes, and its net before the first step."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from edgecnn import data, nets
from edgecnn.common import console
from edgecnn.data import Splits
from edgecnn.nets import code, culprit
from edgecnn.nets.anatomy import Size
from edgecnn.pipeline.train import (
    augment,
    class_balance,
    class_weights,
    pictures,
    progressive_resizing,
    resources,
    seen,
    start,
)
from edgecnn.pipeline.train.distributed import Team
from edgecnn.pipeline.train.pictures import Pictures
from edgecnn.pipeline.train.seen import Seen
from edgecnn.pipeline.train.start import NewNet
from edgecnn.records.recipe import NetPlan, Recipe
from edgecnn.records.run import Taken

LEARNS = {"all": "", "head": ", the head alone", "head-then-all": ", the head alone and then all of it"}
"""What is learnt, in words, by a recipe's `learn`."""


@dataclass(frozen=True, kw_only=True)
class TrainJob:
    """A training that is about to begin; the same in all its processes."""

    recipe: Recipe
    """Its budget is resolved. On a resume it is the recipe in the folder."""
    asked: Recipe
    """The recipe as it was asked for now: on a resume it may name another precision, other threads or a device."""
    folder: Path
    resume: bool
    force: bool
    """Whether a run that is in the folder is overwritten."""
    pictures: Pictures
    seen_before: Seen
    """Images that the runs which this training builds on have seen."""
    team: Team
    device: torch.device
    trackers: Sequence[str]
    held: contextlib.ExitStack
    """Holds the lock of the folder, and the trackers' records, until the training has ended."""

    @property
    def splits(self) -> Splits:
        return self.pictures.splits

    @functools.cached_property
    def net_plan(self) -> NetPlan:
        """The net as it is built: on a resume, of the code that the run folder keeps."""
        return code.kept(self.recipe.net, self.folder) if self.resume else self.recipe.net

    @functools.cached_property
    def of_classes(self) -> set[str]:
        """Names of the net's weights whose shape depends on the number of classes."""
        return class_weights.names(self.net_plan, self.splits)


def load_pictures(recipe: Recipe, team: Team) -> tuple[Pictures, Seen]:
    """Load the pictures, the leader first, and check that the recipe can be trained on them.

    Returns:
        The pictures, whose splits lack what the runs that this training builds on have seen, and what those have seen.
    """
    data_set = data.get(recipe.data.name)
    if recipe.small is not None:
        progressive_resizing.check(recipe.small, recipe.net)
    augment.check(recipe.augment, data_set.FORBIDDEN_AUGMENTATIONS, recipe.data.name)
    with team.leader_first():  # all processes have looked into the folder before the leader claims it
        splits, seen_before = seen.held_out(recipe, data.load(recipe.data))
        loaded = pictures.load(recipe.data, splits)
    augment.check_images(recipe.augment, splits.train)
    team.check(min(recipe.batch_size, len(splits.train)))
    return loaded, seen_before


@dataclass(frozen=True)
class FreshNet:
    """A net before its first step, and how its pixels are normalized."""

    net: nn.Module
    mean: float
    """The mean of the pixels that the weights it starts from were trained on, or else of the training images."""
    std: float
    start_sha256: str | None
    """The digest of the file that it starts from; None without one, or if it is not recorded."""


def build_net(job: TrainJob) -> FreshNet:
    """Build the net on the CPU, with the weights it starts from."""
    recipe, training = job.recipe, job.splits.train
    net = nets.build(job.net_plan, training.input_shape, len(training.classes))
    net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # in place
    normalisation, sha256 = None, None
    if recipe.start:
        fresh = NewNet(
            own=net.state_dict(),
            of_classes=job.of_classes,
            classes=training.classes,
            input_shape=training.input_shape,
        )
        first = start.load(recipe.start, fresh)
        net.load_state_dict(dict(first.weights))
        normalisation, sha256 = first.normalisation, first.sha256
    if code.is_code(job.net_plan.name) and not job.resume:
        culprit.require_exportable(net, training.input_shape)
    if normalisation is None:
        with console.stage("mean and deviation of the pixels"):
            normalisation = data.pixel_statistics(training.images)
    return FreshNet(net, *normalisation, sha256)


def announce(job: TrainJob, size: Size, taken: Taken, taken_before: Taken | None) -> None:
    """Print the class counts, what is trained on what, and what changed since the training was begun."""
    recipe, splits = job.recipe, job.splits
    console.note_table(*data.class_counts(splits))
    console.note(
        f"{recipe.name}: {recipe.net.name} with {size.params:,} parameters and {size.macs:,} MACs, "
        f"{len(splits.train):,} pictures to train on, {len(splits.validation):,} to validate"
        + (f", {len(others):,} without a class" if (others := job.pictures.unlabelled) else "")
        + LEARNS[recipe.learn]
        + (f", from the weights of {recipe.start}" if recipe.start else "")
        + f", {taken}"
        + (f", {job.team.count} processes" if job.team.count > 1 else "")
    )
    class_balance.say(recipe, splits.train)
    if taken_before and (moved := resources.moved(taken, taken_before)):
        console.note(moved)
    for word, why in (
        (taken.precision, taken.why_precision),
        (f"{taken.num_threads} thread{'s' * (taken.num_threads > 1)}", taken.why_num_threads),
        (taken.device, taken.why_device),
    ):
        console.detail(f"{word}: {why}")


@contextlib.contextmanager
def reproducible(seed: int, num_threads: int) -> Iterator[None]:
    """Seed torch's global generator and set its threads inside; afterwards both are what they were."""
    threads = torch.get_num_threads()
    torch.set_num_threads(num_threads)
    try:
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            yield
    finally:
        torch.set_num_threads(threads)
