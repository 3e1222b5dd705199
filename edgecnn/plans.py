"""What a user declares: a Recipe to train, an ExportPlan, a Suite to bench; each a frozen TOML file.

A plan is found by name in its folder (`models/`, `export/`, `bench/`) or by path.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

import tomli_w

from edgecnn import config
from edgecnn.errors import PlanError, nearest

T = TypeVar("T")


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
    options: Mapping[str, Any] = field(default_factory=dict, metadata=config.REST)

    def __post_init__(self) -> None:
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

    name: Literal["sgd", "adamw"] = "adamw"
    lr: float = 0.003
    momentum: float = 0.9
    weight_decay: float = 0.01
    schedule: Literal["one-cycle", "cosine"] = "one-cycle"
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
        if not self.lr > 0:
            raise ValueError(f"lr = {self.lr} should be above 0")
        for name in ("momentum", "warmup", "label_smoothing", "ema"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name} = {getattr(self, name)} should lie in [0, 1)")
        if self.weight_decay < 0:
            raise ValueError(f"weight_decay = {self.weight_decay} should not be negative")
        if not self.bias_lr > 0:
            raise ValueError(f"bias_lr = {self.bias_lr} should be above 0")


@dataclass(frozen=True, kw_only=True)
class AugmentPlan:
    """Random changes of a training picture; a data set refuses those that change what its labels mean."""

    flip: bool = False
    """Mirror left and right, for half of the pictures."""
    alternate: bool = False
    """Mirror each picture in every second epoch, not by chance, so that two epochs show both sides of all."""
    shift: int = 0
    """Pad by this many pixels and crop back at random, in pixels."""
    cutout: int = 0
    """Side of a square set to the mean, in pixels."""
    jitter: float = 0.0
    """Largest relative change of brightness and of contrast."""
    mixup: float = 0.0
    """Blend each picture and its label with another's, the share drawn from Beta(mixup, mixup)."""
    cutmix: float = 0.0
    """Put a rectangle of another picture into each, and as much of its label; area from Beta(cutmix, cutmix)."""

    def __post_init__(self) -> None:
        if self.shift < 0 or self.cutout < 0 or not 0 <= self.jitter < 1:
            raise ValueError("shift and cutout should not be negative, jitter should lie in [0, 1)")
        if self.alternate and not self.flip:
            raise ValueError("alternate says how to flip: it needs flip = true")
        if min(self.mixup, self.cutmix) < 0 or (self.mixup and self.cutmix):
            raise ValueError("mixup and cutmix should not be negative, and only one of them above 0")

    def used(self) -> tuple[str, ...]:
        """The augmentations that are on; `alternate` is no other than flip."""
        return tuple(f.name for f in dataclasses.fields(self) if f.name != "alternate" and getattr(self, f.name))


@dataclass(frozen=True, kw_only=True)
class DistillPlan:
    """A teacher whose logits are learnt beside the labels (Hinton, Vinyals and Dean, 2015, arXiv:1503.02531)."""

    teacher: str
    """Folder of a finished run on the same pictures and classes."""
    weight: float = 0.5
    """Share of the loss that the teacher has."""
    temperature: float = 4.0

    def __post_init__(self) -> None:
        if not 0 < self.weight <= 1 or not self.temperature > 0:
            raise ValueError("weight should lie in (0, 1] and temperature above 0")


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Everything that decides a run's weights."""

    name: str
    data: DataPlan
    net: NetPlan
    budget: BudgetPlan | None = None
    optim: OptimPlan = OptimPlan()
    augment: AugmentPlan = AugmentPlan()
    distill: DistillPlan | None = None
    epochs: int = 10
    batch_size: int = 128
    precision: Literal["fp32", "bf16"] = "fp32"
    """Of the matrix products while training; the weights are fp32 always."""
    seed: int = 0
    num_threads: int = 2

    def __post_init__(self) -> None:
        for name in ("epochs", "num_threads"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} = {getattr(self, name)} should be at least 1")
        if self.batch_size < 2:
            raise ValueError(f"batch_size = {self.batch_size} should be at least 2: batch norm needs a batch")


