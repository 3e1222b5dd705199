"""The sounds of a folder as its names and lists tell them, before any is read: their classes and their splits.

Speech Commands (Warden, 2018, arXiv:1804.03209) keeps a folder for each word, validation_list.txt and testing_list.txt
with the paths of those splits, and long noises in _background_noise_. Any other folder of folders is read alike; lists
and noises may be missing, and train/ and test/ may hold the class folders.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgecnn.data import _remarks
from edgecnn.errors import DataError, PlanError, nearest
from edgecnn.onboard import picture_files, wav_files
from edgecnn.records import labels
from edgecnn.records.data_paths import ROLES, Role

NOISES = "_background_noise_"
LISTS: dict[str, Role] = {"validation_list.txt": "validation", "testing_list.txt": "test"}
UNKNOWN, SILENCE = "unknown", "silence"
OF_TRAINING = 0.8
"""The share of a noise, from its beginning, that training hears; half of the rest is for validation, then for test."""


@dataclass(frozen=True, slots=True)
class Sound:
    """A file, or a cut from a long noise."""

    path: Path
    name: str
    """Its path below the folder, with / between its parts."""
    label: str
    role: Role | None
    """The split that it was put into; None if nothing says."""
    start_s: float | None = None
    """Where the cut begins; None for a file that is heard whole."""

    def __str__(self) -> str:
        return str(self.path) if self.start_s is None else f"{self.path}@{self.start_s:g}s"


@dataclass(frozen=True)
class SoundFolder:
    """All sounds of a folder, and the noises that can be laid under them."""

    sounds: tuple[Sound, ...]
    """Split after split, class after class, sorted by name."""
    classes: tuple[str, ...]
    """Sorted."""
    noises: tuple[Path, ...]


def find(root: Path, words: Sequence[str], unknown: float, silence: float, seconds: float) -> SoundFolder:
    """List the sounds of a folder.

    Args:
        root: The folder.
        words: The classes; all other folders are one class, "unknown". Without any, every folder is a class.
        unknown: How many sounds of other words to take, as a share of those of the classes.
        silence: How many cuts of the noises to take as the class "silence", as such a share.
        seconds: The length of a cut.

    Raises:
        DataError: There is no such folder, or fewer than two classes with sounds.
        PlanError: There is no folder of that word.
    """
    if not root.is_dir():
        raise DataError(
            f"There is no folder {root}.", "name a folder of sounds: --data speech:FOLDER, with <class>/*.wav"
        )
    sounds = list(_in_folders(root))
    spoken = sorted({sound.label for sound in sounds})
    for word in words:
        if word not in spoken:
            raise PlanError(f"[data]: there are no sounds of the word {word!r} in {root}.", nearest(word, spoken))
    for word in {UNKNOWN, SILENCE} & set(spoken) if words else ():
        raise DataError(f"{root} has a folder {word}, which is the name of a class that is made.", "rename it")
    if words:
        others = _drawn([sound for sound in sounds if sound.label not in words], unknown, sounds, words)
        sounds = [sound for sound in sounds if sound.label in words] + others
    places = root.glob(f"**/{NOISES}")
    noises = tuple(
        sorted(path for place in places for path in picture_files.walk(place, picture_files.sounds()).pictures)
    )
    if silence and noises:
        validated = any(sound.role == "validation" for sound in sounds)
        sounds += _silences(root, noises, seconds, round(silence * len(sounds)), validated)
    classes = tuple(sorted({sound.label for sound in sounds}))
    if len(classes) < 2:
        raise DataError(f"{root} has sounds of {len(classes)} class.", "a classifier needs at least two: <class>/*.wav")
    labels.require_plain(classes, str(root))
    order = ("train", "validation", "test")
    sounds.sort(key=lambda s: (order.index(s.role or "train"), s.label, s.name.split("/"), s.start_s or 0.0))
    return SoundFolder(tuple(sounds), classes, noises)


def _in_folders(root: Path) -> Iterator[Sound]:
    """Yield the sounds of all class folders. Raises DataError if there are none."""
    parts = {below: ROLES[below.name.casefold()] for below in _folders(root) if below.name.casefold() in ROLES}
    if parts and len(parts) < len(_folders(root)):
        raise DataError(
            f"{root} holds {next(iter(parts)).name}/ beside {_folder_beside(root, parts)}/.",
            "either all folders are splits, or all are classes",
        )
    lists = _lists(root)
    left_out: Counter[str] = Counter()
    count = 0
    for part, role in parts.items() or [(root, None)]:
        for folder in _folders(part):
            listing = picture_files.walk(folder, picture_files.sounds())
            left_out.update(listing.left_out)
            for path in listing.pictures:
                name = path.relative_to(part).as_posix()
                count += 1
                yield Sound(
                    path, name, labels.composed(folder.name), role or (lists.get(name, "train") if lists else None)
                )
    _remarks.say_left_out(left_out, root)
    if not count:
        suffixes = " ".join(wav_files.SUFFIXES)
        raise DataError(f"{root} holds no sounds in folders of their classes.", f"<class>/*.wav; read are {suffixes}")


def _folders(root: Path) -> list[Path]:
    """Return the folders that may be classes or splits, sorted: those of no system, which _background_noise_ is not."""
    below = sorted(path for path in root.iterdir() if path.is_dir())
    return [path for path in below if path.name != NOISES and not picture_files.is_passed_over(path.name)]


def _folder_beside(root: Path, parts: dict[Path, Role]) -> str:
    return next(folder.name for folder in _folders(root) if folder not in parts)


def _lists(root: Path) -> dict[str, Role]:
    """Return the split of each name that a list beside the folders has."""
    roles: dict[str, Role] = {}
    for file, role in LISTS.items():
        path = root / file
        if path.is_file():
            roles |= {line.strip(): role for line in path.read_text(encoding="utf-8").splitlines() if line.strip()}
    if roles and set(roles.values()) != set(LISTS.values()):
        raise DataError(f"{root} has one of {' and '.join(LISTS)} only.", "add the other one, or remove this one")
    return roles


def _drawn(others: list[Sound], share: float, sounds: list[Sound], words: Sequence[str]) -> list[Sound]:
    """Draw sounds of other words, in each split as many as a share of its named ones, by a hash of their names."""
    chosen: list[Sound] = []
    for role in {sound.role for sound in others}:
        named = sum(sound.role == role and sound.label in words for sound in sounds)
        of_role = sorted((s for s in others if s.role == role), key=lambda s: hashlib.sha256(s.name.encode()).digest())
        chosen += of_role[: round(share * named)]
    return [Sound(sound.path, sound.name, UNKNOWN, sound.role) for sound in chosen]


def _silences(root: Path, noises: Sequence[Path], seconds: float, most: int, validated: bool) -> list[Sound]:
    """Cut noises into sounds that do not overlap, the beginning of each for training and its end for test.

    `validated` gives validation a part of its own, as words have; otherwise the plan decides about both.
    """
    cuts: list[Sound] = []
    for path in noises:
        samples, rate_hz = wav_files.read(path)
        count = int(len(samples) / rate_hz / seconds)
        for index in range(count):
            place = index / count
            role: Role = "train" if place < OF_TRAINING else "validation" if place < (1 + OF_TRAINING) / 2 else "test"
            if role == "validation" and not validated:
                role = "train"
            cuts.append(Sound(path, path.relative_to(root).as_posix(), SILENCE, role, index * seconds))
    step = max(1.0, len(cuts) / most) if most else 0.0
    return [cuts[int(index * step)] for index in range(int(len(cuts) / step))] if step else []
