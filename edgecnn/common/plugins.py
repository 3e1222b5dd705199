"""Plug-ins: a file of a package is one with nothing to register, and another distribution brings one by an entry point.

`edgecnn/nets/architectures/dscnn.py` is the net `dscnn`: the name is the file's, with dashes for underscores. Each room
that takes plug-ins declares its `PluginKind`, and the `Protocol` there is the contract they keep. Entry points are read
when a kind is asked for something that it does not have itself, or for all of its names, and never before.
"""

from __future__ import annotations

import ast
import functools
import importlib
import inspect
import pkgutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from edgecnn.common import escapes
from edgecnn.errors import EdgecnnError, EnvironmentUnfit, PlanError, UsageError, nearest

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

T = TypeVar("T")


@dataclass(frozen=True)
class PluginKind:
    """One kind of plug-in, such as nets."""

    package: str
    """The package whose files are our own plug-ins, as in "edgecnn.nets.architectures"."""
    noun: str
    """What messages call one of them, as in "net"."""
    contract: type
    """The Protocol that a plug-in keeps."""
    group: str = ""
    """The entry points by which others bring theirs, as in "edgecnn.nets"; empty where they cannot."""

    def own(self) -> tuple[str, ...]:
        """Return the names of our own plug-ins, sorted."""
        return own_names(self.package)

    def names(self) -> tuple[str, ...]:
        """Return all names: our own, sorted, and behind them those that other distributions bring, sorted."""
        return (*self.own(), *sorted(self._outside_points()))

    def load(self, name: str) -> Any:
        """Return the plug-in of that name.

        Raises:
            UsageError: There is none; the hint lists the known ones.
            EnvironmentUnfit: It is another distribution's and cannot be used; the sentence names that.
        """
        if name in self.own():
            return importlib.import_module(f"{self.package}.{name.replace('-', '_')}")
        outside = self._outside_points()
        if name not in outside:
            raise UsageError(f"There is no {self.noun} named {name!r}.", nearest(name, self.names()))
        return self._loaded(name, outside[name])

    def usable(self) -> dict[str, Any]:
        """Return every plug-in by its name; another distribution's that cannot be used is left out with a warning."""
        loaded: dict[str, Any] = {}
        for name in self.names():
            try:
                loaded[name] = self.load(name)
            except EnvironmentUnfit as error:
                _warn_once(f"{error.sentence.removesuffix('.')}: it is left out")
        return loaded

    def members(self) -> tuple[str, ...]:
        """Return what the contract asks a plug-in to have, sorted."""
        declared = {**vars(self.contract), **self.contract.__annotations__}
        return tuple(sorted(name for name in declared if not name.startswith("_")))

    def _outside_points(self) -> dict[str, tuple[EntryPoint, ...]]:
        """Return the entry points of other distributions by their name, which is nobody's of ours."""
        if not self.group:
            return {}
        points = _entry_points(self.group)
        own = self.own()
        for name in own:
            for point in points.get(name, ()):
                _warn_once(
                    f"{_origin(point)} brings a {self.noun} named {name!r}, and edgecnn has its own of that name: "
                    "that one is taken"
                )
        return {name: brought for name, brought in points.items() if name not in own}

    def _loaded(self, name: str, points: tuple[EntryPoint, ...]) -> Any:
        what = f"The {self.noun} {name!r}"
        if len(points) > 1:
            raise EnvironmentUnfit(
                f"{what} is brought by {len(points)} packages: {', '.join(map(_origin, points))}.",
                "uninstall all of them but one",
            )
        (point,) = points
        try:
            plugin = point.load()
        except EdgecnnError:
            raise
        except Exception as error:  # an import runs whatever its author wrote
            raise EnvironmentUnfit(
                f"{what} of {_origin(point)} cannot be loaded: {reason(error)}.",
                f"update or uninstall that package; its entry point is {point.value}",
            ) from error
        if missing := [member for member in self.members() if not hasattr(plugin, member)]:
            raise EnvironmentUnfit(
                f"{what} of {_origin(point)} lacks {', '.join(missing)}.",
                f"update or uninstall that package; the contract: {self.contract.__module__}.{self.contract.__name__}",
            )
        return plugin


