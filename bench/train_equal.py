"""Check that the quicker loop learns as much; makes bench/results/train-equal-*.json.

    python bench/train_equal.py resnet8 --data FOLDER -o bench/results/train-equal-resnet8.json

The plain loop of bench/training_loops.py and `edgecnn train` train the same net with the same epochs, schedule and
seeds, and their validation accuracies are compared, seed by seed. The moving average is off: the plain loop has none.
With --also-whole, a recipe that shows small pictures first is trained without them too.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
import tempfile
from pathlib import Path
from typing import Any

import record
import torch
from training_loops import context_of, net_of, plain, settled

from edgecnn import data
from edgecnn.common import console
from edgecnn.common.stats import mean_interval
from edgecnn.data import Splits
from edgecnn.errors import EdgecnnError
from edgecnn.nets import anatomy
from edgecnn.nets.inference import logits
from edgecnn.pipeline.train.train import train
from edgecnn.records import plans
from edgecnn.records.recipe import Recipe


def compare(recipe: Recipe, seeds: int, also_whole: bool) -> dict[str, Any]:
    """Validation top-1 of the loops for every seed, and the difference to the plain one with its interval."""
    recipe = dataclasses.replace(recipe, optim=dataclasses.replace(recipe.optim, ema=0.0))
    ours = {"edgecnn": recipe}
    if also_whole and recipe.small is not None:
        ours["without small pictures"] = dataclasses.replace(recipe, small=None)
    splits = data.load(recipe.data)
    scores: dict[str, list[float]] = {"plain": [], **{name: [] for name in ours}}
    for seed in range(recipe.seed, recipe.seed + seeds):
        scores["plain"].append(_plainly(dataclasses.replace(recipe, seed=seed), splits))
        for name, changed in ours.items():
            with tempfile.TemporaryDirectory(prefix="edgecnn-") as scratch:
                run = train(dataclasses.replace(changed, seed=seed), Path(scratch, "run"))
            scores[name].append(run.validation_top1_percent)
        console.note(f"{recipe.name}, seed {seed}: " + ", ".join(f"{k} {v[-1]:.2f} %" for k, v in scores.items()))
    net, shape = net_of(recipe, splits)
    return {
        "recipe": plans.dump(dataclasses.replace(recipe, data=dataclasses.replace(recipe.data, options={}))),
        "name": recipe.name,
        "params": anatomy.folded_parameters(net),
        "input_shape": list(shape),
        "epochs": recipe.epochs,
        "training_pictures": len(splits.train),
        "validation_n": len(splits.validation),
        "validation_top1_percents": scores,
        "differences_pp": {
            name: mean_interval([b - a for a, b in zip(scores["plain"], scores[name], strict=True)]) for name in ours
        },
    }


def _plainly(recipe: Recipe, splits: Splits) -> float:
    """Validation top-1 of the plain loop's net, in percent."""
    torch.set_num_threads(int(recipe.num_threads))
    ctx = context_of(recipe, splits)
    net, _ = net_of(recipe, splits)
    steps = plain(ctx, net)
    for _ in range(ctx.all_steps):
        next(steps)
    del steps  # its workers end with it
    guessed = logits(net, splits.validation.images, ctx.mean, ctx.std).argmax(1).numpy()
    return 100 * float((guessed == splits.validation.labels).mean())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("recipes", nargs="+", help="recipes by name or .toml file")
    parser.add_argument("--data", help="a data set's name or a folder, in place of the recipes' own")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--also-whole", action="store_true", help="train without small pictures too")
    parser.add_argument("-s", "--set", action="append", default=[], metavar="K=V", help="change a key of every recipe")
    parser.add_argument("-o", "--output", type=Path, required=True, help="a .json file")
    options = parser.parse_args()
    try:
        recipes = [settled(plans.load_recipe(name, options.set, options.data)) for name in options.recipes]
        results = []
        for recipe in recipes:
            results.append(compare(recipe, options.seeds, options.also_whole))
            record.write(options.output, {"results": results})  # what is done is kept
    except EdgecnnError as error:
        console.error(error.sentence, error.hint)
        return error.exit_code
    head = ("recipe", "loop", "epochs", "seeds", "top-1 %", "difference pp [95 %]")
    console.table(head, [row for result in results for row in _rows(result)])
    return 0


def _rows(result: dict[str, Any]) -> list[list[str]]:
    rows = []
    for name, tops in result["validation_top1_percents"].items():
        difference = result["differences_pp"].get(name)
        words = "{:+.2f} [{:+.2f}, {:+.2f}]".format(*difference) if difference else ""
        mean = f"{sum(tops) / len(tops):.2f}"
        rows.append([result["name"], name, str(result["epochs"]), str(len(tops)), mean, words])
    return rows


if __name__ == "__main__":
    sys.exit(main())
