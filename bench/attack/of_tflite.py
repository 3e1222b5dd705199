"""TFLite files with damage, in the verbs that open model files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import _models


def attack(scratch: Path) -> dict[str, Any]:
    return _models.attack(scratch, "tflite")
