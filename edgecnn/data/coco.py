"""COCO's pictures with a thing, such as a person, and without it: `annotations/instances_*.json`, pictures in place.

The rule is that of visual wake words (Chowdhery et al., 2019, arXiv:1906.05721): a picture shows the thing if at least
one of its boxes is 0.5 % of the picture's area or more. The two classes are called person and "not person". COCO's val
is the test split, for its own test pictures have no annotations, and validation is cut off from train.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from edgecnn.common import console
from edgecnn.data import Split, _listed, _own_pictures
from edgecnn.data._listed import Listed, Row
from edgecnn.errors import DataError, PlanError, nearest
from edgecnn.records.data_paths import ROLES, Role

LICENCE = "annotations CC BY 4.0; each picture that of its author on Flickr"
FORBIDDEN_AUGMENTATIONS: Mapping[str, str] = {}

ANNOTATIONS = "instances_*.json"
FOLDERS = ("{part}", "images/{part}", "")
"""Where the pictures of instances_PART.json are looked for, from the data set's folder."""
HINT = "FOLDER/annotations/instances_train2017.json and FOLDER/train2017/*.jpg, as COCO's archives unpack"


def load(
    path: str = "",
    thing: str = "person",
    least_share: float = 0.005,
    size: int | list[int] = 96,
    width: int = 0,
    resize: str = "crop",
    larger: float = 1.0,
    channels: int = 3,
    test: float = 0.2,
    seed: int = 0,
    skip_broken: bool = False,
    skip_leaks: bool = False,
    group: str = "",
    near_copies: bool = False,
    leave_out: str = "",
) -> tuple[Split, Split]:
    """Load the pictures, which are decoded once and then read from a cache.

    Args:
        path: the folder that holds annotations/.
        thing: the category that is looked for.
        least_share: the least share of a picture's area that a box of it has.
        size: height that pictures are resized to, in pixels, or [height, width].
        width: width that pictures are resized to, if `size` is the height alone; 0 for square pictures.
        resize: how: "crop", "crop:0.875", "squash", "letterbox" or "letterbox:114", as for a folder of pictures. A crop
            may cut the person off that the annotations promise.
        larger: how much larger the pictures are, up to 2, that augment.resized_crop takes random parts from.
        channels: 1 for grayscale, 3 for RGB.
        test: share of every class that becomes the test split, if only one file of annotations is there.
        seed: of that split.
        skip_broken: leave out pictures that cannot be read, and print how many.
        skip_leaks: learn from no picture that is also in the test split, and print how many are left out for that.
        group: a regular expression, searched for in a picture's name; those with the same match stay in one split.
        near_copies: keep near-copies in the same split.
        leave_out: a list of `edgecnn data check --fix`; the pictures that it says so of are left out.

    Returns:
        The training and the test split, uint8 (N, H, W, channels).

    Raises:
        PlanError: an option is out of range, or COCO has no such category.
        DataError: annotations or a picture cannot be read, or a class has no pictures.
    """
    return _own_pictures.load(
        functools.partial(listed, thing=thing, least_share=least_share), path, size=size, width=width, resize=resize,
        larger=larger, channels=channels, test=test, seed=seed, skip_broken=skip_broken, skip_leaks=skip_leaks,
        group=group, near_copies=near_copies, leave_out=leave_out,
    )  # fmt: skip


def listed(root: Path, thing: str = "person", least_share: float = 0.005) -> Listed:
    """List the pictures that all files of annotations name. Raises DataError or PlanError."""
    if not 0 <= least_share <= 1:
        raise PlanError(f"[data]: least_share = {least_share} should lie between 0 and 1.")
    files = sorted([*root.glob(f"annotations/{ANNOTATIONS}"), *root.glob(ANNOTATIONS)])
    if not files:
        raise DataError(f"{root} holds no {ANNOTATIONS}.", HINT)
    roles = {file: _role(file) for file in files}
    if "test" not in roles.values() and "train" in roles.values():
        roles = {file: "test" if role == "validation" else role for file, role in roles.items()}
    if len(files) == 1:
        roles = {files[0]: None}
    rows = [row for file, role in roles.items() for row in _rows(root, file, role, thing, least_share)]
    return _listed.in_order(rows, str(root))


def _role(file: Path) -> Role | None:
    """Return the split of a file of annotations by its name: instances_val2017.json is for validation."""
    word = file.stem.removeprefix("instances_").rstrip("0123456789_-").casefold()
    return ROLES.get(word)


def _rows(root: Path, file: Path, role: Role | None, thing: str, least_share: float) -> Iterator[Row]:
    """Yield the pictures of one file of annotations, each with its class."""
    try:
        table: dict[str, list[dict[str, Any]]] = json.loads(file.read_bytes())
        categories = {category["name"]: category["id"] for category in table["categories"]}
        if thing not in categories:
            raise PlanError(f"[data]: {file} has no category {thing!r}.", nearest(thing, categories))
        area = {image["id"]: image["width"] * image["height"] for image in table["images"]}
        shows = {
            annotation["image_id"]
            for annotation in table["annotations"]
            if annotation["category_id"] == categories[thing]
            and annotation["bbox"][2] * annotation["bbox"][3] >= least_share * area[annotation["image_id"]]
        }
        names = {image["id"]: str(image["file_name"]) for image in table["images"]}
    except (OSError, ValueError, KeyError, TypeError, IndexError, RecursionError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no table of COCO's instances"
        raise DataError(f"Cannot read {file}: {reason}.", HINT) from error
    folder = _folder(root, file, next(iter(names.values()), ""))
    console.note(f"{file}: {len(shows):,} of {len(names):,} pictures show a {thing}")
    for number, name in sorted(names.items()):
        if Path(name).is_absolute() or ".." in Path(name).parts:
            raise DataError(f"{file} names {name!r}, which leads out of its folder.", HINT)
        yield Row(folder / name, name, thing if number in shows else f"not {thing}", role)


def _folder(root: Path, file: Path, name: str) -> Path:
    """Return the folder that holds the pictures of a file of annotations, by its first one."""
    part = file.stem.removeprefix("instances_")
    folders = [root / form.format(part=part) for form in FOLDERS]
    for folder in folders:
        if (folder / name).is_file():
            return folder
    raise DataError(f"The pictures that {file} names lie in none of {', '.join(map(str, folders))}: no {name}.", HINT)
