"""Batch norm over the pictures of all processes; torch's own (nn.SyncBatchNorm) does not run on a CPU."""

from __future__ import annotations

import copy
from typing import Any

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from edgecnn.pipeline.train.distributed import Team

TOLERANCE = 1e-4
"""Of a weight after 57 steps of SGD on the digits, two processes against one, in float32 and with a net that has no
kink: the tests hold two processes to it. 12 steps in float64, with ReLU, agree to 1e-12.

A ReLU of what is 0 but for rounding passes on what rounding chose, and AdamW divides such a gradient by its own size.
With them float32 drifts apart as two orders of one batch do in a single process.
"""


def distribute(net: nn.Module, team: Team) -> nn.Module:
    """`net` itself for one process; for more, its very parameters with gradients that are means over all processes.

    With equal shares of a batch, a loss that is a mean over pictures and batch norm over all of them, these are one
    process's gradients of the whole batch but for rounding (TOLERANCE). Dropout draws in each process for itself.
    """
    return DistributedDataParallel(with_global_batch_norm(net)) if team.count > 1 else net


class GlobalBatchNorm(nn.Module):
    """A batch norm's training form, with its very scale and shift, over the same number of pictures in each process.

    Its running averages are left alone: `precise_batch_norm.recompute_batch_norm` measures them anew after every epoch.
    """

    def __init__(self, layer: nn.BatchNorm2d) -> None:
        super().__init__()
        self.weight, self.bias, self.eps = layer.weight, layer.bias, layer.eps

    def forward(self, x: Tensor) -> Tensor:  # (N, C, H, W) of this process
        y: Tensor = _Normalised.apply(x, self.weight, self.bias, self.eps)  # type: ignore[no-untyped-call]
        return y


def with_global_batch_norm(net: nn.Module) -> nn.Module:
    """The net's layers anew around its very parameters, each batch norm over all processes.

    A step of the parameters is a step of both nets.
    """
    twin = copy.deepcopy(net, {id(tensor): tensor for tensor in (*net.parameters(), *net.buffers())})
    for name, module in list(twin.named_modules()):
        if isinstance(module, nn.BatchNorm2d):
            twin.set_submodule(name, GlobalBatchNorm(module))
    return twin


class _Normalised(torch.autograd.Function):
    """By hand, since autograd's reductions over (N, H, W) take ten times as long on a CPU as batch norm's own kernels.

    The gradient is that of Ioffe and Szegedy, 2015, ICML, arXiv:1502.03167, section 3, its sums over all processes.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, eps: float) -> Tensor:
        values = x.to(torch.promote_types(x.dtype, torch.float32))
        own_mean = values.mean((0, 2, 3))  # (C,)
        own_variance = (values - own_mean[:, None, None]).square_().mean((0, 2, 3))  # (C,)
        own = torch.stack([own_mean, own_variance])
        every = own.new_empty(dist.get_world_size(), *own.shape)  # (processes, 2, C)
        dist.all_gather(list(every.unbind()), own)
        means, variances = every.unbind(1)
        mean = means.mean(0)
        # Within the processes and between them, since sums of squares would cancel where the mean is large (Chan,
        # Golub and LeVeque, 1983, The American Statistician 37:3).
        variance = variances.mean(0) + (means - mean).square().mean(0)
        ctx.save_for_backward(x, weight, mean, variance)
        ctx.eps = eps
        return F.batch_norm(x, mean, variance, weight, bias, eps=eps)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:  # (N, C, H, W)
        x, weight, mean, variance = ctx.saved_tensors
        # As if the statistics were constants; each is (N, C, H, W), (C,), (C,).
        of_x, of_weight, of_bias = torch.ops.aten.native_batch_norm_backward(
            gradient, x, weight, mean, variance, None, None, False, ctx.eps, [True, True, True]
        )
        sums = torch.stack([of_weight, of_bias])  # (2, C)
        dist.all_reduce(sums)  # what every process's loss owes to this one's pictures
        slope, shift = (sums / (dist.get_world_size() * x.numel() // x.shape[1]))[:, :, None, None]  # (C, 1, 1)
        inverse = torch.rsqrt(variance + ctx.eps)[:, None, None]
        through_statistics = (x - mean[:, None, None]).mul_(inverse * slope).add_(shift)
        of_x = of_x - through_statistics.mul_(inverse * weight[:, None, None])
        return of_x.to(x.dtype), of_weight, of_bias, None
