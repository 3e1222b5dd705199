"""Frozen dataclasses from TOML files and `-s key=value` overrides.

An error names the bad key and the nearest good one.
"""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import itertools
import reprlib
import tomllib
import types
import typing
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from edgecnn.common import documents
from edgecnn.common.documents import Missing, Unreadable
from edgecnn.errors import PlanError, nearest, nearest_path

T = TypeVar("T")

LARGEST_BYTES = 256 << 10
"""The largest TOML text that is read; people write these by hand."""
LONGEST_SHOWN = 80
"""The most characters of a wrong value that an error shows."""
MOST_DOTS = 4096
"""The most dots in a TOML text: the time to parse a dotted key grows with the square of its parts."""

REST = {"rest": True}
"""Field metadata: this mapping takes all keys of its table that are no other field's name."""


def read(path: Path) -> dict[str, Any]:
    """Read the tables of a TOML file.

    Raises:
        PlanError: There is no such file, or it is not valid TOML.
    """
    try:
        return parse(documents.content(path, LARGEST_BYTES).decode())
    except Missing as error:
        hint = nearest_path(path, lambda beside: beside.suffix == ".toml", "name a plan, or a .toml file")
        raise PlanError(f"There is no file {path}.", hint) from error
    except (Unreadable, UnicodeDecodeError) as error:
        words = "it is no UTF-8 text" if isinstance(error, UnicodeDecodeError) else error
        raise PlanError(f"Cannot read {path}: {words}.") from error
    except ValueError as error:
        raise PlanError(f"{path} is not valid TOML: {error}.", "strings need quotes") from error


def parse(text: str) -> dict[str, Any]:
    """Parse a TOML text into its tables.

    Raises:
        Unreadable: The text is too large, or nested too deep.
        ValueError: The text is not TOML.
    """
    if len(text) > LARGEST_BYTES or text.count(".") > MOST_DOTS:
        raise Unreadable(f"it has more than {LARGEST_BYTES:,} characters, or {MOST_DOTS:,} dots")
    try:
        table = tomllib.loads(text)
    except RecursionError as error:
        raise Unreadable(documents.TOO_DEEP) from error
    documents.check(table)
    return table


def override(table: Mapping[str, Any], assignments: Iterable[str]) -> dict[str, Any]:
    """Return a copy of `table` with each assignment applied.

    Args:
        table: Nested tables, as `read` returns them.
        assignments: Settings such as "optim.lr=0.2"; the value is TOML, or a bare string.

    Raises:
        PlanError: An assignment is malformed, or names a key inside a value that is no table.
    """
    result = copy.deepcopy(dict(table))
    for assignment in assignments:
        dotted, equals, text = assignment.partition("=")
        if not equals or not dotted.strip():
            raise PlanError(f"{_shown(assignment)} is not a setting.", "write it as -s optim.lr=0.2")
        try:
            value = parse(f"value = {text}")["value"]
        except Unreadable as error:
            raise PlanError(f"{_shown(assignment)} is not a setting: {error}.") from error
        except ValueError:
            value = text.strip()
        *sections, key = dotted.strip().split(".")
        if len(sections) > documents.DEEPEST:
            raise PlanError(f"{_shown(assignment)} is not a setting: {documents.TOO_DEEP}.")
        place = result
        for section in sections:
            inner = place.setdefault(section, {})
            if not isinstance(inner, dict):
                raise PlanError(f"{_shown(section)} in {_shown(assignment)} is a value, not a table.")
            place = inner
        place[key] = value
    return result


def build(cls: type[T], table: Mapping[str, Any], source: str) -> T:
    """Build an instance of the dataclass `cls` from a table; nested tables become nested dataclasses.

    Args:
        cls: A dataclass; a field with the metadata `REST` takes the keys that no other field names.
        table: Its values by field name.
        source: What the table is, to begin an error with.

    Raises:
        PlanError: A key is unknown or missing, or a value has the wrong type or is out of range.
    """
    if not isinstance(table, Mapping):
        raise PlanError(f"{source} should be a table, not {_shown(table)}.")
    fields = {field.name: field for field in dataclasses.fields(cls)}  # type: ignore[arg-type]
    hints = typing.get_type_hints(cls)
    rest = next((name for name, field in fields.items() if field.metadata.get("rest")), None)
    values: dict[str, Any] = {}
    for key, value in table.items():
        if key in fields and key != rest:
            values[key] = _convert(hints[key], value, f"{source}: {key}")
        elif rest is not None:
            values.setdefault(rest, {})[key] = value
        else:
            raise PlanError(f"{source} has an unknown key {_shown(key)}.", nearest(key[:LONGEST_SHOWN], fields))
    for name, field in fields.items():
        missing = field.default is field.default_factory is dataclasses.MISSING
        if missing and name not in values:
            raise PlanError(f"{source} lacks the key {name!r}.", "the plans that are shipped show each")
    try:
        return cls(**values)
    except (ValueError, OverflowError) as error:
        raise PlanError(f"{source}: {error}") from error


