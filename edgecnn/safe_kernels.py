"""No convolution reaches the oneDNN kernels that write past their memory.

With AVX2 and no AVX-512, the backward pass of a 1x1 convolution with a stride, in channels-last memory, overflows the
heap for few channels in: seen with 1 to 7, strides 2 and 3, PyTorch 2.13.0 and the oneDNN it brings. A filter of one
pixel with a stride looks at some of the pixels alone, so it is computed on those with stride 1: the same sums, by other
kernels. Other filters, depthwise ones and those of 1 and 3 dimensions were tried the same way, and none did.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode

_aten = torch.ops.aten
FIRST = ("input", "weight", "bias", "stride", "padding", "dilation")
ARGUMENTS: dict[Any, tuple[str, ...]] = {
    **dict.fromkeys((torch.conv2d, _aten.conv2d, _aten.conv2d.default, _aten.conv2d.padding), (*FIRST, "groups")),
    **dict.fromkeys(
        (torch.convolution, _aten.convolution, _aten.convolution.default),
        (*FIRST, "transposed", "output_padding", "groups"),
    ),
}
"""Functions that convolve pictures -> what their arguments are called, in order."""


class SafeConvolutions(TorchFunctionMode):
    """While it is entered, a convolution of one pixel with a stride is rewritten on the CPU, whoever calls it.

    Modules, torch's functions and graphs all pass here, and the backward pass follows from what was called. Enter it
    while a net trains, forward and back, and not to export it: a file is to hold the convolution as the net has it.
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        if func not in ARGUMENTS:
            return func(*args, **(kwargs or {}))
        call = dict(zip(ARGUMENTS[func], args, strict=False)) | dict(kwargs or {})
        return func(**without_stride(call))


def without_stride(call: dict[str, Any]) -> dict[str, Any]:
    """The arguments of a convolution that computes the same with stride 1, if its filters are of one pixel."""
    stride, padding = _both(call.get("stride", 1)), call.get("padding", 0)
    x: Tensor = call["input"]  # (N, C, H, W) or (C, H, W)
    one_pixel = call["weight"].shape[2:] == (1, 1)
    if stride == (1, 1) or not one_pixel or call.get("transposed", False) or x.device.type != "cpu":
        return call
    if not isinstance(padding, str):  # "valid" has none, and "same" takes no stride
        height, width = _both(padding)
        x = F.pad(x, (width, width, height, height)) if height or width else x
        call = {**call, "padding": (0, 0)}
    seen: Tensor = _Every.apply(x, *stride)  # type: ignore[no-untyped-call]
    return {**call, "input": seen, "stride": (1, 1)}


class _Every(torch.autograd.Function):
    """(..., H, W) -> (..., ceil(H / rows), ceil(W / columns)), as a slice with steps.

    A slice's own gradient lies channels-first in memory, and all layers before it would then be computed so.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, rows: int, columns: int) -> Tensor:
        ctx.save_for_backward(x)
        ctx.steps = rows, columns
        return x[..., ::rows, ::columns].clone()  # as x lies in memory

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (x,) = ctx.saved_tensors
        rows, columns = ctx.steps
        gradient = torch.zeros_like(x)
        gradient[..., ::rows, ::columns] = gradients[0]
        return gradient, None, None


def _both(value: int | Sequence[int]) -> tuple[int, int]:
    """(of height, of width)."""
    return (value, value) if isinstance(value, int) else (value[0], value[-1])
