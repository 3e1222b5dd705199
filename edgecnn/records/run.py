"""A Run: a folder with the resolved recipe, the weights, the history and the environment of one training.

runs/<name>/
    recipe.toml         what was trained, every default written out
    run.json            input shape, labels, normalisation, validation accuracy, seconds, what the machine gave
    model.safetensors   the net's weights, float32
    metrics.csv         one line per epoch
    curves.png          loss and accuracy against epoch
    environment.json    machine and versions
    net.py              the code of a net that is the user's own (`edgecnn.nets.code`)
    pictures.npz        digests of the pictures it has seen (`edgecnn.pipeline.train.seen`)
    checkpoint.pt       to resume from; removed when the run is complete
    tracking/           what trackers keep (`edgecnn.pipeline.train.trackers`)
    artifacts/          what `edgecnn export` wrote
    bench/              what `edgecnn bench` measured
    evaluation/         what `edgecnn eval` found
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Concatenate, Literal, ParamSpec, TypeVar

from edgecnn.common import config, documents, files, locks, stats
from edgecnn.common.stats import Proportion
from edgecnn.errors import RunError, nearest_path
from edgecnn.records import plans, zoo
from edgecnn.records.recipe import Recipe

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")
Targets = TypeVar("Targets", Path, Sequence[Path])

WEIGHTS = "model.safetensors"
BENCHES = "bench"
TRACKING = "tracking"
CODE = "net.py"
DIVERGED = "diverged.txt"
"""Written by a training whose loss became NaN; resuming it would end in the same way."""
CLAIM = ("recipe.toml", "environment.json", CODE)
"""Files that a training writes before its first epoch; `is_free` relies on this list being complete."""
OF_AN_EPOCH = ("metrics.csv", "checkpoint.pt")
"""Files that a training writes after each epoch."""
OF_A_RUN = frozenset({
    *CLAIM, *OF_AN_EPOCH, DIVERGED, WEIGHTS, TRACKING, BENCHES, "run.json", "curves.png", "pictures.npz", "artifacts",
    "evaluation", "parity",
})  # fmt: skip
"""All that edgecnn writes into a run folder, but for files whose names begin with a dot."""
KIND = documents.Kind(name="run", words="a whole run", error=RunError, hint="train it again")
TRAINING_LOCK = ".lock"
"""Held during a training."""
EXPORT_LOCK = ".export.lock"
"""Held during an export, and by commands that must not read a half-done one."""
BENCH_LOCK = ".bench.lock"


@dataclass(frozen=True, kw_only=True)
class Taken:
    """The resources that a training took of its machine, and why (`edgecnn.pipeline.train.resources`)."""

    precision: Literal["fp32", "bf16"]
    why_precision: str
    num_threads: int
    """Threads of each process."""
    why_num_threads: str
    device: str
    """"cpu", "cuda" or "mps"."""
    why_device: str
    isa: str
    """Instruction set of the CPU (`edgecnn.records.isa`)."""

    def __str__(self) -> str:
        return f"{self.precision} on {self.device} with {self.num_threads} thread{'s' * (self.num_threads > 1)}"


@dataclass(frozen=True, kw_only=True)
class Imported:
    """The origin of the weights of a run that was trained elsewhere (`edgecnn.pipeline.train.import_weights`)."""

    file: str
    sha256: str
    said: tuple[str, ...]
    """What was done to them, a sentence each."""
    mean: tuple[float, ...]
    """Taken off a pixel of 0..255 before the net sees it; one for all channels, or one for each."""
    std: tuple[float, ...]
    """What the rest is divided by."""
    test_top1_percent: float = 0.0
    test_n: int = 0


@dataclass(frozen=True, kw_only=True)
class Run:
    """A finished training, as its folder records it."""

    folder: Path
    recipe: Recipe
    input_shape: tuple[int, ...]
    """(C, H, W) of one picture."""
    labels: tuple[str, ...]
    mean: float
    """The pixel value that becomes 0; an integer, so that an int8 input can hold it without rounding."""
    std: float
    params: int
    """Parameters after batch norm is folded."""
    macs: int
    validation_top1_percent: float
    validation_n: int
    train_seconds: float
    processes: int = 1
    """How many processes shared the training, since the last --resume."""
    weights_sha256: str | None = None
    """Digest of model.safetensors when it was written; None for an early run."""
    training: Taken | None = None
    """Resources since the last --resume; None for an early run."""
    code_sha256: str | None = None
    """The sha256 of net.py; None if the net is one of a plug-in or of a package."""
    start_sha256: str | None = None
    """The sha256 of the file with the weights that it started from; None if they were drawn, and for an early run."""
    imported: Imported | None = None
    """None if edgecnn trained it."""

    def __post_init__(self) -> None:
        if len(self.input_shape) != 3 or min(self.input_shape) < 1 or not self.std > 0:
            raise ValueError(f"input_shape = {self.input_shape} and std = {self.std} are no picture's")
        if len(self.labels) < 2 or self.validation_n < 0 or not 0 <= self.validation_top1_percent <= 100:
            raise ValueError("it has fewer than two labels, or a validation accuracy that none can have")

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def validation_top1(self) -> Proportion:
        """The accuracy on the validation pictures, with its interval. Raises UsageError if there were none."""
        return stats.wilson(round(self.validation_top1_percent * self.validation_n / 100), self.validation_n)

    @property
    def weights(self) -> Path:
        return self.folder / WEIGHTS

    @property
    def artifacts(self) -> Path:
        return self.folder / "artifacts"

    def exported(self) -> list[Path]:
        """List the files in artifacts/, sorted, except hidden ones."""
        if not self.artifacts.is_dir():
            return []
        return sorted(path for path in self.artifacts.iterdir() if not path.name.startswith("."))

    @property
    def benches(self) -> Path:
        return self.folder / BENCHES

    def _repr_html_(self) -> str:
        """Return the run as a table, for a notebook."""
        from edgecnn.records import notebook

        return notebook.html(self)


def is_run(path: Path) -> bool:
    return (path / "recipe.toml").is_file()


def is_free(folder: Path) -> bool:
    """Return whether a new training may use the folder: it holds no run, or one that learnt nothing.

    Such a run ended before its first epoch did, and left the files of CLAIM and half-written ones; or its loss became
    NaN, and it left those of its epochs too. A folder with any other file is kept.
    """
    if not is_run(folder):
        return True
    parts = tuple(f".{name}." for name in (*CLAIM, *OF_AN_EPOCH))  # how `files.replacing` begins their names
    own = {*CLAIM, *OF_AN_EPOCH, DIVERGED} if (folder / DIVERGED).is_file() else set(CLAIM)
    own |= {TRAINING_LOCK, TRACKING}
    return all(path.name in own or path.name.startswith(parts) for path in folder.iterdir())


def reads_exports(
    verb: Callable[Concatenate[Targets, Arguments], Result],
) -> Callable[Concatenate[Targets, Arguments], Result]:
    """Decorate a verb that reads runs or exported files, so that no export changes them meanwhile.

    The verb's first argument is the path or paths it reads. It raises RunError if an export is at work in one of the
    runs.
    """

    @functools.wraps(verb)
    def undisturbed(targets: Targets, /, *arguments: Arguments.args, **options: Arguments.kwargs) -> Result:
        paths = [targets] if isinstance(targets, Path) else targets
        folders = {path if is_run(path) else path.resolve().parent.parent for path in paths}
        with contextlib.ExitStack() as stack:
            for folder in sorted(folder for folder in folders if is_run(folder)):
                stack.enter_context(locks.held(folder / EXPORT_LOCK, verb.__name__, shared=True))
            return verb(targets, *arguments, **options)

    return undisturbed


def open_run(folder: Path | str) -> Run:
    """Read a finished run from its folder.

    Args:
        folder: Where `edgecnn train` put it, such as runs/dscnn-digits; or a model of the zoo, as "zoo:fashion-10k".

    Raises:
        RunError: There is none, its training did not finish, or one of its files is damaged.
        UsageError: The zoo has no model of that name, or its files are not installed.
    """
    folder = zoo.located(folder)
    if not folder.is_dir():
        raise RunError(
            f"There is no run folder {folder}.", nearest_path(folder, is_run, "`edgecnn train` makes one under runs/")
        )
    if not is_run(folder):
        raise RunError(f"{folder} is not a run folder: it holds no recipe.toml.", "`edgecnn train` makes one")
    if not (folder / "run.json").is_file():
        raise RunError(f"The training in {folder} did not finish.", f"edgecnn train {folder} --resume")
    with KIND.expected(folder):
        facts = documents.table(folder / "run.json")
        facts.pop("device", None)  # early runs have it here, before there was `training`
        recipe = plans.load(Recipe, str(folder / "recipe.toml"))
        return config.build(Run, {**facts, "folder": folder, "recipe": recipe}, "run.json")


def write_facts(run: Run) -> None:
    """Write run.json, which marks the run as complete."""
    facts: dict[str, Any] = {
        field.name: getattr(run, field.name)
        for field in dataclasses.fields(run)
        if field.name not in ("folder", "recipe", "training", "imported")
    }
    for name, part in (("training", run.training), ("imported", run.imported)):
        facts[name] = dataclasses.asdict(part) if part else None
    files.write_json(run.folder / "run.json", facts)
