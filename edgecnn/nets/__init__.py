"""Nets: a file here is an architecture. Contract: `Net`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, cast

from edgecnn import plugins
from edgecnn.errors import RunError
from edgecnn.recipes import NetPlan

if TYPE_CHECKING:
    from torch import nn

    from edgecnn.run import Run


class Net(Protocol):
    """What a file of this folder provides."""

    KNOBS: tuple[str, ...]
    """Integer options of `build` that scale the net, coarse first; the budget solver turns them."""
    ANY_SIZE: bool
    """Whether the same weights take pictures of any height and width."""

    def build(self, *, input_shape: tuple[int, int, int], classes: int) -> nn.Module:
        """float32 (N, C, H, W), normalised -> logits (N, classes), for input_shape = (C, H, W).

        Further keyword arguments with defaults are the options of a recipe's [net] table. Weights
        are drawn from torch's global generator. Raises PlanError for numbers that do not fit.
        """
        ...


def get(name: str) -> Net:
    """The net of that name; a UsageError lists the known ones."""
    return cast(Net, plugins.load("nets", name))


def build(plan: NetPlan, input_shape: tuple[int, int, int], classes: int) -> nn.Module:
    """The net a recipe's [net] table describes; from here on no training overflows (`edgecnn.safe_kernels`)."""
    from edgecnn import safe_kernels

    safe_kernels.protect()
    return plugins.call(get(plan.name).build, plan.options, "[net]", input_shape=input_shape, classes=classes)


def restore(run: Run) -> nn.Module:
    """The trained net of a run in eval mode: float32 (N, C, H, W), normalised -> logits (N, K)."""
    from safetensors.torch import load_file

    shape = (run.input_shape[0], run.input_shape[1], run.input_shape[2])
    net = build(run.recipe.net, shape, len(run.labels))
    try:
        net.load_state_dict(load_file(run.weights))
    except (OSError, RuntimeError, ValueError) as error:
        raise RunError(f"{run.weights} does not hold the weights of {run.recipe.net.name!r}: {error}.") from error
    return net.eval()
