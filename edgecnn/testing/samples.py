"""Runs that cost no training: nets with random weights, and pictures whose classes are told by their brightness."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edgecnn.data import Split, Splits
from edgecnn.records import plans
from edgecnn.records.recipe import DataPlan, NetPlan, Recipe
from edgecnn.records.run import WEIGHTS, Run, write_facts

if TYPE_CHECKING:
    from torch import nn

    from edgecnn.pipeline.export.scheme import Scheme

CLASSES = ("dark", "dim", "grey", "bright")
SHAPES = {"dscnn": (1, 8, 8), "mlp": (3, 8, 8), "vit": (1, 8, 8), "resnet": (3, 32, 32)}
OPTIONS: dict[str, dict[str, Any]] = {
    "dscnn": {"width": 8, "stages": 2, "depth": 1, "activation": "relu6"},
    "mlp": {"hidden": 32, "last": 16},
    "vit": {"patch": 4, "dim": 8, "depth": 1, "heads": 2, "mlp_dim": 16},
    "resnet": {},
}


def pictures(count: int, shape: tuple[int, int, int], seed: int) -> Split:
    """Return noise around one brightness a class, uint8 (count, H, W, C)."""
    channels, height, width = shape
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % len(CLASSES)
    level = 32 + 64 * labels[:, None, None, None]
    noise = rng.integers(-31, 32, (count, height, width, channels))
    return Split((level + noise).astype(np.uint8), labels.astype(np.int64), CLASSES)


def splits(shape: tuple[int, int, int], count: int = 64) -> Splits:
    return Splits(pictures(count, shape, 1), pictures(8, shape, 2), pictures(count, shape, 3), np.arange(count))


def run(net: str, folder: Path) -> Run:
    """Return a finished run of `net` with random weights, its batch norms fitted to the pictures."""
    import torch

    from edgecnn import nets

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
    return write_run(folder, recipe, module, input_shape=shape, labels=CLASSES, mean=mean, std=std, validation_n=8)


def write_run(
    folder: Path,
    recipe: Recipe,
    module: nn.Module | None = None,
    *,
    input_shape: tuple[int, int, int],
    labels: tuple[str, ...],
    **facts: Any,
) -> Run:
    """Write the folder of a finished run as a training leaves it, without the training.

    Args:
        folder: The run folder, which may be there already.
        recipe: What the run is said to have trained.
        module: The net whose weights are written; None writes none.
        input_shape: (C, H, W)
        labels: The classes, in the order of the logits.
        **facts: Further fields of the Run; without them its numbers are of no training.
    """
    numbers: dict[str, Any] = {"mean": 0.0, "std": 1.0, "params": 0, "macs": 0}
    numbers |= {"validation_top1_percent": 100.0, "validation_n": 1, "train_seconds": 0.0}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "recipe.toml").write_text(plans.dump(recipe), encoding="utf-8")
    if module is not None:
        from safetensors.torch import save_file

        save_file(module.state_dict(), folder / WEIGHTS)
    finished = Run(folder=folder, recipe=recipe, input_shape=input_shape, labels=labels, **numbers | facts)
    write_facts(finished)
    return finished


def scheme(folder: Path, net: str = "mlp", **plan: Any) -> Scheme:
    """Return plain int8 of a finished run of `net` in `folder`, no rung taken."""
    from edgecnn import nets
    from edgecnn.pipeline.export import scheme as schemes
    from edgecnn.records.plans import ExportPlan

    made = run(net, folder)
    export_plan = ExportPlan(name="test", calib_samples=16, qat_epochs=1, **plan)
    return schemes.plain(made, splits(SHAPES[net]), export_plan, nets.restore(made))
