"""ONNX files with damage, in the verbs that open model files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import _models
import fuzz

COMMANDS = (
    ("inspect", "m.onnx"),
    ("doctor", "m.onnx"),
    ("selftest", "m.onnx", "--record", "g.npz"),
    ("verify", "m.onnx", "--data", "digits", "--limit", "8"),
    ("bench", "m.onnx", "-s", "rounds=1", "--num-runs", "2", "--min-secs", "0", "--warmup-runs", "1"),
)


def attack(scratch: Path) -> dict[str, Any]:
    files = [_models.written(scratch, "onnx", precision) for precision in ("int8", "fp32")]
    targets = [fuzz.Target(folder=path.parent, file=path.name, commands=COMMANDS) for path in files]
    return fuzz.attack("onnx", targets, scratch)
