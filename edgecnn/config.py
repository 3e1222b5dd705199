"""TOML and `-s key=value` overrides -> a frozen dataclass, naming the bad key and the nearest good one."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import tomllib
import types
import typing
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from edgecnn.errors import PlanError, nearest

T = TypeVar("T")

REST = {"rest": True}
"""Field metadata: this mapping takes the keys of its table that no other field names."""


def read(path: Path) -> dict[str, Any]:
    """The tables of a TOML file."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise PlanError(f"There is no file {path}.", "name a plan, or a .toml file") from error
    except (OSError, UnicodeDecodeError) as error:
        raise PlanError(f"Cannot read {path}: {error}.") from error
    except tomllib.TOMLDecodeError as error:
        raise PlanError(f"{path} is not valid TOML: {error}.", "strings need quotes") from error


def override(table: Mapping[str, Any], assignments: Iterable[str]) -> dict[str, Any]:
    """A copy of `table` with each "section.key=value" set; the value is TOML, or a bare string."""
    result = copy.deepcopy(dict(table))
    for assignment in assignments:
        dotted, equals, text = assignment.partition("=")
        if not equals or not dotted.strip():
            raise PlanError(f"{assignment!r} is not a setting.", "write it as -s optim.lr=0.2")
        try:
            value = tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            value = text.strip()
        *sections, key = dotted.strip().split(".")
        place = result
        for section in sections:
            inner = place.setdefault(section, {})
            if not isinstance(inner, dict):
                raise PlanError(f"{section!r} in {assignment!r} is a value, not a table.")
            place = inner
        place[key] = value
    return result


def build(cls: type[T], table: Mapping[str, Any], where: str) -> T:
    """An instance of the dataclass `cls`; tables become nested dataclasses.

    Raises PlanError for an unknown key, a missing one, or a value of another type.
    """
    fields = {field.name: field for field in dataclasses.fields(cls)}  # type: ignore[arg-type]
    hints = typing.get_type_hints(cls)
    rest = next((name for name, field in fields.items() if field.metadata.get("rest")), None)
    values: dict[str, Any] = {}
    for key, value in table.items():
        if key in fields and key != rest:
            values[key] = _convert(hints[key], value, f"{where}: {key}")
        elif rest is not None:
            values.setdefault(rest, {})[key] = value
        else:
            raise PlanError(f"{where} has an unknown key {key!r}.", nearest(key, fields))
    for name, field in fields.items():
        missing = field.default is field.default_factory is dataclasses.MISSING
        if missing and name not in values:
            raise PlanError(f"{where} lacks the key {name!r}.", "the plans that are shipped show each")
    try:
        return cls(**values)
    except ValueError as error:
        raise PlanError(f"{where}: {error}") from error


def table_of(value: Any) -> Any:
    """A dataclass as nested TOML-ready tables; `build` reads them back to an equal instance."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        result: dict[str, Any] = {}
        for field in dataclasses.fields(value):
            item = getattr(value, field.name)
            if item is None:
                continue
            if field.metadata.get("rest"):
                result.update(item)
            else:
                result[field.name] = table_of(item)
        return result
    if isinstance(value, (list, tuple)):
        return [table_of(item) for item in value]
    return value


def _convert(hint: Any, value: Any, where: str) -> Any:
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        if isinstance(value, hint):
            return value
        if not isinstance(value, Mapping):
            raise PlanError(f"{where} should be a table, not {value!r}.")
        return build(hint, value, where)
    if hint is Any:
        return value
    if typing.get_origin(hint) in (types.UnionType, typing.Union):
        if value is None and type(None) in typing.get_args(hint):  # JSON has null, TOML leaves the key out
            return None
        kinds = [kind for kind in typing.get_args(hint) if kind is not type(None)]
        return _convert(kinds[0], value, where) if len(kinds) == 1 else _first_that_fits(kinds, value, where)
    if typing.get_origin(hint) is tuple:
        items = [part.strip() for part in value.split(",")] if isinstance(value, str) else value
        if not isinstance(items, (list, tuple)):
            raise PlanError(f"{where} should be a list, not {value!r}.")
        return tuple(_convert(typing.get_args(hint)[0], item, where) for item in items)
    if typing.get_origin(hint) is Mapping:
        if not isinstance(value, Mapping):
            raise PlanError(f"{where} should be a table, not {value!r}.")
        kind = typing.get_args(hint)[1]
        return {key: _convert(kind, item, f"{where}.{key}") for key, item in value.items()}
    if typing.get_origin(hint) is typing.Literal:
        choices = typing.get_args(hint)
        if value not in choices:
            raise PlanError(f"{where} cannot be {value!r}.", f"one of {', '.join(map(repr, choices))}")
        return value
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, hint) or (hint is int and isinstance(value, bool)):
        raise PlanError(f"{where} should be of type {hint.__name__}, not {value!r}.")
    return value


def _first_that_fits(kinds: Sequence[Any], value: Any, where: str) -> Any:
    for kind in kinds:
        with contextlib.suppress(PlanError):
            return _convert(kind, value, where)
    raise PlanError(f"{where} should be {' or '.join(map(_words, kinds))}, not {value!r}.")


def _words(kind: Any) -> str:
    if typing.get_origin(kind) is typing.Literal:
        return " or ".join(map(repr, typing.get_args(kind)))
    return f"of type {getattr(kind, '__name__', kind)}"
