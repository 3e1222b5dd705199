"""Plans that users write as TOML files: a Recipe to train, an ExportPlan, a Suite to bench.

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
from edgecnn.records import data_paths
from edgecnn.records.recipe import DataPlan, Recipe

T = TypeVar("T")

Precision = Literal["fp32", "fp16", "int8"]
"""What a file's weights and activations can be asked to be."""


@dataclass(frozen=True, kw_only=True)
class ExportPlan:
    """The files to export from a run, and the limits that they must meet."""

    name: str
    format: tuple[str, ...] = ("onnx", "tflite")
    precision: tuple[Precision, ...] = ("fp32", "int8")
    """Each "fp32", "fp16" or "int8"."""
    io: Literal["auto", "int8", "uint8", "float32"] = "auto"
    """Type of an int8 file's input and output; auto takes that of its activations, which costs no operator."""
    target: Literal["any", "dotprod"] = "any"
    """Whose fast int8 kernels the ONNX files suit: any CPU's (uint8 activations), or those of an ARM core with dot
    product (int8 activations). Both compute the same everywhere."""
    onnx_for: str = ""
    """The oldest ONNX Runtime that must read the ONNX files, such as "1.10"; empty keeps what the exporter writes."""
    calib_samples: int = 300
    calib_seed: int = 0
    max_drop: float = 1.0
    """The largest accuracy drop against the run that passes, in percentage points."""
    weight_range: Literal["safe", "full"] = "safe"
    """Range of int8 weights: "safe" keeps the sum of two neighbours so small that no CPU saturates their products
    (`export/weight_range.py`); "full" takes all of int8, and ONNX then stores such layers with uint8 weights, which
    compute the same everywhere but are slower."""
    per_channel: bool = True
    """One scale per output channel of an int8 weight; False: one per tensor, as some chips want it."""
    rungs: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Rungs of the rescue ladder (`export/rungs/`) to take, with their options; `rescue` finds them."""
    rescue: Literal["off", "first", "all"] = "off"
    """What to do if int8 misses max_drop on validation: climb to the first rung that passes, or price all rungs."""
    qat_epochs: int = 2
    """Epochs of the ladder's last rung, quantisation-aware training; 0 leaves that rung out."""
    board: str = "local"
    """Where the ladder's price list is timed."""
    only_unseen: bool = False
    """Check only on test pictures that the run has not seen, if it has seen some (`train/seen.py`)."""

    def __post_init__(self) -> None:
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
    """The settings of a bench: the board, the runtimes, and how often and how long to measure."""

    name: str
    board: str = "local"
    runtime: tuple[str, ...] = ()
    """Names of runtimes; empty takes all that read the file's format."""
    num_threads: int = 1
    rounds: int = 6
    """Fresh processes per file and runtime; the candidates take turns."""
    warmup_runs: int = 20
    num_runs: int = 50
    """The fewest timed runs over all rounds."""
    min_secs: float = 2.0
    """The fewest timed seconds over all rounds."""
    input: str | None = None
    """Sizes that a file leaves open, such as "1x3x224x224", or "224x224" for height and width."""
    limit: int | None = None
    """How many test pictures to score; None takes all."""
    only_unseen: bool = False
    """Score a run's files only on test pictures that it has not seen, if it has seen some (`train/seen.py`)."""
    max_ms: float | None = None
    """Gate: the largest p50 latency in ms."""
    min_acc: float | None = None
    """Gate: the smallest top-1 accuracy in percent."""

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
        """The sizes in `input`; () if there are none."""
        return sizes.parse(self.input) if self.input else ()


FOLDERS: dict[type, str] = {Recipe: "models", ExportPlan: "export", Suite: "bench"}


def folder(cls: type) -> Path:
    """Return the folder of the shipped plans of a kind, in a checkout or inside the installed package."""
    package = Path(__file__).parents[1]
    installed = package / "_plans" / FOLDERS[cls]
    return installed if installed.is_dir() else package.parent / FOLDERS[cls]


def names(cls: type) -> tuple[str, ...]:
    """List the shipped plans of a kind, sorted."""
    return tuple(sorted(path.stem for path in folder(cls).glob("*.toml")))


def find(cls: type, name: str) -> Path:
    """Return the file of a plan: a path that ends in .toml, or the name of a shipped plan.

    Raises:
        PlanError: There is no shipped plan of that name.
    """
    if name.endswith(".toml"):
        return Path(name)
    known = names(cls)
    if name not in known:
        kind = {Recipe: "recipe", ExportPlan: "export plan", Suite: "suite"}[cls]
        raise PlanError(f"There is no {kind} named {name!r}.", nearest(name, known) + "; or a .toml file")
    return folder(cls) / f"{name}.toml"


def load(cls: type[T], name: str, overrides: Iterable[str] = ()) -> T:
    """Load a plan by name or path and apply overrides such as "optim.lr=0.2".

    Raises:
        PlanError: There is no such plan, or a key or value in it is wrong.
    """
    path = find(cls, name)
    table = config.override(config.read(path), overrides)
    table.setdefault("name", path.stem)
    return config.build(cls, table, path.name)


def load_recipe(name: str, overrides: Iterable[str] = (), data: str | DataPlan | None = None) -> Recipe:
    """Load a recipe by name or path.

    Args:
        name: The recipe.
        overrides: Settings such as "optim.lr=0.2", applied last.
        data: A data set's name or the path of pictures, or a plan of it, in place of the recipe's own; how validation
            is cut stays.

    Raises:
        PlanError: There is no such recipe, it names no data set, or a key or value is wrong.
        DataError: It cannot be told how the pictures at the path are to be read.
    """
    path = find(Recipe, name)
    table = config.read(path)
    table.setdefault("name", path.stem)
    return build_recipe(table, path.name, overrides, data)


KEPT = ("validation", "seed", "sampling")
"""The keys of a [data] table that stay whatever data set takes the place of another."""


def build_recipe(
    table: dict[str, Any], source: str, overrides: Iterable[str] = (), data: str | DataPlan | None = None
) -> Recipe:
    """Return the recipe of a whole table, changed as `load_recipe` does; errors call it `source`."""
    if data is not None:
        before = table.get("data", {})
        replaced = dataclasses.replace(data_plan(data), **{k: before[k] for k in KEPT if k in before})
        table["data"] = data_paths.kept_options(before, replaced.name) | config.table_of(replaced)
    table = config.override(table, overrides)
    if "data" not in table:
        raise PlanError(f"{source} names no data set.", "give it a [data] table, or --data with a name or a path")
    return config.build(Recipe, table, source)


def data_plan(data: str | DataPlan) -> DataPlan:
    """Return the plan for a data set named by name, or for pictures by their path; a plan stays as it is.

    Raises DataError if it cannot be told how the pictures at a path are to be read (`data_paths`).
    """
    if isinstance(data, DataPlan):
        return data
    if located := data_paths.located(data):
        return DataPlan(name=located[0], options={"path": str(located[1])})
    return DataPlan(name=data)


def dump(plan: object) -> str:
    """Return a plan as TOML, from which `load` makes an equal plan."""
    return tomli_w.dumps(config.table_of(plan))
