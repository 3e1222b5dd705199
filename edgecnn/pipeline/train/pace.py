"""Times a few real training steps, to tell beforehand how long an epoch takes."""

from __future__ import annotations

import statistics
import time

import numpy as np
import torch

from edgecnn import nets
from edgecnn.nets import device
from edgecnn.pipeline.train import resources, train_step
from edgecnn.pipeline.train.distillation import Teacher
from edgecnn.pipeline.train.job import reproducible
from edgecnn.pipeline.train.pictures import Pictures
from edgecnn.pipeline.train.train_step import TrainContext
from edgecnn.records.recipe import Recipe

TIMED_STEPS = 5


def seconds_per_epoch(recipe: Recipe, input_shape: tuple[int, int, int], pictures: Pictures) -> float:
    """Return what an epoch takes, with its augmentation and teacher, once the pictures have their full size.

    Args:
        recipe: Of the training.
        input_shape: (C, H, W) that the net takes, no larger than the pictures.
        pictures: That are trained on.
    """
    training, chosen = pictures.all, device.choose(recipe.device)
    taken = resources.take(recipe, chosen.type, "", resources.here())
    teacher = None
    if recipe.distill is not None:
        asked = Teacher(recipe.distill, training.input_shape, training.classes, chosen, pictures)
        teacher = None if asked.asks_once else asked
    ctx = TrainContext(
        recipe, training, mean=0.5, std=0.25, teacher=teacher, device=chosen, precision=taken.precision,
        labelled=pictures.splits.train if pictures.unlabelled else None,
    )  # fmt: skip
    with reproducible(recipe.seed, taken.num_threads):
        model = nets.build(recipe.net, input_shape, len(training.classes)).train()
        model = device.move(model, chosen).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        generator = torch.Generator().manual_seed(recipe.seed)
        _, height, width = input_shape

        def step() -> float:
            start = time.perf_counter()
            indices = np.random.default_rng(recipe.seed).choice(len(training), ctx.batch_size, replace=False)
            inputs, targets = train_step.load_batch(ctx, indices, None, generator)
            loss, _ = train_step.forward(model, ctx, inputs[:, :, :height, :width], targets, ctx.all_steps)
            loss.backward()  # type: ignore[no-untyped-call]
            loss.item()
            return time.perf_counter() - start

        step()
        return max(1, ctx.steps) * statistics.median(step() for _ in range(TIMED_STEPS))
