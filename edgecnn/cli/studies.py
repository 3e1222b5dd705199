"""The commands that study: sweep, duel, lesson, report."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgecnn.cli import completion, outputs
from edgecnn.cli import options as o
from edgecnn.common import console
from edgecnn.common.escapes import say

if TYPE_CHECKING:
    from edgecnn.studies.findings import Lesson


def sweep(
    recipe: o.RECIPE,
    plan: Annotated[Path, typer.Argument(help="A .toml file: what is searched, and how (how-to/sweep).")],
    trials: Annotated[int | None, typer.Option("--trials", help="Points to look at, all workers together.")] = None,
    hours: Annotated[float | None, typer.Option("--hours", help="Stop after these; the same command goes on.")] = None,
    data: o.DATA = None,
    epochs: o.EPOCHS = None,
    settings: o.SET = None,
    jobs: Annotated[
        int | None, typer.Option("--jobs", min=1, help="Trainings at a time; 1 by default, on Ray one for each CPU.")
    ] = None,
    storage: Annotated[
        str, typer.Option("--storage", help="Optuna's: a journal's path, or a database's URL; sqlite:///sweep.db")
    ] = "",
    on: Annotated[str, typer.Option("--on", help="Train on a Ray of this machine, ray, or on ray://HOST:10001")] = "",
    only_show: Annotated[bool, typer.Option("--show", help="Train nothing, and show what there is.")] = False,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FOLDER", help="Folder to make the sweep in, under its name.")
    ] = Path("sweeps"),
    name: Annotated[str | None, typer.Option("--name", help="Name of the sweep; the recipe's by default.")] = None,
    as_json: o.JSON = False,
) -> None:
    """Search keys of a recipe with Optuna, by trials that are ordinary runs."""
    from edgecnn.records import resolve

    outputs.folder(output)
    folder, around = resolve.find_training(recipe, o.changes(settings, {}), data, output, name)
    from edgecnn.studies.sweep import plan as plans
    from edgecnn.studies.sweep import sweep as verb

    asked = plans.load(plan, o.changes(None, {"trials": trials, "epochs": epochs}))
    command = shlex.join(["edgecnn", *sys.argv[1:]])
    result = verb.run(
        around, asked, output / folder.name, command,
        storage=storage, jobs=(0 if on else 1) if jobs is None else jobs, hours=hours, on=on, only_show=only_show,
    )  # fmt: skip
    if as_json:
        say((output / folder.name / verb.RESULT).read_text(encoding="utf-8"), end="")
    else:
        verb.show(result)
    if result.best is not None:
        console.note(f"edgecnn train {shlex.quote(str(output / folder.name / verb.BEST))} trains the best")


def duel(
    recipe: o.RECIPE,
    budget: Annotated[str, typer.Option("--budget", help="What is equal: params, macs or latency.")] = "params",
    fractions: Annotated[str | None, typer.Option("--fractions", help="Shares of the training data: 0.1,0.3,1")] = None,
    repeats: Annotated[int | None, typer.Option("--repeats", help="Trainings of each family on each share.")] = None,
    families: Annotated[str | None, typer.Option("--families", help="Nets to compare; its own, mlp and vit.")] = None,
    trials: Annotated[int | None, typer.Option("--trials", help="Settings of each family tried on validation.")] = None,
    trial_fraction: Annotated[
        float | None, typer.Option("--trial-fraction", help="Share of the training data in a trial.")
    ] = None,
    min_steps: Annotated[int | None, typer.Option("--min-steps", help="Least steps of every training.")] = None,
    data: o.DATA = None,
    epochs: o.EPOCHS = None,
    board: Annotated[
        str | None,
        typer.Option("--board", help="Boards; the first one times the files.", autocompletion=completion.boards),
    ] = None,
    settings: o.SET = None,
    jobs: Annotated[int, typer.Option("--jobs", help="Trainings at a time, one thread each.")] = 1,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FOLDER", help="Folder to make the duel in, under its name.")
    ] = Path("duels"),
    name: Annotated[str | None, typer.Option("--name", help="Name of the duel; RECIPE-BUDGET by default.")] = None,
    as_json: o.JSON = False,
) -> None:
    """Hold a recipe's net against an MLP and a ViT of one budget, from data to board."""
    from edgecnn.common import config
    from edgecnn.records import names, resolve

    outputs.folder(output)
    if name is not None:
        names.require(name, "--name")
    _, plan = resolve.find_training(recipe, o.changes(settings, {"epochs": epochs}), data, output)
    keys = {
        "budget": budget, "repeats": repeats, "families": families, "trials": trials, "trial_fraction": trial_fraction,
        "min_steps": min_steps, "board": board,
    }  # fmt: skip
    shares = [f"fractions=[{fractions}]"] if fractions else []
    table = config.override({}, [*o.changes(None, keys), *shares])
    from edgecnn.studies.duel import duel as verb
    from edgecnn.studies.duel.plan import DuelPlan

    duel_plan = config.build(DuelPlan, {"recipe": plan, **table}, "edgecnn duel")
    folder = output / (f"{plan.name}-{budget}" if name is None else name)
    result = verb.run(duel_plan, folder, shlex.join(["edgecnn", *sys.argv[1:]]), jobs)
    if as_json:
        say((folder / verb.RESULT).read_text(encoding="utf-8"), end="")
    else:
        verb.show(result)
    console.note(f"{folder / verb.RESULT} holds every number, {folder / verb.PICTURE} the picture")


def lesson(
    names: Annotated[list[str] | None, typer.Argument(help="Lessons by name, or all; none lists them.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Small form: under a minute each, coarse.")] = False,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FOLDER", help="Folder to write results and pictures into.")
    ] = Path("lessons"),
    as_json: o.JSON = False,
) -> None:
    """Measure what the textbook says of CNNs, with pictures."""
    from edgecnn.studies.lessons import lessons as verb
    from edgecnn.studies.lessons import show

    if not names:
        show.show_titles(verb.titles(), as_json)
        return
    outputs.folder(output)
    measured: list[Lesson] = []
    try:
        verb.lesson(names, quick, output, measured.append if as_json else lambda done: show.show(done, output))
    finally:
        if as_json:
            show.show_json(measured, output)


def report(
    runs: o.RUNS,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="File (.html) to write the page into.")
    ] = Path("report.html"),
    duel: Annotated[Path | None, typer.Option("--duel", help="A duel's folder, or its duel.json.")] = None,
    of_sweep: Annotated[Path | None, typer.Option("--sweep", help="A sweep's folder, or its sweep.json.")] = None,
    lessons: Annotated[Path | None, typer.Option("--lessons", help="The folder `edgecnn lesson` wrote into.")] = None,
    benches: Annotated[list[Path] | None, typer.Option("--bench", help="A bench report to show besides.")] = None,
    evaluations: Annotated[
        list[Path] | None, typer.Option("--evaluation", help="A folder of `edgecnn eval -o`, of a file of these runs.")
    ] = None,
) -> None:
    """Write one page that needs no network: the verdict, mistakes, costs and measurements of runs."""
    from edgecnn.studies.page import build as verb

    outputs.file(output, outputs.is_page, (".html", ".htm"))
    page = verb.build(runs, output, duel, lessons, benches or [], evaluations or [], of_sweep)
    say(f"{page}  {page.stat().st_size / 1e6:.2f} MB")
