"""A Run is a folder: the resolved recipe, the weights, the history, the environment.

runs/<name>/
    recipe.toml         what was trained, every default written out
    run.json            input shape, labels, normalisation, validation accuracy, seconds, what the machine gave
    model.safetensors   the net's weights, float32
    metrics.csv         one line an epoch
    curves.png          loss and accuracy against epoch
    environment.json    machine and versions
    pictures.npz        digests of the pictures it has seen (`edgecnn.seen`)
    checkpoint.pt       to resume from; gone when the run is complete
    artifacts/          what `edgecnn export` wrote
    bench/              what `edgecnn bench` measured
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from edgecnn import config, files, plans
from edgecnn.errors import PlanError, RunError
from edgecnn.recipes import Recipe


@dataclass(frozen=True, kw_only=True)
class Taken:
    """What a training took of its machine, and why (`edgecnn.resources`)."""

    precision: Literal["fp32", "bf16"]
    why_precision: str
    num_threads: int
    """Of each process."""
    why_num_threads: str
    device: str
    """cpu, cuda or mps"""
    why_device: str
    isa: str
    """The instruction set of its CPU (`edgecnn.isa`)."""

    def __str__(self) -> str:
        return f"{self.precision} on {self.device} with {self.num_threads} thread{'s' * (self.num_threads > 1)}"


@dataclass(frozen=True, kw_only=True)
class Run:
    """A finished training run, as its folder tells it."""

    folder: Path
    recipe: Recipe
    input_shape: tuple[int, ...]
    """(C, H, W) of one picture."""
    labels: tuple[str, ...]
    mean: float
    """Pixel value that becomes 0, an integer: an int8 input can hold it without rounding."""
    std: float
    params: int
    """Parameters after batch-norm folding."""
    macs: int
    validation_top1_percent: float
    validation_n: int
    train_seconds: float
    processes: int = 1
    """How many shared the training, from its last --resume on."""
    training: Taken | None = None
    """From its last --resume on; None if it was trained before this was written down."""

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def weights(self) -> Path:
        return self.folder / "model.safetensors"

    @property
    def artifacts(self) -> Path:
        return self.folder / "artifacts"

    @property
    def benches(self) -> Path:
        return self.folder / "bench"


def is_run(path: Path) -> bool:
    return (path / "recipe.toml").is_file()


def open_run(folder: Path) -> Run:
    """The Run of a folder; RunError if there is none, or if its training did not finish."""
    if not folder.is_dir():
        raise RunError(f"There is no run folder {folder}.", "`edgecnn train` makes one under runs/")
    if not is_run(folder):
        raise RunError(f"{folder} is not a run folder: it holds no recipe.toml.", "`edgecnn train` makes one")
    if not (folder / "run.json").is_file():
        raise RunError(f"The training in {folder} did not finish.", f"edgecnn train {folder} --resume")
    try:
        facts = json.loads((folder / "run.json").read_text())
        facts.pop("device", None)  # where it stood before `training` did
        recipe = plans.load(Recipe, str(folder / "recipe.toml"))
        return config.build(Run, {"folder": folder, "recipe": recipe, **facts}, "run.json")
    except (ValueError, PlanError, OSError) as error:
        raise RunError(f"{folder} cannot be read as a run: {error}.", "train it again") from error


def write_facts(run: Run) -> None:
    """Write run.json, which makes the run complete."""
    facts: dict[str, Any] = {
        field.name: getattr(run, field.name)
        for field in dataclasses.fields(run)
        if field.name not in ("folder", "recipe", "training")
    }
    facts["training"] = dataclasses.asdict(run.training) if run.training else None
    files.write_json(run.folder / "run.json", facts)
