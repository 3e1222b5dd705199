"""Whether the quicker loop learns as much: how bench/results/train-equal.json is made.

    python bench/train_equal.py dscnn-colour resnet8 --data FOLDER -o bench/results/train-equal.json

The plain loop of bench/training_loops.py and `edgecnn train` train the same net with the same epochs, schedule and
seeds, and their validation accuracies are compared, seed by seed. The moving average is off: the plain loop has none.
"""

from __future__ import annotations

import argparse
import dataclasses
import datetime
import shlex
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch
from training_loops import net_of, plain, task_of

from edgecnn import anatomy, console, data, environment, files, plans
from edgecnn.data import Splits
from edgecnn.epochs import logits
from edgecnn.errors import EdgecnnError
from edgecnn.recipes import Recipe
from edgecnn.stats import mean_interval
from edgecnn.train import train


def compare(recipe: Recipe, seeds: int) -> dict[str, Any]:
    """Validation top-1 of both loops for every seed, and their difference with its interval."""
    recipe = dataclasses.replace(recipe, optim=dataclasses.replace(recipe.optim, ema=0.0))
    splits = data.load(recipe.data)
    found: dict[str, list[float]] = {"plain": [], "edgecnn": []}
    for seed in range(recipe.seed, recipe.seed + seeds):
        one = dataclasses.replace(recipe, seed=seed)
        found["plain"].append(_plainly(one, splits))
        with tempfile.TemporaryDirectory(prefix="edgecnn-") as scratch:
            found["edgecnn"].append(train(one, Path(scratch, "run")).validation_top1_percent)
        console.note(f"{one.name}, seed {seed}: " + ", ".join(f"{k} {v[-1]:.2f} %" for k, v in found.items()))
    mean, low, high = mean_interval([b - a for a, b in zip(found["plain"], found["edgecnn"], strict=True)])
    net, _ = net_of(recipe, splits)
    return {
        "recipe": plans.dump(dataclasses.replace(recipe, data=dataclasses.replace(recipe.data, options={}))),
        "name": recipe.name,
        "params": anatomy.folded_parameters(net),
        "epochs": recipe.epochs,
        "training_pictures": len(splits.train),
        "validation_n": len(splits.validation),
        "validation_top1_percents": found,
        "difference_pp": mean,
        "difference_low_pp": low,
        "difference_high_pp": high,
    }


def _plainly(recipe: Recipe, splits: Splits) -> float:
    """Validation top-1 of the plain loop's net, in percent."""
    torch.set_num_threads(recipe.num_threads)
    task = task_of(recipe, splits)
    net, _ = net_of(recipe, splits)
    steps = plain(task, net)
    for _ in range(task.all_steps):
        next(steps)
    del steps  # its workers end with it
    guessed = logits(net, splits.validation.pictures, task.mean, task.std).argmax(1).numpy()
    return 100 * float((guessed == splits.validation.labels).mean())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("recipes", nargs="+", help="recipes by name or .toml file")
    parser.add_argument("--data", help="a data set's name or a folder, in place of the recipes' own")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("-s", "--set", action="append", default=[], metavar="K=V", help="change a key of every recipe")
    parser.add_argument("-o", "--output", type=Path, required=True, help="a .json file")
    options = parser.parse_args()
    try:
        recipes = [plans.load_recipe(name, options.set, options.data) for name in options.recipes]
        results = [compare(recipe, options.seeds) for recipe in recipes]
        files.write_json(
            options.output,
            {
                "command": shlex.join(["python", "bench/train_equal.py", *sys.argv[1:]]),
                "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
                "environment": environment.to_table(environment.here()),
                "results": results,
            },
        )
    except EdgecnnError as error:
        console.error(error.sentence, error.hint)
        return error.exit_code
    console.table(
        ("recipe", "epochs", "seeds", "plain %", "edgecnn %", "difference pp [95 %]"), [_row(one) for one in results]
    )
    return 0


def _row(one: dict[str, Any]) -> list[str]:
    tops = one["validation_top1_percents"]
    means = [f"{sum(tops[name]) / len(tops[name]):.2f}" for name in ("plain", "edgecnn")]
    difference = "{difference_pp:+.2f} [{difference_low_pp:+.2f}, {difference_high_pp:+.2f}]".format(**one)
    return [one["name"], str(one["epochs"]), str(len(tops["plain"])), *means, difference]


if __name__ == "__main__":
    sys.exit(main())
