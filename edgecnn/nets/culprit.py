"""Find the layer of a net that an operation fails on, by trying each part on its input in the net."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from edgecnn.common import plugins
from edgecnn.errors import PlanError
from edgecnn.nets import graph

Try = Callable[[nn.Module, Tensor], object]
"""What is tried on a part and the batch that it is fed, (2, ...); it raises what it cannot take."""


@dataclass(frozen=True)
class Culprit:
    """The smallest part of a net that fails by itself."""

    path: str
    """Its path in the net, as in "blocks.0.act"; empty for the net itself."""
    type: str
    """The name of its class."""
    error: Exception

    def __str__(self) -> str:
        return f"the layer {self.path} ({self.type})" if self.path else f"the net itself ({self.type})"


def find(net: nn.Module, input_shape: tuple[int, ...], attempt: Try, error: Exception) -> Culprit:
    """Return the part of `net` to blame for `error`, which `attempt` raised on the whole.

    From the net down to its layers the first part that fails by itself is entered; parts that take anything but one
    tensor are looked through and not tried.
    """
    fed = _inputs(net, input_shape)
    culprit = Culprit("", type(net).__name__, error)
    inside = net
    while True:
        prefix = f"{culprit.path}." if culprit.path else ""
        for name, part in _parts(inside, prefix, fed):
            try:
                attempt(part, fed[name])
            except Exception as reason:  # each converter says it in its own way
                culprit, inside = Culprit(name, type(part).__name__, reason), part
                break
        else:
            return culprit


def require_exportable(net: nn.Module, input_shape: tuple[int, ...]) -> None:
    """Raise PlanError, with the layer to blame, for a net that torch.export cannot follow: no file comes of it."""
    net = copy.deepcopy(net).eval()
    try:
        graph.export(net, input_shape)
    except Exception as error:  # torch.export raises whatever it meets on its way
        culprit = find(net, input_shape, _export, error)
        raise PlanError(
            f"[net] torch.export cannot follow {culprit}: {_words(culprit.error)}.",
            "no branch, loop or number in `forward` may depend on a tensor's values, and every step is torch's own",
        ) from error


def _export(part: nn.Module, batch: Tensor) -> object:
    return graph.export(part, tuple(batch.shape[1:]))


def _parts(inside: nn.Module, prefix: str, fed: dict[str, Tensor]) -> list[tuple[str, nn.Module]]:
    """Return the nearest parts below `inside` that can be tried, in the order they are declared."""
    parts: list[tuple[str, nn.Module]] = []
    for name, part in inside.named_children():
        if f"{prefix}{name}" in fed:
            parts.append((f"{prefix}{name}", part))
        else:
            parts += _parts(part, f"{prefix}{name}.", fed)
    return parts


def _inputs(net: nn.Module, input_shape: tuple[int, ...]) -> dict[str, Tensor]:
    """Return what each part that takes one tensor is fed first, by its path in the net."""
    fed: dict[str, Tensor] = {}

    def listen(name: str) -> Callable[[nn.Module, tuple[object, ...]], None]:
        def hear(part: nn.Module, args: tuple[object, ...]) -> None:
            if len(args) == 1 and isinstance(args[0], Tensor):
                fed.setdefault(name, args[0].detach().clone())

        return hear

    handles = [part.register_forward_pre_hook(listen(name)) for name, part in net.named_modules() if name]
    try:
        with torch.no_grad():
            net(torch.rand(2, *input_shape))
    finally:
        for handle in handles:
            handle.remove()
    return fed


def _words(error: Exception) -> str:
    """Return the first line of what was raised; torch.export adds a page on how to go on."""
    first = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
    return f"{type(error).__name__}: {first[:200].rstrip('. ')}" if first else plugins.reason(error)
