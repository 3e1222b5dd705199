"""The same small pictures, kept in each of the ways that a data set of one's own may be."""

from __future__ import annotations

import csv
import io
import json
import tarfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import data_samples
import pyarrow
import pyarrow.parquet

Files = Mapping[str, bytes]
"""Encoded pictures by path: [split/]class/name."""


def files(
    count: int = 4, splits: Iterable[str] = (), classes: Iterable[str] = ("cat", "dog"), seed: int = 0
) -> dict[str, bytes]:
    """`count` pictures of every class, in every split if there are some, no two alike.

    Sixteen in all are decoded in one process, which is quicker than to start two.
    """
    places = [f"{split}/{name}" if split else name for split in splits or ("",) for name in classes]
    return {
        f"{place}/{number:03}.png": png(seed + 1000 * index + number)
        for index, place in enumerate(places)
        for number in range(count)
    }


def png(seed: int) -> bytes:
    stream = io.BytesIO()
    data_samples.picture(seed).save(stream, "PNG")
    return stream.getvalue()


def parts(path: str) -> tuple[str, str, str]:
    """Split, class and name of a picture; the split is "" for one that is in none."""
    *split, label, name = path.split("/")
    return "".join(split), label, name


def as_folder(root: Path, pictures: Files) -> Path:
    for path, content in pictures.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(content)
    return root


def as_csv(root: Path, pictures: Files) -> Path:
    """A list in any order: here the names backwards."""
    as_folder(root, pictures)
    has_splits = any(parts(path)[0] for path in pictures)
    with (root / "list.csv").open("w", newline="", encoding="utf-8") as stream:
        lines = csv.writer(stream)
        lines.writerow(["path", "label", "split"][: 2 + has_splits])
        lines.writerows([path, parts(path)[1], parts(path)[0]][: 2 + has_splits] for path in sorted(pictures)[::-1])
    return root / "list.csv"


def as_hf_folder(root: Path, pictures: Files) -> Path:
    """A table in each split, and all pictures of a split in one folder."""
    for path, content in pictures.items():
        split, label, name = parts(path)
        folder = root / split
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{label} {name}").write_bytes(content)
        with (folder / "metadata.jsonl").open("a", encoding="utf-8") as stream:
            stream.write(json.dumps({"file_name": f"{label} {name}", "label": label}) + "\n")
    return root


def as_parquet(root: Path, pictures: Files, shards: int = 2) -> Path:
    """Files of each split, whose rows stand in the order of their names and whose classes are numbers with names."""
    classes = sorted({parts(path)[1] for path in pictures})
    for split in {parts(path)[0] for path in pictures}:
        paths = sorted((path for path in pictures if parts(path)[0] == split), key=lambda path: parts(path)[::-1])
        for shard in range(shards):
            rows = [
                {
                    "image": {"bytes": pictures[path], "path": parts(path)[2]},
                    "label": classes.index(parts(path)[1]),
                }
                for path in paths[shard::shards]
            ]
            name = f"{split or 'all'}-{shard:05}-of-{shards:05}.parquet"
            write_parquet(root / "data" / name, rows, classes=classes)
    return root


def write_parquet(path: Path, rows: Sequence[Mapping[str, Any]], classes: Sequence[str] = (), **types: Any) -> Path:
    """Write rows as `datasets` does; `types` are those of the columns, if they are not those of `datasets`."""
    kinds = {
        "image": pyarrow.struct([("bytes", pyarrow.binary()), ("path", pyarrow.string())]),
        "label": pyarrow.int64(),
    } | types
    features: dict[str, Any] = {"image": {"_type": "Image"}}
    if classes:
        features["label"] = {"_type": "ClassLabel", "names": list(classes)}
    schema = pyarrow.schema(
        [(name, kinds[name]) for name in (rows[0] if rows else kinds)],
        metadata={"huggingface": json.dumps({"info": {"features": features}})},
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(list(rows), schema=schema), path)
    return path


def as_shards(root: Path, pictures: Files, shards: int = 2) -> Path:
    """Shards of each split, with numbers for classes and their names beside."""
    classes = sorted({parts(path)[1] for path in pictures})
    for split in {parts(path)[0] for path in pictures}:
        paths = sorted(path for path in pictures if parts(path)[0] == split)
        for shard in range(shards):
            members = {}
            for path in paths[shard::shards]:
                _, label, name = parts(path)
                members[f"{label}/{name}"] = pictures[path]
                members[f"{label}/{name.partition('.')[0]}.cls"] = str(classes.index(label)).encode()
            write_tar(root / f"{split or 'all'}-{shard:06}.tar", members)
    (root / "classnames.txt").write_text("\n".join(classes) + "\n", encoding="utf-8")
    return root


def write_tar(path: Path, members: Mapping[str, bytes]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


WAYS: dict[str, Callable[[Path, Files], Path]] = {
    "folder": as_folder,
    "csv-list": as_csv,
    "hf-folder": as_hf_folder,
    "parquet": as_parquet,
    "webdataset": as_shards,
}
"""Each data set of one's own pictures, and how to keep pictures as it reads them."""
