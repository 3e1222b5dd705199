"""The optimizer of a recipe, its learning rate schedule, which weights decay, and the moving average (EMA)."""

from __future__ import annotations

import copy
import math
from collections.abc import Collection, Iterator
from typing import Any

import torch
from torch import nn

from edgecnn.pipeline.train.checkpoint import State
from edgecnn.records.recipe import OptimPlan


def fresh_state(net: nn.Module, optim: OptimPlan, of_classes: Collection[str] = ()) -> State:
    """Return the state of a training before its first step.

    Args:
        net: what is trained.
        optim: the recipe's.
        of_classes: names of the last layer's parameters, to which `optim.body_lr` does not apply.
    """
    groups = list(_parameter_groups(net, optim))
    if optim.body_lr != 1:
        groups = list(_parted_groups(net, groups, optim.body_lr, of_classes))
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
    """Set the learning rate of every parameter group to `lr` times the group's own `lr_scale`."""
    for group in optimizer.param_groups:
        group["lr"] = lr * group["lr_scale"]


def learning_rate(optim: OptimPlan, step: int, steps: int) -> float:
    """Return the learning rate of a step: a linear warm-up, then the schedule. It depends on nothing else.

    "one-cycle" falls linearly to 0 (L. N. Smith, 2018, arXiv:1803.09820), "cosine" along half a cosine to 0
    (I. Loshchilov and F. Hutter, 2017, arXiv:1608.03983), "exponential" by one factor a step to `optim.end`.

    Args:
        optim: the peak, the schedule, and the share of the steps that warm up.
        step: counted from 0 over the whole training.
        steps: of the whole training.
    """
    warmup_steps = optim.warmup * steps
    if step < warmup_steps:
        return optim.lr * (step + 1) / (warmup_steps + 1)
    progress = (step - warmup_steps) / (steps - warmup_steps)
    match optim.schedule:
        case "one-cycle":
            return optim.lr * (1 - progress)
        case "cosine":
            return optim.lr * (1 + math.cos(math.pi * progress)) / 2
        case "exponential":
            return optim.lr * float(optim.end**progress)


def step(state: State, optim: OptimPlan, step: int) -> None:
    """Update the weights, and their moving average if there is one.

    Args:
        state: its net has gradients.
        optim: the recipe's.
        step: counted from 0 over the whole training.
    """
    state.optimizer.step()
    if state.averaged is not None:
        _update_average(state.averaged, state.net, optim.ema, step)


def _parameter_groups(net: nn.Module, optim: OptimPlan) -> Iterator[dict[str, Any]]:
    """Yield the optimizer's groups: weights of layers, other parameters, and the shifts of batch norms.

    Weight decay is for weights that multiply inputs; on biases and batch norm it only shifts the scale (He et al.,
    2019, CVPR, arXiv:1812.01187, section 3.1).
    """
    shifts = [module.bias for module in net.modules() if isinstance(module, nn.BatchNorm2d)]
    shift_ids = {id(shift) for shift in shifts}
    others = [p for p in net.parameters() if p.ndim <= 1 and id(p) not in shift_ids]
    weights = [p for p in net.parameters() if p.ndim > 1]
    yield {"params": weights, "weight_decay": optim.weight_decay, "lr_scale": 1.0}
    decay = optim.weight_decay if optim.decay == "all" else 0.0
    yield {"params": others, "weight_decay": decay, "lr_scale": 1.0}
    if shifts:
        yield {"params": shifts, "weight_decay": decay, "lr_scale": optim.bias_lr}


def _parted_groups(
    net: nn.Module, groups: list[dict[str, Any]], body_lr: float, of_classes: Collection[str]
) -> Iterator[dict[str, Any]]:
    """Yield each group twice, without those that are empty: its part of the last layer, and the slower rest."""
    last = {id(parameter) for name, parameter in net.named_parameters() if name in of_classes}
    for group in groups:
        for scale, is_last in ((1.0, True), (body_lr, False)):
            if part := [parameter for parameter in group["params"] if (id(parameter) in last) == is_last]:
                yield group | {"params": part, "lr_scale": scale * group["lr_scale"]}


def _update_average(averaged: nn.Module, net: nn.Module, decay: float, step: int) -> None:
    """Move the weights of `averaged` towards those of `net`, faster in the first steps."""
    decay = min(decay, (1 + step) / (10 + step))
    with torch.no_grad():
        torch._foreach_lerp_(list(averaged.parameters()), list(net.parameters()), 1 - decay)
