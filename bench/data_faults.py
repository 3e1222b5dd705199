"""Count the planted faults that `edgecnn data check` finds in photographs; makes bench/results/data-faults.json.

    python bench/data_faults.py FOLDER -o bench/results/data-faults.json

A copy of the folder (train/<class>/*.jpg and test/<class>/*.jpg) gets known faults, each in pictures of its own that a
seed draws. Stated is, for every kind and over all seeds, the share of them that is found (recall) and the share of what
is reported that was planted (precision), with Wilson's intervals; labels also by the small features, without the
pretrained net. Near-copies that the untouched folder has are no false alarms; every other report of an untouched
picture is one. The times are those of the untouched folder, with nothing in the cache.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import record
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter

from edgecnn.checks.data import check, features
from edgecnn.common import console
from edgecnn.common.stats import Proportion, wilson
from edgecnn.errors import EdgecnnError, MissingPackage
from edgecnn.records.data_check import DataCheck

WRONG_LABELS = 0.05
"""Share of all pictures that are put into a class where they do not belong."""
MAKE, MODEL, ORIENTATION = 0x010F, 0x0110, 0x0112
Change = Callable[[Path, np.random.Generator], None]


def redrawn(way: Callable[[Image.Image, np.random.Generator], Image.Image]) -> Change:
    """Return what changes the pixels of a file."""

    def change(path: Path, rng: np.random.Generator) -> None:
        with Image.open(path) as opened:
            image = opened.convert("RGB")
        way(image, rng).save(path, quality=85)

    return change


def brightened(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    gain = rng.uniform(4, 7)
    return image.point(lambda value: min(255, round(gain * value)))


def truncated(path: Path, rng: np.random.Generator) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * rng.uniform(0.1, 0.8))])


def turned(path: Path, rng: np.random.Generator) -> None:
    with Image.open(path) as opened:
        image = opened.convert("RGB").rotate(90, expand=True)
    tags = Image.Exif()
    tags[ORIENTATION] = 6
    image.save(path, quality=85, exif=tags)


CHANGES: dict[str, tuple[int, Change]] = {
    "blurred": (20, redrawn(lambda image, rng: image.filter(ImageFilter.GaussianBlur(rng.uniform(3, 6))))),
    "dark": (20, redrawn(lambda image, rng: ImageEnhance.Brightness(image).enhance(rng.uniform(0.08, 0.2)))),
    "over-exposed": (20, redrawn(brightened)),
    "low contrast": (10, redrawn(lambda image, rng: ImageEnhance.Contrast(image).enhance(rng.uniform(0.03, 0.12)))),
    "one colour": (
        5,
        redrawn(lambda image, rng: Image.new("RGB", image.size, tuple(rng.integers(0, 256, 3).tolist()))),
    ),
    "tiny": (5, redrawn(lambda image, rng: image.resize((int(rng.integers(20, 50)),) * 2))),
    "odd shape": (
        5,
        redrawn(lambda image, rng: image.crop((0, 0, image.width, image.height // int(rng.integers(3, 6))))),
    ),
    "unreadable": (5, truncated),
    "turned by EXIF": (5, turned),
}
"""Kind of fault -> (how many, what makes it)."""


def marked(path: Path, rng: np.random.Generator) -> None:
    """Write a white watermark of 10 pixels' height along the lower border, a few pixels up or down."""
    with Image.open(path) as opened:
        image = opened.convert("RGB")
    line = " ".join(["(c) flowers.example"] * 2)
    ImageDraw.Draw(image).text((int(rng.integers(0, 10)), image.height - int(rng.integers(12, 18))), line, "white")
    image.save(path, quality=75)


def of_another_camera(path: Path, rng: np.random.Generator) -> None:
    """Save a picture as another camera would: with its name, in another quality."""
    with Image.open(path) as opened:
        image = opened.convert("RGB")
    tags = Image.Exif()
    tags[MAKE], tags[MODEL] = "Sony", "ILCE-6000"
    image.save(path, quality=92, exif=tags)


def plant(folder: Path, seed: int) -> dict[str, set[str]]:
    """Put faults into a folder; return the pictures of every kind, by their path below it, and the classes of two."""
    rng = np.random.default_rng(seed)
    paths = sorted(folder.glob("*/*/*.jpg"))
    classes = sorted({path.parent.name for path in paths})
    with_mark, of_camera = rng.permutation(classes)[:2].tolist()
    for path in paths:
        if path.parent.name == with_mark:
            marked(path, rng)
        if path.parent.name == of_camera:
            of_another_camera(path, rng)
    drawn = iter(paths[place] for place in rng.permutation(len(paths)).tolist())
    planted: dict[str, set[str]] = defaultdict(set)
    planted["background"], planted["camera"] = {with_mark}, {of_camera}

    def note(kind: str, *changed: Path) -> None:
        planted[kind].update(str(path.relative_to(folder)) for path in changed)

    for _ in range(round(WRONG_LABELS * len(paths))):
        path = next(drawn)
        other = str(rng.choice([name for name in classes if name != path.parent.name]))
        moved = path.parents[1] / other / f"moved-{path.parent.name}-{path.name}"
        path.rename(moved)
        note("labels", moved)
    for kind, (count, change) in CHANGES.items():
        for path in [next(drawn) for _ in range(count)]:
            change(path, rng)
            note(kind, path)
    in_test = (path for path in drawn if path.parts[-3] == "test")
    for number in range(10):
        path = next(in_test)
        copy = folder / "train" / path.parent.name / f"copy-{path.name}"
        shutil.copy(path, copy)
        note("copies across splits", copy)
        path = next(in_test)
        copy = folder / "train" / path.parent.name / f"near-{path.name}"
        with Image.open(path) as opened:
            opened.resize((200, 200)).save(copy, quality=60)
        note("near-copies across splits", copy)
        if number < 5:
            path = next(in_test)
            other = str(rng.choice([name for name in classes if name != path.parent.name]))
            copy = path.parents[1] / other / f"twice-{path.name}"
            shutil.copy(path, copy)
            note("two classes", path, copy)
            note("labels", copy)
    return planted


