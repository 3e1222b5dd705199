"""Training on more pictures than fit: how bench/results/large-data.json is made. Linux, 3.1 GB of disk.

    python bench/large_data.py -o bench/results/large-data.json

`edgecnn train` is run three times in a process of its own, one epoch each, which reads every training picture once:

    few         on 1,000 pictures: what Python, PyTorch and the training loop take by themselves
    generated   on --pictures of them, drawn into a file first
    kept        on the same again, the file being there

Resident memory is read from /proc while they run: its peak as the kernel keeps it (VmHWM), and of its two parts, pages
of its own (RssAnon) and pages of files (RssFile), the largest that was seen every INTERVAL_S. Then batches in random
order are read from the file and from memory, in turns.

Exit code 1 if a training takes --limit bytes more than the one on few pictures.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import record

from edgecnn import data
from edgecnn.common import console, files
from edgecnn.common.stats import median_interval
from edgecnn.data import Images
from edgecnn.errors import EXIT_GATE, EXIT_PASS, EdgecnnError, EnvironmentUnfit
from edgecnn.records import environment, plans
from edgecnn.records.recipe import AugmentPlan, DataPlan, NetPlan, OptimPlan, Recipe

FEW = 1_000
LIMIT_BYTES = 2 * 10**9
INTERVAL_S = 0.01
PEAKS = {"VmHWM": "peak_rss_bytes", "RssAnon": "peak_anonymous_bytes", "RssFile": "peak_file_bytes"}
BATCH = 128
COMPARED = 200_000
"""Pictures of the comparison with memory, which are held in it."""


def recipe(name: str, pictures: int) -> Recipe:
    """A depthwise-separable net on generated outlines, for one epoch."""
    return Recipe(
        name=name,
        data=DataPlan(name="shapes", validation=0.05, options={"count": pictures}),
        net=NetPlan(name="dscnn", options={"width": 16, "stages": 3, "depth": 1, "stem_stride": 2}),
        optim=OptimPlan(lr=0.01),
        augment=AugmentPlan(flip=True, shift=2),
        epochs=1,
        batch_size=BATCH,
        num_threads=1,
    )


def train(recipe: Recipe, folder: Path, cache: Path) -> dict[str, Any]:
    """`edgecnn train` watched to its end. Raises EnvironmentUnfit if it fails."""
    written = folder / f"{recipe.name}.toml"
    files.write_text(written, plans.dump(recipe))
    command = [sys.executable, "-m", "edgecnn", "train", str(written), "--output", str(folder)]
    started = time.perf_counter()
    with (folder / f"{recipe.name}.log").open("w+", encoding="utf-8") as said:
        child = subprocess.Popen(
            command, env={**os.environ, "XDG_CACHE_HOME": str(cache)}, stdout=subprocess.DEVNULL, stderr=said
        )
        try:
            peaks = watch(child)
        finally:
            child.kill()
            child.wait()
        seconds = time.perf_counter() - started
        if child.returncode:
            said.seek(0)
            raise EnvironmentUnfit(f"The training ended with {child.returncode}: {said.read().strip()[-500:]}")
    facts = json.loads((folder / recipe.name / "run.json").read_text(encoding="utf-8"))
    with (folder / recipe.name / "metrics.csv").open(encoding="utf-8") as stream:
        epoch = list(csv.DictReader(stream))[-1]
    return {
        "recipe": plans.dump(recipe),
        **peaks,
        "seconds": seconds,
        "epoch_seconds": float(epoch["seconds"]),
        "pictures_per_s": float(epoch["pictures_per_s"]),
        "params": facts["params"],
        "macs": facts["macs"],
    }


def watch(child: subprocess.Popen[bytes]) -> dict[str, int]:
    """The peaks of a process, in bytes, followed to its end."""
    peaks = dict.fromkeys(PEAKS.values(), 0)
    while child.poll() is None:
        for line in Path(f"/proc/{child.pid}/status").read_text(encoding="utf-8").splitlines():
            key, _, value = line.partition(":")
            if key in PEAKS:
                peaks[PEAKS[key]] = max(peaks[PEAKS[key]], 1024 * int(value.split()[0]))
        time.sleep(INTERVAL_S)
    return peaks


def reading(pictures: Images, rounds: int) -> dict[str, Any]:
    """Pictures a second of batches in random order, from the file and from memory, in turns."""
    count = min(len(pictures), COMPARED)
    held: dict[str, Images] = {"memory": pictures[:count], "file": pictures}
    order = np.random.default_rng(0).permutation(count)
    speeds: dict[str, list[float]] = {name: [] for name in held}
    for _ in range(rounds):
        for name, images in held.items():
            speeds[name].append(_per_s(images.__getitem__, order))
    slower = sorted(1e6 * (1 / b - 1 / a) for a, b in zip(speeds["memory"], speeds["file"], strict=True))
    low, high, percent = median_interval(slower)
    return {
        "batch": BATCH,
        "n": count,
        "rounds": rounds,
        "pictures_per_s": speeds,
        "file_slower_us": statistics.median(slower),
        "file_slower_low_us": low,
        "file_slower_high_us": high,
        "interval_percent": percent,
    }


def _per_s(read: Callable[[npt.NDArray[np.int64]], npt.NDArray[np.uint8]], order: npt.NDArray[np.int64]) -> float:
    started = time.perf_counter()
    for start in range(0, len(order), BATCH):
        read(order[start : start + BATCH])
    return len(order) / (time.perf_counter() - started)


def measure(count: int, limit: int, rounds: int) -> dict[str, Any]:
    if not Path("/proc/self/status").is_file():
        raise EnvironmentUnfit("Resident memory is read from /proc, which is not here.", "run it on Linux")
    with tempfile.TemporaryDirectory(prefix="edgecnn-") as scratch:
        folder, cache = Path(scratch), Path(scratch, "cache")
        sizes = {"few": FEW, "generated": count, "kept": count}
        trainings = {}
        for name, size in sizes.items():
            trainings[name] = train(recipe(name, size), folder, cache)
            console.note(
                f"{name}: {size:,} pictures, peak {trainings[name]['peak_rss_bytes'] / 1e6:,.0f} MB, "
                f"{trainings[name]['pictures_per_s']:,.0f} pictures/s"
            )
        os.environ["XDG_CACHE_HOME"] = str(cache)
        pictures = data.load(recipe("few", count).data).train.images
        few = trainings["few"]["peak_rss_bytes"]
        beyond = {name: trained["peak_rss_bytes"] - few for name, trained in trainings.items() if name != "few"}
        return {
            "pictures": count,
            "pictures_bytes": count * math.prod(pictures.shape[1:]),
            "trainings": trainings,
            "beyond_few_bytes": beyond,
            "limit_bytes": limit,
            "passed": max(beyond.values()) < limit,
            "reading": reading(pictures, rounds),
        }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--pictures", type=int, default=1_000_000)
    parser.add_argument("--limit", type=int, default=LIMIT_BYTES, help="bytes beyond the training on few pictures")
    parser.add_argument("--rounds", type=int, default=6, help="of the comparison with memory")
    parser.add_argument("-o", "--output", type=Path, required=True, help="a .json file")
    options = parser.parse_args()
    before = environment.condition().load_1min
    try:
        table = measure(options.pictures, options.limit, options.rounds)
        record.write(
            options.output,
            {
                "load_1min": [before, environment.condition().load_1min],
                **table,
            },
        )
    except EdgecnnError as error:
        console.error(error.sentence, error.hint)
        return error.exit_code
    head = ("training", "peak MB", "own MB", "of files MB", "pictures/s", "epoch s", "all s")
    console.table(head, [_row(name, training) for name, training in table["trainings"].items()])
    return EXIT_PASS if table["passed"] else EXIT_GATE


def _row(name: str, training: dict[str, Any]) -> list[str]:
    sizes = [f"{training[key] / 1e6:,.0f}" for key in PEAKS.values()]
    return [
        name,
        *sizes,
        f"{training['pictures_per_s']:,.0f}",
        f"{training['epoch_seconds']:.0f}",
        f"{training['seconds']:.0f}",
    ]


if __name__ == "__main__":
    sys.exit(main())
