"""A Recipe: one training, as its TOML file declares it: pictures, net, optimiser, augmentation, teacher, seed."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from edgecnn.common import config

OF_THE_MACHINE = ("precision", "num_threads", "device")
"""Keys of a Recipe that say how a machine computes and not what is learnt: they may change when a run is resumed."""

MOST_SEED = 2**63 - 1
MOST = {"epochs": 100_000, "qat_epochs": 100_000, "batch_size": 1_000_000, "seed": MOST_SEED, "num_threads": 1_024}
"""Of a Recipe's whole numbers."""
MOST_PIXELS = 10_000
"""Of a shift or a cutout."""
BETA = (0.001, 4.0)
"""Within which a draw from Beta(a, a) takes some tries and not thousands (`edgecnn.pipeline.train.augment`)."""


def _require_finite(plan: object) -> None:
    for key, value in vars(plan).items():
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError(f"{key} = {value} should be a finite number")


@dataclass(frozen=True, kw_only=True)
class DataPlan:
    """Which pictures: a data plug-in, its own options, and how validation is cut from train."""

    name: str
    validation: float = 0.1
    """Share of the training pictures held out for validation, per class."""
    seed: int = 0
    """Of the validation cut alone; the training seed does not move it."""
    fraction: float = 1.0
    """Share of the training pictures that are left to learn from, per class; validation and test stay whole."""
    fraction_seed: int = 0
    """Of that draw."""
    only_unseen: bool = False
    """Leave out of validation and test what the run that a training starts from, or its teachers, have seen; without
    it such a training is refused."""
    options: Mapping[str, Any] = field(default_factory=dict, metadata=config.REST)

    def __post_init__(self) -> None:
        if not 0 <= self.seed <= MOST_SEED or not 0 <= self.fraction_seed <= MOST_SEED:
            raise ValueError(f"seed and fraction_seed should lie between 0 and {MOST_SEED}")
        if not 0 < self.validation < 1:
            raise ValueError(f"validation = {self.validation} should lie between 0 and 1")
        if not 0 < self.fraction <= 1:
            raise ValueError(f"fraction = {self.fraction} should lie above 0 and be at most 1")


@dataclass(frozen=True, kw_only=True)
class NetPlan:
    """Which net: a net plug-in and the numbers it is built from."""

    name: str
    options: Mapping[str, Any] = field(default_factory=dict, metadata=config.REST)


@dataclass(frozen=True, kw_only=True)
class BudgetPlan:
    """Scale the net until it costs what another recipe's net costs, within 5 %."""

    like: str
    by: Literal["params", "macs"] = "params"


@dataclass(frozen=True, kw_only=True)
class OptimPlan:
    """The optimiser, its schedule and the loss."""

    name: Literal["sgd", "adam", "adamw"] = "adamw"
    """Of adam, unlike adamw, weight decay is part of the loss, as in L2 regularisation."""
    lr: float = 0.003
    momentum: float = 0.9
    weight_decay: float = 0.01
    schedule: Literal["one-cycle", "cosine", "exponential"] = "one-cycle"
    end: float = 0.0
    """Share of the learning rate that is left at the end of an exponential schedule."""
    warmup: float = 0.2
    """Share of all steps in which the learning rate rises."""
    label_smoothing: float = 0.0
    decay: Literal["weights", "all"] = "weights"
    """What weight decay is for: what multiplies inputs, or biases and batch norm too."""
    bias_lr: float = 1.0
    """How many times larger the learning rate of batch norm's shifts is."""
    ema: float = 0.0
    """Decay per step of the weights' exponential moving average; 0 keeps the last weights."""

    def __post_init__(self) -> None:
        _require_finite(self)
        if not self.lr > 0:
            raise ValueError(f"lr = {self.lr} should be above 0")
        for name in ("momentum", "warmup", "label_smoothing", "ema"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name} = {getattr(self, name)} should lie in [0, 1)")
        if self.weight_decay < 0:
            raise ValueError(f"weight_decay = {self.weight_decay} should not be negative")
        if not self.bias_lr > 0:
            raise ValueError(f"bias_lr = {self.bias_lr} should be above 0")
        if (self.schedule == "exponential") != (0 < self.end < 1):
            raise ValueError("an exponential schedule, and no other, needs an end between 0 and 1")


