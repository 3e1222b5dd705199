"""The net as several processes train it."""

from __future__ import annotations

from torch import nn
from torch.nn.parallel import DistributedDataParallel

from edgecnn.pipeline.train.distributed import Team
from edgecnn.pipeline.train.sync_batch_norm import with_global_batch_norm

TOLERANCE = 1e-4
"""Of a weight after 57 steps of SGD on the digits, two processes against one, in float32 and with a net that has no
kink: the tests hold two processes to it. 12 steps in float64, with ReLU, agree to 1e-12.

A ReLU of what is 0 but for rounding passes on what rounding chose, and AdamW divides such a gradient by its own size.
With them float32 drifts apart as two orders of one batch do in a single process.
"""


def shared(net: nn.Module, team: Team) -> nn.Module:
    """`net` itself for one process; for more, its very parameters with gradients that are means over all processes.

    With equal shares of a batch, a loss that is a mean over pictures and batch norm over all of them, these are one
    process's gradients of the whole batch but for rounding (TOLERANCE). Dropout draws in each process for itself.
    """
    return DistributedDataParallel(with_global_batch_norm(net)) if team.count > 1 else net
