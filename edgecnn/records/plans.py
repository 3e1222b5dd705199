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

from edgecnn.common import config, sizes
from edgecnn.errors import PlanError, nearest
from edgecnn.records.recipe import DataPlan, Recipe

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class ExportPlan:
    """Which files to write from a run, and what they must hold."""

    name: str
    format: tuple[str, ...] = ("onnx", "tflite")
    precision: tuple[str, ...] = ("fp32", "int8")
    io: Literal["auto", "int8", "uint8", "float32"] = "auto"
    """Of an int8 file's input and output tensors; auto costs no operator: the type of its activations."""
    target: Literal["any", "dotprod"] = "any"
    """Whose fast int8 kernels ONNX is written for: activations uint8 serve every CPU, int8 those of an ARM core with
    dot product. Either computes the same everywhere."""
    onnx_for: str = ""
    """Oldest ONNX Runtime that has to read the ONNX files, such as "1.10"; empty takes what the exporter writes."""
    calib_samples: int = 300
    calib_seed: int = 0
    max_drop: float = 1.0
    """Largest accuracy drop against the run that passes, in percentage points."""
    weight_range: Literal["safe", "full"] = "safe"
    """Of int8 weights in every format: "safe" keeps what two neighbours add up to so small that no CPU cuts their
    products off (`export/weight_range.py`); "full" takes all of int8, and ONNX then holds such layers with uint8
    weights, which compute the same everywhere and are slower."""
    per_channel: bool = True
    """One scale for each output channel of an int8 weight; off, one for the whole tensor, as some chips want it."""
    rungs: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Rungs of the rescue ladder (`export/rungs/`) to take, each with its options; `rescue` finds them."""
    rescue: Literal["off", "first", "all"] = "off"
    """When int8 misses max_drop on validation: climb to the first rung that passes, or price all of them."""
    qat_epochs: int = 2
    """Of the ladder's last rung, quantisation-aware training; 0 leaves it out."""
    board: str = "local"
    """Where the ladder's price list is timed."""
    only_unseen: bool = False
    """Check on the test pictures that the run has not seen, where it has seen some (`train/seen.py`)."""

    def __post_init__(self) -> None:
        unknown = set(self.precision) - {"fp32", "fp16", "int8"}
        if unknown:
            raise ValueError(f"precision cannot be {', '.join(sorted(unknown))}: fp32, fp16 or int8")
        if self.onnx_for and not re.fullmatch(r"\d+\.\d+(\.\d+)?", self.onnx_for):
            raise ValueError(f"onnx_for = {self.onnx_for!r} is not a version of ONNX Runtime such as 1.10")
        if not self.format or not self.precision:
            raise ValueError("at least one format and one precision are needed")
        if self.weight_range == "full" and self.target == "dotprod":
            raise ValueError(
                'weight_range = "full" goes with target = "any" alone: ONNX Runtime on x86 turns int8 activations into '
                "uint8, whose products with such weights an older CPU cuts off"
            )
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
    input: str | None = None
    """Sizes of an input that a file leaves open, such as "1x3x224x224", or "224x224" for height and width."""
    limit: int | None = None
    """Test pictures for accuracy; all of them by default."""
    only_unseen: bool = False
    """Score a run's files on the test pictures that it has not seen, where it has seen some (`train/seen.py`)."""
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
        if self.max_ms is not None and self.max_ms <= 0:
            raise ValueError(f"max_ms = {self.max_ms} should be above 0")
        sizes.parse(self.input or "1")

    @property
    def input_shape(self) -> tuple[int, ...]:
        """What `input` says; () if it says nothing."""
        return sizes.parse(self.input) if self.input else ()


FOLDERS: dict[type, str] = {Recipe: "models", ExportPlan: "export", Suite: "bench"}


def folder(cls: type) -> Path:
    """Where the shipped plans of a kind are: in a checkout's top level, or inside the installed package."""
    package = Path(__file__).parents[1]
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


def load_recipe(name: str, overrides: Iterable[str] = (), data: str | DataPlan | None = None) -> Recipe:
    """A recipe by name or path; `data` replaces its data set, keeping how validation is cut; `overrides` come last."""
    path = find(Recipe, name)
    table = config.read(path)
    table.setdefault("name", path.stem)
    return build_recipe(table, path.name, overrides, data)


def build_recipe(
    table: dict[str, Any], where: str, overrides: Iterable[str] = (), data: str | DataPlan | None = None
) -> Recipe:
    """The recipe of a whole table, changed as `load_recipe` does; errors call it `where`."""
    if data is not None:
        before = table.get("data", {})
        replaced = dataclasses.replace(data_plan(data), **{k: before[k] for k in ("validation", "seed") if k in before})
        options = {k: v for k, v in before.items() if k != "path"} if before.get("name") == replaced.name else {}
        table["data"] = options | config.table_of(replaced)
    table = config.override(table, overrides)
    if "data" not in table:
        raise PlanError(f"{where} names no data set.", "give it a [data] table, or --data with a name or a folder")
    return config.build(Recipe, table, where)


def data_plan(data: str | DataPlan) -> DataPlan:
    """A data set by name, or a folder of pictures by path; a plan stays as it is."""
    if isinstance(data, DataPlan):
        return data
    if Path(data).is_dir() or "/" in data or data in (".", ".."):
        return DataPlan(name="folder", options={"path": str(Path(data).resolve())})
    return DataPlan(name=data)


def dump(plan: object) -> str:
    """A plan as TOML; `load` reads it back to an equal plan."""
    return tomli_w.dumps(config.table_of(plan))
