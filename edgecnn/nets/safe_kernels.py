"""Keep convolutions away from oneDNN kernels that write past their memory.

On CPUs with AVX2 but no AVX-512, the backward pass of a strided 1x1 convolution in channels-last memory overflows the
heap for few input channels: seen with 1 to 7 channels, strides 2 and 3, PyTorch 2.13.0 and the oneDNN it ships. A 1x1
filter with a stride reads only some of the pixels, so its gradients are computed on those pixels with stride 1: the
same sums, by other kernels. Other filters were tried in the same way, depthwise, transposed, 1D and 3D ones among them,
and none overflowed.

The operator itself is replaced, because a net may reach it in ways that no Python code sees: from a script, from a
graph, or when a checkpointed part is recomputed in the backward pass. The forward pass and all files stay as they are.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

Gradients = tuple[Tensor | None, Tensor | None, Tensor | None]
"""Gradients of (input, weight, bias); None where it is not asked for."""

KERNEL: Any = torch.library.get_kernel("aten::convolution_backward", "CPU")
"""The operator as torch has it."""


@functools.cache
def protect() -> torch.library.Library:
    """Replace the operator on the CPU for the rest of this process; `edgecnn.nets.build` calls it before any net."""
    library = torch.library.Library("aten", "IMPL")  # type: ignore[no-untyped-call]  # torch undoes it when this goes
    library.impl("convolution_backward", _backward, "CPU", with_keyset=True)  # type: ignore[no-untyped-call]
    return library


def _backward(
    keys: Any,
    gradient: Tensor,
    x: Tensor,
    weight: Tensor,
    bias_sizes: Sequence[int] | None,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    transposed: bool,
    output_padding: Sequence[int],
    groups: int,
    wanted: Sequence[bool],
) -> Gradients:
    """Compute torch's gradients for x (N, C, H, W), with stride 1 if the filters are 1x1."""

    def gradients(x: Tensor, stride: Sequence[int], padding: Sequence[int]) -> Gradients:
        rest = (dilation, transposed, output_padding, groups, wanted)
        computed: Gradients = KERNEL.call_boxed(keys, gradient, x, weight, bias_sizes, stride, padding, *rest)
        return computed

    if transposed or tuple(weight.shape[2:]) != (1, 1) or tuple(stride) == (1, 1):
        return gradients(x, stride, padding)
    (down, across), (above, beside) = stride, padding
    padded = F.pad(x, (beside, beside, above, above)) if above or beside else x
    grad_read, grad_weight, grad_bias = gradients(padded[..., ::down, ::across], (1, 1), (0, 0))
    if grad_read is None:
        return None, grad_weight, grad_bias
    grad_padded = torch.zeros_like(padded)  # in the memory format of x
    grad_padded[..., ::down, ::across] = grad_read
    height, width = x.shape[2:]
    return grad_padded[..., above : above + height, beside : beside + width], grad_weight, grad_bias
