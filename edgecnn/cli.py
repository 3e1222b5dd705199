"""The command line: parse, call one verb, print. Heavy imports stay inside the commands.

Data goes to stdout, all else to stderr. Exit codes: 0 pass, 1 a gate failed, 2 inconclusive or
environment unfit, 64 usage.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgecnn import __version__, console
from edgecnn.errors import EXIT_USAGE, EdgecnnError, GateFailed, UsageError

if TYPE_CHECKING:
    from edgecnn.plans import DataPlan, ExportPlan, Recipe, Suite

INTERRUPTED = 130

# What the parser raises; newer Typer carries a Click of its own, so Click's class would not catch it.
USAGE_ERROR: type[Any] = typer.BadParameter.__mro__[1]

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Train a small CNN, export it to int8, and measure it where it will run.",
)


RECIPE = Annotated[str, typer.Argument(help="A recipe by name (models/) or a .toml file.")]
SET = Annotated[list[str] | None, typer.Option("--set", "-s", help="Change a key: -s optim.lr=0.2", metavar="K=V")]
DATA = Annotated[str | None, typer.Option("--data", help="A data set's name, or a folder of class folders.")]
EPOCHS = Annotated[int | None, typer.Option("--epochs", help="Passes over the training pictures.")]
BATCH_SIZE = Annotated[int | None, typer.Option("--batch-size", help="Pictures in one step.")]
LR = Annotated[float | None, typer.Option("--lr", help="Peak learning rate.")]
SEED = Annotated[int | None, typer.Option("--seed", help="Of weights, order and augmentation.")]
OUTPUT = Annotated[Path, typer.Option("--output", "-o", help="Folder that holds the runs.")]
NAME = Annotated[str | None, typer.Option("--name", help="Name of the run; the recipe's by default.")]
RESUME = Annotated[bool, typer.Option("--resume", help="Continue from the run's checkpoint.")]
FORMAT = Annotated[str | None, typer.Option("--format", help="onnx,tflite")]
PRECISION = Annotated[str | None, typer.Option("--precision", help="fp32,int8")]
IO = Annotated[str | None, typer.Option("--io", help="TFLite int8 tensors: int8, uint8 or float32.")]
TARGET = Annotated[str | None, typer.Option("--target", help="ONNX int8 for x86 (U8S8) or arm (S8S8).")]
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
JSON = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


def _version(wanted: bool) -> None:
    if wanted:
        print(f"edgecnn {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Only warnings and errors on stderr.")] = False,
) -> None:
    console.be_quiet(quiet)


@app.command()
def train(
    recipe: RECIPE,
    data: DATA = None,
    epochs: EPOCHS = None,
    batch_size: BATCH_SIZE = None,
    lr: LR = None,
    seed: SEED = None,
    settings: SET = None,
    resume: RESUME = False,
    output: OUTPUT = Path("runs"),
    name: NAME = None,
    as_json: JSON = False,
) -> None:
    """Train a recipe into a run folder; a run folder as RECIPE with --resume continues it."""
    folder, plan = _recipe(recipe, data, _changes(settings, _training_keys(epochs, batch_size, lr, seed)), output, name)
    from edgecnn.train import train as verb

    run = verb(plan, folder, resume)
    console.note(f"{run.folder}: {run.train_seconds:.0f} s")
    if as_json:
        print((run.folder / "run.json").read_text(), end="")
    else:
        from edgecnn.stats import wilson

        right = round(run.validation_top1_percent * run.validation_n / 100)
        print(f"{run.folder}  validation top-1 {wilson(right, run.validation_n)}  n {run.validation_n}")


@app.command()
def export(
    run: Annotated[Path, typer.Argument(help="A run folder.")],
    plan: Annotated[str, typer.Option("--plan", help="An export plan by name (export/) or a .toml file.")] = "default",
    format: FORMAT = None,
    precision: PRECISION = None,
    io: IO = None,
    target: TARGET = None,
    calib_samples: CALIB_SAMPLES = None,
    max_drop: MAX_DROP = None,
    settings: SET = None,
    as_json: JSON = False,
) -> None:
    """Write ONNX and TFLite files from a run, fp32 and int8, and check each against the run."""
    changes = _changes(settings, _export_keys(format, precision, io, target, calib_samples, max_drop))
    _export(run, _export_plan(plan, changes), as_json)


@app.command()
def bench(
    targets: Annotated[list[Path], typer.Argument(help="Run folders, or .onnx and .tflite files of any make.")],
    suite: Annotated[str, typer.Option("--suite", help="A suite by name (bench/) or a .toml file.")] = "default",
    data: DATA = None,
    board: BOARD = None,
    runtime: RUNTIME = None,
    num_threads: NUM_THREADS = None,
    rounds: ROUNDS = None,
    warmup_runs: WARMUP_RUNS = None,
    num_runs: NUM_RUNS = None,
    min_secs: MIN_SECS = None,
    limit: LIMIT = None,
    max_ms: MAX_MS = None,
    min_acc: MIN_ACC = None,
    settings: SET = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Report file (.json).")] = None,
    as_json: JSON = False,
) -> None:
    """Measure latency, memory and accuracy of every file, each in fresh processes that take turns."""
    keys = {
        "board": board, "runtime": runtime, "num_threads": num_threads, "rounds": rounds, "warmup_runs": warmup_runs,
        "num_runs": num_runs, "min_secs": min_secs, "limit": limit, "max_ms": max_ms, "min_acc": min_acc,
    }  # fmt: skip
    _bench(targets, _suite(suite, _changes(settings, keys)), _data_plan(data), output, as_json)


@app.command()
def run(
    recipes: Annotated[list[str], typer.Argument(help="Recipes by name (models/) or .toml files.")],
    data: DATA = None,
    epochs: EPOCHS = None,
    batch_size: BATCH_SIZE = None,
    lr: LR = None,
    seed: SEED = None,
    settings: SET = None,
    resume: RESUME = False,
    output: OUTPUT = Path("runs"),
    plan: Annotated[str, typer.Option("--plan", help="An export plan.")] = "default",
    suite: Annotated[str, typer.Option("--suite", help="A suite.")] = "default",
    as_json: JSON = False,
) -> None:
    """Train, export and bench: all three, for one recipe or several that are then benched together."""
    changes = _changes(settings, _training_keys(epochs, batch_size, lr, seed))
    export_plan, suite_plan = _export_plan(plan, []), _suite(suite, [])
    chosen = [_recipe(recipe, data, changes, output, None) for recipe in recipes]
    from edgecnn.train import train as verb

    failed: GateFailed | None = None
    for folder, recipe in chosen:
        verb(recipe, folder, resume)
        try:
            _export(folder, export_plan, quiet=as_json)
        except GateFailed as gate:  # the bench is still worth having; the exit code keeps the failure
            failed = gate
    _bench([folder for folder, _ in chosen], suite_plan, None, None, as_json)
    if failed:
        raise failed


@app.command()
def inspect(
    target: Annotated[str, typer.Argument(help="A recipe, a run folder, or an .onnx or .tflite file.")],
    dense_input: Annotated[
        str, typer.Option("--input", help="Picture for the dense first layer, height x width x channels.")
    ] = "224x224x3",
    settings: SET = None,
    as_json: JSON = False,
) -> None:
    """Show a net layer by layer, or what a model file says of itself."""
    try:
        height, width, channels = (int(part) for part in dense_input.lower().split("x"))
    except ValueError as error:
        raise UsageError(f"--input {dense_input!r} is not a picture size.", "write it as 224x224x3") from error
    from edgecnn import inspect as verb

    verb.show(target, settings or [], (channels, height, width), as_json)


def main() -> None:
    """The console script: every error becomes one sentence, a hint and an exit code."""
    try:
        if app(standalone_mode=False) == INTERRUPTED:  # Typer turns Ctrl-C into this return value
            raise KeyboardInterrupt
    except EdgecnnError as error:
        console.error(error.sentence, error.hint)
        sys.exit(error.exit_code)
    except USAGE_ERROR as error:
        context = getattr(error, "ctx", None)
        console.error(error.format_message(), f"{context.command_path if context else 'edgecnn'} --help")
        sys.exit(EXIT_USAGE)
    except (KeyboardInterrupt, typer.Abort):
        console.error("Interrupted.", "`edgecnn train RUN --resume` continues a training")
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(141)


def _changes(settings: list[str] | None, keys: dict[str, Any]) -> list[str]:
    """-s settings and options as overrides; an option beats a setting."""
    written = [f"{key}={json.dumps(value)}" for key, value in keys.items() if value is not None]
    return [*(settings or []), *written]


def _training_keys(epochs: int | None, batch_size: int | None, lr: float | None, seed: int | None) -> dict[str, Any]:
    return {"epochs": epochs, "batch_size": batch_size, "optim.lr": lr, "seed": seed}


def _export_keys(
    format: str | None,
    precision: str | None,
    io: str | None,
    target: str | None,
    calib_samples: int | None,
    max_drop: float | None,
) -> dict[str, Any]:
    return {
        "format": format,
        "precision": precision,
        "io": io,
        "target": target,
        "calib_samples": calib_samples,
        "max_drop": max_drop,
    }


def _recipe(recipe: str, data: str | None, changes: list[str], output: Path, name: str | None) -> tuple[Path, Recipe]:
    from edgecnn import plans
    from edgecnn.run import is_run

    if is_run(Path(recipe)):
        folder = Path(recipe)
        return folder, plans.load_recipe(str(folder / "recipe.toml"), changes, data)
    plan = plans.load_recipe(recipe, changes, data)
    return output / (name or plan.name), plan


def _data_plan(data: str | None) -> DataPlan | None:
    from edgecnn import plans

    return plans.data_plan(data) if data else None


def _export_plan(plan: str, changes: list[str]) -> ExportPlan:
    from edgecnn import plans

    return plans.load(plans.ExportPlan, plan, changes)


def _suite(suite: str, changes: list[str]) -> Suite:
    from edgecnn import plans

    return plans.load(plans.Suite, suite, changes)


def _export(folder: Path, plan: ExportPlan, as_json: bool = False, quiet: bool = False) -> None:
    from edgecnn import artifact
    from edgecnn import export as verb
    from edgecnn.run import open_run

    made = verb.export(open_run(folder), plan)
    if as_json:
        print(json.dumps([artifact.to_table(one) for one in made], indent=1))
    elif not quiet:
        verb.show(made)
    verb.judge(made)


def _bench(targets: list[Path], suite: Suite, data: DataPlan | None, output: Path | None, as_json: bool) -> None:
    from edgecnn import bench as verb
    from edgecnn import present, report

    result, path = verb.bench(targets, suite, data, output)
    if as_json:
        print(report.to_json(result), end="")
    else:
        present.show(result)
    if path:
        console.note(f"{path} holds every sample, {path.with_suffix('.md')} the whole table")
    verb.judge(result, suite)


if __name__ == "__main__":
    main()