def flat(table: Mapping[str, Any], within: str = "") -> Iterator[tuple[str, Any]]:
    """Yield dotted keys and their values; tables are taken apart and what is None left out."""
    for key, value in table.items():
        if isinstance(value, Mapping) and value:
            yield from flat(value, f"{within}{key}.")
        elif value is not None:
            yield f"{within}{key}", value


def require_order(low: float | None, value: float | None, high: float | None, name: str) -> None:
    """Check that `value` lies between `low` and `high`, but for rounding; None is skipped.

    Raises:
        ValueError: It does not.
    """
    bounds = [bound for bound in (low, value, high) if bound is not None]
    if any(after < before - 1e-9 * max(1.0, abs(before)) for before, after in itertools.pairwise(bounds)):
        raise ValueError(f"{name}: {value} is not within {low} and {high}")


def table_of(value: Any, sparse: bool = False) -> Any:
    """Return a dataclass as nested, TOML-ready tables, from which `build` makes an equal instance.

    Args:
        value: The dataclass, or a value of one.
        sparse: Leave out fields with their defaults. Such a table stays the same when a later version adds a field.
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        result: dict[str, Any] = {}
        for field in dataclasses.fields(value):
            item = getattr(value, field.name)
            if item is None or (sparse and item == _default(field)):
                continue
            if field.metadata.get("rest"):
                result.update(item)
            else:
                result[field.name] = table_of(item, sparse)
        return result
    if isinstance(value, (list, tuple)):
        return [table_of(item, sparse) for item in value]
    return value


def _default(field: dataclasses.Field[Any]) -> Any:
    """Return a field's default, or MISSING."""
    return field.default if field.default_factory is dataclasses.MISSING else field.default_factory()


def _convert(hint: Any, value: Any, context: str) -> Any:
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        if isinstance(value, hint):
            return value
        if not isinstance(value, Mapping):
            raise PlanError(f"{context} should be a table, not {_shown(value)}.")
        return build(hint, value, context)
    if hint is Any:
        return value
    if typing.get_origin(hint) in (types.UnionType, typing.Union):
        if value is None and type(None) in typing.get_args(hint):  # JSON has null, TOML leaves the key out
            return None
        kinds = [kind for kind in typing.get_args(hint) if kind is not type(None)]
        return _convert(kinds[0], value, context) if len(kinds) == 1 else _first_that_fits(kinds, value, context)
    if typing.get_origin(hint) is tuple:
        items = [part.strip() for part in value.split(",")] if isinstance(value, str) else value
        if not isinstance(items, (list, tuple)):
            raise PlanError(f"{context} should be a list, not {_shown(value)}.")
        kind, *more = typing.get_args(hint)
        if more != [...] and len(items) != 1 + len(more):
            raise PlanError(f"{context} should have {1 + len(more)} values, not {len(items)}.")
        return tuple(_convert(kind, item, context) for item in items)
    if typing.get_origin(hint) is Mapping:
        if not isinstance(value, Mapping):
            raise PlanError(f"{context} should be a table, not {_shown(value)}.")
        kind = typing.get_args(hint)[1]
        return {key: _convert(kind, item, f"{context}.{key}") for key, item in value.items()}
    if typing.get_origin(hint) is typing.Literal:
        choices = typing.get_args(hint)
        if value not in choices:
            raise PlanError(f"{context} cannot be {_shown(value)}.", nearest(str(value)[:LONGEST_SHOWN], choices))
        return value
    if not documents.is_finite(value):
        raise PlanError(f"{context} should be a smaller number, not {_shown(value)}.")
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, hint) or (hint is int and isinstance(value, bool)):
        raise PlanError(f"{context} should be of type {hint.__name__}, not {_shown(value)}.")
    return value


def _first_that_fits(kinds: Sequence[Any], value: Any, context: str) -> Any:
    for kind in kinds:
        with contextlib.suppress(PlanError):
            return _convert(kind, value, context)
    raise PlanError(f"{context} should be {' or '.join(map(_words, kinds))}, not {_shown(value)}.")


def _words(kind: Any) -> str:
    if typing.get_origin(kind) is typing.Literal:
        return " or ".join(map(repr, typing.get_args(kind)))
    return f"of type {getattr(kind, '__name__', kind)}"


def shown(value: Any) -> str:
    """Return a value in a cell of a table: a text as it is, a list with commas."""
    return ", ".join(map(shown, value)) if isinstance(value, (list, tuple)) else str(value)


def _shown(value: Any) -> str:
    """Return a wrong value as Python writes it, shortened in the middle if it is long."""
    shown = reprlib.Repr()
    shown.maxstring = shown.maxother = LONGEST_SHOWN
    return shown.repr(value)
