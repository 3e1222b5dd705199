"""Recipes with damage: in inspect, which builds the net, and in a training of one epoch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import fuzz
import mutate

COMMANDS = (
    ("inspect", "r.toml"),
    ("inspect", "r.toml", "--json"),
    ("train", "r.toml", "--output", "runs", "--epochs", "1", "-s", "data.fraction=0.1"),
)
BEGUN = " pictures to train on"
MODELS = Path(__file__).parents[2] / "models"


def attack(scratch: Path) -> dict[str, Any]:
    targets = []
    for name in ("dscnn-digits", "vit-digits", "mlp-digits", "resnet8"):
        folder = scratch / "seeds" / name
        folder.mkdir(parents=True, exist_ok=True)
        text = (MODELS / f"{name}.toml").read_text(encoding="utf-8")
        (folder / "r.toml").write_text(text.replace('"cifar10"', '"digits"'), encoding="utf-8")
        targets.append(
            fuzz.Target(folder=folder, file="r.toml", commands=COMMANDS, mutate=mutate.text_of, at_work=BEGUN)
        )
    return fuzz.attack(
        "recipe", targets, scratch, warm=("torch", "edgecnn.pipeline.train.train", "edgecnn.checks.inspect")
    )
