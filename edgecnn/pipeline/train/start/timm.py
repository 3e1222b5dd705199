"""Start from weights that timm publishes on Hugging Face's hub, of the nets that this project has too.

`timm:mobilenetv2_100.ra_in1k` is the repository timm/mobilenetv2_100.ra_in1k; without what follows the point it is the
architecture's first one here, and @REVISION fixes a state of it. Its config.json says how pixels were normalised.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from edgecnn.common import documents, files, hub_client
from edgecnn.common.documents import Unreadable
from edgecnn.common.hub_place import HubPlace
from edgecnn.errors import ModelFileError, UsageError, nearest
from edgecnn.nets import layers
from edgecnn.pipeline.train import weights_file
from edgecnn.pipeline.train.start import NewNet, Start, _published
from edgecnn.pipeline.train.start._published import Published

PREFIX = "timm:"
OWNER = "timm"
CONFIG, WEIGHTS = "config.json", "model.safetensors"
EPSILON = 1e-5
"""In the batch norms of nets that were trained in PyTorch; those of TensorFlow's have ours."""


@dataclass(frozen=True)
class Architecture:
    """A net of timm's that is one of ours."""

    tag: str
    """Which of its trainings is taken if none is named."""
    needs: str
    """What a recipe's [net] says of it."""
    of_tensorflow: bool = False
    """Whether its weights were trained in TensorFlow, with its padding and epsilon."""


ARCHITECTURES = {
    "mobilenetv1_100": Architecture("ra4_e3600_r224_in1k", 'name = "mobilenet", width = 32'),
    "mobilenetv1_125": Architecture("ra4_e3600_r224_in1k", 'name = "mobilenet", width = 40'),
    "mobilenetv2_050": Architecture("lamb_in1k", 'name = "mobilenet-v2", width = 16, multiple = 8'),
    "mobilenetv2_100": Architecture("ra_in1k", 'name = "mobilenet-v2", width = 32'),
    "mobilenetv2_110d": Architecture(
        "ra_in1k", 'name = "mobilenet-v2", width = 35, whole_stem = true, depth = 1.2, multiple = 8'
    ),
    "mobilenetv2_120d": Architecture(
        "ra_in1k", 'name = "mobilenet-v2", width = 38, whole_stem = true, depth = 1.4, multiple = 8'
    ),
    "mobilenetv2_140": Architecture("ra_in1k", 'name = "mobilenet-v2", width = 45, multiple = 8, features = 1792'),
    "efficientnet_lite0": Architecture("ra_in1k", 'name = "efficientnet-lite"'),
    "tf_efficientnet_lite0": Architecture("in1k", 'name = "efficientnet-lite"', of_tensorflow=True),
    "tf_efficientnet_lite1": Architecture("in1k", 'name = "efficientnet-lite", depth = 1.1', of_tensorflow=True),
    "tf_efficientnet_lite2": Architecture(
        "in1k", 'name = "efficientnet-lite", width = 1.1, depth = 1.2', of_tensorflow=True
    ),
    "tf_efficientnet_lite3": Architecture(
        "in1k", 'name = "efficientnet-lite", width = 1.2, depth = 1.4', of_tensorflow=True
    ),
    "tf_efficientnet_lite4": Architecture(
        "in1k", 'name = "efficientnet-lite", width = 1.4, depth = 1.8', of_tensorflow=True
    ),
}
BLOCK = re.compile(r"blocks\.(\d+)\.(\d+)\.(\w+)\.(.+)")
"""Stage, block of the stage, layer and the rest of a name."""
OUTSIDE = {
    "conv_stem": "stem.conv",
    "bn1": "stem.bn",
    "conv_head": "features.conv",
    "bn2": "features.bn",
    "classifier": "head.linear",
}
INVERTED = {
    "conv_pw": "expand.conv",
    "bn1": "expand.bn",
    "conv_dw": "depthwise.conv",
    "bn2": "depthwise.bn",
    "conv_pwl": "project.conv",
    "bn3": "project.bn",
}
"""Layers of a block with three convolutions."""
SEPARABLE = {"conv_dw": "depthwise.conv", "bn1": "depthwise.bn", "conv_pw": "pointwise.conv", "bn2": "pointwise.bn"}
UNEXPANDED = {**SEPARABLE, "conv_pw": "project.conv", "bn2": "project.bn"}
"""Layers of a block with two, in a net of such blocks alone and before inverted ones."""


