"""Write a folder of small pictures in three classes, for pages that speak of the reader's own photographs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

CLASSES = ("daisy", "poppy", "tulip")


def write(folder: str, count: int = 30, side: int = 64) -> None:
    """Write `count` pictures of each class into FOLDER/CLASS: a drawn shape in a place, size and light of its own.

    Names are those of a photographer who takes three pictures of each flower: daisy_04_0.jpg, daisy_04_1.jpg, ...
    """
    random = np.random.default_rng(0)
    for number, name in enumerate(CLASSES):
        path = Path(folder) / name
        path.mkdir(parents=True)
        for index in range(count):
            image = Image.fromarray(random.integers(40, 120, (side, side, 3), dtype=np.uint8).astype(np.uint8))
            left, top, size = random.integers(4, 24), random.integers(4, 24), random.integers(20, 34)
            box = (int(left), int(top), int(left + size), int(top + size))
            draw = ImageDraw.Draw(image)
            colour = tuple(int(value) for value in random.integers(150, 255, 3))
            if number == 0:
                draw.ellipse(box, fill=colour)
            elif number == 1:
                draw.rectangle(box, fill=colour)
            else:
                draw.polygon([(box[0], box[3]), (box[2], box[3]), ((box[0] + box[2]) // 2, box[1])], fill=colour)
            image.save(path / f"{name}_{index // 3:02d}_{index % 3}.jpg", quality=90)
