"""The learning rate as a function of the step alone, so that a resumed run continues where it stood."""

from __future__ import annotations

import math

from edgecnn.records.recipe import OptimPlan


def learning_rate(optim: OptimPlan, step: int, steps: int) -> float:
    """The learning rate at `step` of `steps`: a linear rise for the warm-up's share, then down.

    "one-cycle" falls linearly to 0 (L. N. Smith, 2018, arXiv:1803.09820), "cosine" along half a cosine to 0
    (I. Loshchilov and F. Hutter, 2017, arXiv:1608.03983), "exponential" by one factor a step to `optim.end`.
    """
    rising = optim.warmup * steps
    if step < rising:
        return optim.lr * (step + 1) / (rising + 1)
    done = (step - rising) / (steps - rising)
    match optim.schedule:
        case "one-cycle":
            return optim.lr * (1 - done)
        case "cosine":
            return optim.lr * (1 + math.cos(math.pi * done)) / 2
        case "exponential":
            return optim.lr * float(optim.end**done)
