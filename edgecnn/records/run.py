"""A Run is a folder: the resolved recipe, the weights, the history, the environment.

runs/<name>/
    recipe.toml         what was trained, every default written out
    run.json            input shape, labels, normalisation, validation accuracy, seconds, what the machine gave
    model.safetensors   the net's weights, float32
    metrics.csv         one line an epoch
    curves.png          loss and accuracy against epoch
    environment.json    machine and versions
    pictures.npz        digests of the pictures it has seen (`edgecnn.pipeline.train.seen`)
    checkpoint.pt       to resume from; gone when the run is complete
    artifacts/          what `edgecnn export` wrote
    bench/              what `edgecnn bench` measured
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Concatenate, Literal, ParamSpec, TypeVar

from edgecnn.common import config, documents, files, locks
from edgecnn.errors import RunError
from edgecnn.records import plans
from edgecnn.records.recipe import Recipe

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")
Targets = TypeVar("Targets", Path, Sequence[Path])

WEIGHTS = "model.safetensors"
CLAIM = ("recipe.toml", "environment.json")
"""What a training writes before its first epoch. Whoever writes more there names it here (`is_free`)."""
OF_AN_EPOCH = ("metrics.csv", "checkpoint.pt")
KIND = documents.Kind(name="run", words="a whole run", error=RunError, hint="train it again")
TRAINING_LOCK = ".lock"
"""Held by a training."""
EXPORT_LOCK = ".export.lock"
"""Held by an export, and by those that must not meet one half done."""
BENCH_LOCK = ".bench.lock"
DIVERGED = "diverged.txt"
"""How a training ended whose loss stopped being a number; to resume it ends in the same way."""


@dataclass(frozen=True, kw_only=True)
class Taken:
    """What a training took of its machine, and why (`edgecnn.pipeline.train.resources`)."""

    precision: Literal["fp32", "bf16"]
    why_precision: str
    num_threads: int
    """Of each process."""
    why_num_threads: str
    device: str
    """cpu, cuda or mps"""
    why_device: str
    isa: str
    """The instruction set of its CPU (`edgecnn.records.isa`)."""

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
    weights_sha256: str | None = None
    """Of model.safetensors as it was written; None if the run was trained before this was kept."""
    training: Taken | None = None
    """From its last --resume on; None if it was trained before this was written down."""

    def __post_init__(self) -> None:
        if len(self.input_shape) != 3 or min(self.input_shape) < 1 or not self.std > 0:
            raise ValueError(f"input_shape = {self.input_shape} and std = {self.std} are no picture's")
        if len(self.labels) < 2 or self.validation_n < 0 or not 0 <= self.validation_top1_percent <= 100:
            raise ValueError("it has fewer than two labels, or a validation accuracy that none can have")

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def weights(self) -> Path:
        return self.folder / WEIGHTS

    @property
    def artifacts(self) -> Path:
        return self.folder / "artifacts"

    def exported(self) -> list[Path]:
        """What lies in artifacts/, in order, but for hidden files: nobody exported those."""
        if not self.artifacts.is_dir():
            return []
        return sorted(path for path in self.artifacts.iterdir() if not path.name.startswith("."))

    @property
    def benches(self) -> Path:
        return self.folder / "bench"

    def _repr_html_(self) -> str:
        """The run as a table, for a notebook."""
        from edgecnn.records import notebook

        return notebook.html(self)


def is_run(path: Path) -> bool:
    return (path / "recipe.toml").is_file()


def is_free(folder: Path) -> bool:
    """Whether a new training may have the folder: no run is in it, or one that learnt nothing.

    It ended before its first epoch did: there are the files of CLAIM, and what was being written when it was killed. Or
    its loss stopped being a number: there are those of its epochs too. Anything else is kept.
    """
    if not is_run(folder):
        return True
    parts = tuple(f".{name}." for name in (*CLAIM, *OF_AN_EPOCH))  # as `files.replacing` names them
    own = {*CLAIM, *OF_AN_EPOCH, DIVERGED} if (folder / DIVERGED).is_file() else set(CLAIM)
    own.add(TRAINING_LOCK)
    return all(path.name in own or path.name.startswith(parts) for path in folder.iterdir())


def reads_exports(
    verb: Callable[Concatenate[Targets, Arguments], Result],
) -> Callable[Concatenate[Targets, Arguments], Result]:
    """A verb whose first argument is the runs or exported files it reads: no export changes them meanwhile.

    It raises RunError if an export is at work in one of the runs.
    """

    @functools.wraps(verb)
    def undisturbed(targets: Targets, /, *arguments: Arguments.args, **options: Arguments.kwargs) -> Result:
        paths = [targets] if isinstance(targets, Path) else targets
        folders = {path if is_run(path) else path.resolve().parent.parent for path in paths}
        with contextlib.ExitStack() as held:
            for folder in sorted(folder for folder in folders if is_run(folder)):
                held.enter_context(locks.held(folder / EXPORT_LOCK, verb.__name__, shared=True))
            return verb(targets, *arguments, **options)

    return undisturbed


def open_run(folder: Path | str) -> Run:
    """Read a finished run from its folder.

    Args:
        folder: Where `edgecnn train` put it, such as runs/dscnn-digits.

    Raises:
        RunError: There is none, its training did not finish, or one of its files is damaged.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise RunError(f"There is no run folder {folder}.", "`edgecnn train` makes one under runs/")
    if not is_run(folder):
        raise RunError(f"{folder} is not a run folder: it holds no recipe.toml.", "`edgecnn train` makes one")
    if not (folder / "run.json").is_file():
        raise RunError(f"The training in {folder} did not finish.", f"edgecnn train {folder} --resume")
    with KIND.expected(folder):
        facts = documents.table(folder / "run.json")
        facts.pop("device", None)  # where it stood before `training` did
        recipe = plans.load(Recipe, str(folder / "recipe.toml"))
        return config.build(Run, {**facts, "folder": folder, "recipe": recipe}, "run.json")


def write_facts(run: Run) -> None:
    """Write run.json, which makes the run complete."""
    facts: dict[str, Any] = {
        field.name: getattr(run, field.name)
        for field in dataclasses.fields(run)
        if field.name not in ("folder", "recipe", "training")
    }
    facts["training"] = dataclasses.asdict(run.training) if run.training else None
    files.write_json(run.folder / "run.json", facts)
