"""A Recipe: one training as its TOML file declares it, with data, net, optimiser, augmentation, teacher and seed."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from edgecnn.common import config

OF_THE_MACHINE = ("precision", "num_threads", "device")
"""Keys that say how a machine computes and not what is learnt; they may change when a run is resumed."""

MOST_SEED = 2**63 - 1
MOST = {
    "epochs": 100_000,
    "head_epochs": 100_000,
    "qat_epochs": 100_000,
    "batch_size": 1_000_000,
    "seed": MOST_SEED,
    "num_threads": 1_024,
}
"""Upper bounds of a Recipe's integers."""
MOST_PIXELS = 10_000
"""Upper bound of a shift or a cutout."""
BETA = (0.001, 4.0)
"""Range of a for which drawing from Beta(a, a) takes few tries (`edgecnn.pipeline.train.augment`)."""


def _require_finite(plan: object) -> None:
    for key, value in vars(plan).items():
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError(f"{key} = {value} should be a finite number")


@dataclass(frozen=True, kw_only=True)
class DataPlan:
    """The pictures to learn from: a data plug-in, its options, and how validation is split off."""

    name: str
    validation: float = 0.1
    """Share of the training pictures, per class, that is held out for validation."""
    seed: int = 0
    """Seed of the validation split; the training seed does not change it."""
    fraction: float = 1.0
    """Share of the training pictures, per class, that is learnt from; validation and test stay whole."""
    fraction_seed: int = 0
    """Seed of the choice of that share."""
    sampling: Literal["shuffled", "balanced"] = "shuffled"
    """What an epoch shows: every training picture once, or as many drawn so that all classes are equally frequent."""
    only_unseen: bool = False
    """Leave out of validation and test what the start run or the teachers have seen; otherwise such a training is
    refused."""
    unlabelled: str = ""
    """Folder of further pictures, of anything and without classes, on which a teacher's logits alone are learnt."""
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
    """The net to train: a net plug-in and its numbers."""

    name: str
    options: Mapping[str, Any] = field(default_factory=dict, metadata=config.REST)


@dataclass(frozen=True, kw_only=True)
class BudgetPlan:
    """Scale the net until its cost is within 5 % of that of another recipe's net."""

    like: str
    by: Literal["params", "macs"] = "params"


@dataclass(frozen=True, kw_only=True)
class OptimPlan:
    """The optimiser, its schedule and the loss."""

    name: Literal["sgd", "adam", "adamw"] = "adamw"
    """With adam, weight decay is part of the loss (L2 regularisation); with adamw it is decoupled."""
    lr: float = 0.003
    momentum: float = 0.9
    weight_decay: float = 0.01
    schedule: Literal["one-cycle", "cosine", "exponential"] = "one-cycle"
    end: float = 0.0
    """Final learning rate of an exponential schedule, as a share of `lr`."""
    warmup: float = 0.2
    """Share of all steps in which the learning rate rises."""
    label_smoothing: float = 0.0
    class_weights: Literal["none", "balanced"] = "none"
    """Weight of each class in the loss; balanced is the inverse of its number of training pictures, 1 on average."""
    decay: Literal["weights", "all"] = "weights"
    """What weight decay applies to: weights that multiply inputs, or biases and batch norm too."""
    bias_lr: float = 1.0
    """Factor on the learning rate of batch norm's shifts."""
    body_lr: float = 1.0
    """Factor on the learning rate of all layers but the last, for weights that know something already."""
    ema: float = 0.0
    """Decay per step of the exponential moving average of the weights; 0 keeps the last weights."""

    def __post_init__(self) -> None:
        _require_finite(self)
        if not self.lr > 0:
            raise ValueError(f"lr = {self.lr} should be above 0")
        for name in ("momentum", "warmup", "label_smoothing", "ema"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name} = {getattr(self, name)} should lie in [0, 1)")
        if self.weight_decay < 0:
            raise ValueError(f"weight_decay = {self.weight_decay} should not be negative")
        for name in ("bias_lr", "body_lr"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} = {getattr(self, name)} should be above 0")
        if (self.schedule == "exponential") != (0 < self.end < 1):
            raise ValueError("an exponential schedule, and no other, needs an end between 0 and 1")


