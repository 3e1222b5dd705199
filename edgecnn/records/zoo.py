"""The zoo: trained models that come with edgecnn, each a run folder that is named as "zoo:fashion-10k".

A checkout holds them in models/zoo. The wheel of edgecnn has only their cards, to be small; weights and files are in
the package edgecnn-zoo, which is built from the same tree.
"""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

from edgecnn.errors import UsageError, nearest
from edgecnn.records import plans
from edgecnn.records.recipe import Recipe

PREFIX = "zoo:"
PACKAGE = "edgecnn_zoo"
CARD = "README.md"


def names() -> tuple[str, ...]:
    """Return the names of all models of the zoo, sorted, whether their files are installed or not."""
    return tuple(sorted(path.parent.name for path in (plans.folder(Recipe) / "zoo").glob(f"*/{CARD}")))


def located(target: str | os.PathLike[str]) -> Path:
    """Return the run folder that "zoo:NAME" stands for; any other path stays what it is.

    Raises:
        UsageError: The zoo has no model of that name, or its files are not installed.
    """
    text = os.fspath(target)
    if not text.startswith(PREFIX):
        return Path(text)
    name = text.removeprefix(PREFIX)
    if name not in names():
        raise UsageError(f"The zoo has no model {name!r}.", nearest(name, names()))
    for folder in _folders():
        if (folder / name / "recipe.toml").is_file():
            return folder / name
    raise UsageError(f"The files of {text} are not installed.", "pip install edgecnn-zoo")


def named(path: Path) -> str:
    """Return a path as a command takes it: "zoo:NAME" for a model of the zoo, wherever its folder lies."""
    is_there = path.resolve().parent in {folder.resolve() for folder in _folders()}
    return f"{PREFIX}{path.name}" if is_there and path.name in names() else str(path)


def is_installed(path: Path) -> bool:
    """Return whether a folder is part of the package edgecnn-zoo, where nothing is written."""
    return path.resolve().parent in _packaged()


def _folders() -> list[Path]:
    """Return the folders that may hold the models: that of a checkout first."""
    return [plans.folder(Recipe) / "zoo", *_packaged()]


def _packaged() -> list[Path]:
    spec = importlib.util.find_spec(PACKAGE)
    return [Path(folder).resolve() for folder in (spec.submodule_search_locations or ())] if spec else []
