"""Resolve a name that a user types (a recipe, a plan, a run, files, pictures) to the record that it stands for.

The command line and the Python API both ask here, so that a word means the same in either.
"""

from __future__ import annotations

import numbers
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

import tomli_w

from edgecnn.common import config
from edgecnn.errors import PlanError
from edgecnn.records import names, plans, zoo
from edgecnn.records.artifact import Artifact
from edgecnn.records.recipe import DataPlan, Recipe
from edgecnn.records.run import Run, is_run, open_run

RUNS = Path("runs")
"""Where runs are put unless the user says otherwise."""

FilePath = str | os.PathLike[str]
Data = DataPlan | FilePath | Mapping[str, Any]
"""Pictures to learn from: a data set by its name, pictures by their path, or keys of a recipe's [data] to change."""
Target = FilePath | Run | Artifact
"""A run or a model file: by its path, or as an earlier step returned it."""


class Named(Protocol):
    """A plan of any kind."""

    @property
    def name(self) -> str:
        """The name of its file, unless the file says otherwise."""
        ...


P = TypeVar("P", bound=Named)


def overrides(settings: Iterable[str] = (), changes: Mapping[str, Any] | None = None) -> list[str]:
    """Return changes of a plan's keys as `config.override` takes them; a change beats a setting.

    Args:
        settings: As `-s` takes them on the command line, such as "optim.lr=0.2".
        changes: Values by key. A table's key is written "optim.lr", or its values stand in a mapping: {"optim":
            {"lr": 0.2}}. None leaves the key as it is.

    Raises:
        PlanError: A value is of a type that no plan holds.
    """
    if isinstance(settings, str):
        settings = (settings,)
    return [*settings, *(_assignment(key, value) for key, value in config.flat(changes or {}))]


def find_plan(kind: type[P], chosen: P | FilePath, changes: Sequence[str] = ()) -> P:
    """Return an ExportPlan or a Suite.

    Args:
        kind: Its class.
        chosen: The plan itself, the name of a shipped one, or the path of a .toml file.
        changes: Changes of its keys, as `overrides` returns them.

    Raises:
        PlanError: There is no such plan, or a key or a value is wrong.
    """
    if not isinstance(chosen, kind):
        return plans.load(kind, os.fspath(chosen), changes)  # type: ignore[arg-type]
    return config.build(kind, config.override(config.table_of(chosen), changes), chosen.name) if changes else chosen


def find_recipe(chosen: Recipe | FilePath, changes: Sequence[str] = (), data: Data | None = None) -> Recipe:
    """Return a recipe: itself, the name of a shipped one, the path of a .toml file, or a run folder that holds one.

    Args:
        chosen: Which recipe.
        changes: Changes of its keys, as `overrides` returns them.
        data: What to train on instead of its own data set, or keys of it to change.

    Raises:
        PlanError: There is no such recipe, or a key or a value is wrong.
        UsageError: The zoo has no such model.
    """
    if isinstance(data, Mapping):
        data, changes = None, [*overrides((), {"data": data}), *changes]
    pictures = data_plan(data)
    if isinstance(chosen, Recipe):
        return plans.build_recipe(config.table_of(chosen), chosen.name, changes, pictures)
    path = zoo.located(chosen)
    return plans.load_recipe(str(path / "recipe.toml") if is_run(path) else os.fspath(chosen), changes, pictures)


def find_training(
    chosen: Recipe | FilePath,
    changes: Sequence[str] = (),
    data: Data | None = None,
    output: Path = RUNS,
    name: str | None = None,
) -> tuple[Path, Recipe]:
    """Return (folder, recipe) of a training: a run folder is itself, any other recipe gets the folder `output`/`name`.

    Args:
        chosen: Which recipe, as `find_recipe` takes it.
        changes: Changes of its keys, as `overrides` returns them.
        data: What to train on instead of its own data set, or keys of it to change.
        output: The folder that holds the runs.
        name: The run's name; the recipe's by default.

    Raises:
        PlanError: There is no such recipe, or a key or a value is wrong.
        UsageError: No folder can have the name.
    """
    recipe = find_recipe(chosen, changes, data)
    if not isinstance(chosen, Recipe) and is_run(Path(chosen)):
        return Path(chosen), recipe
    names.require(recipe.name if name is None else name, "the recipe's name" if name is None else "--name")
    return output / (recipe.name if name is None else name), recipe


def load_recipe(
    recipe: Recipe | FilePath,
    *,
    data: Data | None = None,
    settings: Iterable[str] = (),
    **changes: Any,
) -> Recipe:
    """Read a recipe, every default filled in.

    Args:
        recipe: The name of a shipped recipe, the path of a .toml file, a run folder, or a Recipe to change.
        data: The name of a data set, or a folder of pictures, in place of the recipe's own data set; a mapping
            changes keys of its own, as in {"fraction": 0.1}.
        settings: Changes as `-s` takes them on the command line, such as "optim.lr=0.2".
        **changes: Keys of the recipe and their values, such as `epochs=2` or `optim={"lr": 0.2}`.

    Raises:
        PlanError: There is no such recipe, or a key or a value is wrong; the hint names the nearest.

    Example:
        >>> recipe = edgecnn.load_recipe("dscnn-digits", epochs=2, optim={"lr": 0.01})
        >>> recipe.epochs, recipe.optim.lr, recipe.data.name
        (2, 0.01, 'digits')
    """
    return find_recipe(recipe, overrides(settings, changes), data)


def find_run(chosen: Run | FilePath) -> Run:
    """Return a finished run, itself or by its folder. Raises RunError if there is none, or it is unfinished."""
    return chosen if isinstance(chosen, Run) else open_run(Path(chosen))


def paths(targets: Target | Iterable[Target]) -> list[Path]:
    """Return the folders of runs and the paths of model files, of one target or of several."""
    several = [targets] if isinstance(targets, (str, os.PathLike, Run, Artifact)) else targets
    return [path(target) for target in several]


def path(target: Target) -> Path:
    """Return the folder of a run, of a model of the zoo too, or the path of a model file."""
    if isinstance(target, Run):
        return target.folder
    return target.path if isinstance(target, Artifact) else zoo.located(target)


def data_plan(data: DataPlan | FilePath | None) -> DataPlan | None:
    """Return the plan of a data set that is named, or of pictures by their path, as `plans.data_plan` tells them."""
    if data is None or isinstance(data, DataPlan):
        return data
    return plans.data_plan(data if isinstance(data, str) else f"{Path(data).absolute()}")


def _assignment(key: str, value: Any) -> str:
    """Return a key and its value, as TOML writes it."""
    if isinstance(value, Mapping):
        return f"{key}={{}}"
    try:
        text = tomli_w.dumps({"value": _plain(value)})
    except TypeError as error:
        raise PlanError(
            f"{key} cannot be a {type(value).__name__}.", "numbers, texts, truth values and lists of them can"
        ) from error
    return f"{key}={text.removeprefix('value = ').strip()}"


def _plain(value: Any) -> Any:
    """Return paths as texts, and NumPy's numbers as Python's."""
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, bool):
        return value
    if isinstance(value, numbers.Integral):
        return int(value)
    return float(value) if isinstance(value, numbers.Real) else value
