"""`edgecnn init`: looks at pictures and writes the recipe to learn from them, with a reason for every key.

survey.py      what the pictures are, in numbers
mirrors.py     which classes a mirror would swap or break
groups.py      which pictures belong together by their names
choose.py      what follows, key by key
net.py         the net within the budget, and the weights it starts from
imagenet.py    a net that knows ImageNet, where the budget names room for it
recipe_file.py the commented file
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edgecnn import data
from edgecnn.common import console, files
from edgecnn.errors import UsageError
from edgecnn.pipeline.init import choose, decision, imagenet, recipe_file
from edgecnn.pipeline.init.decision import Decision
from edgecnn.pipeline.init.survey import Survey, survey
from edgecnn.records import data_paths, plans
from edgecnn.records.recipe import DataPlan, Recipe

SUFFIX = ".toml"
LONGEST_NAME = 60
FALLBACK_NAME = "pictures"


@dataclass(frozen=True)
class Choice:
    """A recipe that was chosen for pictures."""

    survey: Survey
    decisions: tuple[Decision, ...]
    recipe: Recipe


def choose_recipe(pictures: DataPlan | str, changes: Sequence[str] = (), budget_params: int | None = None) -> Choice:
    """Look at pictures and choose a recipe for them.

    Args:
        pictures: Where they are, as `--data` takes it.
        changes: Settings such as "optim.lr=0.2", which win over what is chosen.
        budget_params: The most parameters of the net; None for no bound.

    Raises:
        UsageError: There are no pictures of one's own, or a setting or the budget cannot be met.
    """
    asked = decision.asked(changes)
    if budget_params is not None and budget_params < 1:
        raise UsageError(f"--budget {budget_params} is no net.", "the most parameters that it may have, such as 30000")
    plan = plans.data_plan(pictures)
    options = {**plan.options, **decision.values_in("data", asked)}
    with console.held_back():  # whoever loads the pictures says it again
        seen = survey(DataPlan(name=plan.name, options=options))
    decisions = choose.choose(seen, budget_params, asked, imagenet.is_installed())
    table = {"name": name_for(Path(seen.path)), **decision.nested(decisions)}
    return Choice(seen, decisions, plans.build_recipe(table, "the chosen recipe"))


def init(
    pictures: DataPlan | str,
    output: Path | None = None,
    changes: Sequence[str] = (),
    budget_params: int | None = None,
    force: bool = False,
) -> tuple[Choice, Path]:
    """Look at pictures, choose a recipe for them and write it.

    Args:
        pictures: Where they are, as `--data` takes it.
        output: The file; NAME.toml in the current folder without it, where NAME is that of the pictures' folder.
        changes: Settings such as "optim.lr=0.2", which win over what is chosen.
        budget_params: The most parameters of the net; None for no bound.
        force: Replace a file that is there.

    Returns:
        What was chosen, and the file.

    Raises:
        UsageError: There are no pictures to learn from, or the file exists already.
        OutputError: The file cannot be written.
    """
    plan = plans.data_plan(pictures)
    path = output or Path(f"{name_for(Path(plan.options.get('path', plan.name)))}{SUFFIX}")
    _require_free(path, force)
    choice = choose_recipe(plan, changes, budget_params)
    data.load(choice.recipe.data)  # whatever would stop a training at its pictures stops here
    files.make_folder(path.parent)
    files.write_text(path, recipe_file.text(_head(path), choice.decisions))
    return choice, path


def name_for(path: Path) -> str:
    """Return a name for the run of pictures at a path, which any file system takes."""
    named = path.parent if path.name.casefold() in data_paths.ROLES else path
    name = re.sub(r"[^\w-]+", "-", named.stem if path.is_file() else named.name).strip("-_")
    return name[:LONGEST_NAME] or FALLBACK_NAME


def command(path: Path) -> str:
    """Return the command that trains a recipe's file."""
    return f"edgecnn train {shlex.quote(str(path))}"


def _head(path: Path) -> list[str]:
    return [command(path), "", "Chosen by `edgecnn init`; every key says by what."]


def _require_free(path: Path, force: bool) -> None:
    """Raise UsageError or OutputError if a recipe cannot be written there."""
    if path.is_dir():
        raise UsageError(f"{path} is a folder, and --output is a file here.", f"-o {path / f'recipe{SUFFIX}'}")
    if path.suffix != SUFFIX:
        raise UsageError(f"--output {path} is no file of a recipe.", f"end it in {SUFFIX}")
    if path.exists() and not force:
        raise UsageError(f"{path} exists already.", "--force replaces it; -o names another file")
    files.require_writable(path)
