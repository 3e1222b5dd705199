"""One training shared by several processes, as torchrun starts them:

    torchrun --nproc-per-node 2 -m edgecnn train RECIPE

All run the same command and hold the same weights; each learns from its rows of every batch. The first alone writes
and speaks, into a run folder that all can read. If one dies all end, and one of them says so.
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
    """This process among those of its training."""

    rank: int = 0
    count: int = 1
    local_rank: int = 0
    """Among the processes of this machine."""
    local_count: int = 1

    @property
    def is_leader(self) -> bool:
        """Whether it is the one that writes and speaks."""
        return self.rank == 0

    def check(self, batch: int) -> None:
        """Raise UsageError if a batch of so many pictures cannot be dealt out evenly."""
        if batch % self.count:
            raise UsageError(
                f"A batch of {batch} pictures cannot be shared evenly by {self.count} processes.",
                f"choose a --batch-size that is a multiple of {self.count} and at most the training pictures, "
                "or another --nproc-per-node",
            )

    def rows(self, batch: int) -> slice:
        """Of a batch of so many pictures, those of this process; `check` says if there is a remainder."""
        each = batch // self.count
        return slice(self.rank * each, (self.rank + 1) * each)

    def all_reduce_sum(self, *numbers: float) -> list[float]:
        """The sums of each number over all processes, the same in all of them; they wait for each other."""
        if self.count == 1:
            return list(numbers)
        import torch

        sums = torch.tensor(numbers, dtype=torch.float64)
        torch.distributed.all_reduce(sums)
        return [float(value) for value in sums]

    def barrier(self) -> None:
        """Until every process is here."""
        self.all_reduce_sum(0.0)

    @contextlib.contextmanager
    def leader_first(self) -> Iterator[None]:
        """The leader does it before the others: they find what it has fetched, and it goes on when they may begin."""
        if not self.is_leader:
            self.barrier()
        yield
        if self.is_leader:
            self.barrier()


ALONE = Team()


def here() -> Team:
    """This process as torchrun's environment names it; alone without one."""
    names = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")
    if any(name not in os.environ for name in names):
        return ALONE
    return Team(*(int(os.environ[name]) for name in names))


@contextlib.contextmanager
def joined(device: str) -> Iterator[Team]:
    """All processes of this training, ready to exchange tensors of that kind of device ("cpu", "cuda") while inside.

    By gloo on the CPU, by nccl between CUDA devices. Raises PeerLost, here or out of what runs inside, if another
    process has ended or torchrun ends this one.
    """
    team = here()
    if team.count == 1:
        yield team
        return
    import torch.distributed as dist

    before = heed_torchrun()
    try:
        _meet(team, "cpu:gloo,cuda:nccl" if device == "cuda" else "gloo")
        yield team
    except BaseException as error:
        # torchrun will now tell this process to end, which should not cut off its last words.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if _is_of_a_peer(error):
            raise _lost() from error
        raise
    else:
        signal.signal(signal.SIGTERM, before)
    finally:
        if dist.is_initialized():
            dist.destroy_process_group()


def heed_torchrun() -> Any:
    """From now on being told to end, as torchrun does if another process failed, is a PeerLost; what was before."""
    return signal.signal(signal.SIGTERM, _told_to_end)


def first_to_tell() -> bool:
    """Whether no other process of this training has told the user of an error yet; alone, always."""
    if here().count == 1:
        return True
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        return bool(_store().add("edgecnn/told", 1) == 1)
    except Exception:  # whoever kept the count is gone, or torch was being imported; better told twice than never
        return True


@functools.cache
def _store() -> Store:
    """What all processes can read and write: torchrun keeps it, so it outlives each of them."""
    from torch.distributed.rendezvous import rendezvous

    store: Store = next(rendezvous("env://"))[0]
    return store


def _meet(team: Team, backend: str) -> None:
    import torch.distributed as dist
    from torch.distributed.distributed_c10d import PrefixStore

    store = PrefixStore(f"edgecnn/{next(_joins)}", _store())
    store.set(f"here/{team.rank}", "")
    # In Python, since no signal is heard inside torch's own waiting.
    while not store.check([f"here/{rank}" for rank in range(team.count)]):
        time.sleep(0.02)
    dist.init_process_group(backend, store=store, rank=team.rank, world_size=team.count)


def _is_of_a_peer(error: BaseException) -> bool:
    """Whether torch says that an exchange failed: nccl and the store by type, gloo by its source file alone."""
    import torch.distributed as dist

    return isinstance(error, dist.DistError) or (isinstance(error, RuntimeError) and "/gloo/" in str(error))


def _told_to_end(_number: int, _frame: Any) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise _lost()


def _lost() -> PeerLost:
    return PeerLost(
        f"The training has ended: one of its {here().count} processes failed, or torchrun was told to stop.",
        "`edgecnn train RUN --resume` continues from the last whole epoch, with as many processes or others",
    )
