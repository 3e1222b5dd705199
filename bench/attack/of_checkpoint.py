"""Checkpoints with damage: none is resumed."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import fuzz

from edgecnn.pipeline.train.train import train
from edgecnn.records import plans

SETTINGS = ("epochs=2", "num_threads=1", "precision=fp32", "net.width=8", "net.depth=1", "data.fraction=0.1")


class Cut(Exception):
    """The training ends here, as if the power had."""


def attack(scratch: Path) -> dict[str, Any]:
    seed = scratch / "seed"

    def cut(epoch: int, _net: object) -> None:
        if epoch == 1:
            raise Cut

    with contextlib.suppress(Cut):
        train(plans.load_recipe("dscnn-digits", SETTINGS), seed / "run", watch=cut)
    target = fuzz.Target(folder=seed, file="run/checkpoint.pt", commands=(("train", "run", "--resume"),), refused=True)
    return fuzz.attack("checkpoint", [target], scratch, warm=("edgecnn.pipeline.train.train", "sklearn.datasets"))
