"""Classes of very different numbers of pictures: weights of the loss, or a draw that makes them equally frequent."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from edgecnn.common import console
from edgecnn.data import Split
from edgecnn.records import labels
from edgecnn.records.recipe import Recipe


def weights(training: Split) -> Tensor:
    """Return the weight of each class, float64 (K,): the inverse of its number of images, 1 on average over images."""
    counts = torch.bincount(torch.from_numpy(training.labels), minlength=len(training.classes))
    return len(training) / (len(training.classes) * counts.clamp(min=1).double())


def order(
    training: Split, sampling: Literal["shuffled", "balanced"], generator: torch.Generator
) -> npt.NDArray[np.int64]:
    """Return the images of one epoch, (N,): all of them shuffled, or N draws with every class equally likely."""
    if sampling == "shuffled":
        return torch.randperm(len(training), generator=generator).numpy()
    of_image = weights(training)[torch.from_numpy(training.labels)]
    return torch.multinomial(of_image, len(training), replacement=True, generator=generator).numpy()


def say(recipe: Recipe, training: Split) -> None:
    """Print how classes of different sizes are balanced, or warn that they are not."""
    counts = np.bincount(training.labels, minlength=len(training.classes)).tolist()
    apart = labels.uneven(counts)
    if recipe.data.sampling == "balanced":
        console.note("classes are drawn equally often, so the pictures of a rare one come more than once an epoch")
    elif recipe.optim.class_weights == "balanced":
        values = weights(training)
        console.note(f"classes count alike: their weights in the loss are {values.min():.2f} to {values.max():.2f}")
    elif apart:
        console.warn(
            f"the classes have {apart} pictures to learn from, so the rare ones count little; that all count alike:"
            ' optim.class_weights = "balanced", or data.sampling = "balanced"'
        )
