"""How long a training takes to a stated accuracy: how bench/results/time-to-*.json are made.

    python bench/time_to.py 92 resnet8 --data fashion-mnist -s epochs=6 -o bench/results/time-to-fashion.json

The recipe, cut to so few epochs that it just arrives, is trained with several seeds. The time is that of a whole
training, from its first step to the kept weights, with an evaluation after every epoch. Whether it arrives is said of
the mean over the seeds, on the validation pictures.
"""

from __future__ import annotations

import argparse
import dataclasses
import datetime
import shlex
import sys
import tempfile
from pathlib import Path

from edgecnn import console, environment, files, plans, repeats
from edgecnn.errors import EdgecnnError
from edgecnn.stats import mean_interval


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("target", type=float, help="validation top-1 in percent")
    parser.add_argument("recipe", help="a recipe by name or .toml file")
    parser.add_argument("--data", help="a data set's name or a folder, in place of the recipe's own")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("-s", "--set", action="append", default=[], metavar="K=V", help="change a key of the recipe")
    parser.add_argument("-o", "--output", type=Path, required=True, help="a .json file")
    options = parser.parse_args()
    try:
        recipe = plans.load_recipe(options.recipe, options.set, options.data)
        with tempfile.TemporaryDirectory(prefix="edgecnn-") as scratch:
            runs, found = repeats.repeat(recipe, Path(scratch, "runs"), options.seeds)
        seconds, low, high = mean_interval([run.train_seconds for run in runs])
        shown = dataclasses.replace(recipe, data=dataclasses.replace(recipe.data, options={}))
        files.write_json(
            options.output,
            {
                "command": shlex.join(["python", "bench/time_to.py", *sys.argv[1:]]),
                "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
                "environment": environment.to_table(environment.here()),
                "recipe": plans.dump(shown),
                "params": runs[0].params,
                "macs": runs[0].macs,
                "target_percent": options.target,
                "arrived": found.mean_percent >= options.target,
                "seeds": list(found.seeds),
                "validation_top1_percents": list(found.top1_percents),
                "validation_n": found.validation_n,
                "mean_percent": found.mean_percent,
                "seconds": [run.train_seconds for run in runs],
                "mean_seconds": seconds,
                "low_seconds": low,
                "high_seconds": high,
            },
        )
    except EdgecnnError as error:
        console.error(error.sentence, error.hint)
        return error.exit_code
    print(f"{found}; {seconds:.0f} s [{low:.0f}, {high:.0f}] each, {recipe.num_threads} threads")
    return 0 if found.mean_percent >= options.target else 1


if __name__ == "__main__":
    sys.exit(main())
