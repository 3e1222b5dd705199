"""The pictures below a folder and what else lies there, listed in one way for training, doctor and runner."""

from __future__ import annotations

import os
import re
import stat
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from edgecnn.errors import DataError
from edgecnn.onboard import picture_formats, preprocessing, wav_files
from edgecnn.records.artifact import Artifact

SYSTEM_FOLDERS = frozenset(
    {
        "@eadir",
        "__macosx",
        "#recycle",
        "@recycle",
        "$recycle.bin",
        "system volume information",
        "lost+found",
        "thumbnails",
    }
)
"""Folders that file servers, archives and systems make among pictures, in lower case."""
SYSTEM_FILES = frozenset({".ds_store", "thumbs.db", "desktop.ini"})
SUFFIX = re.compile(r"\.[a-z][a-z0-9]{0,9}")
"""The form of a suffix; frame.0001 and photo.jpg?size=large have none."""

EMPTY = "empty"
HIDDEN = "hidden"
NO_SUFFIX = "without a suffix"
LINK = "link to a folder"
SPECIAL = "pipe or device"
APPLE_DOUBLE = "._*"
"""The name of the second half of a file, which a Mac puts into ._NAME on a foreign disk."""


@dataclass(frozen=True)
class Listing:
    """The pictures below a folder, and what was left out."""

    pictures: tuple[Path, ...]
    """The pictures' paths, sorted."""
    left_out: Counter[str] = field(default_factory=Counter)
    """How many files, or folders that are passed over whole, of each kind, which is a suffix or a name."""


@dataclass(frozen=True)
class Wanted:
    """The files that are looked for."""

    word: str
    """What they hold, in the plural."""
    suffixes: tuple[str, ...]
    tell: Callable[[Path], bool]
    """Whether a file without a suffix holds one."""


def pictures() -> Wanted:
    """Return the kind that all pictures are of."""
    return Wanted("pictures", preprocessing.suffixes(), preprocessing.is_picture)


def sounds() -> Wanted:
    """Return the kind that all sounds are of."""
    return Wanted("sounds", wav_files.SUFFIXES, wav_files.is_sound)


def asked_about(file: Artifact) -> Wanted:
    """Return the kind of files that a model takes: sounds if it has a front end, or else pictures."""
    return pictures() if file.sound is None else sounds()


def walk(folder: Path, wanted: Wanted | None = None) -> Listing:
    """List the pictures below `folder` at any depth, told by their suffix, or by their content if they have none.

    Hidden files, files that are no pictures, and folders that are hidden, links, thumbnails or a system's are passed
    over and counted; `wanted` lists other files instead. Raises DataError for a folder that cannot be read.
    """
    paths: list[Path] = []
    left_out: Counter[str] = Counter()
    wanted = wanted or pictures()
    for place, folders, names in os.walk(folder, onerror=_refuse):
        kinds = {name: _kind_of_folder(Path(place, name)) for name in folders}
        left_out.update(kind for kind in kinds.values() if kind)
        folders[:] = [name for name in folders if not kinds[name]]
        for name in names:
            path = Path(place, name)
            if kind := _kind_of_file(path, wanted):
                left_out[kind] += 1
            else:
                paths.append(path)
    return Listing(tuple(sorted(paths)), left_out)


def is_passed_over(folder: str) -> bool:
    """Return whether a folder of this name is hidden or a system's, so that its owner put no pictures there."""
    return folder.startswith(".") or folder.lower() in SYSTEM_FOLDERS


def loose(folder: Path) -> list[Path]:
    """List the pictures in the folder itself, sorted, without those in folders below it."""
    wanted = pictures()
    return sorted(path for path in folder.iterdir() if path.is_file() and not _kind_of_file(path, wanted))


def told(left_out: Mapping[str, int]) -> str:
    """Describe what was left out, what can be mended first: "60 .heic (convert them to JPEG), 3 ._*"."""
    mends: dict[str, list[str]] = {}
    for kind, count in sorted(left_out.items(), key=lambda pair: (-pair[1], pair[0])):
        mends.setdefault(_mend(kind), []).append(f"{count:,} {kind}")
    groups = [f"{' and '.join(kinds)} ({mend})" for mend, kinds in mends.items() if mend]
    return ", ".join([*groups, *mends.get("", [])])


def is_loss(left_out: Mapping[str, int]) -> bool:
    """Return whether something that was left out may have been meant as a picture."""
    return any(_mend(kind) or kind in (EMPTY, LINK) for kind in left_out)


def none_in(place: str, listing: Listing, wanted: Wanted | None = None) -> DataError:
    """Return the error for a place without pictures, or what else is wanted, which names what lies there instead."""
    wanted = wanted or pictures()
    word, suffixes = wanted.word, " ".join(wanted.suffixes)
    if not listing.left_out:
        return DataError(f"{place} holds no {word}.", f"remove it, or add {word} ({suffixes})")
    mends = dict.fromkeys(mend for kind in listing.left_out if (mend := _mend(kind)))
    counts = ", ".join(f"{count:,} {kind}" for kind, count in listing.left_out.most_common())
    return DataError(
        f"{place} holds no {word} that can be read here, only {counts}.",
        "; ".join(mends) or f"{word} that are read: {suffixes}",
    )


def _kind_of_folder(path: Path) -> str:
    """Return the kind under which a folder is passed over; "" if it is not."""
    name = path.name
    if is_passed_over(name):
        return name
    return LINK if path.is_symlink() else ""


def _kind_of_file(path: Path, wanted: Wanted) -> str:
    """Return the kind under which a file is left out; "" for one that is wanted."""
    name = path.name
    if name.startswith("._"):
        return APPLE_DOUBLE
    if name.lower() in SYSTEM_FILES:
        return name
    if name.startswith("."):
        return HIDDEN
    suffix = path.suffix.lower()
    is_known = suffix in wanted.suffixes
    if not is_known and SUFFIX.fullmatch(suffix):
        return suffix
    try:
        status = path.stat()
    except OSError:
        return "" if is_known else NO_SUFFIX  # whoever reads it says why it cannot be read
    if not stat.S_ISREG(status.st_mode):
        return SPECIAL
    if not status.st_size:
        return EMPTY
    return "" if is_known or wanted.tell(path) else NO_SUFFIX


def _mend(kind: str) -> str:
    """Say what to do about files of a kind; "" if nothing can be done."""
    foreign = picture_formats.BY_SUFFIX.get(kind)
    return foreign.mend if foreign else ""


def _refuse(error: OSError) -> None:
    raise DataError(f"Cannot read {error.filename}: {error.strerror}.") from error
