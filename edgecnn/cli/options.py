"""Options that several commands share: name, type and help text, and what they are turned into."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgecnn.cli import completion
from edgecnn.errors import UsageError

if TYPE_CHECKING:
    from edgecnn.records.foreign import PictureOptions
    from edgecnn.records.recipe import DataPlan


def _located(text: str) -> Path:
    """Return the path that a target stands for, such as "zoo:fashion-10k"."""
    if ":" not in text:
        return Path(text)
    from edgecnn.records import zoo

    return zoo.located(text)


TARGETS = Annotated[
    list[Path],
    typer.Argument(
        help="Run folders, zoo:NAME, or .onnx and .tflite files of any make.",
        parser=_located,
        autocompletion=completion.targets,
    ),
]
RUN = Annotated[Path, typer.Argument(help="A run folder.", parser=_located, autocompletion=completion.targets)]
RUNS = Annotated[
    list[Path], typer.Argument(help="Run folders, or zoo:NAME.", parser=_located, autocompletion=completion.targets)
]
BUNDLED = Annotated[
    Path,
    typer.Argument(
        help="A run folder, zoo:NAME, a bundle, or a model file.", parser=_located, autocompletion=completion.targets
    ),
]
TARGET_FILE = Annotated[
    Path,
    typer.Argument(
        help="A run folder, zoo:NAME, or a model file of any make.", parser=_located, autocompletion=completion.targets
    ),
]
CALIBRATED = Annotated[
    Path,
    typer.Argument(help="A run folder, or one of its files.", parser=_located, autocompletion=completion.targets),
]
DEPLOYED = Annotated[
    Path,
    typer.Argument(
        help="A run folder, zoo:NAME, or a model file with its card.",
        parser=_located,
        autocompletion=completion.targets,
    ),
]
RECIPE = Annotated[
    str, typer.Argument(help="A recipe by name (models/) or a .toml file.", autocompletion=completion.recipes)
]
RECIPE_IF_ANY = Annotated[
    str | None,
    typer.Argument(
        help="A recipe by name (models/) or a .toml file; one is chosen for --data.", autocompletion=completion.recipes
    ),
]
SET = Annotated[list[str] | None, typer.Option("--set", "-s", help="Change a key: -s optim.lr=0.2", metavar="K=V")]
DATA = Annotated[
    str | None,
    typer.Option(
        "--data",
        help="A data set's name, or pictures: a folder, .csv, .parquet, .tar.",
        autocompletion=completion.data_sets,
    ),
]
SIZE = Annotated[str | None, typer.Option("--size", help="Of a picture: 96, or 96x128 (height x width).")]
CHANNELS = Annotated[int | None, typer.Option("--channels", help="Of a picture: 1 grey, 3 colour.")]
MEAN = Annotated[str | None, typer.Option("--mean", help="Taken off a pixel of 0..255: 127.5, or one a channel.")]
STD = Annotated[str | None, typer.Option("--std", help="What the rest is divided by: 127.5, or one a channel.")]
RESIZE = Annotated[
    str | None, typer.Option("--resize", help="To the size: crop, crop:0.875, squash, letterbox or letterbox:114.")
]
LOGITS = Annotated[str | None, typer.Option("--logits", help="Output for the classes, of a file with several.")]
EPOCHS = Annotated[int | None, typer.Option("--epochs", help="Passes over the training pictures.")]
BATCH_SIZE = Annotated[int | None, typer.Option("--batch-size", help="Pictures in one step.")]
LR = Annotated[float | None, typer.Option("--lr", help="Peak learning rate.")]
SEED = Annotated[int | None, typer.Option("--seed", help="Of weights, order and augmentation.")]
TRAIN_PRECISION = Annotated[str | None, typer.Option("--precision", help="To train in: auto, fp32 or bf16.")]
TRAIN_THREADS = Annotated[str | None, typer.Option("--num-threads", help="To train with: auto, or how many.")]
DEVICE = Annotated[str | None, typer.Option("--device", help="To train on: auto, cpu, cuda or mps.")]
OUTPUT = Annotated[
    Path, typer.Option("--output", "-o", metavar="FOLDER", help="Folder to make the run in, under its name.")
]
TRACK = Annotated[
    list[str] | None,
    typer.Option("--track", help="Record the training in: tensorboard,mlflow", autocompletion=completion.trackers),
]
NAME = Annotated[str | None, typer.Option("--name", help="Name of the run; the recipe's by default.")]
FORCE = Annotated[bool, typer.Option("--force", help="Overwrite a run of that name, once the new one is finished.")]
DRY_RUN = Annotated[
    bool, typer.Option("--dry-run", help="Check all, show what would be trained, and train and write nothing.")
]
TRAIN_SIZE = Annotated[
    str | None, typer.Option("--size", help="Train on pictures of this size: 96, or 96x128 (height x width).")
]
RESUME = Annotated[bool, typer.Option("--resume", help="Continue from the run's checkpoint.")]
FORMAT = Annotated[str | None, typer.Option("--format", help="onnx,tflite,c")]
PRECISION = Annotated[str | None, typer.Option("--precision", help="fp32,fp16,int8")]
IO = Annotated[str | None, typer.Option("--io", help="int8 files: auto, int8, uint8 or float32.")]
TARGET = Annotated[str | None, typer.Option("--target", help="ONNX int8 for any CPU (U8S8), or ARM dotprod (S8S8).")]
ONNX_FOR = Annotated[str | None, typer.Option("--onnx-for", help="Oldest ONNX Runtime to be read by: 1.10")]
CALIB_SAMPLES = Annotated[int | None, typer.Option("--calib-samples", help="Training pictures to calibrate on.")]
MAX_DROP = Annotated[float | None, typer.Option("--max-drop", help="Gate: largest accuracy drop, in pp.")]
BOARD = Annotated[
    str | None,
    typer.Option("--board", help="Where to measure; this machine by default.", autocompletion=completion.boards),
]
BOARD_OR_GROUP = Annotated[
    str | None,
    typer.Option("--board", help="Where to measure: a board or @GROUP.", autocompletion=completion.boards),
]
RUNTIME = Annotated[str | None, typer.Option("--runtime", help="Only these runtimes, by name.")]
NUM_THREADS = Annotated[int | None, typer.Option("--num-threads", help="Threads of the runtime.")]
ROUNDS = Annotated[int | None, typer.Option("--rounds", help="Fresh processes per file, taking turns.")]
WARMUP_RUNS = Annotated[int | None, typer.Option("--warmup-runs", help="Untimed runs in each process.")]
NUM_RUNS = Annotated[int | None, typer.Option("--num-runs", help="Least timed runs.")]
MIN_SECS = Annotated[float | None, typer.Option("--min-secs", help="Least timed seconds.")]
LIMIT = Annotated[int | None, typer.Option("--limit", help="Test pictures for accuracy; all by default.")]
ONLY_UNSEEN = Annotated[bool, typer.Option("--only-unseen", help="Leave out test pictures that the run has seen.")]
MAX_MS = Annotated[float | None, typer.Option("--max-ms", help="Gate: largest p50 latency in ms.")]
MIN_ACC = Annotated[float | None, typer.Option("--min-acc", help="Gate: smallest top-1 in percent.")]
STRICT = Annotated[bool, typer.Option("--strict", help="Exit with 2 if a gate cannot tell.")]
INPUT = Annotated[
    str | None, typer.Option("--input", help="Sizes that a file leaves open: 1x3x224x224, or 224x224.", metavar="SIZE")
]
BENCH_CSV = Annotated[bool, typer.Option("--csv", help="Print a line of CSV for each file and runtime.")]
JSON = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


def data_plan(data: str | None) -> DataPlan | None:
    """Return the plan of the data that --data names, None without the option."""
    from edgecnn.records import plans

    return plans.data_plan(data) if data else None


def pictures(
    size: str | None,
    channels: int | None,
    mean: str | None,
    std: str | None,
    logits: str | None,
    resize: str | None = None,
) -> PictureOptions | None:
    """Collect the options that override what a model file says of its input and output.

    Returns:
        The options, None if none is set.

    Raises:
        UsageError: a size, channel count, mean, deviation or way to resize is not usable.
    """
    from edgecnn.records import resizing
    from edgecnn.records.foreign import PictureOptions

    if channels not in (None, 1, 3):
        raise UsageError(f"--channels {channels} is no picture's.", "1 for grey, 3 for colour")
    options = PictureOptions(
        size=picture_size(size) if size else None,
        channels=channels,
        mean=_numbers("--mean", mean) if mean else None,
        std=_numbers("--std", std) if std else None,
        logits=logits,
        resize=resizing.parse(resize) if resize else None,
    )
    return None if options == PictureOptions() else options


def picture_size(text: str) -> tuple[int, int]:
    """Parse --size: (height, width) in pixels. Raises UsageError."""
    height, _, width = text.lower().partition("x")
    try:
        size = int(height), int(width or height)
    except ValueError:
        size = 0, 0
    if min(size) < 1:
        raise UsageError(f"--size {text!r} is not a picture's size.", "write it as 96, or 96x128: height x width")
    return size


def _numbers(option: str, text: str) -> float | tuple[float, ...]:
    """Parse one number, or one for each channel; only --std must not be 0."""
    try:
        numbers = tuple(float(part) for part in text.split(","))
    except ValueError:
        numbers = ()
    if not numbers or not all(map(math.isfinite, numbers)) or (option == "--std" and 0 in numbers):
        raise UsageError(f"{option} {text!r} is no number to feed a pixel with.", f"{option} 127.5, or one a channel")
    return numbers[0] if len(numbers) == 1 else numbers


def trackers(track: list[str] | None) -> tuple[str, ...]:
    """Return the trackers that --track names, given once with commas or several times."""
    return tuple(name.strip() for names in track or () for name in names.split(","))


def changes(settings: list[str] | None, keys: dict[str, Any]) -> list[str]:
    """Merge `-s` settings and options into overrides "key=value"; options come last and therefore win."""
    from edgecnn.records import resolve

    return resolve.overrides(settings or (), keys)
