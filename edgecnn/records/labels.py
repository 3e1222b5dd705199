"""Class names: their spelling, the label file beside a model, and the comparison of two lists.

Classes are identified by name, never by number: two tools that learn from one folder may number it differently.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path

from edgecnn.common import documents, escapes
from edgecnn.common.documents import Unreadable
from edgecnn.errors import DataError

NONE_OF_THESE = "none of these"
"""The class of pictures of anything else (`data.others`): whoever is answered with it is told "unknown"."""
SHOWN = 20
"""The most names that an error lists before it counts the rest."""
LARGEST_BYTES = 1 << 20
NUMBERED = re.compile(r"(\d{1,9})(?:\s*[:,;]\s*|\s+)(\S.*)")
"""A line such as "0 red", as Teachable Machine writes it, or "0: red"."""


UNEVEN = 3.0
"""From so many times the pictures of the rarest class on, the counts of classes are said to differ."""


def uneven(counts: Sequence[int]) -> str:
    """Return how far the counts of classes are apart, as in "from 12 to 120"; "" if they hardly are."""
    present = [count for count in counts if count]
    if not present or max(present) < UNEVEN * min(present):
        return ""
    return f"from {min(present):,} to {max(present):,}"


def composed(name: str) -> str:
    """Return the name in Unicode's composed form (NFC); macOS decomposes the names of folders (NFD)."""
    return unicodedata.normalize("NFC", name)


def plain(name: str) -> str:
    """Return the name as a folder may have it: "T-shirt/top" is the folder T-shirt_top."""
    return re.sub(r"\W+", "_", composed(name)).casefold()


def same(ours: Sequence[str], theirs: Sequence[str]) -> bool:
    """Return whether two lists name the same classes in the same order."""
    return [*map(composed, ours)] == [*map(composed, theirs)]


def agree(ours: Sequence[str], inside: Sequence[str]) -> bool:
    """Return whether names read from a label file are those that it was written from."""
    return same(ours, inside) or same(parse("\n".join(ours)), inside)


def parse(text: str) -> tuple[str, ...]:
    """Parse a label file: one name per line, or numbered lines, whose numbers then give the order."""
    lines = [composed(line.strip()) for line in text.removeprefix("\ufeff").splitlines()]
    while lines and not lines[-1]:
        lines.pop()
    numbered = {int(match[1]): match[2] for match in map(NUMBERED.fullmatch, lines) if match}
    for first in (0, 1):
        if lines and sorted(numbered) == list(range(first, first + len(lines))):
            return tuple(name for _, name in sorted(numbered.items()))
    return tuple(lines)


def read(path: Path) -> tuple[str, ...]:
    """Read the names from a label file.

    Raises:
        DataError: It is no text, or a name holds control characters.
    """
    try:
        names = parse(documents.content(path, LARGEST_BYTES).decode())
    except (Unreadable, UnicodeDecodeError) as error:
        raise DataError(f"Cannot read the class names in {path}: {error}.", "one name a line, as UTF-8") from error
    require_plain(names, str(path))
    return names


def require_plain(names: Sequence[str], whose: str) -> None:
    """Raise DataError for a name with a line break or another control character, which no label file can hold."""
    for name in names:
        if escapes.has_controls(name):
            raise DataError(
                f"{whose} has a class whose name holds control characters: {escapes.line(name)!s}.",
                "name it by letters, digits and spaces",
            )


def files_beside(model: Path) -> list[Path]:
    """List the label files beside a model that may belong to it, the likeliest first.

    A file that contains the model's name belongs to that model; `labels.txt` belongs to the whole folder, and so does
    any other `labels_*.txt` or `*_labels.txt` if it is the only one.
    """
    own = [model.with_name(name) for name in (f"labels_{model.stem}.txt", f"{model.stem}_labels.txt")]
    common = [model.with_name(name) for name in ("labels.txt", "labelmap.txt")]
    named = [path for path in (*own, *common) if path.is_file()]
    if named:
        return named
    others = {*model.parent.glob("labels_*.txt"), *model.parent.glob("*_labels.txt")}
    return sorted(others) if len(others) == 1 else []


def places(names: Sequence[str], known: Sequence[str], whose: str, owner: str) -> list[int]:
    """Find the position of each of `names` in `known`.

    A name matches as it is written, or as a folder may have it (`plain`) if that is unique. Either list may be shorter.

    Args:
        names: The classes of a data set, for example.
        known: The classes of a model file, for example.
        whose: Who has `names`, for the error.
        owner: Who has `known`, for the error.

    Raises:
        DataError: A name is unknown, or matches two classes; the sentence shows both lists.
    """
    exact, as_folder = dict[str, list[int]](), dict[str, list[int]]()
    for place, name in enumerate(known):
        exact.setdefault(composed(name), []).append(place)
        as_folder.setdefault(plain(name), []).append(place)
    positions: list[int] = []
    for name in names:
        matches = exact.get(composed(name)) or as_folder.get(plain(name), [])
        if len(matches) == 1 and matches[0] not in positions:
            positions.append(matches[0])
            continue
        problem = f"{owner} knows no class {name!r}" if not matches else f"{name!r} could be two classes"
        raise DataError(
            f"{problem}: {whose} has {listed(names)}; {owner} has {listed(known)}.",
            "name the folders as the model names its classes, or put the model's own labels.txt beside it",
        )
    return positions


def listed(names: Sequence[str], most: int = SHOWN) -> str:
    """Join names for a sentence; of more than `most` only the first are named, and the rest are counted."""
    rest = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + rest
