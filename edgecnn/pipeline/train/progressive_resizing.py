"""Progressive resizing: smaller images in the first steps of a training.

Most of what a net learns early it can learn from fewer pixels, at a cost that falls with their number. The last steps
see full-size images, so the net is trained at the size it is used at (progressive learning: M. Tan and Q. V. Le, 2021,
ICML, arXiv:2104.00298, section 4).
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from edgecnn import nets
from edgecnn.errors import PlanError
from edgecnn.records.recipe import NetPlan, SmallPlan


def check(plan: SmallPlan, net: NetPlan) -> None:
    """Raise PlanError if the net takes images of one size only."""
    if not nets.get(net.name).ANY_SIZE:
        raise PlanError(
            f"The net {net.name!r} takes pictures of one size alone, and [small] asks for side = {plan.side}.",
            "leave out the recipe's [small] table",
        )


def resize_for_step(plan: SmallPlan | None, inputs: Tensor, step: int, steps: int) -> Tensor:
    """Return the images that a step shows the net: resized in the first steps, unchanged in the others.

    Args:
        plan: how small the images are and for how long; None never resizes.
        inputs: float32 (N, C, H, W).
        step: counted from 0 over the whole training.
        steps: of the whole training.

    Returns:
        float32 (N, C, h, w), or `inputs` itself.
    """
    if plan is None or step >= plan.share * steps:
        return inputs
    return F.interpolate(inputs, size=sides(plan, *inputs.shape[2:]), mode="bilinear")


def sides(plan: SmallPlan, height: int, width: int) -> tuple[int, int]:
    """Return the height and width of the small images, in pixels."""
    return max(1, round(plan.side * height)), max(1, round(plan.side * width))