def asked(folder: Path, is_pretrained: bool) -> DataCheck:
    """Return the check of a folder, with the pretrained net or as if it were not installed."""
    missing = MissingPackage(features.NET, "pretrained", "A pretrained net")
    hidden = mock.patch.object(features, "_of_net", side_effect=missing)
    with console.held_back(), mock.MagicMock() if is_pretrained else hidden:
        return check.check(str(folder))[0]


def found_files(result: DataCheck) -> dict[str, set[str]]:
    """Return the pictures that are reported, by kind; classes for the background and the camera."""
    kinds = {finding.kind: {suspect.file for suspect in finding.suspects} for finding in result.findings}
    return kinds | {finding.kind: set(finding.names) for finding in result.findings if finding.names}


def counted(pairs: Iterator[tuple[set[str], set[str]]]) -> dict[str, Any]:
    """Return recall and precision over all seeds, from (planted, reported) of each."""
    hits = planted_count = reported_count = 0
    for planted, reported in pairs:
        hits += len(planted & reported)
        planted_count += len(planted)
        reported_count += len(reported)
    return {
        "planted": planted_count,
        "reported": reported_count,
        "found": hits,
        "recall": _share(wilson(hits, planted_count)),
        "precision": _share(wilson(hits, reported_count)) if reported_count else None,
    }


def _share(share: Proportion) -> dict[str, float]:
    return {
        "percent": share.percent,
        "low_percent": share.low_percent,
        "high_percent": share.high_percent,
        "n": share.n,
    }


def measure(folder: Path, seeds: int) -> dict[str, Any]:
    """Plant faults by several seeds, and look for them. Raises what a check raises."""
    start = time.perf_counter()
    clean = asked(folder, is_pretrained=True)
    seconds = time.perf_counter() - start
    start = time.perf_counter()
    clean_small = asked(folder, is_pretrained=False)
    natural = found_files(clean)
    trials: list[tuple[dict[str, set[str]], dict[str, set[str]], dict[str, set[str]]]] = []
    accuracies: dict[str, list[Any]] = {"pretrained": [], "small": []}
    for seed in range(seeds):
        with tempfile.TemporaryDirectory(prefix="edgecnn-") as scratch:
            copy = Path(scratch, folder.name)
            shutil.copytree(folder, copy)
            planted = plant(copy, seed)
            results = [asked(copy, is_pretrained) for is_pretrained in (True, False)]
        for name, result in zip(accuracies, results, strict=True):
            accuracies[name].append(_share(result.probes[0].accuracy))
        trials.append((planted, found_files(results[0]), found_files(results[1])))
        console.note(f"seed {seed} is done")
    kinds = {}
    for kind in trials[0][0]:
        known = natural.get(kind, set()) if kind.startswith("near-copies") else set()
        kinds[kind] = counted((planted[kind], reported.get(kind, set()) - known) for planted, reported, _ in trials)
    kinds["labels, small features"] = counted(
        (planted["labels"], small.get("labels", set())) for planted, _, small in trials
    )
    return {
        "folder": folder.name,
        "pictures": clean.pictures,
        "classes": len(clean.classes),
        "seeds": seeds,
        "kinds": kinds,
        "accuracy_with_faults": accuracies,
        "clean": {
            "reported": {finding.kind: finding.n for finding in clean.findings if finding.n},
            "probes": {probe.name: _share(probe.accuracy) for probe in clean.probes},
            "small_labels_accuracy": _share(clean_small.probes[0].accuracy),
            "seconds": seconds,
            "stages_s": clean.stages_s,
            "small_stages_s": clean_small.stages_s,
        },
    }


HEAD = ("fault", "planted", "reported", "recall % [95 %]", "precision % [95 %]")


def rows(result: dict[str, Any]) -> list[list[str]]:
    """Return a line of the table under HEAD for every kind of fault."""
    return [
        [kind, f"{counts['planted']:,}", f"{counts['reported']:,}", _told(counts["recall"]), _told(counts["precision"])]
        for kind, counts in result["kinds"].items()
    ]


def _told(share: dict[str, float] | None) -> str:
    return "–" if share is None else "{percent:.1f} [{low_percent:.1f}, {high_percent:.1f}]".format(**share)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("-o", "--output", type=Path, required=True)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="edgecnn-") as cache:
        os.environ["XDG_CACHE_HOME"] = cache
        result = measure(options.folder, options.seeds)
    record.write(options.output, result)
    console.table(HEAD, rows(result))
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except EdgecnnError as error:
        console.error(error.sentence, error.hint)
        sys.exit(error.exit_code)
