"""Measure how fast training is, against the loop of every tutorial; makes bench/results/train-speed.json.

    python bench/train_speed.py dscnn-colour resnet8 --data FOLDER -o bench/results/train-speed.json

The same net on the same pictures, each loop a process of its own, all taking turns:

    plain     a DataLoader with two workers, one Pillow picture at a time (crop, flip, normalise), NCHW float32
              (a recipe with a random resized crop: one JPEG file at a time, decoded anew in every epoch)
    edgecnn   what `edgecnn train` does, its steps timed one by one: data, forward, backward, optimiser
    without   the same less one of its means each: what that is worth
    with      the same and one more thing that could help, and is not taken

Between two turns is a pause, for the workers of the first loop fill their queue when its turn is over; and turns are
long beside that queue, which the next turn begins with. Each round gives one ratio; stated are their median and the
interval of the rounds. Where a recipe shows small pictures first, a round holds as large a share of them as a whole
training does. With --cpu-time, for a machine that others work on, seconds of the processor are counted, and the plain
loop loads its pictures itself. That the quicker loop learns as much is measured by bench/train_equal.py.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import itertools
import multiprocessing
import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import record
import torch
from torch import nn
from training_loops import CYCLE, PARTS, WORKERS, context_of, net_of, ours, plain, settled

from edgecnn import data
from edgecnn.common import console
from edgecnn.common.stats import median_interval
from edgecnn.errors import EdgecnnError, UsageError
from edgecnn.nets import anatomy
from edgecnn.pipeline.train import malloc
from edgecnn.records import plans
from edgecnn.records.recipe import Recipe

WARM_UP_STEPS = 5
PAUSE_S = 1.0
"""After each turn: the workers of a DataLoader go on until their queue is full, which the next loop would pay for."""
LOOPS = (
    "plain", "edgecnn", "without small pictures", "without kept pages", "without bf16", "without channels-last",
    "with ReLU in place", "with batches of 64",
)  # fmt: skip


def race(recipe: Recipe, loops: Sequence[str], rounds: int, seconds: float, cpu_time: bool) -> dict[str, Any]:
    """Pictures/s of every loop in every round, and what follows."""
    splits = data.load(recipe.data)
    net, shape = net_of(recipe, splits)
    context = multiprocessing.get_context("spawn")
    ends: dict[str, Connection] = {}
    processes = []
    for name in loops:
        ends[name], other = context.Pipe()
        processes.append(context.Process(target=_run, args=(name, recipe, cpu_time, other)))
        processes[-1].start()
        other.close()
        ends[name].recv()  # it is warm, and from now on idle
    speeds: dict[str, list[float]] = {name: [] for name in loops}
    spent_s: Counter[str] = Counter()
    for number in range(rounds):
        for name, end in ends.items():
            end.send(seconds)
            speed, spent = end.recv()
            speeds[name].append(speed)
            spent_s.update(spent if name == "edgecnn" else {})
            time.sleep(PAUSE_S)
        console.note(
            f"{recipe.name}, round {number + 1}: " + ", ".join(f"{k} {v[-1]:,.0f}/s" for k, v in speeds.items())
        )
    for end, process in zip(ends.values(), processes, strict=True):
        end.close()
        process.join()
    whole = sum(spent_s.values())
    return {
        "recipe": plans.dump(dataclasses.replace(recipe, data=dataclasses.replace(recipe.data, options={}))),
        "name": recipe.name,
        "params": anatomy.folded_parameters(net),
        "macs": anatomy.macs(net, shape),
        "input_shape": list(shape),
        "training_pictures": len(splits.train),
        "cpu_time": cpu_time,
        "rounds": rounds,
        "pictures_per_s": speeds,
        "ratios": {name: _ratio(speeds[name], speeds["edgecnn"]) for name in loops if name != "edgecnn"},
        "shares_percent": {part: 100 * spent_s[part] / whole for part in PARTS},
    }


def _run(name: str, recipe: Recipe, cpu_time: bool, end: Connection) -> None:
    """One loop, in a process of its own: for every number of seconds it is sent it answers with its speed."""
    if name == "without bf16":
        recipe = dataclasses.replace(recipe, precision="fp32")
    if name == "with batches of 64":
        recipe = dataclasses.replace(recipe, batch_size=64)
    if name == "without small pictures":
        recipe = dataclasses.replace(recipe, small=None)
    keeping = contextlib.nullcontext() if name in ("plain", "without kept pages") else malloc.keep_freed_pages()
    with keeping:
        _serve(name, recipe, cpu_time, end)


def _serve(name: str, recipe: Recipe, cpu_time: bool, end: Connection) -> None:
    torch.set_num_threads(int(recipe.num_threads))
    splits = data.load(recipe.data)
    net, _ = net_of(recipe, splits)
    for module in net.modules():
        if isinstance(module, nn.ReLU):
            module.inplace = name == "with ReLU in place"
    spent_s: Counter[str] = Counter()
    ctx = context_of(recipe, splits)
    layout = torch.contiguous_format if name == "without channels-last" else torch.channels_last
    workers = 0 if cpu_time else WORKERS
    steps = plain(ctx, net, workers) if name == "plain" else ours(ctx, net, spent_s, layout)
    clock = time.process_time if cpu_time else time.perf_counter
    for _ in range(1 if cpu_time else WARM_UP_STEPS):
        next(steps)
    end.send(None)
    while True:
        try:
            seconds = end.recv()
        except EOFError:
            return
        spent_s.clear()
        end.send((_pictures_per_s(steps, seconds, CYCLE if recipe.small else 1, clock), dict(spent_s)))


def _pictures_per_s(steps: Iterator[int], seconds: float, at_once: int, clock: Callable[[], float]) -> float:
    start, seen = clock(), 0
    while (elapsed := clock() - start) < seconds or not seen:
        seen += sum(itertools.islice(steps, at_once))
    return seen / elapsed


def _ratio(slower: list[float], faster: list[float]) -> dict[str, float]:
    """Return how many times faster it is, round by round: the median and its interval."""
    ratios = sorted(b / a for a, b in zip(slower, faster, strict=True))
    low, high, held = median_interval(ratios)
    return {"median": statistics.median(ratios), "low": low, "high": high, "interval_percent": held}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("recipes", nargs="+", help="recipes by name or .toml file")
    parser.add_argument(
        "--loops", default=",".join(LOOPS), help="which, with commas between; plain and edgecnn at least"
    )
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--seconds", type=float, default=10, help="of each loop in each round")
    parser.add_argument(
        "--cpu-time", action="store_true",
        help="count seconds of the processor, on a machine that others use; plain then loads its own pictures",
    )  # fmt: skip
    parser.add_argument("--data", help="a data set's name or a folder, in place of the recipes' own")
    parser.add_argument("-s", "--set", action="append", default=[], metavar="K=V", help="change a key of every recipe")
    parser.add_argument("-o", "--output", type=Path, required=True, help="a .json file")
    options = parser.parse_args()
    try:
        recipes = [settled(plans.load_recipe(name, options.set, options.data)) for name in options.recipes]
        loops = _loops(options.loops)
        results = [race(recipe, loops, options.rounds, options.seconds, options.cpu_time) for recipe in recipes]
        record.write(options.output, {"results": results})
    except EdgecnnError as error:
        console.error(error.sentence, error.hint)
        return error.exit_code
    head = ("recipe", "parameters", *LOOPS[:2], "ratio [95 %]", *(f"{part} %" for part in PARTS))
    console.table(head, [_row(result) for result in results])
    print()
    if means := [name for name in loops if name not in LOOPS[:2]]:
        head = ("recipe", *(f"{name}: times the time [95 %]" for name in means))
        console.table(
            head, [[result["name"], *(_words(result["ratios"][name]) for name in means)] for result in results]
        )
    return 0


def _loops(text: str) -> list[str]:
    """The loops that --loops names. Raises UsageError for one that is not known, or without the two that race."""
    loops = text.split(",")
    if unknown := sorted(set(loops) - set(LOOPS)) or sorted(set(LOOPS[:2]) - set(loops)):
        raise UsageError(f"--loops {text} is not right: {unknown[0]}.", f"plain, edgecnn, and any of {LOOPS[2:]}")
    return loops


def _row(result: dict[str, Any]) -> list[str]:
    speeds = [f"{statistics.median(result['pictures_per_s'][name]):,.0f}/s" for name in LOOPS[:2]]
    shares = [f"{result['shares_percent'][part]:.0f}" for part in PARTS]
    return [result["name"], f"{result['params']:,}", *speeds, _words(result["ratios"]["plain"]), *shares]


def _words(ratio: dict[str, float]) -> str:
    return f"{ratio['median']:.2f} [{ratio['low']:.2f}, {ratio['high']:.2f}]"


if __name__ == "__main__":
    sys.exit(main())
