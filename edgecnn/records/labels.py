"""Class names: one spelling of each, the file of them beside a model, and two lists of them held against each other.

Classes are known by their names, never by their numbers: two tools that learnt one folder number it in two ways.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path

from edgecnn.common import documents, escapes
from edgecnn.common.documents import Unreadable
from edgecnn.errors import DataError

SHOWN = 20
"""Names that an error lists before the rest is counted."""
LARGEST_BYTES = 1 << 20
NUMBERED = re.compile(r"(\d{1,9})(?:\s*[:,;]\s*|\s+)(\S.*)")
"""A line such as "0 red", as Teachable Machine writes it, or "0: red"."""


def composed(name: str) -> str:
    """The name in Unicode's composed form (NFC); macOS gives the names of its folders decomposed (NFD)."""
    return unicodedata.normalize("NFC", name)


def plain(name: str) -> str:
    """A class's name as a folder may have it: "T-shirt/top" is the folder T-shirt_top."""
    return re.sub(r"\W+", "_", composed(name)).casefold()


def same(ours: Sequence[str], theirs: Sequence[str]) -> bool:
    """Whether two lists name the same classes in the same order."""
    return [*map(composed, ours)] == [*map(composed, theirs)]


def agree(ours: Sequence[str], inside: Sequence[str]) -> bool:
    """Whether names that a label file was written from are those that were read from it again."""
    return same(ours, inside) or same(parse("\n".join(ours)), inside)


def parse(text: str) -> tuple[str, ...]:
    """The names in a label file: one a line, or numbered lines, whose numbers are then the places."""
    lines = [composed(line.strip()) for line in text.removeprefix("\ufeff").splitlines()]
    while lines and not lines[-1]:
        lines.pop()
    numbered = {int(match[1]): match[2] for match in map(NUMBERED.fullmatch, lines) if match}
    for first in (0, 1):
        if lines and sorted(numbered) == list(range(first, first + len(lines))):
            return tuple(name for _, name in sorted(numbered.items()))
    return tuple(lines)


def read(path: Path) -> tuple[str, ...]:
    """The names in a label file. Raises DataError if it is no text."""
    try:
        found = parse(documents.content(path, LARGEST_BYTES).decode())
    except (Unreadable, UnicodeDecodeError) as error:
        raise DataError(f"Cannot read the class names in {path}: {error}.", "one name a line, as UTF-8") from error
    require_plain(found, str(path))
    return found


def require_plain(found: Sequence[str], whose: str) -> None:
    """Raises DataError for a name with a line break or another control character: nothing could write it down."""
    for name in found:
        if escapes.has_controls(name):
            raise DataError(
                f"{whose} has a class whose name holds control characters: {escapes.line(name)!s}.",
                "name it by letters, digits and spaces",
            )


def beside(model: Path) -> list[Path]:
    """The label files beside a model that may be meant for it, the likeliest first.

    One that has the model's own name in it is for that model; `labels.txt` is for all of its folder, and so is any
    other `labels_*.txt` or `*_labels.txt` that stands there alone.
    """
    own = [model.with_name(name) for name in (f"labels_{model.stem}.txt", f"{model.stem}_labels.txt")]
    plain_ones = [model.with_name(name) for name in ("labels.txt", "labelmap.txt")]
    named = [path for path in (*own, *plain_ones) if path.is_file()]
    if named:
        return named
    others = {*model.parent.glob("labels_*.txt"), *model.parent.glob("*_labels.txt")}
    return sorted(others) if len(others) == 1 else []


def places(names: Sequence[str], known: Sequence[str], whose: str, owner: str) -> list[int]:
    """Where each of `names` stands in `known`; a list that is shorter than the other leaves some out.

    A name is found as it is written, or as a folder may have it (`plain`) where that is no other name's too.

    Args:
        names: Of `whose`, such as the classes of a data set.
        known: Of `owner`, such as the classes of a model file.

    Raises:
        DataError: A name is not among the known ones, or two names are one; it shows both lists.
    """
    exact, spelt = dict[str, list[int]](), dict[str, list[int]]()
    for place, name in enumerate(known):
        exact.setdefault(composed(name), []).append(place)
        spelt.setdefault(plain(name), []).append(place)
    found: list[int] = []
    for name in names:
        near = exact.get(composed(name)) or spelt.get(plain(name), [])
        if len(near) == 1 and near[0] not in found:
            found.append(near[0])
            continue
        problem = f"{owner} knows no class {name!r}" if not near else f"{name!r} could be two classes"
        raise DataError(
            f"{problem}: {whose} has {listed(names)}; {owner} has {listed(known)}.",
            "name the folders as the model names its classes, or put the model's own labels.txt beside it",
        )
    return found


def listed(names: Sequence[str]) -> str:
    """Names in a sentence, of many the first."""
    rest = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + rest
