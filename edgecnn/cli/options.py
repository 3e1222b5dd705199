"""Options that several commands share: their words, their types, their help, and what they stand for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from edgecnn.recipes import DataPlan, Recipe

RECIPE = Annotated[str, typer.Argument(help="A recipe by name (models/) or a .toml file.")]
SET = Annotated[list[str] | None, typer.Option("--set", "-s", help="Change a key: -s optim.lr=0.2", metavar="K=V")]
DATA = Annotated[str | None, typer.Option("--data", help="A data set's name, or a folder of class folders.")]
EPOCHS = Annotated[int | None, typer.Option("--epochs", help="Passes over the training pictures.")]
BATCH_SIZE = Annotated[int | None, typer.Option("--batch-size", help="Pictures in one step.")]
LR = Annotated[float | None, typer.Option("--lr", help="Peak learning rate.")]
SEED = Annotated[int | None, typer.Option("--seed", help="Of weights, order and augmentation.")]
TRAIN_PRECISION = Annotated[str | None, typer.Option("--precision", help="To train in: auto, fp32 or bf16.")]
TRAIN_THREADS = Annotated[str | None, typer.Option("--num-threads", help="To train with: auto, or how many.")]
DEVICE = Annotated[str | None, typer.Option("--device", help="To train on: auto, cpu, cuda or mps.")]
OUTPUT = Annotated[Path, typer.Option("--output", "-o", help="Folder that holds the runs.")]
NAME = Annotated[str | None, typer.Option("--name", help="Name of the run; the recipe's by default.")]
RESUME = Annotated[bool, typer.Option("--resume", help="Continue from the run's checkpoint.")]
FORMAT = Annotated[str | None, typer.Option("--format", help="onnx,tflite,c")]
PRECISION = Annotated[str | None, typer.Option("--precision", help="fp32,fp16,int8")]
IO = Annotated[str | None, typer.Option("--io", help="int8 files: auto, int8, uint8 or float32.")]
TARGET = Annotated[str | None, typer.Option("--target", help="ONNX int8 for any CPU (U8S8), or ARM dotprod (S8S8).")]
ONNX_FOR = Annotated[str | None, typer.Option("--onnx-for", help="Oldest ONNX Runtime to be read by: 1.10")]
CALIB_SAMPLES = Annotated[int | None, typer.Option("--calib-samples", help="Training pictures to calibrate on.")]
MAX_DROP = Annotated[float | None, typer.Option("--max-drop", help="Gate: largest accuracy drop, in pp.")]
BOARD = Annotated[str | None, typer.Option("--board", help="Where to measure; this machine by default.")]
RUNTIME = Annotated[str | None, typer.Option("--runtime", help="Only these runtimes, by name.")]
NUM_THREADS = Annotated[int | None, typer.Option("--num-threads", help="Threads of the runtime.")]
ROUNDS = Annotated[int | None, typer.Option("--rounds", help="Fresh processes per file, taking turns.")]
WARMUP_RUNS = Annotated[int | None, typer.Option("--warmup-runs", help="Untimed runs in each process.")]
NUM_RUNS = Annotated[int | None, typer.Option("--num-runs", help="Least timed runs.")]
MIN_SECS = Annotated[float | None, typer.Option("--min-secs", help="Least timed seconds.")]
LIMIT = Annotated[int | None, typer.Option("--limit", help="Test pictures for accuracy; all by default.")]
MAX_MS = Annotated[float | None, typer.Option("--max-ms", help="Gate: largest p50 latency in ms.")]
MIN_ACC = Annotated[float | None, typer.Option("--min-acc", help="Gate: smallest top-1 in percent.")]
INPUT = Annotated[
    str | None, typer.Option("--input", help="Sizes that a file leaves open: 1x3x224x224, or 224x224.", metavar="SIZE")
]
JSON = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


def data_plan(data: str | None) -> DataPlan | None:
    """What --data names; None without it."""
    from edgecnn import plans

    return plans.data_plan(data) if data else None


def changes(settings: list[str] | None, keys: dict[str, Any]) -> list[str]:
    """-s settings and options as overrides; an option beats a setting."""
    written = [f"{key}={json.dumps(value)}" for key, value in keys.items() if value is not None]
    return [*(settings or []), *written]


def recipe(recipe: str, data: str | None, changes: list[str], output: Path, name: str | None) -> tuple[Path, Recipe]:
    from edgecnn import plans
    from edgecnn.run import is_run

    if is_run(Path(recipe)):
        folder = Path(recipe)
        return folder, plans.load_recipe(str(folder / "recipe.toml"), changes, data)
    plan = plans.load_recipe(recipe, changes, data)
    return output / (name or plan.name), plan
