"""Quantisation-aware training (QAT): a trained net adapts to int8 rounding.

During training, every tensor that becomes int8 is rounded in the forward pass, and gradients pass the rounding
unchanged (Jacob et al., 2018, CVPR, arXiv:1712.05877, section 3). Batch norms are folded before the first step, which
freezes their statistics; for a converged net this does as well as folding at every step (Nagel et al., 2021,
arXiv:2106.08295, section 5.2), and what is trained is what is exported. The net learns from the float net's answers
(Hinton, Vinyals and Dean, 2015, arXiv:1503.02531), because the aim is to remain equal to it.
"""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.fx import GraphModule

from edgecnn.common import console
from edgecnn.errors import GateFailed
from edgecnn.nets.layers import Normalise
from edgecnn.pipeline.export.scheme import BATCH, Scheme, normalised, prepared
from edgecnn.pipeline.train import augment, resources
from edgecnn.pipeline.train.optimizer import learning_rate
from edgecnn.records.recipe import OptimPlan

OPTIM = OptimPlan(name="adamw", lr=0.001, weight_decay=0.0, schedule="cosine", warmup=0.1)

FROZEN = 0.5
"""Share of the steps, at the end, during which the activations' ranges are fixed."""


def train(scheme: Scheme, epochs: int) -> GraphModule:
    """Train for `epochs` over the training pictures, augmented as in the recipe.

    The result is deterministic: all randomness comes from the recipe's seed.

    Returns:
        The graph with its weights and ranges.

    Raises:
        GateFailed: The loss became NaN or infinite.
    """
    run, recipe, training = scheme.run, scheme.run.recipe, scheme.splits.train
    graph = prepared(scheme, trained=True)
    weights = [parameter for parameter in graph.parameters() if parameter.requires_grad]
    _arrange(weights, torch.channels_last)
    optimizer = torch.optim.AdamW(weights, lr=OPTIM.lr, weight_decay=OPTIM.weight_decay)
    generator = torch.Generator().manual_seed(recipe.seed)
    normalise = Normalise(run.mean, run.std)
    batch = min(recipe.batch_size, len(training))
    steps = epochs * (len(training) // batch)
    threads = torch.get_num_threads()
    torch.set_num_threads(resources.num_threads(recipe, resources.here())[0])
    try:
        _set_ranges(graph, scheme)
        order = np.empty(0, dtype=np.int64)
        with console.progress(f"{run.name}: training under int8 rounding", steps) as advance:
            for step in range(steps):
                if len(order) < batch:
                    order = torch.randperm(len(training), generator=generator).numpy()
                chosen, order = order[:batch], order[batch:]
                pixels = augment.augment(
                    torch.from_numpy(training.images[chosen]), recipe.augment, run.mean, generator
                )  # (N, H, W, C)
                inputs = normalise(pixels.permute(0, 3, 1, 2))  # channels-last in memory as it is
                if step == steps - int(FROZEN * steps):
                    _freeze_ranges(graph)
                for group in optimizer.param_groups:
                    group["lr"] = learning_rate(OPTIM, step, steps)
                with torch.no_grad():
                    target = F.softmax(scheme.net(inputs), 1)
                outputs = graph(inputs)
                loss = F.kl_div(F.log_softmax(outputs, 1), target, reduction="batchmean")
                optimizer.zero_grad(set_to_none=True)
                loss.backward()  # type: ignore[no-untyped-call]
                optimizer.step()
                if not math.isfinite(loss.item()):
                    raise GateFailed(
                        f"The loss of training under int8 rounding became {loss.item()} in step {step + 1}."
                    )
                advance(1)
        _arrange(weights, torch.contiguous_format)
        with torch.no_grad():
            graph(inputs)  # observes the ranges of the weights after the last step
    finally:
        torch.set_num_threads(threads)
    return graph


def _set_ranges(graph: GraphModule, scheme: Scheme) -> None:
    """Initialise the activations' ranges from the calibration pictures, without rounding."""
    from torchao.quantization.pt2e import disable_fake_quant, enable_fake_quant

    graph.apply(disable_fake_quant)
    with torch.no_grad():
        for start in range(0, len(scheme.calibration.images), BATCH):
            graph(normalised(scheme.calibration.images[start : start + BATCH], scheme.run))
    graph.apply(enable_fake_quant)


def _freeze_ranges(graph: GraphModule) -> None:
    """Stop averaging the activations' ranges; the weights' ranges still follow the weights."""
    from torchao.quantization.pt2e import FakeQuantize

    for module in graph.modules():
        if isinstance(module, FakeQuantize) and module.activation_post_process.averaging_constant < 1:
            module.disable_observer()


def _arrange(weights: list[torch.nn.Parameter], memory_format: torch.memory_format) -> None:
    """Set the filters' memory format: channels-last trains faster, but files need contiguous ones."""
    for weight in weights:
        if weight.ndim == 4:
            moved: Tensor = weight.data.contiguous(memory_format=memory_format)
            weight.data = moved
