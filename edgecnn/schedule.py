"""The learning rate as a function of the step alone, so that a resumed run continues where it stood."""

from __future__ import annotations

import math

from edgecnn.plans import OptimPlan


def learning_rate(optim: OptimPlan, step: int, steps: int) -> float:
    """The learning rate at `step` of `steps`: a linear rise for the warm-up's share, then down to 0.

    "one-cycle" falls linearly (L. N. Smith, 2018, arXiv:1803.09820), "cosine" along half a cosine
    (I. Loshchilov and F. Hutter, 2017, arXiv:1608.03983).
    """
    rising = optim.warmup * steps
    if step < rising:
        return optim.lr * (step + 1) / (rising + 1)
    done = (step - rising) / (steps - rising)
    return optim.lr * ((1 - done) if optim.schedule == "one-cycle" else (1 + math.cos(math.pi * done)) / 2)
