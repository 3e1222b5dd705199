"""Data sets in COCO's layout, made on the spot."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import data_samples

CATEGORIES = [{"id": 1, "name": "person"}, {"id": 17, "name": "cat"}]
WIDTH, HEIGHT = 40, 20


def write(root: Path, part: str, boxes: list[list[tuple[str, float, float]]], folder: str = "", seed: int = 0) -> Path:
    """Pictures of 40 x 20, each with boxes (category, width, height), and the annotations that say so."""
    ids = {category["name"]: category["id"] for category in CATEGORIES}
    table: dict[str, list[dict[str, Any]]] = {"images": [], "annotations": [], "categories": CATEGORIES}
    place = root / (folder or part)
    place.mkdir(parents=True, exist_ok=True)
    for number, things in enumerate(boxes):
        name = f"{number:012}.jpg"
        data_samples.picture(seed + number, HEIGHT, WIDTH).save(place / name)
        table["images"].append({"id": 100 + number, "file_name": name, "width": WIDTH, "height": HEIGHT})
        for category, width, height in things:
            box = [1.0, 1.0, width, height]
            table["annotations"].append({"image_id": 100 + number, "category_id": ids[category], "bbox": box})
    (root / "annotations").mkdir(exist_ok=True)
    path = root / "annotations" / f"instances_{part}.json"
    path.write_text(json.dumps(table))
    return path


BOXES: list[list[tuple[str, float, float]]] = [
    [("person", 2, 2)],  # 4 of 800 square pixels: 0.5 %
    [("person", 2, 1.99)],
    [("cat", 30, 15)],
    [("cat", 30, 15), ("person", 1, 1), ("person", 10, 10)],
    [],
    [("person", 40, 20)],
]
