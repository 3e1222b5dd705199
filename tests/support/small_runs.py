"""Runs that cost no training: nets with random weights, and pictures whose classes are told by their brightness."""

from __future__ import annotations

import functools
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file

from edgecnn import formats, nets
from edgecnn.data import Split, Splits
from edgecnn.pipeline.export import exportable as quantize
from edgecnn.pipeline.export.exportable import Exportable
from edgecnn.records import plans
from edgecnn.records.artifact import Artifact, Preprocessing
from edgecnn.records.plans import ExportPlan
from edgecnn.records.recipe import DataPlan, NetPlan, Recipe
from edgecnn.records.run import Run, write_facts

QUICK = ("epochs=6", "num_threads=1", "precision=fp32")
"""Overrides that make a recipe of the digits train in seconds."""

CLASSES = ("dark", "dim", "grey", "bright")
SHAPES = {"dscnn": (1, 8, 8), "mlp": (3, 8, 8), "vit": (1, 8, 8), "resnet": (3, 32, 32)}
OPTIONS: dict[str, dict[str, Any]] = {
    "dscnn": {"width": 8, "stages": 2, "depth": 1, "activation": "relu6"},
    "mlp": {"hidden": 32, "last": 16},
    "vit": {"patch": 4, "dim": 8, "depth": 1, "heads": 2, "mlp_dim": 16},
    "resnet": {},
}


def pictures(count: int, shape: tuple[int, int, int], seed: int) -> Split:
    """Noise around one brightness a class, uint8 (count, H, W, C)."""
    channels, height, width = shape
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % len(CLASSES)
    level = 32 + 64 * labels[:, None, None, None]
    noise = rng.integers(-31, 32, (count, height, width, channels))
    return Split((level + noise).astype(np.uint8), labels.astype(np.int64), CLASSES)


def splits(shape: tuple[int, int, int], count: int = 64) -> Splits:
    return Splits(pictures(count, shape, 1), pictures(8, shape, 2), pictures(count, shape, 3), np.arange(count))


def run(net: str, folder: Path) -> Run:
    """A finished run of `net` with random weights, its batch norms fitted to the pictures."""
    shape = SHAPES[net]
    plan = NetPlan(name=net, options=OPTIONS[net])
    torch.manual_seed(0)
    module = nets.build(plan, shape, len(CLASSES))
    mean, std = 120.0, 70.0
    seen = torch.from_numpy(pictures(64, shape, 1).load_all().transpose(0, 3, 1, 2).copy()).float()
    with torch.no_grad():
        for parameter in module.parameters():
            if parameter.ndim == 1:
                parameter.add_(0.1 * torch.randn_like(parameter))  # no bias is 0, so none can be dropped
        module.train()
        for _ in range(20):
            module((seen - mean) / std)
    recipe = Recipe(name=net, data=DataPlan(name="digits"), net=plan)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "recipe.toml").write_text(plans.dump(recipe))
    save_file(module.state_dict(), folder / "model.safetensors")
    made = Run(
        folder=folder,
        recipe=recipe,
        input_shape=shape,
        labels=CLASSES,
        mean=mean,
        std=std,
        params=0,
        macs=0,
        validation_top1_percent=100.0,
        validation_n=8,
        train_seconds=0.0,
    )
    write_facts(made)
    return made


@functools.cache
def _home() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory()


@functools.cache
def exportable(net: str, **plan: Any) -> Exportable:
    """The prepared net, once a session."""
    return quantize.prepare(run(net, Path(_home().name) / net), splits(SHAPES[net]), ExportPlan(name="test", **plan))


@functools.cache
def written(net: str, format_name: str, precision: str, **plan: Any) -> Artifact:
    """One file of the net, written once a session."""
    model = exportable(net, **{key: value for key, value in plan.items() if key == "weight_range"})
    marks = "-".join([precision, *map(str, plan.values())])
    path = model.run.folder / f"{net}-{marks}{formats.get(format_name).SUFFIX}"
    formats.get(format_name).write(model, precision, ExportPlan(name="test", **plan), path)
    return artifact(path, model.preprocessing)


def artifact(path: Path, preprocessing: Preprocessing) -> Artifact:
    return Artifact(path=path, description=formats.describe(path), preprocessing=preprocessing, labels=CLASSES)
