"""The command that turns a budget into a trained net: plan."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edgecnn.cli import completion, outputs, starting
from edgecnn.cli import options as o
from edgecnn.common import console


def plan(
    recipe: o.RECIPE_IF_ANY = None,
    data: o.DATA = None,
    board: Annotated[
        str,
        typer.Option("--board", help="Whose costs count; it has a profile.", autocompletion=completion.boards),
    ] = "local",
    max_ms: Annotated[float | None, typer.Option("--max-ms", help="Largest latency in ms.")] = None,
    max_minstr: Annotated[
        float | None, typer.Option("--max-minstr", help="Most instructions, in millions, on an emulated board.")
    ] = None,
    max_kb: Annotated[float | None, typer.Option("--max-kb", help="Largest file, 1 kB = 1000 bytes.")] = None,
    max_arena_kb: Annotated[
        float | None, typer.Option("--max-arena-kb", help="Largest planned peak of activations.")
    ] = None,
    min_acc: o.MIN_ACC = None,
    hours: Annotated[float, typer.Option("--hours", help="For all trainings and measurements.")] = 2.0,
    epochs: o.EPOCHS = None,
    seed: o.SEED = None,
    settings: o.SET = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a plan that was interrupted.")] = False,
    strict: o.STRICT = False,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FOLDER", help="Folder to make the plan in, under its name.")
    ] = Path("plans"),
    name: Annotated[str | None, typer.Option("--name", help="Name of the plan; the recipe's by default.")] = None,
    as_json: o.JSON = False,
) -> None:
    """Find the most accurate net within a budget: predicted, trained, exported and measured on the board."""
    outputs.folder(output)
    keys = {"epochs": epochs, "seed": seed}
    folder, training, _ = starting.find_training(recipe, o.changes(settings, keys), data, output, name)
    from edgecnn.common import config
    from edgecnn.studies.plan import plan as verb
    from edgecnn.studies.plan import show
    from edgecnn.studies.plan.records import PlanLimits

    bounds = {
        "max_ms": max_ms, "max_minstr": max_minstr, "max_kb": max_kb, "max_arena_kb": max_arena_kb, "min_acc": min_acc,
    }  # fmt: skip
    limits = config.build(
        PlanLimits, {key: value for key, value in bounds.items() if value is not None}, "edgecnn plan"
    )
    planned = verb.plan(training, folder, board, limits, hours, resume, training.seed)
    show.show(planned, as_json)
    console.note(f"{folder / verb.PAGE} is the page, {folder} has every run")
    verb.judge(planned, strict)
