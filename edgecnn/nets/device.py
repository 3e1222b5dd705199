"""The device that nets are trained on: the recipe's, or else CUDA or MPS if there is one, or else the CPU."""

from __future__ import annotations

import copy
import os
from typing import TypeVar

import torch
from torch import Tensor, nn

from edgecnn.errors import EnvironmentUnfit, UsageError

VARIABLE = "EDGECNN_DEVICE"
"""Environment variable that says what "auto" means: cuda, mps or cpu."""

CPU = torch.device("cpu")

Placed = TypeVar("Placed", Tensor, nn.Module)


def choose(wanted: str = "auto", *, processes: int = 1, local_processes: int = 1, local_rank: int = 0) -> torch.device:
    """Choose the device of this process.

    Each process of a machine gets a CUDA device of its own. MPS is for one process only: no back end of
    torch.distributed exchanges its tensors.

    Args:
        wanted: "cuda", "mps", "cpu", or "auto" for what VARIABLE names, or else the first that is available.
        processes: of the whole training.
        local_processes: of the training on this machine.
        local_rank: of this process among them.

    Raises:
        EnvironmentUnfit: the device that is named is not available.
        UsageError: there are more processes than CUDA devices.
    """
    available = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available() and processes == 1,
        "cpu": True,
    }
    known = [name for name, present in available.items() if present]
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
    """Say in a few words why `choose` takes its device."""
    if wanted != "auto":
        return "asked for"
    return f"{VARIABLE} names it" if os.environ.get(VARIABLE) else "the first there is of cuda, mps and cpu"


def move(value: Placed, device: torch.device) -> Placed:
    """Move a tensor or a net to a device: a tensor on another device is copied, a net is changed in place."""
    return value.to(device)


def net_device(net: nn.Module) -> torch.device:
    """Return the device of a net's weights."""
    return next(net.parameters()).device


def cpu_version(net: nn.Module) -> nn.Module:
    """Return the net if it is on the CPU, or else a copy of it there."""
    return net if net_device(net) == CPU else move(copy.deepcopy(net), CPU)
