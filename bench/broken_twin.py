"""A twin of a run that computes the very same float function and that plain int8 cannot hold.

    python bench/broken_twin.py RUN -o FOLDER [--spread 1000]

Between two layers that a scale can pass (`edgecnn.nets.graph.Link`) each channel is multiplied by a power of 2 of its
own and divided by it in the next layer, so that the largest scale is about `spread` times the smallest. A power of 2
rounds nothing: all float logits of the test pictures are checked to be equal to the last bit. Trained depthwise nets
come with such spreads by themselves (Nagel et al., 2019, figure 2); this one is made on purpose, to be rescued.
"""

from __future__ import annotations

import argparse
import dataclasses
import math
import shutil
import sys
from pathlib import Path

import numpy as np
import torch

from edgecnn import data, nets
from edgecnn.common import console
from edgecnn.errors import EdgecnnError, RunError
from edgecnn.pipeline.export import check
from edgecnn.pipeline.export.rungs import equalisation
from edgecnn.records.run import Run, open_run, write_facts


def spread_channels(run: Run, spread: float, seed: int) -> int:
    """Rewrite the run's weights; how many pairs of layers were changed. Raises RunError if there is none."""
    net = nets.restore(run)
    pairs = equalisation.pairs(net, run.input_shape)
    if not pairs:
        raise RunError(f"{run.name} has no pair of layers that a scale can pass.", "take a net with ReLU")
    generator = torch.Generator().manual_seed(seed)
    half = math.log2(spread) / 2
    with torch.no_grad():
        for pair in pairs:
            channels = len(net.get_parameter(f"{pair.source}.weight"))
            exponents = torch.linspace(-half, half, channels).round()[torch.randperm(channels, generator=generator)]
            equalisation.rescale(net, pair, torch.exp2(exponents))
    write_facts(dataclasses.replace(run, weights_sha256=nets.store(net, run.weights)))
    return len(pairs)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("run", type=Path, help="a finished run")
    parser.add_argument("-o", "--output", type=Path, required=True, help="the twin's folder, which must not be there")
    parser.add_argument("--spread", type=float, default=1000.0, help="largest scale over smallest")
    parser.add_argument("--seed", type=int, default=0, help="of which channel has which scale")
    options = parser.parse_args()
    try:
        run = open_run(options.run)
        if options.output.exists():
            raise RunError(f"There is a {options.output} already.", "choose another --output")
        shutil.copytree(run.folder, options.output, ignore=shutil.ignore_patterns("artifacts", "bench"))
        twin = open_run(options.output)
        pairs = spread_channels(twin, options.spread, options.seed)
        test = data.load(run.recipe.data).test
        logits, others = (check.reference_logits(net, test.images) for net in (run, twin))
    except EdgecnnError as error:
        console.error(error.sentence, error.hint)
        return error.exit_code
    same = np.array_equal(logits, others)
    top1 = [100 * float((values.argmax(1) == test.labels).mean()) for values in (logits, others)]
    print(
        f"{twin.folder}: {pairs} pairs of layers rescaled; float top-1 {top1[0]:.2f} % and {top1[1]:.2f} %, "
        f"logits of {len(test):,} test pictures {'equal to the last bit' if same else 'DIFFER'}"
    )
    return int(not same)


if __name__ == "__main__":
    sys.exit(main())
