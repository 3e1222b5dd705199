"""Nets: how they are built, counted, stored and run. A file in `architectures` is a net; its contract is `Net`."""

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
"""Largest value of any option of a net."""
MOST_WEIGHTS = 50_000_000
"""Most weights of a net that is built. In float32, with gradients and two moments of an optimizer, they take 0.8 GB."""


class Net(Protocol):
    """The contract of an architecture: a file in `architectures` has these names.

    It may also have `SPACE`, a mapping of options of `build` to the values that are worth trying: then `edgecnn plan`
    proposes such nets.
    """

    KNOBS: tuple[str, ...]
    """Integer options of `build` that scale the net, coarse ones first. The budget solver changes them."""
    ANY_SIZE: bool
    """Whether the same weights take images of any height and width."""

    def build(self, *, input_shape: tuple[int, int, int], classes: int) -> nn.Module:
        """Build the net, with weights drawn from torch's global generator.

        Args:
            input_shape: (C, H, W) of one image.
            classes: K, the number of classes.
            **options: further keyword arguments, with defaults, are the options of a recipe's [net] table.

        Returns:
            A net that takes normalized images, float32 (N, C, H, W), and returns logits (N, K).

        Raises:
            PlanError: the options do not fit each other or the input.
        """
        ...


KIND = plugins.PluginKind("edgecnn.nets.architectures", "net", Net, "edgecnn.nets")


def get(name: str) -> Net:
    """Return the architecture of that name, a plug-in's or the user's own code.

    Raises:
        UsageError: There is no such plug-in, with the known names; or the user has not named the code.
        PlanError: The code cannot be loaded.
    """
    return code.load(name) if code.is_code(name) else cast(Net, KIND.load(name))


def build(plan: NetPlan, input_shape: tuple[int, int, int], classes: int) -> nn.Module:
    """Build the net that a recipe's [net] table describes, and guard its training (`edgecnn.nets.safe_kernels`).

    Args:
        plan: the [net] table.
        input_shape: (C, H, W) of one image.
        classes: the number of classes.

    Returns:
        The net, on torch's default device. On "meta", where weights take no memory, it may have any number of them.

    Raises:
        PlanError: an option is unknown or above LARGEST_NUMBER, or the net has more than MOST_WEIGHTS.
    """
    import torch

    from edgecnn.nets import safe_kernels

    safe_kernels.protect()
    for key, value in plan.options.items():
        if isinstance(value, (int, float)) and not abs(value) <= LARGEST_NUMBER:  # nor is NaN
            raise PlanError(f"[net] {key} = {value} should be at most {LARGEST_NUMBER:,}.")

    def construct() -> nn.Module:
        return plugins.call(get(plan.name).build, plan.options, "[net]", input_shape=input_shape, classes=classes)

    if code.is_code(plan.name):  # not everything that a constructor may do works without numbers
        net = construct()
        _refuse_too_many(plan, net)
        return net
    if torch.get_default_device().type == "meta":
        return _built_on_meta(construct)
    with torch.device("meta"):
        _refuse_too_many(plan, _built_on_meta(construct))
    return construct()


def _refuse_too_many(plan: NetPlan, net: nn.Module) -> None:
    """Raise PlanError for a net of more than MOST_WEIGHTS."""
    weights = sum(parameter.numel() for parameter in net.parameters())
    if weights > MOST_WEIGHTS:
        raise PlanError(
            f"[net] {plan.name} would have {weights:,} weights, and at most {MOST_WEIGHTS:,} are trained here.",
            "make it narrower, or less deep",
        )


def _built_on_meta(construct: Callable[[], nn.Module]) -> nn.Module:
    """Construct a net on the device "meta", where sizes are all that torch can refuse."""
    try:
        return construct()
    except (RuntimeError, OverflowError, TypeError) as error:
        raise PlanError("[net] has more weights than torch can count.", "make it narrower, or less deep") from error


def store(net: nn.Module, path: Path) -> str:
    """Write the weights of a net on the CPU to `path` as safetensors, atomically, and return the file's sha256."""
    from safetensors.torch import save

    content = save({name: value.contiguous() for name, value in net.state_dict().items()})
    files.write_bytes(path, content)
    return hashlib.sha256(content).hexdigest()


def restore(run: Run) -> nn.Module:
    """Return the trained net of a run, in eval mode.

    Returns:
        A net that takes normalized images, float32 (N, C, H, W), and returns logits (N, K).

    Raises:
        RunError: the weights are missing, are not those that training wrote, or are another net's.
        UsageError: the net is code that the user has not named (`edgecnn.nets.code`).
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
    except Exception as error:  # a file of any origin can raise format, key, shape and type errors
        reason = " ".join(str(error).split())[:300].rstrip(".")
        raise RunError(f"{run.weights} does not hold the weights of {run.recipe.net.name!r}: {reason}.") from error
    return renormalised.wrap(net, run.imported, run.mean, run.std, shape[0]).eval()