def load(named: str, net: NewNet) -> Start:
    """Return the weights of a net on timm's hub under our names.

    Raises:
        UsageError: no net here loads them, or the hub has none of that name.
        EnvironmentUnfit: the hub's client is not installed, or the hub cannot be reached.
        ModelFileError: the files are not what they should be, or [net] describes another net.
    """
    name, _, revision = named.removeprefix(PREFIX).partition("@")
    architecture, _, tag = name.partition(".")
    if architecture not in ARCHITECTURES:
        raise UsageError(f"No net here loads the weights of {named!r}.", nearest(architecture, ARCHITECTURES))
    known = ARCHITECTURES[architecture]
    if not re.fullmatch(r"\w*", tag, re.ASCII) or not re.fullmatch(r"[\w./-]*", revision, re.ASCII):
        raise UsageError(f"{named!r} is no name on a hub.", f"{PREFIX}{architecture}.{known.tag}")
    place = HubPlace(owner=OWNER, name=f"{architecture}.{tag or known.tag}", revision=revision or None)
    config, path = hub_client.cached(hub_client.connect(), place, (CONFIG, WEIGHTS))
    mean, std = normalisation(config, architecture)
    return _published.begin(
        Published(
            name=f"{PREFIX}{place.name}",
            needs=known.needs,
            tensors=renamed(weights_file.read(path).tensors),
            sha256=files.sha256(path),
            mean=mean,
            std=std,
            epsilon=layers.EPSILON if known.of_tensorflow else EPSILON,
            same_padding=known.of_tensorflow,
        ),
        net,
    )


def renamed(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the weights under our names; a name that timm's nets of these kinds do not have stays as it is."""
    matches = {name: BLOCK.fullmatch(name) for name in tensors}
    blocks: dict[tuple[int, int], set[str]] = {}
    for inside in filter(None, matches.values()):
        blocks.setdefault((int(inside[1]), int(inside[2])), set()).add(inside[3])
    positions = {block: position for position, block in enumerate(sorted(blocks))}
    is_inverted = any("conv_pwl" in parts for parts in blocks.values())
    result = {}
    for name, match in matches.items():
        if match is None:
            layer, _, leaf = name.partition(".")
            result[f"{OUTSIDE.get(layer, layer)}.{leaf}"] = tensors[name]
            continue
        block = int(match[1]), int(match[2])
        names = INVERTED if "conv_pwl" in blocks[block] else UNEXPANDED if is_inverted else SEPARABLE
        result[f"blocks.{positions[block]}.{names.get(match[3], match[3])}.{match[4]}"] = tensors[name]
    return result


def normalisation(path: Path, architecture: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return mean and deviation of pixels of 0..255, each for one channel or for all."""
    try:
        table = documents.table(path)
        if table.get("architecture") != architecture:
            raise Unreadable(f"it is of the architecture {table.get('architecture')!r}")
        pixels = documents.part(table, "pretrained_cfg")
        mean, std = (_numbers(pixels.get(key)) for key in ("mean", "std"))
    except Unreadable as error:
        raise ModelFileError(f"{path} does not say how {architecture} sees pixels: {error}.") from error
    if min(std) <= 0 or len(mean) != len(std):
        raise ModelFileError(f"{path} does not say how {architecture} sees pixels: std = {std} is none.")
    return mean, std


def _numbers(values: object) -> tuple[float, ...]:
    """Return numbers of pixels of 0..1 as those of pixels of 0..255."""
    if not isinstance(values, Iterable) or isinstance(values, str):
        raise Unreadable("its mean and std are no numbers")
    numbers = tuple(255 * value for value in values if isinstance(value, int | float) and abs(value) <= 1)
    if len(numbers) not in (1, 3):
        raise Unreadable("its mean and std are no numbers of pixels from 0 to 1")
    return numbers
