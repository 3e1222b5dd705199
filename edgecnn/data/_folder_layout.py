"""Find splits and classes in a folder of images, under the names that data sets come with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from edgecnn.common import console
from edgecnn.data import _remarks
from edgecnn.errors import DataError, nearest_path
from edgecnn.onboard import picture_files
from edgecnn.onboard.picture_files import Listing
from edgecnn.records.data_paths import ROLES, Role
from edgecnn.records.labels import composed


@dataclass(frozen=True)
class Layout:
    """The folders of a data set's splits. Each holds a folder of images for every class."""

    train: Path
    validation: Path | None = None
    test: Path | None = None

    @property
    def parts(self) -> list[tuple[Role, Path]]:
        """The splits that there are, train first."""
        named: list[tuple[Role, Path | None]] = [
            ("train", self.train), ("validation", self.validation), ("test", self.test)
        ]  # fmt: skip
        return [(role, path) for role, path in named if path is not None]


def find(root: Path) -> Layout:
    """Find the splits of a folder: its subfolders that are named after splits, or else the folder itself as `train`.

    If all that a folder holds is another folder, that one is searched, with a note.

    Raises:
        DataError: the folder cannot be used as it is; the hint names the folder that is meant, if there is one.
    """
    if not root.is_dir():
        problem = "is a file, not a folder" if root.exists() else "does not exist"
        hint = nearest_path(root, Path.is_dir, "name a folder with one folder of pictures per class")
        raise DataError(f"{root} {problem}.", hint)
    entries = subfolders(root)
    splits = [(ROLES[entry.name.casefold()], entry) for entry in entries if _is_split(entry)]
    if splits:
        return _named(root, splits, entries)
    if len(entries) == 1 and not picture_files.loose(root) and _is_above_classes(entries[0]):
        console.note(f"{root} holds the folder {entries[0].name} alone: that is read")
        return find(entries[0])
    _refuse_hidden_splits(root, entries)
    beside = [f"{entry.name}/" for entry in subfolders(root.resolve().parent) if _is_split(entry)]
    if root.resolve().name.casefold() in ROLES and len(beside) > 1:
        console.warn(f"{root} alone is read, and not {', '.join(beside)} together: name {root.parent} for that")
    return Layout(root)


def _named(root: Path, splits: list[tuple[Role, Path]], entries: list[Path]) -> Layout:
    """Return the layout of a folder with subfolders that are named after splits."""
    places: dict[Role, Path] = {}
    for role, path in splits:
        if role in places:
            raise DataError(
                f"{root} has both {places[role].name}/ and {path.name}/, two folders for the same split.",
                "remove or rename one of them",
            )
        places[role] = path
    shown = ", ".join(f"{path.name}/" for path in places.values())
    if "train" not in places:
        raise DataError(f"{root} has {shown} but no train/.", f"add train/, or name {next(iter(places.values()))}")
    if len(places) == 1:
        raise DataError(f"{root} has {shown} but no test/.", f"add test/, or name {places['train']}")
    if unread := [entry.name for entry in entries if entry not in places.values()]:
        console.warn(f"only {shown} of {root} are read, not {', '.join(unread)}")
    inner = {role: _inner(path, role) for role, path in places.items()}
    return Layout(inner["train"], inner.get("validation"), inner.get("test"))


def _is_split(folder: Path, role: Role | None = None) -> bool:
    """Return whether a folder is a split (with that role); if there are images in it, it is a class of that name."""
    named = ROLES.get(folder.name.casefold())
    return named is not None and role in (None, named) and not picture_files.loose(folder)


def _inner(folder: Path, role: Role) -> Path:
    """Return the folder, or the only subfolder if that means the same split, as in seg_train/seg_train/."""
    entries = subfolders(folder)
    same = len(entries) == 1 and ROLES.get(entries[0].name.casefold()) == role
    return entries[0] if same and not picture_files.loose(entries[0]) else folder


def _is_above_classes(folder: Path) -> bool:
    return bool(subfolders(folder)) and not picture_files.loose(folder)


def _refuse_hidden_splits(root: Path, entries: list[Path]) -> None:
    """Raise DataError if the folders look like splits under other names: all hold the same class folders."""
    inside = [
        {composed(below.name) for below in subfolders(entry)} for entry in entries if not picture_files.loose(entry)
    ]
    if len(entries) > 1 and len(inside) == len(entries) and len(inside[0]) > 1 and all(x == inside[0] for x in inside):
        names = ", ".join(f"{entry.name}/" for entry in entries)
        raise DataError(
            f"{names} of {root} hold the same class folders ({', '.join(sorted(inside[0])[:3])} ...), as splits do.",
            "rename them to train/, validation/ and test/, or name one of them",
        )


def classes(part: Path) -> dict[str, list[Path]]:
    """Return the image files of every class by its name, both sorted. Files that are left out are reported.

    Two Unicode forms of a name are the same class.

    Raises:
        DataError: there is no class folder, or one without images.
    """
    folders = subfolders(part)
    loose = picture_files.loose(part)
    if not folders:
        hint = "put the pictures of each class into a folder of its name"
        if loose:
            hint = f"name the folder above it, if {part.resolve().name} is one class of several"
        raise DataError(f"{part} holds no class folders.", hint)
    listings = {folder: picture_files.walk(folder) for folder in folders}
    for folder, listing in listings.items():
        if not listing.pictures:
            raise picture_files.none_in(f"The class folder {folder}", listing)
    _say_left_out(part, listings.values())
    if loose:
        console.warn(f"left out {len(loose):,} pictures that lie in no class folder, {loose[0]} first")
    deeper = [
        f"{folder.name}/ has {', '.join(f'{below.name}/' for below in subfolders(folder)[:3])}"
        for folder in folders
        if len(subfolders(folder)) > 1 and not picture_files.loose(folder)
    ]
    if deeper:
        console.warn(f"what lies deeper counts to its class, {deeper[0]}: is {part} the folder that is meant?")
    by_class: dict[str, list[Path]] = {}
    for folder, listing in listings.items():
        by_class.setdefault(composed(folder.name), []).extend(listing.pictures)
    return {name: sorted(by_class[name]) for name in sorted(by_class)}


def _say_left_out(part: Path, listings: Iterable[Listing]) -> None:
    """Print the kinds of files that are left out, with their counts."""
    system = (entry.name for entry in part.iterdir() if entry.is_dir() and picture_files.is_passed_over(entry.name))
    left_out = sum((listing.left_out for listing in listings), Counter(system))
    _remarks.say_left_out(left_out, part)


def test_of(folder: Path) -> Path:
    """Return the folder's test split, or the folder itself if it has none."""
    return next((_inner(entry, "test") for entry in subfolders(folder) if _is_split(entry, "test")), folder)


def subfolders(folder: Path) -> list[Path]:
    """Return the sorted subfolders without hidden ones, system folders, and links back to the folder or above it."""
    real = folder.resolve()
    try:
        entries = sorted(folder.iterdir())
    except OSError as error:
        raise DataError(f"Cannot read {folder}: {error.strerror}.") from error
    return [
        entry
        for entry in entries
        if entry.is_dir() and not picture_files.is_passed_over(entry.name) and not real.is_relative_to(entry.resolve())
    ]
