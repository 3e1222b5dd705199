"""Measure which numbers of channels train fast; makes bench/results/widths.json.

    python bench/widths.py -o bench/results/widths.json

Batch norm and its gradient, the costliest operators of a small net's training, on bfloat16 (128, C, 32, 32) in
channels-last memory, one thread. The widths take turns; stated is the median time for each value.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from pathlib import Path

import record
import torch
from torch import Tensor

from edgecnn.common import console
from edgecnn.pipeline.train import malloc

WIDTHS = (8, 12, 16, 20, 24, 28, 32, 40, 48, 56, 64)
BATCH, SIDE = 128, 32


def seconds(width: int) -> float:
    """Time one forward and one backward pass."""
    shape = (BATCH, width, SIDE, SIDE)
    x, gradient = (
        torch.randn(shape, dtype=torch.bfloat16).contiguous(memory_format=torch.channels_last) for _ in range(2)
    )
    weight, bias, mean, variance = torch.ones(width), torch.zeros(width), torch.zeros(width), torch.ones(width)
    native = torch.ops.aten

    def once() -> tuple[Tensor, ...]:
        _, m, inverse = native.native_batch_norm(x, weight, bias, mean, variance, True, 0.1, 1e-3)
        gradients: tuple[Tensor, ...] = native.native_batch_norm_backward(
            gradient, x, weight, mean, variance, m, inverse, True, 1e-3, [True, True, True]
        )
        return gradients

    once()
    start = time.perf_counter()
    once()
    return time.perf_counter() - start


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("-o", "--output", type=Path, required=True, help="a .json file")
    options = parser.parse_args()
    torch.set_num_threads(1)
    samples: dict[int, list[float]] = {width: [] for width in WIDTHS}
    with malloc.keep_freed_pages():
        for _ in range(options.rounds):
            for width, times in samples.items():
                times.append(1e9 * seconds(width) / (BATCH * width * SIDE * SIDE))
    record.write(
        options.output,
        {
            "shape": [BATCH, "C", SIDE, SIDE],
            "ns_per_value": {str(width): times for width, times in samples.items()},
        },
    )
    rows = [[str(width), f"{statistics.median(times):.2f}"] for width, times in samples.items()]
    console.table(("channels", "ns a value"), rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
