"""Measure what training under int8 rounding buys; makes bench/results/qat.json.

    python bench/qat_gain.py runs/ablation/base --epochs 2 -o bench/results/qat.json

Every seed of a folder of repeats becomes int8 twice, after training and through so many further epochs under rounding
(`qat_epochs` of a recipe), and both are asked the validation pictures. Gains are paired by seed.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import record
import torch

from edgecnn import data
from edgecnn.common import console
from edgecnn.common.stats import mean_interval
from edgecnn.data import Splits
from edgecnn.errors import EdgecnnError
from edgecnn.pipeline.export import check, exportable, scheme
from edgecnn.records.plans import ExportPlan
from edgecnn.records.run import Run


def int8_top1(run: Run, splits: Splits, plan: ExportPlan) -> float:
    """Return the accuracy of the int8 net on the validation pictures, in percent."""
    graph = exportable.prepare(run, splits, plan).int8_module(fold_weights=True)
    labels, correct = torch.from_numpy(splits.validation.labels), 0
    with torch.no_grad():
        for start in range(0, len(labels), scheme.BATCH):
            pictures = splits.validation.images[start : start + scheme.BATCH]
            answers = graph(scheme.normalised(pictures, run)).argmax(1)
            correct += int((answers == labels[start : start + scheme.BATCH]).sum())
    return 100 * correct / len(labels)


def measure(run: Run, epochs: int) -> dict[str, float]:
    splits = data.load(run.recipe.data)
    answers = check.reference_logits(run, splits.validation.images).argmax(1)
    top1 = {
        "float": 100 * float((answers == splits.validation.labels).mean()),
        "after_training": int8_top1(run, splits, ExportPlan(name="after")),
        "qat": int8_top1(run, splits, ExportPlan(name="qat", rungs={"qat": {"epochs": epochs}})),
    }
    console.note(f"{run.folder}: " + ", ".join(f"{name} {value:.2f} %" for name, value in top1.items()))
    return top1


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("repeats", type=Path, help="a folder of `edgecnn train --repeats`")
    parser.add_argument("--epochs", type=int, default=2, help="under rounding")
    parser.add_argument("-o", "--output", type=Path, required=True, help="a .json file")
    options = parser.parse_args()
    try:
        runs = record.seeds(options.repeats)
        results = [measure(run, options.epochs) for run in runs]
        gain = mean_interval([result["qat"] - result["after_training"] for result in results])
        drops = {
            name: mean_interval([result["float"] - result[name] for result in results])
            for name in ("after_training", "qat")
        }
        table: dict[str, Any] = {
            "recipe": runs[0].recipe.name,
            "params": runs[0].params,
            "validation_n": runs[0].validation_n,
            "qat_epochs": options.epochs,
            "top1_percents": results,
            "gain_pp": gain,
            "drop_pp": drops,
        }
        record.write(options.output, table)
    except EdgecnnError as error:
        console.error(error.sentence, error.hint)
        return error.exit_code
    rows = [[name, "{:+.2f} [{:+.2f}, {:+.2f}]".format(*drop)] for name, drop in drops.items()]
    console.table(("int8", "drop pp [95 %]"), rows)
    print("gain {:+.2f} pp [{:+.2f}, {:+.2f}]".format(*gain) + f", n {len(results)} seeds")
    return 0


if __name__ == "__main__":
    sys.exit(main())