@dataclass(frozen=True, kw_only=True)
class AugmentPlan:
    """Random changes to training pictures; a data set refuses those that would change what its labels mean."""

    flip: bool = False
    """Mirror half of the pictures left to right."""
    alternate: bool = False
    """Mirror each picture in every second epoch instead of at random, so that two epochs show both sides."""
    shift: int = 0
    """Pad by this many pixels and crop back at a random place."""
    rotation: float = 0.0
    """Largest rotation to either side, in degrees; the border is repeated."""
    resized_crop: float = 0.0
    """Least share of the area that a random part keeps, which is then brought to the whole size; 0 is off."""
    cutout: int = 0
    """Side in pixels of a square that is set to the mean."""
    mask_rows: int = 0
    """Most rows in a band that is set to the mean; of a spectrogram, a span of time (SpecAugment)."""
    mask_columns: int = 0
    """Most columns in a band that is set to the mean; of a spectrogram, a band of frequencies or coefficients."""
    jitter: float = 0.0
    """Largest relative change of brightness and of contrast."""
    saturation: float = 0.0
    """Largest relative change of how strong colours are."""
    hue: float = 0.0
    """Largest turn of the circle of colours, in degrees."""
    trivial: bool = False
    """One of TrivialAugment's fourteen changes for each picture (`edgecnn.pipeline.train.trivial_augment`)."""
    erasing: float = 0.0
    """Share of the pictures of which a rectangle, of 2 to 33 % of the area, is set to the mean."""
    mixup: float = 0.0
    """Blend each picture and its label with another's; the share is drawn from Beta(mixup, mixup)."""
    cutmix: float = 0.0
    """Paste a rectangle of another picture, and as much of its label; the area is drawn from Beta(cutmix, cutmix)."""

    def __post_init__(self) -> None:
        _require_finite(self)
        if self.shift < 0 or self.cutout < 0 or not 0 <= self.jitter < 1:
            raise ValueError("shift and cutout should not be negative, jitter should lie in [0, 1)")
        if min(self.mask_rows, self.mask_columns) < 0:
            raise ValueError("mask_rows and mask_columns should not be negative")
        if max(self.shift, self.cutout, self.mask_rows, self.mask_columns) > MOST_PIXELS:
            raise ValueError(f"shift, cutout, mask_rows and mask_columns should be at most {MOST_PIXELS:,} pixels")
        if not 0 <= self.rotation <= 180:
            raise ValueError(f"rotation = {self.rotation} should lie between 0 and 180 degrees")
        for name, most in (("resized_crop", 1), ("erasing", 1), ("saturation", 1), ("hue", 180)):
            if not 0 <= getattr(self, name) <= most:
                raise ValueError(f"{name} = {getattr(self, name)} should lie between 0 and {most}")
        if self.alternate and not self.flip:
            raise ValueError("alternate says how to flip: it needs flip = true")
        if min(self.mixup, self.cutmix) < 0 or (self.mixup and self.cutmix):
            raise ValueError("mixup and cutmix should not be negative, and only one of them above 0")
        if (drawn := self.mixup or self.cutmix) and not BETA[0] <= drawn <= BETA[1]:
            raise ValueError(f"mixup and cutmix should be 0, or lie between {BETA[0]} and {BETA[1]:g}")

    def used(self) -> tuple[str, ...]:
        """List the augmentations that are on; `alternate` counts as flip."""
        return tuple(f.name for f in dataclasses.fields(self) if f.name != "alternate" and getattr(self, f.name))


