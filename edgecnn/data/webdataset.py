"""Your own images as WebDataset shards: tar archives of key.jpg with its class in key.cls, key.json or key.txt.

A key is a member's path up to the first dot of its file name, and the members of a key stand together. A number is the
line of that class in classnames.txt beside the shards, if there is one. The word for a split in a shard's name, or in
that of its folder, is its split, as in train-000000.tar. No shard is ever unpacked: an image is read from where its
bytes lie. Apart from that, images are read and split as those of a folder are.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from edgecnn.common import console, documents, escapes
from edgecnn.common.documents import Unreadable
from edgecnn.data import Split, _listed, _own_pictures, _remarks, _tar
from edgecnn.data._listed import Listed, Row
from edgecnn.data._pictures import Part
from edgecnn.data._tar import Member
from edgecnn.errors import DataError
from edgecnn.onboard import picture_files, preprocessing
from edgecnn.records import data_paths
from edgecnn.records import labels as labels_of

LICENCE = "that of your pictures"
FORBIDDEN_AUGMENTATIONS: Mapping[str, str] = {}
"""Empty, since only you know what your labels mean."""

NAMES_FILE = "classnames.txt"
LABELS: Mapping[str, int] = {"cls": 64, "json": 1 << 20, "txt": 1024}
"""Suffixes of the members that may hold a label, the likeliest first, and how many bytes of them are read."""


def load(
    path: str = "",
    label: str = "label",
    size: int | list[int] = 32,
    width: int = 0,
    resize: str = "crop",
    larger: float = 1.0,
    channels: int = 3,
    test: float = 0.2,
    seed: int = 0,
    skip_broken: bool = False,
    skip_leaks: bool = False,
    group: str = "",
    near_copies: bool = True,
    leave_out: str = "",
) -> tuple[Split, Split]:
    """Load the images of shards, which are decoded once and then read from a cache.

    Args:
        path: the folder of the shards, or one shard.
        label: the key of the class in a key.json.
        size: height that images are resized to, in pixels, or [height, width].
        width: width that images are resized to, if `size` is the height alone; 0 for square images.
        resize: how: "crop" keeps the largest centred part of that aspect ratio, "crop:0.875" the central 87.5 % of
            its height and width, "squash" stretches, "letterbox" adds black bars, "letterbox:114" grey ones.
        larger: how much larger the images are, up to 2, that augment.resized_crop takes random parts from.
        channels: 1 for grayscale, 3 for RGB.
        test: share of every class that becomes the test split, if no shard is for that.
        seed: of that split.
        skip_broken: leave out images that cannot be read, and print how many.
        skip_leaks: learn from no image that is also in the test split, and print how many are left out for that.
        group: a regular expression, searched for in the path of an image's member; images with the same match stay in
            the same split.
        near_copies: keep near-copies in the same split.
        leave_out: a list of `edgecnn data check --fix`; the pictures that it says so of are left out.

    Returns:
        The training and the test split, uint8 (N, H, W, channels).

    Raises:
        PlanError: an option is out of range.
        DataError: a shard or an image cannot be read, or an image has no label.
    """
    return _own_pictures.load(
        functools.partial(listed, label=label), path, size=size, width=width, resize=resize, larger=larger,
        channels=channels, test=test, seed=seed, skip_broken=skip_broken, skip_leaks=skip_leaks, group=group,
        near_copies=near_copies, leave_out=leave_out,
    )  # fmt: skip


@dataclass
class _Sample:
    """The members of one key."""

    key: str
    pictures: list[Member] = field(default_factory=list)
    labels: dict[str, Member] = field(default_factory=dict)
    """By suffix, as in LABELS."""


def listed(place: Path, label: str = "label") -> Listed:
    """List the images of all shards, as `load` reads them. Raises DataError."""
    shards = data_paths.files(place, "webdataset")
    if not shards:
        raise DataError(f"{place} holds no .tar shards.", "name the folder that holds them")
    names = _class_names(shards[0].parent, place)
    left_out: Counter[str] = Counter()
    rows: list[Row] = []
    kind = ""
    for shard in shards:
        role = _listed.role_of(shard, place)
        for sample in _samples(shard, left_out):
            if not sample.pictures:
                left_out["label without a picture"] += 1
                continue
            kind = kind or _label_kind(shard, sample)
            rows.append(_row(shard, sample, kind, names, label, role))
    _remarks.say_left_out(left_out, place)
    by_name = f", named by {NAMES_FILE}" if names and kind != "txt" else ""
    what = f"{len(rows):,} pictures of {len(shards):,} shard{'s' * (len(shards) != 1)}"
    console.note(f"{place}: {what}, their classes in .{kind}{by_name}")
    return _listed.in_order(rows, str(place))


def _samples(shard: Path, left_out: Counter[str]) -> Iterator[_Sample]:
    """Yield the samples of a shard; what is neither a picture nor a label is counted by its suffix.

    Raises:
        DataError: The members of a key do not stand together.
    """
    suffixes = frozenset(preprocessing.suffixes())
    done: set[str] = set()
    sample = _Sample("")
    for member in _tar.members(shard, left_out):
        folder, slash, file_name = member.name.rpartition("/")
        stem, _, extension = file_name.partition(".")
        if not stem or not extension or stem.startswith("__"):  # what WebDataset passes over as well
            left_out[picture_files.HIDDEN if extension else picture_files.NO_SUFFIX] += 1
            continue
        key = f"{folder}{slash}{stem}"
        if key != sample.key:
            done.add(sample.key)
            if sample.pictures or sample.labels:
                yield sample
            if key in done:
                raise DataError(f"{shard}: the files of {key} do not stand together.", _tar.HINT)
            sample = _Sample(key)
        suffix = extension.lower().rpartition(".")[2]
        if f".{suffix}" in suffixes:
            sample.pictures.append(member)
        elif extension.lower() in LABELS:
            sample.labels[extension.lower()] = member
        else:
            left_out[f".{suffix}" if suffix else picture_files.NO_SUFFIX] += 1
    if sample.pictures or sample.labels:
        yield sample


def _label_kind(shard: Path, sample: _Sample) -> str:
    """Return the suffix of the labels, by the first sample. Raises DataError if it has none."""
    for kind in LABELS:
        if kind in sample.labels:
            return kind
    raise DataError(
        f"{shard}:{sample.key} has no class: there is no {sample.key}.cls, .json or .txt.",
        f"add {sample.key}.cls with the number of its class",
    )


def _row(
    shard: Path, sample: _Sample, kind: str, names: Sequence[str], label: str, role: data_paths.Role | None
) -> Row:
    """Return the picture of a sample. Raises DataError if it has several, or no label of this kind."""
    if len(sample.pictures) > 1:
        both = " and ".join(member.name for member in sample.pictures[:2])
        raise DataError(
            f"{shard}:{sample.key} has {len(sample.pictures)} pictures: {both}.",
            "a key ends at the first dot, and has one",
        )
    if kind not in sample.labels:
        raise DataError(f"{shard}:{sample.key} has no .{kind}, as the first one has.", "give it its class")
    (picture,) = sample.pictures
    part = Part(shard, picture.start, picture.size_bytes, f"{shard}:{picture.name}")
    return Row(part, picture.name, _label(shard, sample.labels[kind], kind, names, label), role)


def _label(shard: Path, member: Member, kind: str, names: Sequence[str], label: str) -> str:
    """Return the class that a member names. Raises DataError."""
    place = f"{shard}:{member.name}"
    if member.size_bytes > LABELS[kind]:
        raise DataError(f"{place} has {member.size_bytes:,} bytes, more than the {LABELS[kind]:,} of a label.")
    try:
        text = Part(shard, member.start, member.size_bytes, place).read().decode().strip()
        value = documents.table(text).get(label) if kind == "json" else text
    except (UnicodeDecodeError, Unreadable) as error:
        raise DataError(f"{place} is no label: {error}.") from error
    if kind == "json" and isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or not value or escapes.has_controls(value):
        hint = f"a key {label!r} with a text or a whole number" if kind == "json" else "one line of text"
        raise DataError(f"{place} names no class.", hint)
    if kind == "cls" and not value.isdecimal():
        raise DataError(f"{place} holds {value[:40]!r}, and no number of a class.", "names are kept in .txt")
    if names and kind != "txt" and value.isdecimal():
        if int(value) >= len(names):
            raise DataError(f"{place} is of class {value}, and {NAMES_FILE} has {len(names)} names.")
        return names[int(value)]
    return str(int(value)) if kind == "cls" else value


def _class_names(*folders: Path) -> tuple[str, ...]:
    """Return the class names beside the shards, () if there are none."""
    for folder in folders:
        if (folder / NAMES_FILE).is_file():
            return labels_of.read(folder / NAMES_FILE)
    return ()
