"""Started by torchrun: the same steps in one process and in all of them; prints how far the weights then lie apart."""

from __future__ import annotations

import json
import sys

import torch
import torch.nn.functional as F

from edgecnn import data, nets
from edgecnn.pipeline.train import distributed, optimizer, sync_batch_norm, train_step
from edgecnn.pipeline.train.distributed import ALONE, Team
from edgecnn.pipeline.train.train_step import TrainContext
from edgecnn.records import plans


def weights(team: Team, optim: str, dtype: torch.dtype, steps: int) -> torch.Tensor:
    """All weights after `steps` of the digits' recipe, pictures mixed."""
    overrides = ("net.width=8", "augment.cutmix=1.0", f"optim.name={optim}", "optim.ema=0.9")
    recipe = plans.load_recipe("dscnn-digits", overrides)
    ctx = TrainContext(recipe, data.load(recipe.data).train, 78.0, 95.0, None, team)
    torch.manual_seed(0)
    net = nets.build(recipe.net, (1, 8, 8), 10).to(dtype=dtype, memory_format=torch.channels_last)  # type: ignore[call-overload]
    state = optimizer.fresh_state(net, recipe.optim)
    trained = sync_batch_norm.distribute(net, team)
    generator = torch.Generator().manual_seed(0)
    for step in range(steps):
        indices = torch.randperm(len(ctx.training), generator=generator)[: recipe.batch_size].numpy()
        inputs, targets = train_step.load_batch(ctx, indices, None, generator)
        train_step.backward(state, F.cross_entropy(trained(inputs.to(dtype)), targets.to(dtype)))
        optimizer.step(state, recipe.optim, step)
    assert state.averaged is not None
    return torch.cat([value.detach().flatten() for value in (*net.parameters(), *state.averaged.parameters())])


def main() -> None:
    torch.set_num_threads(1)
    apart = {}
    for optim in ("sgd", "adamw"):
        for dtype, steps in ((torch.float64, 12), (torch.float32, 1)):
            alone = weights(ALONE, optim, dtype, steps)
            with distributed.joined("cpu") as team:  # each time anew, as repeats do
                difference = float((weights(team, optim, dtype, steps) - alone).abs().max())
                summed = team.all_reduce_sum(difference)[0]
            apart[f"{optim} {str(dtype).removeprefix('torch.')}"] = summed
    if team.is_leader:
        json.dump(
            {"moved": float((alone - weights(ALONE, "adamw", torch.float32, 0)).abs().max()), **apart}, sys.stdout
        )


main()
