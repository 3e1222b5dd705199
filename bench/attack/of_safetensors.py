"""Weights of a run with damage, in the verbs that read them."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import _models
import fuzz
import mutate

from edgecnn.records import plans

COMMANDS = (
    ("train", "next.toml", "--output", "."),
    ("train", "next.toml", "--output", "."),
    ("train", "next.toml", "--output", "."),
    ("export", "run", "--format", "onnx", "--precision", "fp32"),
)
WARM = ("torch.onnx", "onnxscript", "safetensors.torch", "edgecnn.pipeline.export.export")
NEXT = """name = "next"
start = "run"
epochs = 1
num_threads = 1

[data]
name = "digits"
fraction = 0.1
only_unseen = true

"""


def in_header(data: bytes, rng: random.Random) -> bytes:
    """Damage where names, types and shapes stand rather than among numbers, which any will do for."""
    end = 8 + int.from_bytes(data[:8], "little")
    kind = rng.random()
    if kind < 0.1:
        return mutate.bytes_of(data, rng)
    if kind < 0.5:
        return mutate.bytes_of(data[:end], rng) + data[end:]
    header = mutate.text_of(data[8:end], rng)
    return len(header).to_bytes(8, "little") + header + data[end:]


def attack(scratch: Path) -> dict[str, Any]:
    folder = scratch / "seed"
    made = _models.run(folder / "run")
    net = plans.dump(made.recipe).partition("[net]")[2].partition("\n\n")[0]
    (folder / "next.toml").write_text(f"{NEXT}[net]{net}\n", encoding="utf-8")
    target = fuzz.Target(folder=folder, file="run/model.safetensors", commands=COMMANDS, mutate=in_header)
    return fuzz.attack("safetensors", [target], scratch, warm=WARM)
