"""The interface of a net that a format writes a file from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

from edgecnn.records.artifact import Preprocessing
from edgecnn.records.run import Run
from edgecnn.records.sound import FrontEnd

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torch.fx import GraphModule


class Calibrated(Protocol):
    """The pictures that int8 ranges were observed on."""

    def summary(self) -> Mapping[str, Any]:
        """Return what a card says about them."""
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
    def sound(self) -> FrontEnd | None:
        """The front end that turns a sound into an input picture; None for a net of pictures."""
        ...

    @property
    def calibration(self) -> Calibrated | None:
        """None if no int8 is planned."""
        ...

    def example(self) -> Tensor:
        """Return one black picture, (1, C, H, W)."""
        ...

    def float_module(self) -> nn.Module:
        """Return a module from raw pixels 0..255 as float (N, C, H, W) to logits (N, K)."""
        ...

    def int8_module(self, *, fold_weights: bool) -> GraphModule:
        """Return the quantised net for normalised pictures (N, C, H, W), with float input and output and int8 inside.

        Args:
            fold_weights: Store the weights as int8 tensors, not as float tensors that the graph quantises.
        """
        ...
