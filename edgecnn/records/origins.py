"""Where each value of a recipe comes from: an option, a setting, the recipe's file, or a default."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from edgecnn.common import config
from edgecnn.records import plans, zoo
from edgecnn.records.recipe import Recipe
from edgecnn.records.run import is_run

DEFAULT = "default"


def origins(chosen: str, recipe: Recipe, settings: Sequence[str], options: Mapping[str, str]) -> dict[str, str]:
    """Return the origin of each of a recipe's values, by its dotted key.

    Args:
        chosen: The recipe as it was named: a shipped one, a file, or a run folder.
        recipe: The recipe that was made of it.
        settings: As `-s` takes them.
        options: The option that has set a key, such as {"optim.lr": "--lr"}.
    """
    place = zoo.located(chosen)
    path = place / "recipe.toml" if is_run(place) else plans.find(Recipe, chosen)
    written = dict(config.flat(config.table_of(config.read(path))))
    changed = dict(config.flat(config.override({}, settings)))
    return {
        key: options.get(key) or _origin(key, value, path, written, changed)
        for key, value in config.flat(config.table_of(recipe))
    }


def _origin(key: str, value: object, path: Path, written: Mapping[str, object], changed: Mapping[str, object]) -> str:
    if key in changed:
        return "-s"
    return path.name if written.get(key) == value else DEFAULT
