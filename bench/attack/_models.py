"""Small models to damage, made by edgecnn itself from nets with random weights: the seeds of several parts."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import fuzz
import torch

from edgecnn import data, formats, nets
from edgecnn.pipeline.export import exportable as quantize
from edgecnn.pipeline.export.exportable import Exportable
from edgecnn.records.plans import ExportPlan
from edgecnn.records.recipe import DataPlan, NetPlan, Recipe
from edgecnn.records.run import Run
from edgecnn.testing import samples

NET: dict[str, Any] = {"width": 8, "stages": 2, "depth": 1}


def run(folder: Path) -> Run:
    """A finished run on the digits that learnt nothing."""
    splits = data.load(DataPlan(name="digits"))
    shape, labels = splits.train.input_shape, splits.train.classes
    plan = NetPlan(name="dscnn", options=NET)
    torch.manual_seed(0)
    module = nets.build(plan, shape, len(labels))
    recipe = Recipe(name="attacked", data=DataPlan(name="digits"), net=plan)
    facts = {"mean": 128.0, "std": 64.0, "params": 1, "macs": 1, "train_seconds": 1.0}
    facts |= {"validation_top1_percent": 10.0, "validation_n": 100}
    return samples.write_run(folder, recipe, module, input_shape=shape, labels=labels, **facts)


@functools.cache
def exportable(folder: Path) -> Exportable:
    return quantize.prepare(run(folder), data.load(DataPlan(name="digits")), ExportPlan(name="attack"))


def written(scratch: Path, format_name: str, precision: str) -> Path:
    """One file of that run, alone in a folder of its own."""
    model = exportable(scratch / "run")
    name = f"m{formats.get(format_name).SUFFIX}"
    path = scratch / "seeds" / f"{format_name}-{precision}" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    formats.get(format_name).write(model, precision, ExportPlan(name="attack"), path)
    return path


def attack(scratch: Path, format_name: str) -> dict[str, Any]:
    """Damage the int8 and the fp32 file of one format, in the verbs that open model files."""
    files = [written(scratch, format_name, precision) for precision in ("int8", "fp32")]
    targets = [fuzz.Target(folder=path.parent, file=path.name, commands=_commands(path.name)) for path in files]
    return fuzz.attack(format_name, targets, scratch)


def _commands(name: str) -> tuple[tuple[str, ...], ...]:
    return (
        ("inspect", name),
        ("doctor", name),
        ("selftest", name, "--record", "g.npz"),
        ("verify", name, "--data", "digits", "--limit", "8"),
        ("bench", name, "-s", "rounds=1", "--num-runs", "2", "--min-secs", "0", "--warmup-runs", "1"),
    )
