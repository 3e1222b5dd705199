"""Measure how far predicted costs are off on each board; makes bench/results/cost-model.json.

    edgecnn board profile emulated:pi5 -o pi5.json          for each board
    python bench/cost_model.py pi3.json pi4.json pi5.json local.json -o bench/results/cost-model.json

Of each profile: the nets of every design space that nothing was fitted to, predicted and measured.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np
import record

from edgecnn.common import console
from edgecnn.errors import EdgecnnError
from edgecnn.records import cost_profile, environment
from edgecnn.records.cost_profile import CostProfile

HEAD = ("board", "files", "fitted to", "nets", "median error", "95 % under", "largest", "runtime")
BY_NET = ("net", "nets", "median error", "largest")


def gather(profile: CostProfile) -> dict[str, Any]:
    """Return a profile's models with their errors on held-out nets."""
    table = cost_profile.to_table(profile)
    for model in table["models"]:
        del model["operators"]  # they are the profile's own
        for net in model["held_out"]["nets"]:
            net["error_percent"] = 100 * (net["predicted"] / net["measured"] - 1)
    return table


def rows(table: dict[str, Any]) -> list[list[str]]:
    """A line for each board and precision, under HEAD."""
    return [
        [
            profile["board"],
            model["precision"],
            f"{model['fitted_files']} files",
            str(len(model["held_out"]["nets"])),
            f"{model['held_out']['median_percent']:.1f} %",
            f"{model['held_out']['p95_percent']:.1f} %",
            f"{model['held_out']['largest_percent']:.1f} %",
            f"{model['runtime']} {model['runtime_version']}",
        ]
        for profile in table["profiles"]
        for model in profile["models"]
    ]


def rows_by_net(table: dict[str, Any], board: str, precision: str = "int8") -> list[list[str]]:
    """A line for each architecture on one board, under BY_NET."""
    profile = next(profile for profile in table["profiles"] if profile["board"] == board)
    model = next(model for model in profile["models"] if model["precision"] == precision)
    errors: dict[str, list[float]] = {}
    for net in model["held_out"]["nets"]:
        errors.setdefault(net["net"], []).append(abs(net["error_percent"]))
    return [[name, str(len(each)), f"{np.median(each):.1f} %", f"{max(each):.1f} %"] for name, each in errors.items()]


def machines(table: dict[str, Any]) -> dict[str, str]:
    """The machine of each board, for a sentence."""
    return {
        profile["board"]: environment.machine_name(environment.from_table(profile["environment"]))
        for profile in table["profiles"]
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("profiles", type=Path, nargs="+")
    parser.add_argument("-o", "--output", type=Path, required=True)
    arguments = parser.parse_args()
    try:
        profiles = [cost_profile.read(path) for path in arguments.profiles]
    except EdgecnnError as error:
        console.error(error.sentence, error.hint)
        return error.exit_code
    table = {"profiles": [gather(profile) for profile in profiles]}
    record.write(arguments.output, table)
    console.table(HEAD, rows(table))
    return 0


if __name__ == "__main__":
    sys.exit(main())
