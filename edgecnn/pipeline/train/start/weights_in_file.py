"""Start from a file of weights of the same net, .safetensors or torch's, which is read without running anything."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from edgecnn.pipeline.train import weights_file
from edgecnn.pipeline.train.weights_file import LoadedWeights


def weights(path: Path, own: Mapping[str, Tensor], of_classes: set[str]) -> dict[str, Tensor]:
    """Return the weights in a file under the names of a net.

    Args:
        path: the file.
        own: state dict of the net, as it was just built.
        of_classes: names of the weights that depend on the number of classes; where the file's have another shape, or
            it has none, they keep what they have in `own`.

    Raises:
        ModelFileError: the file cannot be read, or holds weights of another net.
    """
    loaded = weights_file.read(path)
    kept = {name for name in of_classes if _shape(loaded.tensors, name) != tuple(own[name].shape)}
    body = {name: value for name, value in own.items() if name not in kept}
    tensors = {name: value for name, value in loaded.tensors.items() if name not in kept}
    fitted = weights_file.fitted(LoadedWeights(tensors, loaded.said), body, path)
    return dict(own) | dict(fitted.tensors)


def _shape(tensors: Mapping[str, Tensor], name: str) -> tuple[int, ...] | None:
    return tuple(tensors[name].shape) if name in tensors else None