@dataclass(frozen=True, kw_only=True)
class AugmentPlan:
    """Random changes of a training picture; a data set refuses those that change what its labels mean."""

    flip: bool = False
    """Mirror left and right, for half of the pictures."""
    alternate: bool = False
    """Mirror each picture in every second epoch, not by chance, so that two epochs show both sides of all."""
    shift: int = 0
    """Pad by this many pixels and crop back at random, in pixels."""
    rotation: float = 0.0
    """Largest turn to either side, in degrees; what comes in at the border repeats it."""
    cutout: int = 0
    """Side of a square set to the mean, in pixels."""
    jitter: float = 0.0
    """Largest relative change of brightness and of contrast."""
    mixup: float = 0.0
    """Blend each picture and its label with another's, the share drawn from Beta(mixup, mixup)."""
    cutmix: float = 0.0
    """Put a rectangle of another picture into each, and as much of its label; area from Beta(cutmix, cutmix)."""

    def __post_init__(self) -> None:
        _require_finite(self)
        if self.shift < 0 or self.cutout < 0 or not 0 <= self.jitter < 1:
            raise ValueError("shift and cutout should not be negative, jitter should lie in [0, 1)")
        if max(self.shift, self.cutout) > MOST_PIXELS:
            raise ValueError(f"shift and cutout should be at most {MOST_PIXELS:,} pixels")
        if not 0 <= self.rotation <= 180:
            raise ValueError(f"rotation = {self.rotation} should lie between 0 and 180 degrees")
        if self.alternate and not self.flip:
            raise ValueError("alternate says how to flip: it needs flip = true")
        if min(self.mixup, self.cutmix) < 0 or (self.mixup and self.cutmix):
            raise ValueError("mixup and cutmix should not be negative, and only one of them above 0")
        if (drawn := self.mixup or self.cutmix) and not BETA[0] <= drawn <= BETA[1]:
            raise ValueError(f"mixup and cutmix should be 0, or lie between {BETA[0]} and {BETA[1]:g}")

    def used(self) -> tuple[str, ...]:
        """The augmentations that are on; `alternate` is no other than flip."""
        return tuple(f.name for f in dataclasses.fields(self) if f.name != "alternate" and getattr(self, f.name))


@dataclass(frozen=True, kw_only=True)
class SmallPlan:
    """Smaller pictures in the first steps, which cost less (`edgecnn.pipeline.train.progressive_resizing`)."""

    side: float
    """Of the small pictures, as a share of the whole ones' height and width."""
    share: float = 0.5
    """Of all steps that see small pictures; 0 shows whole ones alone."""

    def __post_init__(self) -> None:
        if not 0 < self.side < 1 or not 0 <= self.share < 1:
            raise ValueError("side should lie between 0 and 1, and share in [0, 1)")


@dataclass(frozen=True, kw_only=True)
class DistillPlan:
    """Teachers whose logits are learnt beside the labels (Hinton, Vinyals and Dean, 2015, arXiv:1503.02531)."""

    teacher: tuple[str, ...]
    """Folders of finished runs on the same pictures and classes; of several the mean of the logits is learnt."""
    weight: float = 0.5
    """Share of the loss that the teacher has."""
    temperature: float = 4.0

    def __post_init__(self) -> None:
        _require_finite(self)
        if not self.teacher:
            raise ValueError("teacher should name at least one run")
        if not 0 < self.weight <= 1 or not self.temperature > 0:
            raise ValueError("weight should lie in (0, 1] and temperature above 0")


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Everything that decides a run's weights, but for the rounding of the machine."""

    name: str
    data: DataPlan
    net: NetPlan
    budget: BudgetPlan | None = None
    optim: OptimPlan = OptimPlan()
    augment: AugmentPlan = AugmentPlan()
    small: SmallPlan | None = None
    distill: DistillPlan | None = None
    start: str = ""
    """Folder of a finished run of the same net, whose weights the training begins with; empty draws them."""
    epochs: int = 10
    qat_epochs: int = 0
    """Last epochs, under int8 rounding, that every int8 export of the run goes through (`export/qat.py`)."""
    batch_size: int = 128
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """Of the matrix products while training; the weights are fp32 always. auto is bf16 where the CPU or GPU multiplies
    it (`edgecnn.pipeline.train.resources`)."""
    seed: int = 0
    num_threads: int | Literal["auto"] = "auto"
    """Of all processes on a machine together; auto takes the physical cores they may use, or as many as OMP_NUM_THREADS
    allows each."""
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"

    def __post_init__(self) -> None:
        for key, most in MOST.items():
            if getattr(self, key) != "auto" and not 0 <= getattr(self, key) <= most:
                raise ValueError(f"{key} = {getattr(self, key)} should lie between 0 and {most:,}")
        if self.epochs < 1:
            raise ValueError(f"epochs = {self.epochs} should be at least 1")
        if self.num_threads != "auto" and self.num_threads < 1:
            raise ValueError(f"num_threads = {self.num_threads} should be at least 1, or 'auto'")
        if self.batch_size < 2:
            raise ValueError(f"batch_size = {self.batch_size} should be at least 2: batch norm needs a batch")
