"""What a format writes a file from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

from edgecnn.records.artifact import Preprocessing
from edgecnn.records.run import Run

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torch.fx import GraphModule


class Calibrated(Protocol):
    """The pictures that int8 ranges were taken from."""

    def summary(self) -> Mapping[str, Any]:
        """What a card says of them."""
        ...


class Source(Protocol):
    """A trained net, ready to be written."""

    @property
    def run(self) -> Run: ...

    @property
    def run_sha256(self) -> str:
        """Digest of the run's weights."""
        ...

    @property
    def preprocessing(self) -> Preprocessing: ...

    @property
    def calibration(self) -> Calibrated | None:
        """None where no int8 is planned."""
        ...

    def example(self) -> Tensor:
        """One black picture, (1, C, H, W)."""
        ...

    def float_module(self) -> nn.Module:
        """Raw pixels 0..255 as float (N, C, H, W) -> logits (N, K)."""
        ...

    def int8_module(self, *, fold_weights: bool) -> GraphModule:
        """The quantised net for normalised pictures (N, C, H, W): float at its edges, int8 within.

        With `fold_weights` its weights are int8 tensors; without, float tensors that are quantised in the graph.
        """
        ...
