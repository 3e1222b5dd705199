"""Start from weights that torchvision publishes, of the net that this project has too: `torchvision:mobilenet_v2`.

They are kept where torchvision keeps them (TORCH_HOME), and the end of a file's name is the beginning of its sha256.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import torch

from edgecnn.common import console, files
from edgecnn.errors import EnvironmentUnfit, ModelFileError, UsageError, nearest
from edgecnn.pipeline.train import weights_file
from edgecnn.pipeline.train.start import NewNet, Start, _published
from edgecnn.pipeline.train.start._published import Published

PREFIX = "torchvision:"
ADDRESS = "https://download.pytorch.org/models/"
MEAN, STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
"""The mean and deviation of ImageNet's pixels, red, green and blue, as torchvision's transforms have them."""
EPSILON = 1e-5


@dataclass(frozen=True)
class PublishedFile:
    """A published file."""

    name: str
    """It ends in the first eight digits of its sha256."""
    needs: str = 'name = "mobilenet-v2", width = 32'

    @property
    def sha256(self) -> str:
        """The beginning of its sha256."""
        return Path(self.name).stem.rpartition("-")[2]


FILES = {
    "mobilenet_v2": PublishedFile("mobilenet_v2-7ebf99e0.pth"),
    "mobilenet_v2.IMAGENET1K_V2": PublishedFile("mobilenet_v2-7ebf99e0.pth"),
    "mobilenet_v2.IMAGENET1K_V1": PublishedFile("mobilenet_v2-b0353104.pth"),
}
"""By the name of the net, and of its weights; without that, torchvision's default."""
BLOCK = re.compile(r"features\.(\d+)\.conv\.(\d+)\.(.+)")
STEM, FIRST, FEATURES = 0, 1, 18
"""Positions in torchvision's list of layers: the first convolution, the block that widens nothing, and the last."""


def load(named: str, net: NewNet) -> Start:
    """Return the weights that torchvision publishes under our names.

    Raises:
        UsageError: there are none of that name.
        EnvironmentUnfit: they cannot be downloaded.
        ModelFileError: the file is not what was published, or [net] describes another net.
    """
    name = named.removeprefix(PREFIX)
    if name not in FILES:
        raise UsageError(f"No net here loads the weights of {named!r}.", nearest(name, FILES))
    file = FILES[name]
    path = _cached(file)
    sha256 = files.sha256(path)
    if not sha256.startswith(file.sha256):
        raise ModelFileError(f"{path} is not the file that was published: its sha256 differs.", f"remove {path}")
    return _published.begin(
        Published(
            name=named,
            needs=file.needs,
            tensors={renamed(key): value for key, value in weights_file.read(path).tensors.items()},
            sha256=sha256,
            mean=MEAN,
            std=STD,
            epsilon=EPSILON,
            same_padding=False,
        ),
        net,
    )


def renamed(name: str) -> str:
    """Return our name of one of torchvision's; one that its net does not have stays as it is."""
    for position, ours in ((STEM, "stem"), (FEATURES, "features")):
        for layer, part in enumerate(("conv", "bn")):
            if name.startswith(f"features.{position}.{layer}."):
                return f"{ours}.{part}.{name.split('.', 3)[3]}"
    if match := BLOCK.fullmatch(name):
        block, layer, rest = int(match[1]), int(match[2]), match[3]
        convolutions = ("depthwise",) if block == FIRST else ("expand", "depthwise")
        if layer < len(convolutions):  # a convolution and its batch norm
            inner, _, leaf = rest.partition(".")
            return f"blocks.{block - 1}.{convolutions[layer]}.{'bn' if inner == '1' else 'conv'}.{leaf}"
        return f"blocks.{block - 1}.project.{'conv' if layer == len(convolutions) else 'bn'}.{rest}"
    return name.replace("classifier.1.", "head.linear.")


def _cached(file: PublishedFile) -> Path:
    """Return where the file lies, after downloading it if it is not there."""
    path = Path(torch.hub.get_dir()) / "checkpoints" / file.name
    if path.is_file():
        return path
    url = f"{ADDRESS}{file.name}"
    console.note(f"downloading {url}")
    files.make_folder(path.parent)
    try:
        torch.hub.download_url_to_file(url, str(path), file.sha256, progress=False)
    except RuntimeError as error:  # the client's word for another sha256
        raise EnvironmentUnfit(f"{url} is not the file that was published: its sha256 differs.") from error
    except OSError as error:
        reason = getattr(error, "reason", None) or error
        raise EnvironmentUnfit(
            f"Cannot download {url}: {str(reason).rstrip('.')}.",
            f"where there is a network, fetch it and put it at {path}",
        ) from error
    return path
