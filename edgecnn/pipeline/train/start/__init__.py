"""Weights that a training starts from: those of a run, in a file, or of a net that others trained on ImageNet.

`start` of a recipe names them: PREFIX:NAME for a kind whose file in this folder is called PREFIX, a file of weights, or
else a run. If they were trained for other classes, the layer of the logits keeps the weights it was drawn with.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, cast

from edgecnn.common import plugins

if TYPE_CHECKING:
    from torch import Tensor

RUN, FILE = "_run", "_file"
SUFFIXES = (".safetensors", ".pt", ".pth")
"""How the name of a file of weights ends."""


@dataclass(frozen=True, kw_only=True)
class NewNet:
    """A net that was just built, and what it is to be trained for."""

    own: Mapping[str, Tensor]
    """Its state dict."""
    of_classes: Set[str]
    """Names of the weights that depend on the number of classes."""
    classes: Sequence[str]
    input_shape: tuple[int, int, int]
    """(C, H, W) of one image."""


@dataclass(frozen=True, kw_only=True)
class Start:
    """The weights that a training starts from."""

    weights: Mapping[str, Tensor]
    """A state dict of the net."""
    normalisation: tuple[float, float] | None
    """(mean, std) of the pixels that they were trained on; None if nobody says."""
    sha256: str | None
    """The digest of the file they were in; None for a run from before it was recorded."""


class StartKind(Protocol):
    """A kind of start: a file of this folder, whose name is the prefix of `start` that asks for it."""

    def load(self, named: str, net: NewNet) -> Start:
        """Load the weights that a recipe's `start` names. Raises EdgecnnError if they are not there, or no net's."""
        ...


def kind(named: str) -> str:
    """Return the module of the kind of start that a recipe's `start` names."""
    prefix, colon, _ = named.partition(":")
    if colon and prefix in plugins.own_names(__name__):
        return prefix
    return FILE if named.endswith(SUFFIXES) else RUN


def is_run(named: str) -> bool:
    """Return whether a recipe's `start` names a run, whose pictures may be known."""
    return bool(named) and kind(named) == RUN


def load(named: str, net: NewNet) -> Start:
    """Load the weights that a recipe's `start` names.

    Raises:
        RunError: there is no such run.
        ModelFileError: they are not of this net, or the file is damaged.
        EnvironmentUnfit: the package with the weights is not installed, or the hub cannot be reached.
        UsageError: no pretrained net has that name.
    """
    return cast(StartKind, importlib.import_module(f"{__name__}.{kind(named)}")).load(named, net)
