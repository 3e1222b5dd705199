"""The one reader of JSON, and the one writer of it; `edgecnn.common.arrays` reads NumPy's files in the same way.

What is read may be damaged, of another program, or made to harm: it is read within bounds and becomes tables, lists,
text without control characters and finite numbers, or one sentence. What is written is JSON, which knows no NaN.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgecnn.common import escapes, magic
from edgecnn.errors import EdgecnnError, OutputError, PlanError

LARGEST_JSON = 64 << 20
"""Bytes; a bench of many files that are quick to run keeps millions of samples."""
DEEPEST = 64
"""How many tables and lists stand inside each other at most."""
MOST_PARTS = 1 << 22
"""Tables and lists of one document."""
LARGEST_INTEGER = 1 << 63
"""What an integer stays below, of either sign."""
TOO_DEEP = f"it is nested deeper than {DEEPEST}"


class Unreadable(ValueError):
    """Why something is no document, as words that follow "it is": "not JSON", "a list, not a table"."""


class Missing(Unreadable):
    """There is no such file."""


@dataclass(frozen=True, kw_only=True)
class Kind:
    """What a file is meant to be, and the error for one that is not."""

    name: str
    """As in "card"."""
    words: str
    """As in "a card this tool wrote"."""
    error: type[EdgecnnError]
    hint: str
    """What makes one."""

    @contextlib.contextmanager
    def expected(self, path: Path) -> Iterator[None]:
        """Whatever is found wrong with the document inside becomes one sentence that names the file."""
        try:
            yield
        except Missing as error:
            raise self.error(f"There is no {self.name} {path}.", self.hint) from error
        except (Unreadable, PlanError) as error:
            raise self.error(f"{path} is not {self.words}: {str(error).rstrip('.')}.", self.hint) from error


def content(path: Path, largest_bytes: int) -> bytes:
    """The bytes of a regular file. Raises Unreadable for anything else, and for a larger file."""
    try:
        # A pipe that nobody writes to is not waited for.
        with open(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK), "rb") as stream:  # noqa: PTH123
            if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
                raise Unreadable("it is no regular file")
            data = stream.read(largest_bytes + 1)
    except FileNotFoundError as error:
        raise Missing("there is no such file") from error
    except (OSError, ValueError) as error:
        if isinstance(error, Unreadable):
            raise
        raise Unreadable(f"it cannot be read ({getattr(error, 'strerror', None) or error})") from error
    if len(data) > largest_bytes:
        raise Unreadable(f"it has more than {largest_bytes:,} bytes")
    return data


def parse(text: str | bytes) -> Any:
    """The value of a JSON text. Raises Unreadable."""
    if len(text) > LARGEST_JSON:
        raise Unreadable(f"it has more than {LARGEST_JSON:,} bytes")
    try:
        whole = text.decode("utf-8-sig") if isinstance(text, bytes) else text
        if whole.count("[") + whole.count("{") > MOST_PARTS:
            raise Unreadable(f"it has more than {MOST_PARTS:,} tables and lists")
        value = json.loads(
            whole, object_pairs_hook=_table, parse_float=_float, parse_int=_integer, parse_constant=_refuse
        )
    except RecursionError as error:
        raise Unreadable(TOO_DEEP) from error
    except UnicodeDecodeError as error:
        raise Unreadable("it is no UTF-8 text") from error
    except json.JSONDecodeError as error:
        raise Unreadable(f"it is not JSON ({error.msg}, line {error.lineno}, column {error.colno})") from error
    return _clean(value, 0)


def check(value: Any, depth: int = 0) -> None:
    """Raises Unreadable for what is nested too deep, or holds a number that is none or too large."""
    if isinstance(value, (dict, list)):
        if depth >= DEEPEST:
            raise Unreadable(TOO_DEEP)
        for item in value.values() if isinstance(value, dict) else value:
            check(item, depth + 1)
    elif not is_finite(value):
        raise Unreadable(f"it has the number {_short(str(value))}")


def is_finite(value: Any) -> bool:
    """Whether a value is no number that is none or too large: every program can hold it."""
    if isinstance(value, int):
        return -LARGEST_INTEGER <= value < LARGEST_INTEGER
    return not isinstance(value, float) or math.isfinite(value)


def read(path: Path) -> Any:
    """The value of a JSON file. Raises Unreadable, Missing for no file."""
    data = content(path, LARGEST_JSON)
    if data.lstrip()[:1] not in (b"{", b"[", b"\xef") and data.strip():
        with contextlib.suppress(EdgecnnError):
            raise Unreadable(f"it is {magic.words(path)}")
    return parse(data)


def table(source: Path | str | bytes) -> dict[str, Any]:
    """The table of a JSON file or text. Raises Unreadable, Missing for no file."""
    value = read(source) if isinstance(source, Path) else parse(source)
    if not isinstance(value, dict):
        raise Unreadable(f"it is {_named(value)}, not a table")
    return value


def versioned(path: Path, version: int, key: str = "schema_version") -> dict[str, Any]:
    """The table of a JSON file that says its version, without it. Raises Unreadable for another version."""
    held = table(path)
    if (found := held.pop(key, None)) != version:
        raise Unreadable(f"it has the {key.replace('_', ' ')} {found!r}, and {version} is known")
    return held


def part(table: Mapping[str, Any], key: str) -> dict[str, Any]:
    """A copy of the table under a key. Raises Unreadable if there is none."""
    if not isinstance(value := table.get(key), dict):
        raise Unreadable(f"it lacks the table {key!r}")
    return dict(value)


def to_json(value: Any, indent: int | None = 1, letters: bool = False) -> str:
    """JSON for whoever reads along: a measured number that is none (NaN, infinite) is null.

    `letters` leaves those of other scripts as they are, not as numbers.
    """
    form = {"indent": indent, "ensure_ascii": not letters}
    try:
        return _dumped(value, **form)
    except ValueError:
        return _dumped(_without_nan(value), **form)


def canonical(value: Any) -> str:
    """One text for what is equal, whatever the order of its keys: for digests."""
    return _dumped(value, sort_keys=True)


def to_file(value: Any, path: Path) -> str:
    """JSON to be read again. Raises OutputError for a number that is none, and names it."""
    try:
        return _dumped(value, indent=1) + "\n"
    except ValueError as error:
        place = _nan_in(value) or "a number"
        raise OutputError(f"{path} is not written: {place} is not finite.", "measure it again") from error


def _dumped(value: Any, **form: Any) -> str:
    """With the control characters escaped that JSON would let stand, but for the line breaks of an indent."""
    text = json.dumps(value, allow_nan=False, **form)
    return escapes.CONTROL_IN_TEXT.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def _table(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) < len(pairs):
        met: set[str] = set()
        twice = next(key for key, _ in pairs if key in met or met.add(key))  # type: ignore[func-returns-value]
        raise Unreadable(f"it has the key {_short(twice)} twice")
    return result


def _float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise Unreadable(f"it has the number {_short(text)}, which is too large")
    return value


def _integer(text: str) -> int:
    if len(text) > 20 or not is_finite(value := int(text)):
        raise Unreadable(f"it has the number {_short(text)}, which is too large")
    return value


def _refuse(word: str) -> Any:
    raise Unreadable(f"it has {word} for a number")


def _clean(value: Any, depth: int) -> Any:
    """The value without control characters in any text; nothing in it is nested too deep."""
    if isinstance(value, str):
        return escapes.text(value)
    if depth >= DEEPEST and isinstance(value, (dict, list)):
        raise Unreadable(TOO_DEEP)
    if isinstance(value, dict):
        return {escapes.text(key): _clean(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list):
        return [item if type(item) in (float, int) else _clean(item, depth + 1) for item in value]
    return value


def _named(value: Any) -> str:
    kinds = {list: "a list", str: "a text", bool: "a truth value", int: "a number", float: "a number"}
    return kinds.get(type(value), "null")


def _short(text: str) -> str:
    return repr(text if len(text) <= 40 else f"{text[:40]}…")


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_nan(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _nan_in(value: Any) -> str | None:
    """The place of the first number that is none, as in "verdict.drop_pp"."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, (list, tuple)) else ()
    for key, item in items:
        if isinstance(item, float) and not math.isfinite(item):
            return str(key)
        if place := _nan_in(item):
            return f"{key}.{place}"
    return None
