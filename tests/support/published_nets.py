"""Weights under the names and in the shapes that timm 1.0.31 and torchvision 0.28 publish, drawn at random.

published_layers.txt has the name of each layer and the shape of its weight, in the order of the net: a layer with one
number is a batch norm, and the last one is linear.
"""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor

LAYERS = Path(__file__).with_name("published_layers.txt")
IMAGENET = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}


def weights(name: str) -> dict[str, Tensor]:
    """Return a whole state dict of a published net, with activations of a size that no layer drowns in."""
    generator = torch.Generator().manual_seed(0)
    tensors: dict[str, Tensor] = {}
    for layer, shape in _layers(name):
        if len(shape) == 1:
            tensors[f"{layer}.weight"] = torch.rand(shape, generator=generator) + 0.5
            tensors[f"{layer}.bias"] = torch.randn(shape, generator=generator) / 4
            tensors[f"{layer}.running_mean"] = torch.randn(shape, generator=generator) / 4
            tensors[f"{layer}.running_var"] = torch.rand(shape, generator=generator) + 0.5
            tensors[f"{layer}.num_batches_tracked"] = torch.tensor(1)
            continue
        inputs = shape[1:].numel()
        tensors[f"{layer}.weight"] = torch.randn(shape, generator=generator) * (2 / inputs) ** 0.5
    tensors[f"{layer}.bias"] = torch.zeros(shape[0])
    return tensors


def repository(architecture: str, pixels: dict[str, list[float]] = IMAGENET) -> dict[str, bytes]:
    """Return the files of a model as timm puts it on a hub."""
    config = {
        "architecture": architecture,
        "num_classes": 1000,
        "pretrained_cfg": {"input_size": [3, 224, 224], **pixels},
    }
    return {"config.json": json.dumps(config).encode(), "model.safetensors": save(weights(architecture))}


def _layers(name: str) -> list[tuple[str, torch.Size]]:
    lines = LAYERS.read_text().partition(f"# {name}\n")[2].partition("#")[0].splitlines()
    return [(layer, torch.Size(map(int, shape.split("x")))) for layer, shape in map(str.split, lines)]
