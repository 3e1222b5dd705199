"""Data-parallel training in several processes, as torchrun starts them.

    torchrun --nproc-per-node 2 -m edgecnn train RECIPE

All processes run the same command and hold the same weights, and each computes its rows of every batch. Only the first
one writes, into a run folder that all can read, and prints. If one process dies, all end, and one of them says why.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edgecnn.errors import PeerLost, UsageError

if TYPE_CHECKING:
    from torch.distributed.distributed_c10d import Store

_joins = itertools.count()


@dataclass(frozen=True)
class Team:
    """The processes of a training, as one of them sees them."""

    rank: int = 0
    count: int = 1
    local_rank: int = 0
    """Rank among the processes on this machine."""
    local_count: int = 1
    """Processes on this machine."""

    @property
    def is_leader(self) -> bool:
        """True if this is the process that writes and prints."""
        return self.rank == 0

    def check(self, batch: int) -> None:
        """Raise UsageError if a batch of so many images cannot be divided evenly among the processes."""
        if batch % self.count:
            raise UsageError(
                f"A batch of {batch} pictures cannot be shared evenly by {self.count} processes.",
                f"choose a --batch-size that is a multiple of {self.count} and at most the training pictures, "
                "or another --nproc-per-node",
            )

    def rows(self, batch: int) -> slice:
        """Return which rows of a batch of so many images are this process's; `check` has refused a remainder."""
        share = batch // self.count
        return slice(self.rank * share, (self.rank + 1) * share)

    def all_reduce_sum(self, *values: float) -> list[float]:
        """Return the sum of each value over all processes, to all of them. They wait for each other."""
        if self.count == 1:
            return list(values)
        import torch

        sums = torch.tensor(values, dtype=torch.float64)
        torch.distributed.all_reduce(sums)
        return [float(total) for total in sums]

    def barrier(self) -> None:
        """Wait until every process has come here."""
        self.all_reduce_sum(0.0)

    @contextlib.contextmanager
    def leader_first(self) -> Iterator[None]:
        """Run the body in the leader first, then in the others, which find what it has downloaded or cached."""
        if not self.is_leader:
            self.barrier()
        yield
        if self.is_leader:
            self.barrier()


ALONE = Team()


def here() -> Team:
    """Return the team as torchrun's environment variables describe it, or a team of one without them."""
    names = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")
    if any(name not in os.environ for name in names):
        return ALONE
    return Team(*(int(os.environ[name]) for name in names))


@contextlib.contextmanager
def joined(device: str) -> Iterator[Team]:
    """Connect all processes of this training while inside, with gloo on the CPU and nccl between CUDA devices.

    Args:
        device: the type of device whose tensors are exchanged, "cpu" or "cuda".

    Yields:
        The team.

    Raises:
        PeerLost: another process has ended, or torchrun ends this one. It may also be raised by what runs inside.
    """
    team = here()
    if team.count == 1:
        yield team
        return
    import torch.distributed as dist

    former_handler = heed_torchrun()
    try:
        _init_process_group(team, "cpu:gloo,cuda:nccl" if device == "cuda" else "gloo")
        yield team
    except BaseException as error:
        # torchrun now sends SIGTERM, which should not cut off the error message.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if _is_failed_exchange(error):
            raise _peer_lost() from error
        raise
    else:
        signal.signal(signal.SIGTERM, former_handler)
    finally:
        if dist.is_initialized():
            dist.destroy_process_group()


def heed_torchrun() -> Any:
    """Turn SIGTERM, which torchrun sends if another process failed, into PeerLost; return the former handler."""
    return signal.signal(signal.SIGTERM, _on_sigterm)


def first_to_tell() -> bool:
    """Return whether no other process of this training has printed an error yet; always true for a team of one."""
    if here().count == 1:
        return True
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        return bool(_store().add("edgecnn/told", 1) == 1)
    except Exception:  # the store is gone, or torch was being imported: better printed twice than never
        return True


@functools.cache
def _store() -> Store:
    """Return the key-value store that all processes share; torchrun holds it, so it outlives each of them."""
    from torch.distributed.rendezvous import rendezvous

    store: Store = next(rendezvous("env://"))[0]
    return store


def _init_process_group(team: Team, backend: str) -> None:
    import torch.distributed as dist
    from torch.distributed.distributed_c10d import PrefixStore

    store = PrefixStore(f"edgecnn/{next(_joins)}", _store())
    store.set(f"here/{team.rank}", "")
    # Waiting in Python, since torch's own waiting lets no signal handler run.
    while not store.check([f"here/{rank}" for rank in range(team.count)]):
        time.sleep(0.02)
    dist.init_process_group(backend, store=store, rank=team.rank, world_size=team.count)


def _is_failed_exchange(error: BaseException) -> bool:
    """Return whether it is torch's error for a failed exchange, which gloo only shows by its source file."""
    import torch.distributed as dist

    return isinstance(error, dist.DistError) or (isinstance(error, RuntimeError) and "/gloo/" in str(error))


def _on_sigterm(_number: int, _frame: Any) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise _peer_lost()


def _peer_lost() -> PeerLost:
    return PeerLost(
        f"The training has ended: one of its {here().count} processes failed, or torchrun was told to stop.",
        "`edgecnn train RUN --resume` continues from the last whole epoch, with as many processes or others",
    )
