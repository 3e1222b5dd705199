"""What changes while training, and its way to disk and back after an epoch."""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import io
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from edgecnn.common import files
from edgecnn.data import Split, blocks
from edgecnn.errors import RunError
from edgecnn.records.run import Taken

FILE = "checkpoint.pt"
MAGIC = b"edgecnn checkpoint 1\n"
"""How the file begins; 32 bytes follow that are the sha256 of all the rest, which is torch's own format."""


@dataclass(frozen=True)
class Epoch:
    """One line of metrics.csv. Training figures are of augmented pictures, as the net saw them."""

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
    """What changes while training; all of it stands in the checkpoint."""

    net: nn.Module
    optimizer: torch.optim.Optimizer
    averaged: nn.Module | None
    """The exponential moving average of the weights, if the recipe asks for one."""
    history: list[Epoch]

    @property
    def eval_net(self) -> nn.Module:
        """The net to evaluate and keep."""
        return self.averaged if self.averaged is not None else self.net


@dataclass(frozen=True)
class Earlier:
    """What a training did before it was resumed."""

    seconds: float = 0.0
    taken: Taken | None = None
    """None if there was nothing, or it was begun before this was written down."""


def write_metrics(history: Sequence[Epoch], folder: Path) -> None:
    text = io.StringIO()
    writer = csv.DictWriter(text, [field.name for field in dataclasses.fields(Epoch)], lineterminator="\n")
    writer.writeheader()
    writer.writerows({key: f"{value:.6g}" for key, value in dataclasses.asdict(row).items()} for row in history)
    files.write_text(folder / "metrics.csv", text.getvalue())


def save(folder: Path, state: State, digest: str, seconds: float, taken: Taken) -> None:
    table = {
        "net": state.net.state_dict(),
        "optimizer": state.optimizer.state_dict(),
        "averaged": state.averaged.state_dict() if state.averaged is not None else None,
        "history": [dataclasses.asdict(row) for row in state.history],
        "data_sha256": digest,
        "seconds": seconds,
        "taken": dataclasses.asdict(taken),
    }
    stream = io.BytesIO()
    torch.save(table, stream)
    content = stream.getvalue()
    files.write_bytes(folder / FILE, MAGIC + hashlib.sha256(content).digest() + content)


def load(folder: Path, state: State, digest: str) -> Earlier:
    """Fill `state`, if there is a checkpoint, and return what was before it."""
    path = folder / FILE
    if not path.is_file():
        return Earlier()  # killed before the first epoch ended
    try:
        content = _sound(path.read_bytes())
        table = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)  # wherever it was trained
        state.net.load_state_dict(table["net"])
        for group in table["optimizer"]["param_groups"]:
            if "times" in group:  # checkpoints written before the key was renamed
                group["lr_scale"] = group.pop("times")
        state.optimizer.load_state_dict(table["optimizer"])
        if state.averaged is not None:
            state.averaged.load_state_dict(table["averaged"])
        state.history[:] = [Epoch(**row) for row in table["history"]]
        earlier = Earlier(float(table["seconds"]), Taken(**table["taken"]) if "taken" in table else None)
        trained_on = table["data_sha256"]
    except Exception as error:  # a broken file raises anything: zip, pickle, key and shape errors
        raise RunError(
            f"{path} is not a checkpoint of this run: {' '.join(str(error).split())[:300].rstrip('.')}.",
            "train again under another --name",
        ) from error
    if trained_on != digest:
        raise RunError(f"The pictures have changed since {path} was written.", "train again under another --name")
    return earlier


def _sound(content: bytes) -> bytes:
    """What torch wrote, once its digest has been checked. Raises ValueError if it is damaged."""
    if content.startswith(MAGIC):
        digest, content = content[len(MAGIC) : len(MAGIC) + 32], content[len(MAGIC) + 32 :]
        if hashlib.sha256(content).digest() != digest:
            raise ValueError("it is damaged, its sha256 differs")
    elif not content.startswith(b"PK"):
        raise ValueError("it is damaged")
    else:  # from before there was a digest: torch's file is a zip archive, which has a checksum for each member
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            if damaged := archive.testzip():
                raise ValueError(f"it is damaged, the checksum of {damaged} differs")
    return content


def remove(folder: Path) -> None:
    (folder / FILE).unlink(missing_ok=True)


def digest(split: Split) -> str:
    """sha256 of a split's pictures and labels."""
    hashed = hashlib.sha256(repr(split.images.shape).encode())
    for block in blocks(split.images):
        hashed.update(np.ascontiguousarray(block).data)
    hashed.update(np.ascontiguousarray(split.labels).data)
    return hashed.hexdigest()
