"""A table of what `make attack` counted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

RESULT = Path(__file__).resolve().parents[2] / "bench" / "results" / "attack.json"
WORDS = {
    "deploy_kills": "`edgecnn deploy` killed at random moments",
    "full_disk": "full disks of 20 sizes for runs, temporary files and the cache",
    "hostile_board": "boards that lie, and never end",
    "kills": "train, export, bench, run, duel and repeats killed at random moments",
    "load": "`serve` under load: floods, slow bodies, ten times what it can answer",
    "names": "hostile names, labels and notes",
    "of_c_array": "C arrays with damage",
    "of_checkpoint": "checkpoints with damage: none is resumed",
    "of_json": "runs, cards, manifests, reports and plans with damage",
    "of_npz": "golden vectors with damage",
    "of_onnx": "ONNX files with damage",
    "of_pictures": "pictures of twelve kinds with damage",
    "of_recipe": "recipes with damage",
    "of_safetensors": "weights with damage",
    "of_tflite": "TFLite files with damage",
}


def attack() -> str:
    """A row for each part, and on which machines."""
    parts: dict[str, dict[str, Any]] = json.loads(RESULT.read_text(encoding="utf-8"))["parts"]
    lines = ["| what | tried | held | most MB | most s of CPU |", "| --- | ---: | ---: | ---: | ---: |"]
    for name, counts in sorted(parts.items()):
        row = [WORDS[name], f"{counts['tried']:,}", f"{counts['held']:,}"]
        row += [f"{counts[key]:,}" if key in counts else "" for key in ("largest_mb", "slowest_s")]
        lines.append(f"| {' | '.join(row)} |")
    kills = sum(counts.get("kills", 0) for counts in parts.values())
    tried, held = (sum(counts[key] for counts in parts.values()) for key in ("tried", "held"))
    machines = "; ".join(sorted({counts["machine"] for counts in parts.values()}))
    lines.append(f"| all{f', with {kills:,} SIGKILLs' if kills else ''} | {tried:,} | {held:,} | | |")
    return "\n".join(lines) + f"\n\nOn {machines}.\n"
