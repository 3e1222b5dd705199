"""How fast training is, against the loop of every tutorial: how bench/results/train-speed.json is made.

    python bench/train_speed.py dscnn-colour resnet8 --data FOLDER -o bench/results/train-speed.json

The same net on the same pictures, in one process, taking turns:

    plain     a DataLoader with two workers, one Pillow picture at a time (crop, flip, normalise), NCHW float32
    edgecnn   what `edgecnn train` does, its steps timed one by one: data, forward, backward, optimiser

Each round gives one ratio; stated are their median and the interval of the rounds. Then both loops train the net anew
with the same epochs, schedule and seeds, and their validation accuracies are compared: a quicker loop that learns less
would be no quicker. The moving average is off for that, since the plain loop has none.
"""

from __future__ import annotations

import argparse
import dataclasses
import datetime
import shlex
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from edgecnn import anatomy, console, data, environment, files, learning, nets, optimise, plans
from edgecnn.data import Split, Splits
from edgecnn.epochs import logits
from edgecnn.errors import EdgecnnError
from edgecnn.learning import Task
from edgecnn.plans import Recipe
from edgecnn.schedule import learning_rate
from edgecnn.stats import mean_interval, median_interval
from edgecnn.train import pixel_statistics, train

WORKERS = 2
WARM_UP_STEPS = 5
PARTS = ("data", "forward", "backward", "optimiser")


class Pictures(Dataset[tuple[Tensor, int]]):
    """One picture at a time, as tutorials have it: Pillow, a random crop, a random flip, a normalised tensor."""

    def __init__(self, split: Split, recipe: Recipe, mean: float, std: float) -> None:
        self._split, self._augment = split, recipe.augment
        self._mean, self._std = mean, std

    def __len__(self) -> int:
        return len(self._split)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        picture = Image.fromarray(self._split.pictures[index].squeeze())
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


def plain(task: Task, net: nn.Module, loader: DataLoader[tuple[Tensor, int]]) -> Iterator[int]:
    """The loop of every tutorial; yields the pictures of each step."""
    optim = task.recipe.optim
    optimizer = torch.optim.SGD(
        net.parameters(), lr=optim.lr, momentum=optim.momentum, weight_decay=optim.weight_decay, nesterov=True
    )
    net.train()
    number = 0
    while True:
        for inputs, labels in loader:
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(optim, number % task.all_steps, task.all_steps)
            loss = F.cross_entropy(net(inputs), labels)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            loss.item()
            number += 1
            yield len(labels)


def ours(task: Task, net: nn.Module, spent_s: Counter[str]) -> Iterator[int]:
    """The steps of `edgecnn.learning.one_epoch`, each timed."""
    state = optimise.fresh_state(net, task.recipe.optim)
    net.train()
    size, number = task.recipe.batch_size, 0
    for epoch in range(sys.maxsize):
        generator = torch.Generator().manual_seed(learning.seed_of(task.recipe.seed, epoch))
        order = torch.randperm(len(task.training), generator=generator).numpy()
        mirrored = learning.sides(task, epoch) if task.recipe.augment.alternate else None
        for step in range(task.steps):
            times = [time.perf_counter()]
            chosen = order[step * size : (step + 1) * size]
            inputs, targets = learning.batch(task, chosen, mirrored, generator)
            times.append(time.perf_counter())
            loss, _ = learning.forward(net, task, inputs, targets)
            times.append(time.perf_counter())
            learning.backward(state, loss)
            times.append(time.perf_counter())
            lr = learning_rate(task.recipe.optim, number % task.all_steps, task.all_steps)
            optimise.set_learning_rate(state.optimizer, lr)
            optimise.step(state, task.recipe.optim, number)
            loss.item()
            times.append(time.perf_counter())
            for part, start, end in zip(PARTS, times, times[1:], strict=False):
                spent_s[part] += end - start
            number += 1
            yield len(chosen)


def pictures_per_s(steps: Iterator[int], seconds: float) -> float:
    start, seen = time.perf_counter(), 0
    while (elapsed := time.perf_counter() - start) < seconds or not seen:
        seen += next(steps)
    return seen / elapsed


def compare(recipe: Recipe, rounds: int, seconds: float) -> dict[str, Any]:
    splits = data.load(recipe.data)
    height, width, channels = splits.train.pictures.shape[1:]
    shape = (channels, height, width)
    task = _task(recipe, splits)
    torch.set_num_threads(recipe.num_threads)
    torch.manual_seed(recipe.seed)
    net = nets.build(recipe.net, shape, len(splits.train.classes))
    params, macs = anatomy.folded_parameters(net), anatomy.macs(net, shape)
    loader = _loader(task)
    spent_s: Counter[str] = Counter()
    loops = {
        "plain": plain(task, nets.build(recipe.net, shape, len(splits.train.classes)), loader),
        "edgecnn": ours(task, net.to(memory_format=torch.channels_last), spent_s),  # type: ignore[call-overload]
    }
    for loop in loops.values():
        for _ in range(WARM_UP_STEPS):
            next(loop)
    spent_s.clear()
    speeds: dict[str, list[float]] = {name: [] for name in loops}
    for number in range(rounds):
        for name, loop in loops.items():
            speeds[name].append(pictures_per_s(loop, seconds))
        console.note(
            f"{recipe.name}, round {number + 1}: " + ", ".join(f"{k} {v[-1]:,.0f}/s" for k, v in speeds.items())
        )
    ratios = sorted(b / a for a, b in zip(speeds["plain"], speeds["edgecnn"], strict=True))
    low, high, held = median_interval(ratios)
    whole = sum(spent_s.values())
    return {
        "recipe": plans.dump(recipe),
        "net": recipe.net.name,
        "params": params,
        "macs": macs,
        "input_shape": list(shape),
        "pictures_per_s": speeds,
        "ratio": statistics.median(ratios),
        "ratio_low": low,
        "ratio_high": high,
        "interval_percent": held,
        "rounds": rounds,
        "shares_percent": {part: 100 * spent_s[part] / whole for part in PARTS},
    }


