"""The optimizer of a recipe, its learning rate schedule, which weights decay, and the moving average that is kept."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

from edgecnn.pipeline.train.checkpoint import State
from edgecnn.records.recipe import OptimPlan


def fresh_state(net: nn.Module, optim: OptimPlan) -> State:
    """What training changes, before its first step."""
    groups = list(_groups(net, optim))
    optimizer: torch.optim.Optimizer
    if optim.name == "sgd":
        optimizer = torch.optim.SGD(groups, lr=optim.lr, momentum=optim.momentum, nesterov=optim.momentum > 0)
    elif optim.name == "adam":
        optimizer = torch.optim.Adam(groups, lr=optim.lr, betas=(optim.momentum, 0.999))
    else:
        optimizer = torch.optim.AdamW(groups, lr=optim.lr, betas=(optim.momentum, 0.99))
    averaged = copy.deepcopy(net).requires_grad_(False) if optim.ema else None
    return State(net, optimizer, averaged, [])


def set_learning_rate(optimizer: torch.optim.Optimizer, lr: float) -> None:
    """Of every group, as many times larger as the group says."""
    for group in optimizer.param_groups:
        group["lr"] = lr * group["lr_scale"]


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


def step(state: State, optim: OptimPlan, number: int) -> None:
    """Step `number` of all, counted from 0: the weights, then their moving average if one is kept."""
    state.optimizer.step()
    if state.averaged is not None:
        _average(state.averaged, state.net, optim.ema, number)


def _groups(net: nn.Module, optim: OptimPlan) -> Iterator[dict[str, Any]]:
    # Weight decay is for weights that multiply inputs; on biases and batch norm it only shifts the scale
    # (He et al., 2019, CVPR, arXiv:1812.01187, section 3.1).
    shifts = [module.bias for module in net.modules() if isinstance(module, nn.BatchNorm2d)]
    known = {id(shift) for shift in shifts}
    others = [p for p in net.parameters() if p.ndim <= 1 and id(p) not in known]
    weights = [p for p in net.parameters() if p.ndim > 1]
    yield {"params": weights, "weight_decay": optim.weight_decay, "lr_scale": 1.0}
    elsewhere = optim.weight_decay if optim.decay == "all" else 0.0
    yield {"params": others, "weight_decay": elsewhere, "lr_scale": 1.0}
    if shifts:
        yield {"params": shifts, "weight_decay": elsewhere, "lr_scale": optim.bias_lr}


def _average(averaged: nn.Module, net: nn.Module, decay: float, step: int) -> None:
    """Move the weights of `averaged` towards those of `net`; quickly in the first steps."""
    decay = min(decay, (1 + step) / (10 + step))
    with torch.no_grad():
        torch._foreach_lerp_(list(averaged.parameters()), list(net.parameters()), 1 - decay)
