"""Count the copies of a picture that are found, and others taken for copies; makes bench/results/near-copies.json.

    python bench/near_copies.py FOLDER... -o bench/results/near-copies.json

Of every folder some pictures are drawn by a seed. Each is saved again in several ways; stated is the share of the pairs
(picture, copy) that are found, with its interval. The other pictures are each other's strangers: stated are the pairs
among them that are taken for copies, with their names, for a person to look at.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import record
from PIL import Image

from edgecnn.common import console
from edgecnn.common.stats import wilson
from edgecnn.data import _decoded, _near_copies
from edgecnn.errors import EdgecnnError
from edgecnn.onboard import picture_files

SEED = 0
Way = Callable[[Image.Image], tuple[Image.Image, str, dict[str, int]]]


def shifted(pixels: float) -> Way:
    """The camera moved by so many pixels, or by that share of the width, right and down."""

    def way(image: Image.Image) -> tuple[Image.Image, str, dict[str, int]]:
        step = round(pixels * image.width) if pixels < 1 else int(pixels)
        return image.crop((step, step, image.width, image.height)), ".jpg", {"quality": 85}

    return way


WAYS: dict[str, Way] = {
    "as PNG": lambda image: (image, ".png", {}),
    "JPEG of quality 30": lambda image: (image, ".jpg", {"quality": 30}),
    "half the size": lambda image: (image.resize((image.width // 2, image.height // 2)), ".jpg", {"quality": 85}),
    "96 x 96": lambda image: (image.resize((96, 96)), ".jpg", {"quality": 85}),
    "shifted by 1 pixel": shifted(1),
    "shifted by 3 pixels": shifted(3),
    "shifted by 1 % of the width": shifted(0.01),
    "shifted by 3 % of the width": shifted(0.03),
    "a tenth brighter": lambda image: (image.point(lambda v: min(255, round(1.1 * v))), ".jpg", {"quality": 85}),
    "mirrored": lambda image: (image.transpose(Image.Transpose.FLIP_LEFT_RIGHT), ".jpg", {"quality": 85}),
}


def measure(folder: Path, count: int) -> dict[str, Any]:
    """Count what is found among `count` pictures of the folder and their copies."""
    listed = list(picture_files.walk(folder).pictures)
    drawn = np.sort(np.random.default_rng(SEED).permutation(len(listed))[:count])
    chosen = [listed[index] for index in drawn]
    looked = _near_copies.look(listed, _decoded.digests(listed))
    ways = {}
    for name, way in WAYS.items():
        with tempfile.TemporaryDirectory(prefix="edgecnn-") as scratch:
            copies = []
            for number, path in enumerate(chosen):
                with Image.open(path) as opened:
                    image, suffix, how = way(opened.convert("RGB"))
                copies.append(Path(scratch, f"{number:05}{suffix}"))
                image.save(copies[-1], **how)  # type: ignore[arg-type]
            both = [*chosen, *copies]
            pairs = {tuple(pair) for pair in _near_copies.look(both, _decoded.digests(both)).pairs.tolist()}
        hits = sum((number, number + len(chosen)) in pairs for number in range(len(chosen)))
        ways[name] = {"found": hits, "n": len(chosen), "percent": str(wilson(hits, len(chosen)))}
        console.note(f"{folder.name}: {name} {hits} of {len(chosen)}")
    near = [[str(listed[a].relative_to(folder)), str(listed[b].relative_to(folder))] for a, b in looked.pairs.tolist()]
    return {
        "folder": folder.name,
        "pictures": len(listed),
        "ways": ways,
        "pairs_among_all": len(near),
        "first_pairs": near[:40],
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--count", type=int, default=240)
    parser.add_argument("-o", "--output", type=Path, required=True)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="edgecnn-") as cache:
        os.environ["XDG_CACHE_HOME"] = cache
        results = [measure(folder, asked.count) for folder in asked.folders]
    record.write(asked.output, {"results": results})
    rows = [
        [name, *(f"{result['ways'][name]['found']} of {result['ways'][name]['n']}" for result in results)]
        for name in WAYS
    ]
    console.table(("saved again", *(result["folder"] for result in results)), rows)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except EdgecnnError as error:
        console.error(error.sentence, error.hint)
        sys.exit(error.exit_code)
