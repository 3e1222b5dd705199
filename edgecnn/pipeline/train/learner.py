"""The net that the training loop trains: a whole net on images, or the last layer alone on the rest's outputs.

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

import torch
from torch import Tensor, nn

from edgecnn.common import console
from edgecnn.data import Images, Split
from edgecnn.errors import PlanError
from edgecnn.nets import device, inference
from edgecnn.pipeline.train import checkpoint, pictures
from edgecnn.pipeline.train.job import TrainJob
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


def learner_of(job: TrainJob, recipe: Recipe, net: nn.Module, mean: float, std: float) -> Learner:
    """Return what a job trains: all of a net on images, or its last layer on features, which are computed here.

    Args:
        job: with the images.
        recipe: of a phase of it; if it flips images, a head learns from the features of the mirrored ones too.
        net: with the weights that the training starts from.
        mean: of the pixels, to normalize them.
        std: of the pixels, to normalize them.

    Raises:
        PlanError: only the last layer is to be trained, and the net does not end in one linear layer.
    """
    if recipe.learn == "head":
        return _of_head(job, recipe.augment.flip, net, mean, std)
    training = job.pictures.all
    return Learner(net, training, job.splits.validation, mean, std, checkpoint.digest(training), lambda net: net)


def _of_head(job: TrainJob, flip: bool, net: nn.Module, mean: float, std: float) -> Learner:
    splits = job.splits
    name, last = _last_layer(net, job.of_classes)
    body = device.move(net, job.device)
    count = len(splits.train) * (1 + flip) + len(splits.validation)
    with console.progress(f"{job.recipe.name}: features", count) as advance:

        def features(split: Split, mirrored: bool = False) -> Split:
            """Return a split whose images (N, 1, 1, F) are what reaches the last layer."""
            reached: list[Tensor] = []

            def note(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
                reached.append(inputs[0].to("cpu"))
                advance(len(inputs[0]))

            with last.register_forward_pre_hook(note):
                inference.logits(body, split.images, mean, std, mirrored)
            images = cast(Images, torch.cat(reached).numpy()[:, None, None, :])
            return dataclasses.replace(split, images=images, larger=None)

        training = features(splits.train)
        if flip:
            training = pictures.joined(training, features(splits.train, mirrored=True))
        validation = features(splits.validation)
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
        raise PlanError(
            "A head is the last linear layer, and this net ends in none.", "leave learn out to train it all"
        )
    return name, last
