"""The features that a classifier gets of each picture: those of a net that knows ImageNet, or else small ones.

The net is efficientnet-lite0 of the extra [pretrained]. Its features stay in a file; their principal components are in
memory, 0.5 kB a picture. The small features need no download: colours and edges of 8 x 8 blocks (`measures`).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.checks.data import cross_validation
from edgecnn.checks.data.measures import Measures
from edgecnn.common import console
from edgecnn.data import Overview
from edgecnn.errors import MissingPackage
from edgecnn.records import pretrained
from edgecnn.records.recipe import NetPlan

NET = "efficientnet-lite0"
SIZE = 129
"""Height and width of what the net is shown: 32 n + 1 pixels lay the filters where they lay on ImageNet."""
WIDTH = 1280
"""Features of the net."""
COMPONENTS = 128
"""Principal components of the features that the classifier is shown; of 12 flowers it was as often right with all."""
BLOCK = 1024
"""Pictures whose features are in memory at a time."""
SMALL = "colours and edges of 8 x 8 blocks"


@dataclass(frozen=True)
class Features:
    """Numbers that describe each picture, and the classifier that fits them."""

    words: str
    """What they are, in a few words."""
    values: npt.NDArray[Any]
    """(N, F)."""
    is_pretrained: bool

    def model(self) -> Any:
        """Return a new classifier for them."""
        return cross_validation.linear() if self.is_pretrained else cross_validation.trees()


def best(seen: Overview, measures: Measures, scratch: Path) -> Features:
    """Return the features of the net if it is installed, else the small ones.

    Args:
        seen: The pictures.
        measures: Of the same pictures.
        scratch: A folder for a file that is needed as long as the features are.
    """
    try:
        return Features(f"features of {NET} at {SIZE} x {SIZE}", principal(_of_net(seen, scratch)), True)
    except MissingPackage:
        return Features(SMALL, measures.blocks.reshape(len(measures.blocks), -1), False)


def _of_net(seen: Overview, scratch: Path) -> npt.NDArray[np.float16]:
    """Return the features of the pretrained net, float16 (N, WIDTH), in a file. Raises MissingPackage."""
    try:
        import torch

        from edgecnn import nets
        from edgecnn.nets import inference
        from edgecnn.pipeline.train import start as starts
    except ImportError as error:
        raise MissingPackage("torch", "train", "A pretrained net") from error
    shape = (3, SIZE, SIZE)
    net = nets.build(NetPlan(name="efficientnet-lite"), shape, 2)
    last = {"head.linear.weight", "head.linear.bias"}
    new = starts.NewNet(own=net.state_dict(), of_classes=last, classes=("", ""), input_shape=shape)
    begun = starts.load(f"{pretrained.PREFIX}{NET}", new)
    net.load_state_dict(dict(begun.weights))
    net.get_submodule("head").add_module("linear", torch.nn.Identity())  # what reaches the last layer comes out
    mean, std = begun.normalisation or (0.0, 1.0)
    pixels = seen.pixels(SIZE)
    path = scratch / "features.npy"
    features = np.lib.format.open_memmap(path, "w+", np.float16, (len(pixels), WIDTH))
    with console.progress(f"features of {NET}", len(pixels)) as advance:
        for start in range(0, len(pixels), BLOCK):
            block = pixels[start : start + BLOCK]
            features[start : start + len(block)] = inference.logits(net, block, mean, std).numpy()
            advance(len(block))
    return features


def principal(features: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """Return the first COMPONENTS principal components of features (N, F), which are read a block at a time."""
    count, width = features.shape
    blocks = [np.s_[start : start + BLOCK] for start in range(0, count, BLOCK)]
    total, products = np.zeros(width), np.zeros((width, width))
    for block in blocks:
        part = np.asarray(features[block], dtype=np.float32)
        total += part.sum(0)
        products += part.T @ part
    mean = total / count
    _, axes = np.linalg.eigh(products / count - np.outer(mean, mean))  # (F, F), the largest variance last
    chosen = axes[:, ::-1][:, :COMPONENTS].astype(np.float32)
    shifted = mean.astype(np.float32)
    return np.concatenate([(np.asarray(features[block], dtype=np.float32) - shifted) @ chosen for block in blocks])
