"""Batch norm over the pictures of all processes; torch's own (nn.SyncBatchNorm) does not run on a CPU."""

from __future__ import annotations

import copy
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn


class GlobalBatchNorm(nn.Module):
    """A batch norm's training form, with its very scale and shift, over the same number of pictures in each process.

    Its running averages are left alone: `edgecnn.batch_norm.settle` measures them anew after every epoch.
    """

    def __init__(self, layer: nn.BatchNorm2d) -> None:
        super().__init__()
        self.weight, self.bias, self.eps = layer.weight, layer.bias, layer.eps

    def forward(self, x: Tensor) -> Tensor:  # (N, C, H, W) of this process
        values = x.to(torch.promote_types(x.dtype, torch.float32))
        own_variance, own_mean = torch.var_mean(values, (0, 2, 3), correction=0)  # each (C,)
        means, variances = _gather(torch.stack([own_mean, own_variance])).unbind(1)  # each (processes, C)
        mean = means.mean(0)
        # Within the processes and between them, since sums of squares would cancel where the mean is large (Chan,
        # Golub and LeVeque, 1983, The American Statistician 37:3).
        variance = variances.mean(0) + (means - mean).square().mean(0)
        scale = self.weight * torch.rsqrt(variance + self.eps)
        y = (values - mean[:, None, None]) * scale[:, None, None] + self.bias[:, None, None]
        return y.to(x.dtype)


def with_global_batch_norm(net: nn.Module) -> nn.Module:
    """The net's layers anew around its very parameters, each batch norm over all processes.

    A step of the parameters is a step of both nets.
    """
    twin = copy.deepcopy(net, {id(tensor): tensor for tensor in (*net.parameters(), *net.buffers())})
    for name, module in list(twin.named_modules()):
        if isinstance(module, nn.BatchNorm2d):
            twin.set_submodule(name, GlobalBatchNorm(module))
    return twin


def _gather(own: Tensor) -> Tensor:
    """Of every process: (...) -> (processes, ...)."""
    every: Tensor = _Gather.apply(own)  # type: ignore[no-untyped-call]
    return every


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(_ctx: Any, own: Tensor) -> Tensor:
        every = own.new_empty(dist.get_world_size(), *own.shape)
        dist.all_gather(list(every.unbind()), own.contiguous())
        return every

    @staticmethod
    def backward(_ctx: Any, gradient: Tensor) -> Tensor:  # (processes, ...)
        whole = gradient.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(whole)  # each process's loss depends on what this one gave
        return whole[dist.get_rank()]
