"""No convolution reaches the oneDNN kernels that write past their memory.

With AVX2 and no AVX-512, the backward pass of a 1x1 convolution with a stride, in channels-last memory, overflows the
heap for few channels in: seen with 1 to 7, strides 2 and 3, PyTorch 2.13.0 and the oneDNN it brings. A filter of one
pixel with a stride looks at some of the pixels alone, so its gradients are computed on those with stride 1: the same
sums, by other kernels. Other filters, depthwise and transposed ones and those of 1 and 3 dimensions were tried the same
way, and none did.

What is replaced is the operator that every backward pass ends in, because a net may come to it by ways that nothing in
Python sees before: a script, a graph, or a part that is computed once more on the way back. The forward pass is as it
was, and so is every file.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

Gradients = tuple[Tensor | None, Tensor | None, Tensor | None]
"""Of (input, weight, bias); None where nobody wants it."""

KERNEL: Any = torch.library.get_kernel("aten::convolution_backward", "CPU")
"""torch's own."""


@functools.cache
def protect() -> torch.library.Library:
    """Replace the operator on the CPU, in this process and for good; `edgecnn.nets.build` does, before any net is."""
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
    """torch's gradients, computed with stride 1 where the filters are of one pixel; x: (N, C, H, W)."""

    def gradients(x: Tensor, stride: Sequence[int], padding: Sequence[int]) -> Gradients:
        rest = (dilation, transposed, output_padding, groups, wanted)
        computed: Gradients = KERNEL.call_boxed(keys, gradient, x, weight, bias_sizes, stride, padding, *rest)
        return computed

    if transposed or tuple(weight.shape[2:]) != (1, 1) or tuple(stride) == (1, 1):
        return gradients(x, stride, padding)
    (down, across), (above, beside) = stride, padding
    padded = F.pad(x, (beside, beside, above, above)) if above or beside else x
    of_seen, of_weight, of_bias = gradients(padded[..., ::down, ::across], (1, 1), (0, 0))
    if of_seen is None:
        return None, of_weight, of_bias
    of_padded = torch.zeros_like(padded)  # laid out in memory as x is
    of_padded[..., ::down, ::across] = of_seen
    height, width = x.shape[2:]
    return of_padded[..., above : above + height, beside : beside + width], of_weight, of_bias
