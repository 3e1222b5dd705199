"""Start from a file of weights of the same net, .safetensors or torch's, which is read without running anything."""

from __future__ import annotations

from pathlib import Path

from edgecnn.common import files
from edgecnn.pipeline.train import weights_file
from edgecnn.pipeline.train.start import NewNet, Start


def load(named: str, net: NewNet) -> Start:
    """Return the weights in a file; a last layer of another shape, or none, stays as it was drawn.

    Raises:
        ModelFileError: the file cannot be read, or holds weights of another net.
    """
    path = Path(named)
    fitted = weights_file.fitted(weights_file.read(path), net.own, path, of_classes=net.of_classes)
    return Start(weights=fitted.tensors, normalisation=None, sha256=files.sha256(path))
