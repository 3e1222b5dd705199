"""The one reader and writer of JSON; `edgecnn.common.arrays` reads NumPy's files in the same way.

A file may be damaged, come from another program, or be made to harm. Reading is therefore bounded and yields tables,
lists, text without control characters and finite numbers, or an error in one sentence. Writing yields strict JSON,
which has no NaN.
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
"""The largest JSON text in bytes; a bench of many fast files keeps millions of samples."""
DEEPEST = 64
"""The deepest nesting of tables and lists."""
MOST_PARTS = 1 << 22
"""The most tables and lists in one document."""
LARGEST_INTEGER = 1 << 63
"""Integers lie in [-LARGEST_INTEGER, LARGEST_INTEGER)."""
TOO_DEEP = f"it is nested deeper than {DEEPEST}"


class Unreadable(ValueError):
    """A document is not what it should be; the message says why, such as "it is no UTF-8 text"."""


class Missing(Unreadable):
    """The file does not exist."""


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A kind of file, and the error to raise for one that cannot be read as such."""

    name: str
    """A noun, such as "card"."""
    words: str
    """A longer description, such as "a card this tool wrote"."""
    error: type[EdgecnnError]
    hint: str
    """How to make one."""

    @contextlib.contextmanager
    def expected(self, path: Path) -> Iterator[None]:
        """Convert the errors of reading `path` inside the block to `self.error`, in a sentence that names the file."""
        try:
            yield
        except Missing as error:
            raise self.error(f"There is no {self.name} {path}.", self.hint) from error
        except (Unreadable, PlanError) as error:
            raise self.error(f"{path} is not {self.words}: {str(error).rstrip('.')}.", self.hint) from error


def content(path: Path, largest_bytes: int) -> bytes:
    """Read the bytes of a regular file.

    Raises:
        Unreadable: It is no regular file, cannot be read, or has more than `largest_bytes`.
        Missing: There is no such file.
    """
    try:
        # O_NONBLOCK: opening a pipe that nobody writes to would block.
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
    """Parse a JSON text.

    Raises:
        Unreadable: It is not JSON, too large, nested too deep, or holds a number that is not finite.
    """
    if len(text) > LARGEST_JSON:
        raise Unreadable(f"it has more than {LARGEST_JSON:,} bytes")
    try:
        decoded = text.decode("utf-8-sig") if isinstance(text, bytes) else text
        if decoded.count("[") + decoded.count("{") > MOST_PARTS:
            raise Unreadable(f"it has more than {MOST_PARTS:,} tables and lists")
        value = json.loads(
            decoded, object_pairs_hook=_table, parse_float=_float, parse_int=_integer, parse_constant=_refuse
        )
    except RecursionError as error:
        raise Unreadable(TOO_DEEP) from error
    except UnicodeDecodeError as error:
        raise Unreadable("it is no UTF-8 text") from error
    except json.JSONDecodeError as error:
        raise Unreadable(f"it is not JSON ({error.msg}, line {error.lineno}, column {error.colno})") from error
    return _clean(value, 0)


def check(value: Any, depth: int = 0) -> None:
    """Check that a value is not nested too deep and that all numbers in it are finite and in range.

    Raises:
        Unreadable: It does not hold.
    """
    if isinstance(value, (dict, list)):
        if depth >= DEEPEST:
            raise Unreadable(TOO_DEEP)
        for item in value.values() if isinstance(value, dict) else value:
            check(item, depth + 1)
    elif not is_finite(value):
        raise Unreadable(f"it has the number {_short(str(value))}")


def is_finite(value: Any) -> bool:
    """Return False for NaN, infinity and integers beyond 64 bits; True for anything else."""
    if isinstance(value, int):
        return -LARGEST_INTEGER <= value < LARGEST_INTEGER
    return not isinstance(value, float) or math.isfinite(value)


def read(path: Path) -> Any:
    """Read the value of a JSON file.

    Raises:
        Unreadable: The file is not JSON within bounds.
        Missing: There is no such file.
    """
    data = content(path, LARGEST_JSON)
    if data.lstrip()[:1] not in (b"{", b"[", b"\xef") and data.strip():
        with contextlib.suppress(EdgecnnError):
            raise Unreadable(f"it is {magic.words(path)}")
    return parse(data)


def table(source: Path | str | bytes) -> dict[str, Any]:
    """Read the table of a JSON file or text.

    Raises:
        Unreadable: It is not JSON within bounds, or not a table.
        Missing: There is no such file.
    """
    value = read(source) if isinstance(source, Path) else parse(source)
    if not isinstance(value, dict):
        raise Unreadable(f"it is {_named(value)}, not a table")
    return value


def versioned(path: Path, version: int, key: str = "schema_version") -> dict[str, Any]:
    """Read the table of a JSON file and remove its version from it.

    Raises:
        Unreadable: The file has another version, or is no table.
        Missing: There is no such file.
    """
    document = table(path)
    if (actual := document.pop(key, None)) != version:
        raise Unreadable(f"it has the {key.replace('_', ' ')} {actual!r}, and {version} is known")
    return document


def part(table: Mapping[str, Any], key: str) -> dict[str, Any]:
    """Return a copy of the table under a key.

    Raises:
        Unreadable: There is no such key, or its value is no table.
    """
    if not isinstance(value := table.get(key), dict):
        raise Unreadable(f"it lacks the table {key!r}")
    return dict(value)


def to_json(value: Any, indent: int | None = 1, letters: bool = False) -> str:
    """Return a value as JSON in which NaN and infinity are null, for other programs to read.

    Args:
        value: Tables, lists and plain values.
        indent: Spaces per level; None writes one line.
        letters: Keep non-ASCII letters as they are instead of escaping them.
    """
    form = {"indent": indent, "ensure_ascii": not letters}
    try:
        return _dumped(value, **form)
    except ValueError:
        return _dumped(_without_nan(value), **form)


def canonical(value: Any) -> str:
    """Return a JSON text that is equal for equal values, whatever the order of their keys; digests are taken of it."""
    return _dumped(value, sort_keys=True)


def to_file(value: Any, path: Path) -> str:
    """Return a value as JSON to be read again.

    Raises:
        OutputError: A number is NaN or infinite; the sentence names its place and `path`.
    """
    try:
        return _dumped(value, indent=1) + "\n"
    except ValueError as error:
        place = _nan_in(value) or "a number"
        raise OutputError(f"{path} is not written: {place} is not finite.", "measure it again") from error


def _dumped(value: Any, **form: Any) -> str:
    """Dump JSON, and also escape the control characters that JSON allows, except an indent's line breaks."""
    text = json.dumps(value, allow_nan=False, **form)
    return escapes.CONTROL_IN_TEXT.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def _table(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) < len(pairs):
        seen: set[str] = set()
        repeated = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise Unreadable(f"it has the key {_short(repeated)} twice")
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
    """Return the value with control characters escaped in all text; raise Unreadable if it is nested too deep."""
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
    """Return the place of the first NaN or infinity, such as "verdict.drop_pp"; None if there is none."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, (list, tuple)) else ()
    for key, item in items:
        if isinstance(item, float) and not math.isfinite(item):
            return str(key)
        if place := _nan_in(item):
            return f"{key}.{place}"
    return None
