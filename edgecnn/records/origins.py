"""The origin of each value of a recipe: an option, a setting, the recipe's file, or a default."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from edgecnn.common import config
from edgecnn.records import plans, zoo
from edgecnn.records.recipe import Recipe
from edgecnn.records.run import is_run

DEFAULT, CHOSEN = "default", "chosen"


def origins(
    chosen: str | Mapping[str, object], recipe: Recipe, settings: Sequence[str], options: Mapping[str, str]
) -> dict[str, str]:
    """Return the origin of each of a recipe's values, by its dotted key.

    Args:
        chosen: The recipe as it was named: a shipped one, a file, or a run folder. Or the keys that were chosen for the
            pictures, where none was named.
        recipe: The recipe that was made of it.
        settings: As `-s` takes them.
        options: The option that has set a key, such as {"optim.lr": "--lr"}.
    """
    file, written = (CHOSEN, chosen) if isinstance(chosen, Mapping) else _file(chosen)
    changed = dict(config.flat(config.override({}, settings)))
    return {
        key: options.get(key) or _origin(key, value, file, written, changed)
        for key, value in config.flat(config.table_of(recipe))
    }


def _file(chosen: str) -> tuple[str, Mapping[str, object]]:
    """Return the name of a recipe's file, and its values by their dotted keys."""
    place = zoo.located(chosen)
    path = place / "recipe.toml" if is_run(place) else plans.find(Recipe, chosen)
    return path.name, dict(config.flat(config.table_of(config.read(path))))


def _origin(key: str, value: object, file: str, written: Mapping[str, object], changed: Mapping[str, object]) -> str:
    if key in changed:
        return "-s"
    return file if written.get(key) == value else DEFAULT