def equal_accuracy(recipe: Recipe, seeds: int, epochs: int) -> dict[str, Any]:
    """Validation top-1 of both loops after the same epochs, and their difference with its interval over the seeds."""
    recipe = dataclasses.replace(recipe, epochs=epochs, optim=dataclasses.replace(recipe.optim, ema=0.0))
    splits = data.load(recipe.data)
    height, width, channels = splits.train.pictures.shape[1:]
    found: dict[str, list[float]] = {"plain": [], "edgecnn": []}
    for seed in range(recipe.seed, recipe.seed + seeds):
        one = dataclasses.replace(recipe, seed=seed)
        task = _task(one, splits)
        torch.set_num_threads(one.num_threads)
        torch.manual_seed(seed)
        net = nets.build(one.net, (channels, height, width), len(splits.train.classes))
        steps = plain(task, net, _loader(task))
        for _ in range(task.all_steps):
            next(steps)
        guessed = logits(net, splits.validation.pictures, task.mean, task.std).argmax(1).numpy()
        found["plain"].append(100 * float((guessed == splits.validation.labels).mean()))
        with tempfile.TemporaryDirectory(prefix="edgecnn-") as scratch:
            found["edgecnn"].append(train(one, Path(scratch, "run")).validation_top1_percent)
        console.note(f"{one.name}, seed {seed}: " + ", ".join(f"{k} {v[-1]:.2f} %" for k, v in found.items()))
    mean, low, high = mean_interval([b - a for a, b in zip(found["plain"], found["edgecnn"], strict=True)])
    return {
        "epochs": epochs,
        "seeds": seeds,
        "training_pictures": len(splits.train),
        "validation_n": len(splits.validation),
        "validation_top1_percents": found,
        "difference_pp": mean,
        "difference_low_pp": low,
        "difference_high_pp": high,
    }


def _task(recipe: Recipe, splits: Splits) -> Task:
    mean, std = pixel_statistics(splits.train.pictures)
    return Task(recipe, splits.train, mean, std, None)


def _loader(task: Task) -> DataLoader[tuple[Tensor, int]]:
    return DataLoader(
        Pictures(task.training, task.recipe, task.mean, task.std),
        batch_size=task.recipe.batch_size,
        shuffle=True,
        drop_last=True,
        num_workers=WORKERS,
        persistent_workers=True,
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("recipes", nargs="+", help="recipes by name or .toml file")
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--seconds", type=float, default=10, help="of each loop in each round")
    parser.add_argument("--data", help="a data set's name or a folder, in place of the recipes' own")
    parser.add_argument("--seeds", type=int, default=3, help="of the trainings whose accuracies are compared")
    parser.add_argument("--epochs", type=int, default=5, help="of each of those")
    parser.add_argument("-s", "--set", action="append", default=[], metavar="K=V", help="change a key of every recipe")
    parser.add_argument("-o", "--output", type=Path, required=True, help="a .json file")
    options = parser.parse_args()
    try:
        found = [plans.load_recipe(name, options.set, options.data) for name in options.recipes]
        results = [
            compare(recipe, options.rounds, options.seconds)
            | {"equal": equal_accuracy(recipe, options.seeds, options.epochs)}
            for recipe in found
        ]
        files.write_json(
            options.output,
            {
                "command": shlex.join(["python", "bench/train_speed.py", *sys.argv[1:]]),
                "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
                "environment": environment.to_table(environment.here()),
                "results": results,
            },
        )
    except EdgecnnError as error:
        console.error(error.sentence, error.hint)
        return error.exit_code
    head = (
        "net",
        "parameters",
        "plain /s",
        "edgecnn /s",
        "ratio [95 %]",
        "top-1 pp [95 %]",
        *(f"{part} %" for part in PARTS),
    )
    console.table(head, [_row(one) for one in results])
    return 0


def _row(one: dict[str, Any]) -> list[str]:
    speeds = [f"{statistics.median(one['pictures_per_s'][name]):,.0f}" for name in ("plain", "edgecnn")]
    ratio = f"{one['ratio']:.2f} [{one['ratio_low']:.2f}, {one['ratio_high']:.2f}]"
    equal = one["equal"]
    gain = f"{equal['difference_pp']:+.2f} [{equal['difference_low_pp']:+.2f}, {equal['difference_high_pp']:+.2f}]"
    return [one["net"], f"{one['params']:,}", *speeds, ratio, gain, *(f"{one['shares_percent'][p]:.0f}" for p in PARTS)]


if __name__ == "__main__":
    sys.exit(main())