def own_names(package: str) -> tuple[str, ...]:
    """Return the plug-ins that are files of a package of ours, such as "edgecnn.formats", sorted."""
    path = importlib.import_module(package).__path__
    modules = (module.name for module in pkgutil.iter_modules(path))
    return tuple(sorted(name.replace("_", "-") for name in modules if not name.startswith("_")))


def captions(package: str, group: str = "") -> dict[str, str]:
    """Return the first line of each plug-in's docstring by its name, and import none of them.

    Args:
        package: The package whose files are our own plug-ins.
        group: The entry points of other distributions' plug-ins, of which the distribution is told.
    """
    folder = Path(__file__).parents[1].joinpath(*package.split(".")[1:])
    lines = {}
    for module in pkgutil.iter_modules([str(folder)]):
        if not module.name.startswith("_"):
            source = folder / module.name / "__init__.py" if module.ispkg else folder / f"{module.name}.py"
            docstring = ast.get_docstring(ast.parse(source.read_text(encoding="utf-8"))) or ""
            lines[module.name.replace("_", "-")] = docstring.partition("\n")[0]
    outside = _entry_points(group) if group else {}
    return dict(sorted(lines.items())) | {
        name: f"a plug-in of {_origin(points[0])}" for name, points in sorted(outside.items()) if name not in lines
    }


def call(function: Callable[..., T], options: Mapping[str, Any], source: str, **fixed: Any) -> T:
    """Call `function(**fixed, **options)` after checking the options against its signature.

    Args:
        function: A plug-in's function.
        options: Keyword arguments that a user wrote.
        source: The table that the options come from, such as "[net] of dscnn-digits.toml".
        fixed: Keyword arguments that no option may replace.

    Raises:
        PlanError: An option is unknown, or its type differs from its default's.
    """
    parameters = inspect.signature(function).parameters
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
        return function(**fixed, **options)
    known = [name for name in parameters if name not in fixed]
    for key, value in options.items():
        if key not in known:
            raise PlanError(f"{source} has an unknown key {key!r}.", nearest(key, known))
        default = parameters[key].default
        is_open = default is None or default is inspect.Parameter.empty or " | " in str(parameters[key].annotation)
        if is_open:  # the default does not say of what type the value is
            continue
        expected = (int, float) if isinstance(default, float) else type(default)
        if isinstance(default, bool) is not isinstance(value, bool) or (
            isinstance(default, (int, float, str)) and not isinstance(value, expected)
        ):
            raise PlanError(
                f"{source}: {key} = {value!r} should be of type {type(default).__name__}.",
                f"its default is {default!r}",
            )
    return function(**fixed, **options)


def reason(error: BaseException) -> str:
    """Return what other people's code raised, on one line without a full stop: "ImportError: no module x"."""
    words = " ".join(str(error).split())[:300].rstrip(".")
    return f"{type(error).__name__}: {words}" if words else type(error).__name__


@functools.cache
def _entry_points(group: str) -> dict[str, tuple[EntryPoint, ...]]:
    """Return the entry points of a group by their name; what cannot be read is left out with a warning."""
    import importlib.metadata  # what loads our own plug-ins alone need not wait for it

    try:
        points = sorted(importlib.metadata.entry_points(group=group), key=lambda point: point.name)
    except Exception as error:  # another distribution's metadata, in whatever state it is
        _warn_once(f"the plug-ins of other packages are left out, for {group} cannot be read: {reason(error)}")
        return {}
    by_name: dict[str, tuple[EntryPoint, ...]] = {}
    for point in points:
        by_name[point.name] = (*by_name.get(point.name, ()), point)
    return by_name


@functools.cache
def _warn_once(message: str) -> None:
    escapes.say(f"warning: {message}", file=sys.stderr, flush=True)  # the console is not on a board


def _origin(point: EntryPoint) -> str:
    """Return the distribution that brings an entry point, with its version."""
    try:
        assert point.dist is not None
        return f"{point.dist.name} {point.dist.version}"
    except Exception:  # without a name, or without the file that has it
        return f"an unnamed package ({point.value})"