@dataclass(frozen=True, kw_only=True)
class SmallPlan:
    """Smaller, cheaper pictures in the first steps (`edgecnn.pipeline.train.progressive_resizing`)."""

    side: float
    """Height and width of the small pictures, as a share of the whole ones'."""
    share: float = 0.5
    """Share of all steps with small pictures; 0 means none."""

    def __post_init__(self) -> None:
        if not 0 < self.side < 1 or not 0 <= self.share < 1:
            raise ValueError("side should lie between 0 and 1, and share in [0, 1)")


@dataclass(frozen=True, kw_only=True)
class DistillPlan:
    """Teachers whose logits are learnt besides the labels (Hinton, Vinyals and Dean, 2015, arXiv:1503.02531)."""

    teacher: tuple[str, ...]
    """Folders of finished runs on the same pictures and classes, in any size; the logits of several are averaged."""
    weight: float = 0.5
    """Share of the loss that comes from the teacher."""
    temperature: float = 4.0

    def __post_init__(self) -> None:
        _require_finite(self)
        if not self.teacher:
            raise ValueError("teacher should name at least one run")
        if not 0 < self.weight <= 1 or not self.temperature > 0:
            raise ValueError("weight should lie in (0, 1] and temperature above 0")


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Everything that decides a run's weights, except for the machine's rounding."""

    name: str
    data: DataPlan
    net: NetPlan
    budget: BudgetPlan | None = None
    optim: OptimPlan = OptimPlan()
    augment: AugmentPlan = AugmentPlan()
    small: SmallPlan | None = None
    distill: DistillPlan | None = None
    start: str = ""
    """Weights that the training starts from: folder of a finished run of the same net, zoo:NAME, imagenet:NAME,
    timm:NAME, torchvision:NAME, or a file (.safetensors, .pt); empty draws them."""
    learn: Literal["all", "head", "head-then-all"] = "all"
    """What is trained: all weights; the last layer alone, on what the rest makes of every picture (a linear probe); or
    first that and then all of them."""
    epochs: int = 10
    head_epochs: int = 20
    """Epochs of the last layer alone, before `epochs` of all weights, where `learn` is "head-then-all"."""
    qat_epochs: int = 0
    """Final epochs under int8 rounding, which every int8 export of the run uses (`export/qat.py`)."""
    batch_size: int = 128
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """Precision of the matrix products in training; the weights are always fp32. auto is bf16 if the CPU or GPU
    multiplies it (`edgecnn.pipeline.train.resources`)."""
    seed: int = 0
    num_threads: int | Literal["auto"] = "auto"
    """Threads of all processes on a machine together; auto takes the physical cores they may use, or OMP_NUM_THREADS
    for each."""
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
        if self.data.unlabelled and not self.distill:
            raise ValueError("data.unlabelled is for what a teacher knows of it: [distill] teacher = 'runs/...'")
        if self.data.unlabelled and self.data.sampling != "shuffled":
            raise ValueError("data.sampling draws by classes, which the pictures of data.unlabelled do not have")
        if self.data.unlabelled and (self.augment.mixup or self.augment.cutmix):
            raise ValueError("mixup and cutmix mix labels, which the pictures of data.unlabelled do not have")
        if self.learn != "all" and not self.start:
            raise ValueError(f"learn = '{self.learn}' needs weights to start from: start = 'imagenet:...', or a run")
        if self.data.sampling == self.optim.class_weights == "balanced":
            raise ValueError("data.sampling and optim.class_weights both balance the classes: leave one of them out")
        if self.learn == "head":
            self._require_what_a_head_can_do()
        if self.learn == "head-then-all" and self.head_epochs < 1:
            raise ValueError(f"head_epochs = {self.head_epochs} should be at least 1 for learn = 'head-then-all'")

    def _require_what_a_head_can_do(self) -> None:
        others = [name for name in self.augment.used() if name != "flip"]
        others += [name for name in ("small", "distill", "qat_epochs") if getattr(self, name)]
        others += ["alternate"] * self.augment.alternate
        if others:
            raise ValueError(
                "learn = 'head' sees every picture once, and mirrored with augment.flip; it has no place for "
                + ", ".join(others)
            )
