"""Plug-ins, each a file: `edgecnn/nets/architectures/dscnn.py` is the net `dscnn`, and nothing registers it.

A plug-in's name is its file's name with dashes for underscores. The `Protocol` in the `__init__.py` of its folder is
the contract it keeps.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any, TypeVar

from edgecnn.errors import PlanError, UsageError, nearest

T = TypeVar("T")


def names(kind: str) -> tuple[str, ...]:
    """Return the names of all plug-ins of a kind ("nets", "data", "formats", "runtimes", "boards"), sorted."""
    package = importlib.import_module(f"edgecnn.{kind}")
    return tuple(
        sorted(
            module.name.replace("_", "-")
            for module in pkgutil.iter_modules(package.__path__)
            if not module.name.startswith("_")
        )
    )


def load(kind: str, name: str, noun: str) -> ModuleType:
    """Import a plug-in's module.

    Args:
        kind: The package of plug-ins, below `edgecnn`.
        name: The plug-in.
        noun: What a plug-in of this kind is called in the error.

    Raises:
        UsageError: There is no such plug-in; the hint lists the known ones.
    """
    known = names(kind)
    if name not in known:
        raise UsageError(f"There is no {noun} named {name!r}.", nearest(name, known))
    return importlib.import_module(f"edgecnn.{kind}.{name.replace('-', '_')}")


def call(function: Callable[..., T], options: Mapping[str, Any], where: str, **given: Any) -> T:
    """Call `function(**given, **options)` after checking the options against its signature.

    Args:
        function: A plug-in's function.
        options: Keyword arguments that a user wrote.
        where: The table that the options come from, such as "[net] of dscnn-digits.toml".
        given: Keyword arguments that no option may replace.

    Raises:
        PlanError: An option is unknown, or its type differs from its default's.
    """
    parameters = inspect.signature(function).parameters
    known = [name for name in parameters if name not in given]
    for key, value in options.items():
        if key not in known:
            raise PlanError(f"{where} has an unknown key {key!r}.", nearest(key, known))
        default = parameters[key].default
        expected = (int, float) if isinstance(default, float) else type(default)
        if isinstance(default, bool) is not isinstance(value, bool) or (
            isinstance(default, (int, float, str)) and not isinstance(value, expected)
        ):
            raise PlanError(
                f"{where}: {key} = {value!r} should be of type {type(default).__name__}.",
                f"its default is {default!r}",
            )
    return function(**given, **options)