@dataclass(frozen=True, kw_only=True)
class ExportPlan:
    """Which files to write from a run, and what they must hold."""

    name: str
    format: tuple[str, ...] = ("onnx", "tflite")
    precision: tuple[str, ...] = ("fp32", "int8")
    io: Literal["auto", "int8", "uint8", "float32"] = "auto"
    """Of an int8 file's input and output tensors; auto costs no operator: the type of its activations."""
    target: Literal["x86", "arm"] = "x86"
    """Whose fast int8 kernels ONNX is written for: activations uint8 on x86, int8 on ARM."""
    onnx_for: str = ""
    """Oldest ONNX Runtime that has to read the ONNX files, such as "1.10"; empty takes what the exporter writes."""
    calib_samples: int = 300
    calib_seed: int = 0
    max_drop: float = 1.0
    """Largest accuracy drop against the run that passes, in percentage points."""
    per_channel: bool = True
    """One scale for each output channel of an int8 weight; off, one for the whole tensor, as some chips want it."""
    rungs: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Rungs of the rescue ladder (`edgecnn/rungs/`) to take, each with its options; `rescue` finds them."""
    rescue: Literal["off", "first", "all"] = "off"
    """When int8 misses max_drop on validation: climb to the first rung that passes, or price all of them."""
    qat_epochs: int = 2
    """Of the ladder's last rung, quantisation-aware training; 0 leaves it out."""
    board: str = "local"
    """Where the ladder's price list is timed."""

    def __post_init__(self) -> None:
        unknown = set(self.precision) - {"fp32", "fp16", "int8"}
        if unknown:
            raise ValueError(f"precision cannot be {', '.join(sorted(unknown))}: fp32, fp16 or int8")
        if self.onnx_for and not re.fullmatch(r"\d+\.\d+(\.\d+)?", self.onnx_for):
            raise ValueError(f"onnx_for = {self.onnx_for!r} is not a version of ONNX Runtime such as 1.10")
        if not self.format or not self.precision:
            raise ValueError("at least one format and one precision are needed")
        if self.calib_samples < 1:
            raise ValueError(f"calib_samples = {self.calib_samples} should be at least 1")
        if self.max_drop < 0:
            raise ValueError(f"max_drop = {self.max_drop} should not be negative")
        if self.qat_epochs < 0:
            raise ValueError(f"qat_epochs = {self.qat_epochs} should not be negative")
        if self.rescue != "off" and "int8" not in self.precision:
            raise ValueError("rescue mends int8: precision should have it")
        if self.rescue != "off" and self.rungs:
            raise ValueError("rescue looks for rungs itself: leave out either rungs or rescue")


@dataclass(frozen=True, kw_only=True)
class Suite:
    """How to measure: where, how often, how long."""

    name: str
    board: str = "local"
    runtime: tuple[str, ...] = ()
    """Runtimes by name; empty takes every runtime that reads the file's format."""
    num_threads: int = 1
    rounds: int = 6
    """Fresh processes per file and runtime, the candidates taking turns."""
    warmup_runs: int = 20
    num_runs: int = 50
    """Least timed runs over all rounds."""
    min_secs: float = 2.0
    """Least timed seconds over all rounds."""
    limit: int | None = None
    """Test pictures for accuracy; all of them by default."""
    max_ms: float | None = None
    """Gate: largest p50 latency in ms."""
    min_acc: float | None = None
    """Gate: smallest top-1 accuracy in percent."""

    def __post_init__(self) -> None:
        for name in ("num_threads", "rounds", "num_runs"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} = {getattr(self, name)} should be at least 1")
        if self.warmup_runs < 0 or self.min_secs < 0:
            raise ValueError("warmup_runs and min_secs should not be negative")
        if self.limit is not None and self.limit < 1:
            raise ValueError(f"limit = {self.limit} should be at least 1")


FOLDERS: dict[type, str] = {Recipe: "models", ExportPlan: "export", Suite: "bench"}


def folder(cls: type) -> Path:
    """Where the shipped plans of a kind are: in a checkout's top level, or inside the installed package."""
    package = Path(__file__).parent
    installed = package / "_plans" / FOLDERS[cls]
    return installed if installed.is_dir() else package.parent / FOLDERS[cls]


def names(cls: type) -> tuple[str, ...]:
    """The shipped plans of a kind, sorted."""
    return tuple(sorted(path.stem for path in folder(cls).glob("*.toml")))


def find(cls: type, name: str) -> Path:
    """The file of a plan: a path that ends in .toml, or the name of a shipped plan."""
    if name.endswith(".toml"):
        return Path(name)
    known = names(cls)
    if name not in known:
        kind = {Recipe: "recipe", ExportPlan: "export plan", Suite: "suite"}[cls]
        raise PlanError(f"There is no {kind} named {name!r}.", nearest(name, known) + "; or a .toml file")
    return folder(cls) / f"{name}.toml"


def load(cls: type[T], name: str, overrides: Iterable[str] = ()) -> T:
    """A plan by name or path, its keys changed by `overrides` such as "optim.lr=0.2"."""
    path = find(cls, name)
    table = config.override(config.read(path), overrides)
    table.setdefault("name", path.stem)
    return config.build(cls, table, path.name)


def load_recipe(name: str, overrides: Iterable[str] = (), data: str | None = None) -> Recipe:
    """A recipe by name or path; `data` replaces its data set, keeping how validation is cut; `overrides` come last."""
    path = find(Recipe, name)
    table = config.read(path)
    table.setdefault("name", path.stem)
    if data is not None:
        before = table.get("data", {})
        replaced = dataclasses.replace(data_plan(data), **{k: before[k] for k in ("validation", "seed") if k in before})
        options = {k: v for k, v in before.items() if k != "path"} if before.get("name") == replaced.name else {}
        table["data"] = options | config.table_of(replaced)
    table = config.override(table, overrides)
    if "data" not in table:
        raise PlanError(f"{path.name} names no data set.", "give it a [data] table, or --data with a name or a folder")
    return config.build(Recipe, table, path.name)


def data_plan(data: str) -> DataPlan:
    """A data set by name, or a folder of pictures by path."""
    if Path(data).is_dir() or "/" in data or data in (".", ".."):
        return DataPlan(name="folder", options={"path": str(Path(data).resolve())})
    return DataPlan(name=data)


def dump(plan: object) -> str:
    """A plan as TOML; `load` reads it back to an equal plan."""
    return tomli_w.dumps(config.table_of(plan))
