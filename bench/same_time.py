"""Two recipes given the same time: how bench/results/same-time.json is made.

    edgecnn train RECIPE --repeats 3                      for either recipe; then export every seed's run to int8 TFLite
    python bench/same_time.py runs/ours runs/theirs -o bench/results/same-time.json

The first folder of repeats is held against the second: the int8 TFLite files on the whole test split, seed by seed,
with what each net costs and how long each training took.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import record
import zoo

from edgecnn.common import console
from edgecnn.common.stats import mean_interval
from edgecnn.errors import EdgecnnError


def gather(folder: Path) -> dict[str, Any]:
    """Return what the seeds of one folder took and reached. Raises RunError without runs or int8 files."""
    runs = record.seeds(folder)
    made = [zoo.int8_file(run) for run in runs]
    verdicts = [asdict(file.verdict) for file in made if file.verdict is not None]
    return {
        "recipe": runs[0].recipe.name,
        "params": runs[0].params,
        "macs": runs[0].macs,
        "epochs": runs[0].recipe.epochs,
        "num_threads": record.num_threads(runs[0]),
        "seeds": [run.recipe.seed for run in runs],
        "train_seconds": [run.train_seconds for run in runs],
        "int8_sha256": [file.description.sha256 for file in made],
        "verdicts": verdicts,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("ours", type=Path, help="a folder of `edgecnn train --repeats`, every run exported")
    parser.add_argument("theirs", type=Path, help="another")
    parser.add_argument("-o", "--output", type=Path, required=True, help="a .json file")
    options = parser.parse_args()
    try:
        sides = [gather(options.ours), gather(options.theirs)]
        ours, theirs = ([verdict["top1_percent"] for verdict in side["verdicts"]] for side in sides)
        mean, low, high = mean_interval([a - b for a, b in zip(ours, theirs, strict=True)])
        record.write(
            options.output,
            {
                "sides": sides,
                "gain_pp": mean,
                "gain_low_pp": low,
                "gain_high_pp": high,
            },
        )
    except EdgecnnError as error:
        console.error(error.sentence, error.hint)
        return error.exit_code
    console.table(
        ("recipe", "parameters", "MACs", "epochs", "s a seed [95 %]", "int8 top-1 % [95 %]"),
        [_row(side) for side in sides],
    )
    print(f"gain {mean:+.2f} pp [{low:+.2f}, {high:+.2f}], n {len(ours)} seeds")
    return 0


def _row(side: dict[str, Any]) -> list[str]:
    top1 = "{:.2f} [{:.2f}, {:.2f}]".format(*mean_interval([verdict["top1_percent"] for verdict in side["verdicts"]]))
    seconds = "{:.0f} [{:.0f}, {:.0f}]".format(*mean_interval(side["train_seconds"]))
    return [side["recipe"], f"{side['params']:,}", f"{side['macs']:,}", str(side["epochs"]), seconds, top1]


if __name__ == "__main__":
    sys.exit(main())
