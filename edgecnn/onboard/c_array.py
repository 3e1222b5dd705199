"""A model as a C array: the header that a microcontroller's program includes, written and read back.

The array is aligned and constant, so that it stays in flash. Its length, the tensor arena that the model needs and the
labels stand beside it, and the comment above says what it is. C11 and C++11 compile it.
"""

from __future__ import annotations

import ast
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edgecnn.errors import ModelFileError

ALIGNMENT = 16
"""The alignment in bytes that TensorFlow Lite for Microcontrollers asks for, of the flatbuffer and of the arena."""
BYTES_PER_LINE = 16
DECLARATION = re.compile(r"^\w+_ALIGNED static const unsigned char (\w+)\[\] = \{\n(.*?)^\};", re.M | re.S)
LABELS = re.compile(r"^static const char \*const \w+_labels\[\] = \{\n(.*?)^\};", re.M | re.S)


@dataclass(frozen=True, kw_only=True)
class CArray:
    """The contents of a header."""

    name: str
    """The array's name, a C identifier."""
    data: bytes
    arena_bytes: int
    """The smallest tensor arena in which the model runs, a multiple of ALIGNMENT."""
    labels: tuple[str, ...]


def identifier(name: str) -> str:
    """Turn a name into a C identifier: "dscnn-digits-int8" -> "dscnn_digits_int8"."""
    word = re.sub(r"[^A-Za-z0-9_]", "_", name)
    return word if word[:1].isalpha() else f"model_{word}"


def write(array: CArray, card: Sequence[str]) -> str:
    """Return the text of a header; `card` has the lines of its comment."""
    name, upper = array.name, array.name.upper()
    comment = "\n".join(" * " + " ".join(line.splitlines()) for line in card).replace("*/", "* /")
    rows = [array.data[i : i + BYTES_PER_LINE] for i in range(0, len(array.data), BYTES_PER_LINE)]
    body = "\n".join("    " + " ".join(f"0x{byte:02x}," for byte in row) for row in rows)
    labels = "".join(f"    {_quoted(label)},\n" for label in array.labels)
    named = f"static const char *const {name}_labels[] = {{\n{labels}}};\n\n" if labels else ""  # C has no empty array
    return f"""/*
{comment}
 *
 * sha256 of the array: {hashlib.sha256(array.data).hexdigest()}
 */
#ifndef {upper}_H_
#define {upper}_H_

#ifdef __cplusplus
#define {upper}_ALIGNED alignas({ALIGNMENT})
#else
#define {upper}_ALIGNED _Alignas({ALIGNMENT})
#endif

enum {{
    {name}_len = {len(array.data)},
    {name}_arena_bytes = {array.arena_bytes},
    {name}_classes = {len(array.labels)}
}};

{named}{upper}_ALIGNED static const unsigned char {name}[] = {{
{body}
}};

#endif
"""


def read(path: Path) -> CArray:
    """Read a header that `write` wrote. Raises ModelFileError for anything else, or if a byte has changed."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ModelFileError(f"{path} is not a readable C array: it is no text.") from error
    declaration, labels = DECLARATION.search(text), LABELS.search(text)
    stated = re.search(r"sha256 of the array: ([0-9a-f]{64})$", text, re.M)
    arena = re.search(r"^    \w+_arena_bytes = (\d{1,12}),$", text, re.M)
    if declaration is None or stated is None or arena is None:
        raise ModelFileError(f"{path} is not a readable C array: it was not written by this tool.", "export it again")
    try:
        data = bytes(int(word, 16) for word in declaration[2].replace(",", " ").split())
        quoted = labels[1].splitlines() if labels else []
        lines = [ast.literal_eval("b" + line.strip().rstrip(",")).decode() for line in quoted]
    except (ValueError, SyntaxError) as error:
        raise ModelFileError(f"{path} is not a readable C array: {error}.", "export it again") from error
    if hashlib.sha256(data).hexdigest() != stated[1]:
        raise ModelFileError(f"{path} is not a readable C array: its bytes have changed.", "export it again")
    return CArray(name=declaration[1], data=data, arena_bytes=int(arena[1]), labels=tuple(lines))


def _quoted(text: str) -> str:
    """Write a C string that is a literal of Python's bytes too: what is not plain ASCII stands in octal."""
    plain = "".join(chr(b) if 32 <= b < 127 and chr(b) not in '"\\?' else f"\\{b:03o}" for b in text.encode())
    return f'"{plain}"'
