"""Trains a step of every net at widths 2 to 16 with every option, channels-last: a program for a process of its own.

    python tests/support/every_net.py [bf16]

A kernel that writes past its memory ends it, or glibc does.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from edgecnn import nets
from edgecnn.common import plugins
from edgecnn.nets import layers
from edgecnn.records.recipe import NetPlan

WIDTHS = range(2, 17)
SHAPES = ((3, 16, 16), (1, 15, 13))
BATCH = 8
CLASSES = 4


def options(net: str) -> Iterator[dict[str, Any]]:
    """Every option of a net once, beside its narrow widths; a net that is not known here takes its defaults."""
    if net == "dscnn":
        variants: list[dict[str, Any]] = [{}, *({"pool": name} for name in layers.POOLS)]
        variants += [{"activation": name} for name in layers.ACTIVATIONS]
        variants += [{"kernel": 5}, {"residual": False}, {"stem_stride": 2}, {"dropout": 0.5}, {"squeeze": 0.5}]
        variants += [{"growth": 1.5}, {"depth": 1, "stages": 2}]
        for width, variant in itertools.product(WIDTHS, variants):
            yield {"width": width, **variant}
    elif net == "resnet":
        for width, variant in itertools.product(WIDTHS, ({}, {"residual": False}, {"growth": 1.5}, {"growth": 1.0})):
            yield {"width": width, **variant}  # type: ignore[dict-item]
    elif net == "mlp":
        for width, name in itertools.product(WIDTHS, layers.ACTIVATIONS):
            yield {"hidden": width, "last": width, "activation": name}
    elif net == "vit":
        for width, patch in itertools.product(WIDTHS, (1, 2, 4)):
            yield {"dim": width, "mlp_dim": 2 * width, "heads": 2, "patch": patch, "depth": 1}
    elif net in ("mobilenet", "mobilenet-v2"):
        for width in WIDTHS:
            yield {"width": width}
    else:
        yield {}


def step(net: nn.Module, shape: tuple[int, int, int], precision: str) -> None:
    """Forward and backward of one batch."""
    net = net.to(memory_format=torch.channels_last).train()  # type: ignore[call-overload]
    inputs = torch.randn(BATCH, *shape).to(memory_format=torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
        logits = net(inputs)
    F.cross_entropy(logits.float(), torch.arange(BATCH) % CLASSES).backward()


def main() -> int:
    precision = sys.argv[1] if len(sys.argv) > 1 else "fp32"
    torch.set_num_threads(1)
    torch.manual_seed(0)
    count = 0
    for name in plugins.own_names("edgecnn.nets.architectures"):
        for shape in SHAPES:
            sizes = [shape] if nets.get(name).ANY_SIZE else [(shape[0], 8, 8)]
            for size, chosen in itertools.product(sizes, options(name)):
                step(nets.build(NetPlan(name=name, options=chosen), size, CLASSES), size, precision)
                count += 1
    print(f"{count} nets")
    return 0


if __name__ == "__main__":
    sys.exit(main())
