"""Weights of a run with damage, in the verbs that read them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import _models
import fuzz

from edgecnn import plans

COMMANDS = (
    ("export", "run", "--format", "onnx", "--precision", "fp32"),
    ("train", "next.toml", "--output", "."),
    ("verify", "run", "--limit", "8"),
)
WARM = ("torch.onnx", "onnxscript", "safetensors.torch", "edgecnn.export")
NEXT = """name = "next"
start = "run"
epochs = 1
num_threads = 1

[data]
name = "digits"
fraction = 0.1
only_unseen = true

"""


def attack(scratch: Path) -> dict[str, Any]:
    folder = scratch / "seed"
    made = _models.run(folder / "run")
    net = plans.dump(made.recipe).partition("[net]")[2].partition("\n\n")[0]
    (folder / "next.toml").write_text(f"{NEXT}[net]{net}\n", encoding="utf-8")
    target = fuzz.Target(folder=folder, file="run/model.safetensors", commands=COMMANDS)
    return fuzz.attack("safetensors", [target], scratch, warm=WARM)
