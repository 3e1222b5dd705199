"""Measure what augmentation costs, ours and kornia's; makes bench/results/augment-speed.json.

    pip install --no-deps kornia kornia-rs
    python bench/augment_speed.py -o bench/results/augment-speed.json

Seconds of the processor for a batch of 32 pictures of 224 x 224, by turns, with one thread. kornia is timed where it is
installed; every change is set to come to all pictures, and its TrivialAugment makes one change for a whole batch.
"""

from __future__ import annotations

import argparse
import importlib
import statistics
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import record
import torch

from edgecnn.common import console
from edgecnn.common.stats import median_interval
from edgecnn.pipeline.train.augment import augment
from edgecnn.records.recipe import AugmentPlan

BATCH, SIDE, LARGER = 32, 224, 258
FILL = 114.0
PLANS = {
    "random resized crop": AugmentPlan(resized_crop=0.4),
    "colour jitter": AugmentPlan(jitter=0.3, saturation=0.3, hue=20.0),
    "random erasing": AugmentPlan(erasing=1.0),
    "TrivialAugment": AugmentPlan(trivial=True),
}


def ours(name: str) -> Callable[[], object]:
    """Change one batch, uint8 in and float32 out, as a training does."""
    plan, side = PLANS[name], LARGER if "crop" in name else SIDE
    pixels = torch.randint(
        0, 256, (BATCH, side, side, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
    )
    generator = torch.Generator().manual_seed(1)
    return lambda: augment(pixels, plan, FILL, generator, size=(SIDE, SIDE))


def theirs(name: str) -> Callable[[], object]:
    """The same by kornia, float32 in and out."""
    kornia = importlib.import_module("kornia.augmentation")
    changes: dict[str, Callable[[], Any]] = {
        "random resized crop": lambda: kornia.RandomResizedCrop((SIDE, SIDE), scale=(0.4, 1.0)),
        "colour jitter": lambda: kornia.ColorJitter(0.3, 0.3, 0.3, 20 / 360, p=1.0),
        "random erasing": lambda: kornia.RandomErasing(p=1.0),
        "TrivialAugment": lambda: importlib.import_module("kornia.augmentation.auto").TrivialAugment(),
    }
    side = LARGER if "crop" in name else SIDE
    images, change = torch.rand(BATCH, 3, side, side), changes[name]()
    return lambda: change(images)


def timed(change: Callable[[], object]) -> float:
    start = time.process_time()
    change()
    return time.process_time() - start


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("-o", "--output", type=Path, required=True, help="a .json file")
    options = parser.parse_args()
    torch.set_num_threads(1)
    sides: dict[str, Callable[[str], Callable[[], object]]] = {"edgecnn": ours}
    if find_spec("kornia"):
        sides["kornia"] = theirs
    results = []
    for name in PLANS:
        changes = {side: make(name) for side, make in sides.items()}
        for change in changes.values():
            change()  # warm
        times_ms: dict[str, list[float]] = {side: [] for side in sides}
        for _ in range(options.rounds):
            for side, change in changes.items():
                times_ms[side].append(1000 * timed(change))
        results.append({"name": name, "batch": BATCH, "side": SIDE, "times_ms": times_ms})
    record.write(options.output, {"results": results})
    console.table(
        ("augmentation", *(f"{side}, ms a batch [95 %]" for side in sides)), [_row(result) for result in results]
    )
    return 0


def _row(result: dict[str, Any]) -> list[str]:
    words = []
    for times in result["times_ms"].values():
        low, high, _ = median_interval(sorted(times))
        words.append(f"{statistics.median(times):.1f} [{low:.1f}, {high:.1f}]")
    return [result["name"], *words]


if __name__ == "__main__":
    sys.exit(main())
