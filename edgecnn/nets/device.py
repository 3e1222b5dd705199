"""Where nets train if the recipe does not say: CUDA or MPS if there is one, else the CPU."""

from __future__ import annotations

import copy
import os
from typing import TypeVar

import torch
from torch import Tensor, nn

from edgecnn.errors import EnvironmentUnfit, UsageError

VARIABLE = "EDGECNN_DEVICE"
"""Environment variable that names another for "auto" than the first there is: cuda, mps or cpu."""

CPU = torch.device("cpu")

Placed = TypeVar("Placed", Tensor, nn.Module)


def choose(wanted: str = "auto", *, processes: int = 1, local_processes: int = 1, local_rank: int = 0) -> torch.device:
    """The device of this process; each of a machine's processes has a CUDA device of its own.

    MPS is for one process: no back end carries its tensors from one to another.

    Args:
        wanted: "cuda", "mps", "cpu", or "auto" for what the variable names, else the first there is.
        processes: of the whole training.
        local_processes: of it on this machine.
        local_rank: this process's place among those.

    Raises:
        EnvironmentUnfit: a device is named that is not here.
        UsageError: there are more processes than CUDA devices.
    """
    there = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available() and processes == 1,
        "cpu": True,
    }
    known = [name for name, present in there.items() if present]
    named = f"device = {wanted}" if wanted != "auto" else f"{VARIABLE}={os.environ.get(VARIABLE)}"
    name = wanted if wanted != "auto" else os.environ.get(VARIABLE) or known[0]
    if name not in known:
        raise EnvironmentUnfit(
            f"{named} names a device that this training cannot use.", f"here it can be {' or '.join(known)}"
        )
    if name == "cuda" and local_processes > torch.cuda.device_count():
        raise UsageError(
            f"{local_processes} processes cannot share the CUDA devices here, of which there are "
            f"{torch.cuda.device_count()}.",
            f"torchrun --nproc-per-node {torch.cuda.device_count()}, or --device cpu",
        )
    return torch.device(name, local_rank) if name == "cuda" else torch.device(name)


def why(wanted: str) -> str:
    """How `choose` came to its device, in a few words."""
    if wanted != "auto":
        return "asked for"
    return f"{VARIABLE} names it" if os.environ.get(VARIABLE) else "the first there is of cuda, mps and cpu"


def move(value: Placed, where: torch.device) -> Placed:
    """`value` on that device: a tensor that is elsewhere is copied, a net is moved itself."""
    return value.to(where)


def net_device(net: nn.Module) -> torch.device:
    """Where a net's weights are."""
    return next(net.parameters()).device


def cpu_version(net: nn.Module) -> nn.Module:
    """The net if it is on the CPU, else a copy that is."""
    return net if net_device(net) == CPU else move(copy.deepcopy(net), CPU)
