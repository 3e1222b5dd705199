"""The weights of a net whose shape depends on the number of classes: those of its last layer."""

from __future__ import annotations

from edgecnn import nets
from edgecnn.data import Splits
from edgecnn.records.recipe import NetPlan


def names(plan: NetPlan, splits: Splits) -> set[str]:
    """Return the names, in the net's state dict, of the weights whose shape depends on the number of classes."""
    count, shape = len(splits.train.classes), splits.train.input_shape
    fewer, more = (nets.build(plan, shape, classes).state_dict() for classes in (count, count + 1))
    return {name for name in fewer if fewer[name].shape != more[name].shape}
