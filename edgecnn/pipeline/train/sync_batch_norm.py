"""Sync batch norm and the distributed form of a net, on CPUs too, where torch's `nn.SyncBatchNorm` does not run."""

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
"""Largest difference of a weight between two processes and one, after 57 steps of SGD on the digits in float32.

The tests hold it for a net without kinks. With ReLU, 12 steps in float64 agree to 1e-12, but in float32 the weights
drift apart, as they do for two orders of the same batch in one process: where an activation is 0 but for rounding, ReLU
passes on what rounding chose, and AdamW divides such a gradient by its own size.
"""


def distribute(net: nn.Module, team: Team) -> nn.Module:
    """Return the net as a team trains it: the same parameters, with gradients that are means over all processes.

    With equal shares of a batch, a loss that is a mean over images, and sync batch norm, these are the gradients that
    one process has for the whole batch, but for rounding (TOLERANCE). Dropout is drawn by each process for itself. For
    a team of one it is the net itself.
    """
    return DistributedDataParallel(with_global_batch_norm(net)) if team.count > 1 else net


class GlobalBatchNorm(nn.Module):
    """Batch norm in training, with statistics over the batches of all processes, which have the same size.

    It shares weight and bias with the layer it is made from and leaves its running statistics alone:
    `precise_batch_norm` recomputes them after every epoch.
    """

    def __init__(self, layer: nn.BatchNorm2d) -> None:
        super().__init__()
        self.weight, self.bias, self.eps = layer.weight, layer.bias, layer.eps

    def forward(self, x: Tensor) -> Tensor:  # (N, C, H, W) of this process
        y: Tensor = _Normalised.apply(x, self.weight, self.bias, self.eps)  # type: ignore[no-untyped-call]
        return y


def with_global_batch_norm(net: nn.Module) -> nn.Module:
    """Return a copy of the net with sync batch norm that shares all parameters and buffers with it."""
    twin = copy.deepcopy(net, {id(tensor): tensor for tensor in (*net.parameters(), *net.buffers())})
    for name, module in list(twin.named_modules()):
        if isinstance(module, nn.BatchNorm2d):
            twin.set_submodule(name, GlobalBatchNorm(module))
    return twin


class _Normalised(torch.autograd.Function):
    """Normalization and its gradient, written out.

    Autograd's reductions over (N, H, W) take ten times as long on a CPU as batch norm's own kernels. The gradient is
    that of Ioffe and Szegedy, 2015, ICML, arXiv:1502.03167, section 3, with its sums over all processes.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, eps: float) -> Tensor:
        values = x.to(torch.promote_types(x.dtype, torch.float32))
        own_mean = values.mean((0, 2, 3))  # (C,)
        own_variance = (values - own_mean[:, None, None]).square_().mean((0, 2, 3))  # (C,)
        own = torch.stack([own_mean, own_variance])
        gathered = own.new_empty(dist.get_world_size(), *own.shape)  # (processes, 2, C)
        dist.all_gather(list(gathered.unbind()), own)
        means, variances = gathered.unbind(1)
        mean = means.mean(0)
        # The variance within the processes and that between them: sums of squares would cancel where the mean is large
        # (Chan, Golub and LeVeque, 1983, The American Statistician 37:3).
        variance = variances.mean(0) + (means - mean).square().mean(0)
        ctx.save_for_backward(x, weight, mean, variance)
        ctx.eps = eps
        return F.batch_norm(x, mean, variance, weight, bias, eps=eps)

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:  # (N, C, H, W)
        x, weight, mean, variance = ctx.saved_tensors
        # The gradients as if the statistics were constants: (N, C, H, W), (C,), (C,).
        grad_x, grad_weight, grad_bias = torch.ops.aten.native_batch_norm_backward(
            grad_output, x, weight, mean, variance, None, None, False, ctx.eps, [True, True, True]
        )
        sums = torch.stack([grad_weight, grad_bias])  # (2, C)
        dist.all_reduce(sums)  # the statistics of this process's images are part of every process's loss
        slope, shift = (sums / (dist.get_world_size() * x.numel() // x.shape[1]))[:, :, None, None]  # (C, 1, 1)
        inverse = torch.rsqrt(variance + ctx.eps)[:, None, None]
        through_statistics = (x - mean[:, None, None]).mul_(inverse * slope).add_(shift)
        grad_x = grad_x - through_statistics.mul_(inverse * weight[:, None, None])
        return grad_x.to(x.dtype), grad_weight, grad_bias, None
