"""Nets: a file here is an architecture. Contract: `Net`."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

from edgecnn.common import files, plugins
from edgecnn.errors import PlanError, RunError
from edgecnn.nets import code
from edgecnn.records.recipe import NetPlan

if TYPE_CHECKING:
    from torch import nn

    from edgecnn.records.run import Run

LARGEST_NUMBER = 100_000
"""Of any option of a net."""
MOST_WEIGHTS = 50_000_000
"""Of a net that is trained; with gradients and an optimiser's two moments they take 3.2 GB."""


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


KIND = plugins.Kind("edgecnn.nets.architectures", "net", Net, "edgecnn.nets")


def get(name: str) -> Net:
    """The net of that name, a plug-in's or the user's own code; a UsageError lists the known plug-ins."""
    return code.load(name) if code.is_code(name) else cast(Net, KIND.load(name))


def build(plan: NetPlan, input_shape: tuple[int, int, int], classes: int) -> nn.Module:
    """The net a recipe's [net] table describes; from here on no training overflows (`edgecnn.nets.safe_kernels`).

    Raises PlanError for numbers beyond LARGEST_NUMBER, and for more than MOST_WEIGHTS unless on torch's device "meta",
    where weights take no room.
    """
    import torch

    from edgecnn.nets import safe_kernels

    safe_kernels.protect()
    for key, value in plan.options.items():
        if isinstance(value, (int, float)) and not abs(value) <= LARGEST_NUMBER:  # nor is NaN
            raise PlanError(f"[net] {key} = {value} should be at most {LARGEST_NUMBER:,}.")

    def made() -> nn.Module:
        return plugins.call(get(plan.name).build, plan.options, "[net]", input_shape=input_shape, classes=classes)

    if code.is_code(plan.name):  # not everything that a constructor may do works without numbers
        net = made()
        _refuse_too_many(plan, net)
        return net
    if torch.get_default_device().type == "meta":
        return _sized(made)
    with torch.device("meta"):
        _refuse_too_many(plan, _sized(made))
    return made()


def _refuse_too_many(plan: NetPlan, net: nn.Module) -> None:
    """Raise PlanError for a net of more than MOST_WEIGHTS."""
    weights = sum(parameter.numel() for parameter in net.parameters())
    if weights > MOST_WEIGHTS:
        raise PlanError(
            f"[net] {plan.name} would have {weights:,} weights, and at most {MOST_WEIGHTS:,} are trained here.",
            "make it narrower, or less deep",
        )


def _sized(made: Callable[[], nn.Module]) -> nn.Module:
    """What is made on the device "meta", where all that torch can refuse is a size."""
    try:
        return made()
    except (RuntimeError, OverflowError, TypeError) as error:
        raise PlanError("[net] has more weights than torch can count.", "make it narrower, or less deep") from error


def store(net: nn.Module, path: Path) -> str:
    """Write the weights of a net on the CPU to `path`, atomically, as safetensors; returns the file's sha256."""
    from safetensors.torch import save

    content = save({name: value.contiguous() for name, value in net.state_dict().items()})
    files.write_bytes(path, content)
    return hashlib.sha256(content).hexdigest()


def restore(run: Run) -> nn.Module:
    """The trained net of a run in eval mode: float32 (N, C, H, W), normalised -> logits (N, K).

    Raises:
        RunError: its weights are missing, are not those it was trained to, or are another net's.
        UsageError: its net is code that the user has not named (`edgecnn.nets.code`).
    """
    from safetensors.torch import load

    from edgecnn.nets import renormalised

    shape = (run.input_shape[0], run.input_shape[1], run.input_shape[2])
    if run.weights.exists() and not run.weights.is_file():
        raise RunError(f"{run.weights} is no regular file.", "restore it from a copy, or train again")
    try:
        content = run.weights.read_bytes()
    except OSError as error:
        raise RunError(
            f"Cannot read {run.weights}: {error.strerror or error}.", "restore it from a copy, or train again"
        ) from error
    if run.weights_sha256 is not None and hashlib.sha256(content).hexdigest() != run.weights_sha256:
        raise RunError(
            f"{run.weights} is not what the training of {run.name} wrote: its sha256 differs.",
            "restore it from a copy, or train again",
        )
    net = build(code.of_run(run), shape, len(run.labels))
    try:
        net.load_state_dict(load(content))
    except Exception as error:  # of a file of any origin: format, key, shape and type errors
        reason = " ".join(str(error).split())[:300].rstrip(".")
        raise RunError(f"{run.weights} does not hold the weights of {run.recipe.net.name!r}: {reason}.") from error
    return renormalised.wrap(net, run.imported, run.mean, run.std, shape[0]).eval()
