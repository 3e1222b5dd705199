"""Convolutions that a CPU computes in fp32 while the rest of a training is in bf16.

oneDNN has a quick gradient in bf16 of depthwise filters of 3 x 3 with stride 1, and of no others: theirs takes three to
fourteen times as long as in fp32 (bench/results/train-speed-photos.json has what that costs EfficientNet-Lite0).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

LARGEST = 3
"""Height and width of the largest depthwise filter whose gradient in bf16 is quick."""


class DepthwiseInFp32(TorchFunctionMode):
    """Inside of it, and of autocast, depthwise convolutions without a quick gradient in bf16 are computed in fp32."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Call any function of torch, and such a convolution without autocast."""
        options = kwargs or {}
        if func is not torch.conv2d or not _is_slow(*args, **options):
            return func(*args, **options)
        inputs, *others = args
        with torch.autocast(inputs.device.type, enabled=False):
            outputs: Tensor = func(inputs.float(), *others, **options)
        return outputs.to(torch.bfloat16)  # for the next layer, as autocast would have it


def _is_slow(
    inputs: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | Sequence[int] = 1,
    padding: int | str | Sequence[int] = 0,
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
) -> bool:
    """Return whether a convolution with these arguments, those of `torch.conv2d`, is to be computed in fp32."""
    if groups == 1 or weight.shape[1] > 1:
        return False
    return max(weight.shape[2:]) > LARGEST or max(stride if isinstance(stride, Sequence) else (stride,)) > 1
