"""The state of a training, and its checkpoint on disk after every epoch."""

from __future__ import annotations

import contextlib
import csv
import dataclasses
import hashlib
import io
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from edgecnn.common import files
from edgecnn.data import Split, blocks
from edgecnn.errors import RunError
from edgecnn.records.run import Taken

FILE = "checkpoint.pt"
MAGIC = b"edgecnn checkpoint 1\n"
"""The file begins with it; then come the sha256 of the rest, 32 bytes, and the rest, which is in torch's own format."""


@dataclass(frozen=True)
class Epoch:
    """A line of metrics.csv. The training figures are of the augmented images, as the net saw them."""

    epoch: int
    lr: float
    train_loss: float
    train_top1_percent: float
    validation_loss: float
    validation_top1_percent: float
    seconds: float
    pictures_per_s: float


@dataclass
class State:
    """Everything that changes in a training. All of it is in the checkpoint."""

    net: nn.Module
    optimizer: torch.optim.Optimizer
    averaged: nn.Module | None
    """The exponential moving average (EMA) of the weights, if the recipe asks for one."""
    history: list[Epoch]

    @property
    def eval_net(self) -> nn.Module:
        """The net that is evaluated and kept."""
        return self.averaged if self.averaged is not None else self.net


@dataclass(frozen=True)
class Earlier:
    """The part of a training before it was resumed."""

    seconds: float = 0.0
    taken: Taken | None = None
    """None if there was no checkpoint, or it was written before this was recorded."""


@dataclass(frozen=True)
class Basis:
    """The data and weights that a training builds on, which must be the same when it is resumed."""

    data_sha256: str
    """The `digest` of the training split, and of a body that is not trained."""
    start_sha256: str | None
    """The digest of the file with the weights that it starts from."""


def write_metrics(history: Sequence[Epoch], folder: Path) -> None:
    """Write the history as metrics.csv, a line an epoch, with six significant digits."""
    text = io.StringIO()
    writer = csv.DictWriter(text, [field.name for field in dataclasses.fields(Epoch)], lineterminator="\n")
    writer.writeheader()
    writer.writerows({key: f"{value:.6g}" for key, value in dataclasses.asdict(row).items()} for row in history)
    files.write_text(folder / "metrics.csv", text.getvalue())


def save(folder: Path, state: State, basis: Basis, seconds: float, taken: Taken) -> None:
    """Write the checkpoint, atomically.

    Args:
        folder: the run folder.
        state: of the training after an epoch.
        basis: what the training learns from.
        seconds: spent on training so far.
        taken: what the training takes of its machine.
    """
    table = {
        "net": state.net.state_dict(),
        "optimizer": state.optimizer.state_dict(),
        "averaged": state.averaged.state_dict() if state.averaged is not None else None,
        "history": [dataclasses.asdict(row) for row in state.history],
        "data_sha256": basis.data_sha256,
        "start_sha256": basis.start_sha256,
        "seconds": seconds,
        "taken": dataclasses.asdict(taken),
    }
    stream = io.BytesIO()
    torch.save(table, stream)
    content = stream.getvalue()
    files.write_bytes(folder / FILE, MAGIC + hashlib.sha256(content).digest() + content)


def epochs(folder: Path) -> int:
    """Return how many epochs a checkpoint has seen; 0 without one. Raises RunError if it is damaged."""
    with _expected(folder / FILE):
        table = _read(folder / FILE)
        return 0 if table is None else len(table["history"])


def load(folder: Path, state: State, basis: Basis) -> Earlier:
    """Load the checkpoint into `state`, if there is one: a training may end before its first epoch does.

    Args:
        folder: the run folder.
        state: of a net and an optimizer that the same recipe made.
        basis: what the training learns from, as it is now.

    Returns:
        What is known of the training so far.

    Raises:
        RunError: the file is damaged or another recipe's, or what the training learns from has changed.
    """
    path = folder / FILE
    with _expected(path):
        table = _read(path)
        if table is None:
            return Earlier()
        state.net.load_state_dict(table["net"])
        for group in table["optimizer"]["param_groups"]:
            if "times" in group:  # checkpoints written before the key was renamed
                group["lr_scale"] = group.pop("times")
        state.optimizer.load_state_dict(table["optimizer"])
        if state.averaged is not None:
            state.averaged.load_state_dict(table["averaged"])
        state.history[:] = [Epoch(**row) for row in table["history"]]
        earlier = Earlier(float(table["seconds"]), Taken(**table["taken"]) if "taken" in table else None)
        before = Basis(table["data_sha256"], table.get("start_sha256"))
    if before.start_sha256 not in (None, basis.start_sha256):
        raise RunError(
            f"The weights to start from have changed since {path} was written.", "train again under another --name"
        )
    if before.data_sha256 != basis.data_sha256:
        raise RunError(f"The pictures have changed since {path} was written.", "train again under another --name")
    return earlier


@contextlib.contextmanager
def _expected(path: Path) -> Iterator[None]:
    """Raise RunError for whatever reading the checkpoint at `path` raises inside the block."""
    try:
        yield
    except Exception as error:  # a damaged file can raise anything: zip, pickle, key and shape errors
        raise RunError(
            f"{path} is not a checkpoint of this run: {' '.join(str(error).split())[:300].rstrip('.')}.",
            "train again under another --name",
        ) from error


def _read(path: Path) -> dict[str, Any] | None:
    """Return what is in the checkpoint at `path`, with tensors on the CPU; None if there is none."""
    if not path.is_file():
        return None
    content = _verified(path.read_bytes())
    table: dict[str, Any] = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    return table


def _verified(content: bytes) -> bytes:
    """Return the part of the file that torch wrote. Raises ValueError if it is damaged."""
    if content.startswith(MAGIC):
        digest, content = content[len(MAGIC) : len(MAGIC) + 32], content[len(MAGIC) + 32 :]
        if hashlib.sha256(content).digest() != digest:
            raise ValueError("it is damaged, its sha256 differs")
    elif not content.startswith(b"PK"):
        raise ValueError("it is damaged")
    else:  # written before the digest was: a zip archive, as torch writes it, with a checksum for each member
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            if damaged := archive.testzip():
                raise ValueError(f"it is damaged, the checksum of {damaged} differs")
    return content


def remove(folder: Path) -> None:
    """Remove the checkpoint, if there is one."""
    (folder / FILE).unlink(missing_ok=True)


def digest(split: Split) -> str:
    """Return the sha256 of a split's images and labels."""
    hashed = hashlib.sha256(repr(split.images.shape).encode())
    for block in blocks(split.images):
        hashed.update(np.ascontiguousarray(block).data)
    hashed.update(np.ascontiguousarray(split.labels).data)
    return hashed.hexdigest()
