"""The loops that bench/train_speed.py lets race: the one of every tutorial, ours, and ours less one of its means."""

from __future__ import annotations

import dataclasses
import math
import sys
import time
from collections import Counter
from collections.abc import Iterator

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from edgecnn import nets
from edgecnn.data import Split, Splits, pixel_statistics
from edgecnn.pipeline.train import optimizer, resources, train_step
from edgecnn.pipeline.train.optimizer import learning_rate
from edgecnn.pipeline.train.train_step import TrainContext
from edgecnn.records.recipe import Recipe

WORKERS = 2
CYCLE = 20
"""Steps in which every stage of a training has its share: small pictures, then whole ones."""

PARTS = ("data", "forward", "backward", "optimiser")


class Pictures(Dataset[tuple[Tensor, int]]):
    """One picture at a time, as tutorials have it: Pillow, a random crop, a random flip, a normalised tensor."""

    def __init__(self, split: Split, recipe: Recipe, mean: float, std: float) -> None:
        self._split, self._augment = split, recipe.augment
        self._mean, self._std = mean, std

    def __len__(self) -> int:
        return len(self._split)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        picture = Image.fromarray(self._split.images[index].squeeze())
        shift, (width, height) = self._augment.shift, picture.size
        if shift:
            padded = Image.new(picture.mode, (width + 2 * shift, height + 2 * shift))
            padded.paste(picture, (shift, shift))
            left, top = torch.randint(0, 2 * shift + 1, (2,)).tolist()
            picture = padded.crop((left, top, left + width, top + height))
        if self._augment.flip and torch.rand(()) < 0.5:
            picture = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        pixels = np.array(picture, dtype=np.float32).reshape(height, width, -1)  # (H, W, C)
        return torch.from_numpy((pixels.transpose(2, 0, 1) - self._mean) / self._std), int(self._split.labels[index])


class Photographs(Dataset[tuple[Tensor, int]]):
    """One JPEG at a time, as torchvision's examples have it: decoded, a random part resized, flipped, normalised."""

    def __init__(self, split: Split, recipe: Recipe, mean: float, std: float) -> None:
        assert split.files is not None
        self._files, self._labels, self._augment = split.files, split.labels, recipe.augment
        self._height, self._width = split.input_shape[1:]
        self._mean, self._std = mean, std

    def __len__(self) -> int:
        return len(self._labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        picture = Image.open(self._files[index]).convert("RGB")
        area = picture.width * picture.height * float(torch.empty(()).uniform_(self._augment.resized_crop, 1))
        ratio = math.exp(float(torch.empty(()).uniform_(-1, 1)) * math.log(4 / 3))
        width = min(picture.width, round(math.sqrt(area * ratio)))
        height = min(picture.height, round(math.sqrt(area / ratio)))
        left = int(torch.randint(0, picture.width - width + 1, ()))
        top = int(torch.randint(0, picture.height - height + 1, ()))
        box = (left, top, left + width, top + height)
        picture = picture.crop(box).resize((self._width, self._height), Image.Resampling.BILINEAR)
        if self._augment.flip and torch.rand(()) < 0.5:
            picture = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        pixels = torch.from_numpy(np.array(picture)).permute(2, 0, 1).float()
        return (pixels - self._mean) / self._std, int(self._labels[index])


def plain(ctx: TrainContext, net: nn.Module, workers: int = WORKERS) -> Iterator[int]:
    """The loop of every tutorial; yields the pictures of each step."""
    loader = DataLoader(
        (Photographs if ctx.recipe.augment.resized_crop else Pictures)(ctx.training, ctx.recipe, ctx.mean, ctx.std),
        batch_size=ctx.recipe.batch_size,
        shuffle=True,
        drop_last=True,
        num_workers=workers,
        persistent_workers=workers > 0,
        multiprocessing_context="fork" if workers else None,  # the default; a process that was spawned would spawn
    )
    optim = ctx.recipe.optim
    optimizer = torch.optim.SGD(
        net.parameters(), lr=optim.lr, momentum=optim.momentum, weight_decay=optim.weight_decay, nesterov=True
    )
    net.train()
    step_number = 0
    while True:
        for inputs, labels in loader:
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(optim, step_number % ctx.all_steps, ctx.all_steps)
            loss = F.cross_entropy(net(inputs), labels)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            loss.item()
            step_number += 1
            yield len(labels)


def ours(
    ctx: TrainContext, net: nn.Module, spent_s: Counter[str], layout: torch.memory_format = torch.channels_last
) -> Iterator[int]:
    """The steps of `loop.train_epoch`, each timed; any CYCLE of them stand for a whole training."""
    net = net.to(memory_format=layout)  # type: ignore[call-overload]
    state = optimizer.fresh_state(net, ctx.recipe.optim)
    net.train()
    size, step_number = ctx.recipe.batch_size, 0
    for epoch in range(sys.maxsize):
        generator = torch.Generator().manual_seed(train_step.seed_of(ctx.recipe.seed, epoch))
        order = torch.randperm(len(ctx.training), generator=generator).numpy()
        mirrored = train_step.flip_mask(ctx, epoch) if ctx.recipe.augment.alternate else None
        for step in range(ctx.steps):
            times = [time.perf_counter()]
            indices = order[step * size : (step + 1) * size]
            inputs, targets = train_step.load_batch(ctx, indices, mirrored, generator)
            inputs = inputs.contiguous(memory_format=layout)  # channels-last as it comes
            times.append(time.perf_counter())
            loss, _ = train_step.forward(net, ctx, inputs, targets, step_number % CYCLE * ctx.all_steps // CYCLE)
            times.append(time.perf_counter())
            train_step.backward(state, loss)
            times.append(time.perf_counter())
            lr = learning_rate(ctx.recipe.optim, step_number % ctx.all_steps, ctx.all_steps)
            optimizer.set_learning_rate(state.optimizer, lr)
            optimizer.step(state, ctx.recipe.optim, step_number)
            loss.item()
            times.append(time.perf_counter())
            for part, start, end in zip(PARTS, times, times[1:], strict=False):
                spent_s[part] += end - start  # type: ignore[assignment]
            step_number += 1
            yield len(indices)


def context_of(recipe: Recipe, splits: Splits) -> TrainContext:
    mean, std = pixel_statistics(splits.train.images)
    taken = resources.take(recipe, "cpu", "", resources.here())
    return TrainContext(recipe, splits.train, mean, std, None, precision=taken.precision)


def settled(recipe: Recipe) -> Recipe:
    """The recipe with what this machine's CPU makes of its "auto"."""
    taken = resources.take(recipe, "cpu", "", resources.here())
    return dataclasses.replace(recipe, precision=taken.precision, num_threads=taken.num_threads)


def net_of(recipe: Recipe, splits: Splits) -> tuple[nn.Module, tuple[int, int, int]]:
    """(the fresh net of the recipe's seed, (C, H, W) of the pictures)."""
    shape = splits.train.input_shape
    torch.manual_seed(recipe.seed)
    return nets.build(recipe.net, shape, len(splits.train.classes)), shape
