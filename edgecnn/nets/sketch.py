"""A net as the layers that an exported file would have, read from one pass over a picture without values.

Batch norms and activations are part of the layer before them, as in an int8 file, and padding that a strided
convolution needs is a layer of its own. A net on the device "meta" takes milliseconds, where an export takes seconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from edgecnn.errors import PlanError

Kind = Literal["conv", "depthwise", "dense", "add", "max pool", "average pool", "mean", "pad", "flatten"]

_aten = torch.ops.aten
ACTIVATIONS = {_aten.relu.default, _aten.relu_.default, _aten.hardtanh.default, _aten.hardtanh_.default}
PASSED = {
    *ACTIVATIONS,
    _aten._native_batch_norm_legit_no_training.default, _aten.native_batch_norm.default, _aten.cudnn_batch_norm.default,
    _aten.detach.default, _aten.alias.default, _aten.clone.default,
}  # fmt: skip
"""Operators that become part of the one before them, or of none."""
SHAPES = {_aten.view.default, _aten._unsafe_view.default, _aten.reshape.default, _aten.flatten.using_ints}


@dataclass(frozen=True, kw_only=True)
class FileLayer:
    """One operator of the file that a net is exported to."""

    kind: Kind
    inputs: tuple[int, ...]
    """Places of the layers that it reads; -1 is the picture."""
    shape: tuple[int, ...]
    """(H, W, C) of its output, or (C,) behind the last picture."""
    channels_in: int = 0
    kernel: tuple[int, int] = (1, 1)
    stride: int = 1
    is_padded: bool = False
    """Whether its output would be as large as its input, were it not for the stride."""
    is_rectified: bool = False
    """Whether an activation is part of it, which an addition pays for."""


class _Recorder(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Writes down every operator that is called; a value is known by the layer that made it."""

    def __init__(self, picture: Tensor) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.layers: list[FileLayer] = []
        self._places: dict[int, int] = {id(picture): -1}
        self._flat: set[int] = set()
        self._kept: list[Any] = [picture]  # so that no identity is used twice

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        value = result[0] if isinstance(result, (tuple, list)) else result
        reads = [argument for argument in args if isinstance(argument, Tensor) and id(argument) in self._places]
        if reads and isinstance(value, Tensor):
            self._kept += [value, *reads]
            self._places[id(value)] = self._place(func, args, reads, value)
        return result

    def _place(self, func: Any, args: Any, reads: Sequence[Tensor], value: Tensor) -> int:
        """Return the place of the layer that `value` comes from, which may be a new one."""
        places = tuple(self._places[id(x)] for x in reads)
        if func in PASSED:
            if func in ACTIVATIONS and places[0] >= 0:
                self.layers[places[0]] = replace(self.layers[places[0]], is_rectified=True)
            return places[0]
        if func in SHAPES:
            if _is_flattened(reads[0], value):
                return self._add(FileLayer(kind="flatten", inputs=places, shape=tuple(value.shape[1:])))
            return places[0]
        if func is _aten.convolution.default:
            return self._convolution(places[0], reads[0], args, value)
        if func is _aten.addmm.default:
            return self._add(
                FileLayer(kind="dense", inputs=places, shape=tuple(value.shape[1:]), channels_in=int(reads[0].shape[1]))
            )
        if func in (_aten.add.Tensor, _aten.add_.Tensor) and len(places) == 2:
            return self._add(FileLayer(kind="add", inputs=places, shape=_picture(value)))
        if func in (_aten.max_pool2d_with_indices.default, _aten.avg_pool2d.default):
            kind: Kind = "max pool" if func is _aten.max_pool2d_with_indices.default else "average pool"
            kernel, stride = _pair(args[1]), _pair(args[2] if len(args) > 2 and args[2] else args[1])
            if len(args) <= 3 or max(args[3]) == 0:
                return self._add(
                    FileLayer(kind=kind, inputs=places, shape=_picture(value), kernel=kernel, stride=stride[0],
                          channels_in=int(value.shape[1]))
                )  # fmt: skip
        if func in (_aten.mean.dim, _aten._adaptive_avg_pool2d.default) and value.shape[2:].numel() == 1:
            return self._add(FileLayer(kind="mean", inputs=places, shape=(int(value.shape[1]),)))
        raise PlanError(f"The cost of {func} is not known before the net is exported.")

    def _convolution(self, place: int, x: Tensor, args: Any, value: Tensor) -> int:
        weight, stride, padding, dilation, groups = args[1], args[3], args[4], args[5], args[8]
        kernel, channels = (int(weight.shape[2]), int(weight.shape[3])), int(x.shape[1])
        is_depthwise = groups == channels > 1
        if (groups > 1 and not is_depthwise) or max(dilation) > 1 or stride[0] != stride[1] or args[6]:
            raise PlanError("The cost of this convolution is not known before the net is exported.")
        is_padded = max(padding) > 0
        if is_padded and not _is_same(x.shape[2:], kernel, stride[0], padding):
            height, width = (int(x.shape[2 + axis]) + 2 * padding[axis] for axis in (0, 1))
            place = self._add(FileLayer(kind="pad", inputs=(place,), shape=(height, width, channels)))
            is_padded = False
        return self._add(
            FileLayer(
                kind="depthwise" if is_depthwise else "conv",
                inputs=(place,),
                shape=_picture(value),
                channels_in=channels,
                kernel=kernel,
                stride=int(stride[0]),
                is_padded=is_padded,
            )
        )

    def _add(self, layer: FileLayer) -> int:
        self.layers.append(layer)
        return len(self.layers) - 1


def layers(net: nn.Module, input_shape: tuple[int, int, int]) -> tuple[FileLayer, ...]:
    """Return the layers of a net in the order they run.

    Args:
        net: A net on the device "meta", in any mode.
        input_shape: (C, H, W) of a picture.

    Raises:
        PlanError: The net has an operator whose cost is not known before it is exported, such as attention.
    """
    picture = torch.zeros(1, *input_shape, device="meta")
    was_training = net.training
    net.eval()
    recorder = _Recorder(picture)
    try:
        with torch.no_grad(), recorder:
            net(picture)
    finally:
        net.train(was_training)
    return tuple(recorder.layers)


def _is_same(size: Sequence[int], kernel: Sequence[int], stride: int, padding: Sequence[int]) -> bool:
    """Return whether TensorFlow's padding "same" puts as many pixels on each side as the convolution does."""
    for pixels, side, pad in zip(size, kernel, padding, strict=True):
        total = max((-(-pixels // stride) - 1) * stride + side - pixels, 0)
        if total != 2 * pad:
            return False
    return True


def _is_flattened(x: Tensor, value: Tensor) -> bool:
    return x.ndim == 4 and value.ndim == 2 and x.shape[2:].numel() > 1


def _picture(value: Tensor) -> tuple[int, ...]:
    _, channels, height, width = value.shape
    return int(height), int(width), int(channels)


def _pair(value: Any) -> tuple[int, int]:
    numbers = [value, value] if isinstance(value, int) else list(value)
    return int(numbers[0]), int(numbers[-1])
