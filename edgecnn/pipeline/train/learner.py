"""What the training loop trains: a whole net on images, or the last layer alone on what the rest makes of them.

The second is a linear probe (Alain and Bengio, 2017, ICLR workshop, arXiv:1610.01644): the weights that the training
starts from stay as they are, and every image goes through them once. Its features are images of 1 x 1 pixel to the
loop, with as many channels as there are features.
"""

from __future__ import annotations

import copy
import dataclasses
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from edgecnn.common import console
from edgecnn.data import Images, Split, Splits
from edgecnn.errors import PlanError
from edgecnn.nets import device, inference
from edgecnn.pipeline.train import checkpoint
from edgecnn.pipeline.train.start import class_weights
from edgecnn.records.recipe import Recipe


@dataclass(frozen=True)
class Learner:
    """A net, what it is trained on and how that is normalised."""

    net: nn.Module
    training: Split
    validation: Split
    mean: float
    std: float
    data_sha256: str
    """Digest of all that must be the same when the training is resumed."""
    whole: Callable[[nn.Module], nn.Module]
    """Returns the net that takes images, given the trained one."""

    def watched(self, watch: Callable[[int, nn.Module], None] | None) -> Callable[[int, nn.Module], None] | None:
        """Return the callback for the trained net that shows `watch` the whole one; None if there is no `watch`."""
        return None if watch is None else lambda epoch, net: watch(epoch, self.whole(net))


def of(net: nn.Module, recipe: Recipe, splits: Splits, mean: float, std: float, target: torch.device) -> Learner:
    """Return what the recipe trains: all of a net on images, or its last layer on features, which are computed here.

    Args:
        net: with the weights that the training starts from.
        recipe: if it flips images, a head learns from the features of the mirrored ones too.
        splits: of images.
        mean: of the pixels, to normalize them.
        std: of the pixels, to normalize them.
        target: the device to compute features on.

    Raises:
        PlanError: only the last layer is to be trained, and the net does not end in one linear layer.
    """
    if recipe.learn == "head":
        return _of_head(net, recipe, splits, mean, std, target)
    return Learner(net, splits.train, splits.validation, mean, std, checkpoint.digest(splits.train), lambda net: net)


def _of_head(net: nn.Module, recipe: Recipe, splits: Splits, mean: float, std: float, target: torch.device) -> Learner:
    name, last = _last_layer(net, class_weights.names(recipe.net, splits))
    body = device.move(net, target).eval()
    count = len(splits.train) * (1 + recipe.augment.flip) + len(splits.validation)
    with console.progress(f"{recipe.name}: features", count) as advance:
        training = _features(body, last, splits.train, mean, std, advance)
        if recipe.augment.flip:
            training = _joined(training, _features(body, last, splits.train, mean, std, advance, mirrored=True))
        validation = _features(body, last, splits.validation, mean, std, advance)
    device.move(net, device.CPU)

    def whole(head: nn.Module) -> nn.Module:
        net.get_submodule(name).load_state_dict(head.get_submodule("linear").state_dict())
        return net

    frozen = hashlib.sha256(checkpoint.digest(splits.train).encode())
    for key, value in net.state_dict().items():
        if not key.startswith(f"{name}."):
            frozen.update(value.contiguous().cpu().numpy().tobytes())
    head = nn.Sequential()
    head.add_module("flatten", nn.Flatten())  # (N, F, 1, 1) -> (N, F)
    head.add_module("linear", copy.deepcopy(last))  # an average of its weights is put into the net in every epoch
    return Learner(head, training, validation, 0.0, 1.0, frozen.hexdigest(), whole)


def _last_layer(net: nn.Module, of_classes: set[str]) -> tuple[str, nn.Linear]:
    """Return the name of the linear layer that makes the logits, and the layer itself."""
    layers = {name.rpartition(".")[0] for name in of_classes}
    name = layers.pop() if len(layers) == 1 else ""
    last = net.get_submodule(name)
    if not name or not isinstance(last, nn.Linear):
        raise PlanError("learn = 'head' is for a net that ends in one linear layer.", "leave learn out to train it all")
    return name, last


def _features(
    body: nn.Module,
    last: nn.Linear,
    split: Split,
    mean: float,
    std: float,
    advance: Callable[[int], None],
    mirrored: bool = False,
) -> Split:
    """Return a split whose images (N, 1, 1, F) are what reaches the last layer."""
    target, size, seen = device.net_device(body), inference.batch_size(split.images), list[Tensor]()
    handle = last.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].to("cpu")))
    try:
        with torch.inference_mode():
            for start in range(0, len(split), size):
                pixels = torch.from_numpy(np.array(split.images[start : start + size])).float()
                inputs = inference.normalised(pixels.flip(2) if mirrored else pixels, mean, std)
                body(device.move(inputs, target))
                advance(len(inputs))
    finally:
        handle.remove()
    features = torch.cat(seen).numpy()[:, None, None, :]
    return dataclasses.replace(split, images=cast(Images, features))


def _joined(first: Split, second: Split) -> Split:
    """Return the features of two splits of the same images, one after the other."""
    return Split(
        cast(Images, np.concatenate([first.images[:], second.images[:]])),
        np.concatenate([first.labels, second.labels]),
        first.classes,
    )
