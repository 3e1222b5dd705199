"""Smaller pictures in the first steps of a training: most of what a net learns early it learns from fewer pixels.

The first steps then cost as much less as they have fewer pixels, and the last see whole pictures, so that the net ends
where it will be used (progressive learning: M. Tan and Q. V. Le, 2021, ICML, arXiv:2104.00298, section 4).
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from edgecnn import nets
from edgecnn.errors import PlanError
from edgecnn.records.recipe import NetPlan, SmallPlan


def check(plan: SmallPlan, net: NetPlan) -> None:
    """Raise PlanError if the net's weights are for pictures of one size alone."""
    if not nets.get(net.name).ANY_SIZE:
        raise PlanError(
            f"The net {net.name!r} takes pictures of one size alone, and [small] asks for side = {plan.side}.",
            "leave out the recipe's [small] table",
        )


def resize_for_step(plan: SmallPlan | None, inputs: Tensor, step: int, steps: int) -> Tensor:
    """What `step` of `steps` shows the net of float32 (N, C, H, W): the same, or its smaller form (N, C, h, w)."""
    if plan is None or step >= plan.share * steps:
        return inputs
    height, width = inputs.shape[2:]
    return F.interpolate(inputs, size=_size(plan, height, width), mode="bilinear")


def _size(plan: SmallPlan, height: int, width: int) -> tuple[int, int]:
    return max(1, round(plan.side * height)), max(1, round(plan.side * width))
