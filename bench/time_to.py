"""Measure how long a training takes to a stated accuracy; makes bench/results/time-to-*.json.

    python bench/time_to.py 92 runs/quick -o bench/results/time-to-fashion.json

Of every seed of a folder of `edgecnn train --repeats`: the time from its first step to the end of the first epoch after
which the net that would be kept is as good on the validation pictures. It holds the evaluations up to then, which the
epochs of a run share evenly.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import sys
from pathlib import Path

import record

from edgecnn.common import console
from edgecnn.common.stats import mean_interval
from edgecnn.errors import EdgecnnError, RunError
from edgecnn.records import plans
from edgecnn.records.run import Run


def seconds_to(target: float, run: Run) -> tuple[int, float]:
    """(epoch, seconds). Raises RunError if the run never came so far."""
    with (run.folder / "metrics.csv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    passed = list(itertools.accumulate(float(row["seconds"]) for row in rows))
    for number, row in enumerate(rows):
        if float(row["validation_top1_percent"]) >= target:
            return number + 1, run.train_seconds * passed[number] / passed[-1]
    raise RunError(f"{run.folder} did not reach {target:g} % on its validation pictures.", "train for more epochs")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("target", type=float, help="validation top-1 in percent")
    parser.add_argument("repeats", type=Path, help="a folder of `edgecnn train --repeats`")
    parser.add_argument("-o", "--output", type=Path, required=True, help="a .json file")
    options = parser.parse_args()
    try:
        runs = record.seeds(options.repeats)
        reached = [seconds_to(options.target, run) for run in runs]
        seconds, low, high = mean_interval([seconds for _, seconds in reached])
        record.write(
            options.output,
            {
                "recipe": plans.dump(runs[0].recipe),
                "name": runs[0].recipe.name,
                "data": runs[0].recipe.data.options.get("path", runs[0].recipe.data.name),
                "params": runs[0].params,
                "macs": runs[0].macs,
                "num_threads": record.num_threads(runs[0]),
                "target_percent": options.target,
                "epochs": [epoch for epoch, _ in reached],
                "of_epochs": runs[0].recipe.epochs,
                "seeds": [run.recipe.seed for run in runs],
                "validation_n": runs[0].validation_n,
                "seconds": [time_s for _, time_s in reached],
                "mean_seconds": seconds,
                "low_seconds": low,
                "high_seconds": high,
            },
        )
    except EdgecnnError as error:
        console.error(error.sentence, error.hint)
        return error.exit_code
    print(f"{options.target:g} % after {seconds:.0f} s [{low:.0f}, {high:.0f}], n {len(runs)} seeds")
    return 0


if __name__ == "__main__":
    sys.exit(main())
