"""Nets for photographs of one's own, by where they start: how bench/results/photographs.json is made.

    edgecnn train RECIPE --data PHOTOS --repeats 3        for each; then export every seed's run to int8 TFLite
    edgecnn bench runs/*/seed-0/artifacts/seed-0-int8.tflite --board emulated:pi5 -o pi5.json      and pi4, and local
    python bench/photographs.py runs/FIRST runs/SECOND ... --bench pi5.json pi4.json local.json \
        -o bench/results/photographs.json

Of each folder of repeats: the int8 TFLite files on the whole test split, seed by seed, what the net costs on each
machine of a bench, and how long a training took.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import record
import zoo

from edgecnn.common import console
from edgecnn.common.stats import mean_interval
from edgecnn.common.units import interval
from edgecnn.errors import EdgecnnError
from edgecnn.records import environment, report
from edgecnn.records.measurement import p50
from edgecnn.records.report import Report


def gather(folder: Path, benches: Sequence[Report]) -> dict[str, Any]:
    """Return what the seeds of one folder cost and reached. Raises RunError without runs or their int8 files."""
    runs = record.seeds(folder)
    artifacts = [zoo.int8_file(run) for run in runs]
    first, recipe = artifacts[0].description, runs[0].recipe
    return {
        "name": folder.name,
        "net": recipe.net.name,
        "start": recipe.start,
        "learn": recipe.learn,
        "teacher": list(recipe.distill.teacher) if recipe.distill else [],
        "epochs": recipe.epochs,
        "input_shape": runs[0].input_shape,
        "params": runs[0].params,
        "macs": runs[0].macs,
        "bytes": first.bytes,
        "planned_activation_peak_bytes": first.planned_activation_peak_bytes,
        "num_threads": record.num_threads(runs[0]),
        "seeds": [run.recipe.seed for run in runs],
        "train_seconds": [run.train_seconds for run in runs],
        "validation_top1_percent": [run.validation_top1_percent for run in runs],
        "validation_n": runs[0].validation_n,
        "int8_sha256": [artifact.description.sha256 for artifact in artifacts],
        "verdicts": [asdict(artifact.verdict) for artifact in artifacts if artifact.verdict is not None],
        "costs": {bench.board: cost for bench in benches if (cost := _cost(bench, first.sha256))},
    }


def _cost(bench: Report, sha256: str) -> dict[str, Any]:
    """Return the time or the instructions of one picture, measured for the file with this sha256; {} if it is none."""
    for measured in bench.measurements:
        summary = measured.summary
        if measured.sha256 == sha256 and measured.is_timed:
            return {"p50_ms": p50(measured), "rounds": summary.rounds, "runtime": measured.runtime}
        if measured.sha256 == sha256 and summary.instructions_p50:
            return {
                "instructions": summary.instructions_p50,
                "n": summary.instructions_n,
                "runtime": measured.runtime,
            }
    return {}


def row(net: dict[str, Any]) -> list[str]:
    """Return how accurate a net is, under HEAD."""
    values = (net["validation_top1_percent"], [verdict["top1_percent"] for verdict in net["verdicts"]])
    accuracies = [_accuracy(percents) for percents in values]
    drop = mean_interval([verdict["drop_pp"] for verdict in net["verdicts"]])
    height, width = net["input_shape"][1:]
    return [
        net["name"],
        f"{height} x {width}",
        f"{net['start'] or 'drawn'}{LEARNS[net['learn']]}",
        ", ".join(_folder(teacher) for teacher in net["teacher"]) or "-",
        accuracies[1],
        f"{accuracies[0]}, n {net['validation_n']}",
        "{:+.2f} [{:+.2f}, {:+.2f}]".format(*drop),
        "{:,.0f}".format(mean_interval(net["train_seconds"])[0]),
    ]


def cost_row(net: dict[str, Any]) -> list[str]:
    """Return what a net costs, under COST_HEAD."""
    counts = [net["costs"].get(board, {}).get("instructions") for board in BOARDS]
    here = net["costs"].get("local")
    return [
        net["name"],
        net["net"],
        f"{net['params']:,}",
        f"{net['macs']:,}",
        f"{net['bytes'] / 1e3:,.1f}",
        f"{net['planned_activation_peak_bytes'] / 1e3:,.1f}",
        *("-" if count is None else f"{count / 1e3:,.0f} k" for count in counts),
        interval(*here["p50_ms"]) if here else "-",
    ]


def _folder(run: str) -> str:
    """Return how the table calls a run: the folder of its repeats."""
    path = Path(run)
    return path.parent.name if path.name.startswith("seed-") else path.name


def _accuracy(percents: list[float]) -> str:
    """Return the mean over seeds with its interval, which ends where accuracies do."""
    mean, low, high = mean_interval(percents)
    return f"{mean:.2f} [{max(0.0, low):.2f}, {min(100.0, high):.2f}]"


LEARNS = {"all": "", "head": ", head alone", "head-then-all": ", head first"}
BOARDS = ("emulated:pi4", "emulated:pi5")
HEAD = (
    "run", "pictures", "start", "teacher", "int8 test top-1 %", "validation top-1 %", "drop pp", "training s"
)  # fmt: skip
COST_HEAD = (
    "run", "net", "parameters", "MACs", "int8 kB", "activations kB", "instructions, pi4", "instructions, pi5",
    "p50 here [95 %]",
)  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("folders", type=Path, nargs="+", help="of `edgecnn train --repeats`, every run exported")
    parser.add_argument("--bench", type=Path, nargs="*", default=[], help="reports of `edgecnn bench` on their files")
    parser.add_argument("-o", "--output", type=Path, required=True, help="a .json file")
    options = parser.parse_args()
    try:
        benches = [report.read(path) for path in options.bench]
        nets = [gather(folder, benches) for folder in options.folders]
        machines = {
            bench.board: {
                "date": bench.date,
                "command": bench.command,
                "environment": environment.to_table(bench.environment),
            }
            for bench in benches
        }
        record.write(options.output, {"machines": machines, "nets": nets})
    except EdgecnnError as error:
        console.error(error.sentence, error.hint)
        return error.exit_code
    console.table(HEAD, [row(net) for net in nets])
    console.table(COST_HEAD, [cost_row(net) for net in nets])
    return 0


if __name__ == "__main__":
    sys.exit(main())
