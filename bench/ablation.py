"""Measure what each option of a recipe buys, over several seeds; makes bench/results/ablation.json.

    python bench/ablation.py bench/ablations/options.toml --seeds 3 -o bench/results/ablation.json

The .toml names a base recipe, settings that shorten it, and one table of settings for every option; each is trained
with the same seeds, and compared with the base on the validation pictures, whose cut never changes. Runs stay in
--runs, so that an ablation that was ended goes on where it stood.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import record

from edgecnn.common import config, console
from edgecnn.common.stats import mean_interval
from edgecnn.errors import EdgecnnError
from edgecnn.pipeline.train import repeats
from edgecnn.pipeline.train.repeats import Repeats
from edgecnn.records import plans


@dataclass(frozen=True)
class Ablation:
    """A base recipe, and what is changed in it, one at a time."""

    recipe: str
    settings: tuple[str, ...]
    """The settings of the base that make it short."""
    options: dict[str, tuple[str, ...]]
    """What an option is called -> its settings."""


def load(path: Path) -> Ablation:
    table = config.read(path)
    return Ablation(table["recipe"], tuple(table["settings"]), {k: tuple(v) for k, v in table["options"].items()})


def gain(base: Repeats, other: Repeats) -> tuple[float, float, float]:
    """(gain in pp, low, high) of the mean: 95 % by Student's t over the seeds, each paired with its own base."""
    return mean_interval([b - a for a, b in zip(base.top1_percents, other.top1_percents, strict=True)])


def measure(plan: Ablation, seeds: int, folder: Path) -> list[dict[str, Any]]:
    repeated: dict[str, Repeats] = {}
    params: dict[str, int] = {}
    for name, settings in {"base": (), **plan.options}.items():
        recipe = plans.load_recipe(plan.recipe, [*plan.settings, *settings])
        recipe = dataclasses.replace(recipe, name=name.replace(" ", "-"))
        runs, repeated[name] = repeats.repeat(recipe, folder / recipe.name, seeds, resume=True)
        params[name] = runs[0].params
        console.note(f"{name}: {repeated[name]}")
    rows = []
    for name, summary in repeated.items():
        row = dataclasses.asdict(summary) | {"option": name, "settings": list(plan.options.get(name, ()))}
        del row["train_seconds"]  # an ablation goes on beside other work, and may have been paused
        if name != "base":
            row |= dict(zip(("gain_pp", "gain_low_pp", "gain_high_pp"), gain(repeated["base"], summary), strict=True))
        rows.append(row | {"params": params[name]})
    return rows


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("plan", type=Path, help="a .toml file with recipe, settings and [options]")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--runs", type=Path, default=Path("runs/ablation"), help="where the trainings are kept")
    parser.add_argument("-o", "--output", type=Path, required=True, help="a .json file")
    options = parser.parse_args()
    try:
        plan = load(options.plan)
        rows = measure(plan, options.seeds, options.runs)
        record.write(
            options.output,
            {
                "recipe": plan.recipe,
                "settings": list(plan.settings),
                "rows": rows,
            },
        )
    except EdgecnnError as error:
        console.error(error.sentence, error.hint)
        return error.exit_code
    head = ("option", "validation top-1", "sd pp", "gain pp [95 %]")
    console.table(head, [_row(row) for row in rows])
    return 0


def _row(row: dict[str, Any]) -> list[str]:
    gained = ""
    if "gain_pp" in row:
        gained = f"{row['gain_pp']:+.2f} [{row['gain_low_pp']:+.2f}, {row['gain_high_pp']:+.2f}]"
    return [
        row["option"],
        f"{row['mean_percent']:.2f} %",
        f"{row['deviation_pp']:.2f}",
        gained,
    ]


if __name__ == "__main__":
    sys.exit(main())
