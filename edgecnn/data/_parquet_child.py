"""The program that reads one foreign Parquet file: python -m edgecnn.data._parquet_child FILE OUT IMAGE LABEL.

It writes the encoded pictures into OUT, one behind the other, and prints one line of JSON: {"rows": ...} with how long
each is, or {"error": ...}. It is a process of its own, whose memory and time are bounded as for a model file, because
a damaged file may crash the library that reads it, or make it ask for any amount of memory.
"""

from __future__ import annotations

import resource
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from edgecnn.common import documents, files
from edgecnn.common.documents import Unreadable
from edgecnn.errors import DataError, EdgecnnError, first_line
from edgecnn.onboard import opening

BATCH_ROWS = 16
"""Rows that are in memory at a time."""
BUFFER_BYTES = 1 << 20
MOST_BYTES, MOST_TIMES = 1 << 28, 100
"""The pictures together have at most MOST_BYTES, or MOST_TIMES as many bytes as the file."""
AGAIN = "copy the file again, or write it again"


def main(arguments: Sequence[str]) -> None:
    """Read one file and print the answer."""
    path, out = map(Path, arguments[:2])
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    try:
        import pyarrow.parquet  # noqa: F401  (its own memory does not count)

        opening.bound_for_life(path)
        with opening.in_time(path):
            answer = {"rows": unpack(path, out, *arguments[2:])}
    except Exception as problem:
        error = _explained(path, problem)
        answer = {"error": {"kind": type(error).__name__, "sentence": error.sentence, "hint": error.hint}}
    print(documents.to_json(answer, None))


def unpack(path: Path, out: Path, image: str, label: str) -> dict[str, Any]:
    """Write the pictures of a Parquet file into `out`, one behind the other.

    Args:
        path: The file.
        out: Where to write.
        image: The column of the pictures; "" for the one that is declared as such, or called image.
        label: The column of the classes; "" for the one that is declared as such, or called label.

    Returns:
        "image" and "label", the columns; "named", whether classes have names; and for every row "sizes" in bytes,
        "paths" and "labels", each of which may be None.

    Raises:
        DataError: A column is not there, could be any of several, or does not hold what it should; or the pictures are
            far larger than the file.
    """
    import pyarrow.parquet

    sizes, paths, labels = list[int](), list[str | None](), list[str | None]()
    with (
        files.open_regular(path) as stream,
        pyarrow.parquet.ParquetFile(stream, buffer_size=BUFFER_BYTES, pre_buffer=False) as table,
        out.open("wb") as target,
    ):
        features = _features(table.schema_arrow.metadata or {})
        columns = table.schema_arrow.names
        image = _column(path, columns, image, _declared(features, "Image"), "image")
        label = _column(path, columns, label, _declared(features, "ClassLabel"), "label")
        names = _class_names(features.get(label))
        for batch in table.iter_batches(BATCH_ROWS, columns=[image, label], use_threads=False):
            batch.validate(full=True)
            for content, name in map(_picture, batch.column(image).to_pylist()):
                target.write(content)
                sizes.append(len(content))
                paths.append(name)
            labels += [_label(value, names) for value in batch.column(label).to_pylist()]
            _bound(path, target)
    return {"image": image, "label": label, "named": bool(names), "sizes": sizes, "paths": paths, "labels": labels}


def _features(metadata: Mapping[bytes, bytes]) -> Mapping[str, Any]:
    """Return what `datasets` says of each column; nothing if it did not write the file."""
    try:
        return documents.part(documents.part(documents.table(metadata.get(b"huggingface", b"{}")), "info"), "features")
    except Unreadable:
        return {}


def _declared(features: Mapping[str, Any], kind: str) -> list[str]:
    return [name for name, feature in features.items() if isinstance(feature, dict) and feature.get("_type") == kind]


def _column(path: Path, columns: Iterable[str], wanted: str, declared: Sequence[str], usual: str) -> str:
    """Return the column to read. Raises DataError if it is not there, or could be any of several."""
    columns = list(columns)
    choices = [wanted] if wanted else [usual] if usual in declared else list(declared) or [usual]
    here = [name for name in choices if name in columns]
    if len(here) == 1:
        return here[0]
    problem = f"several columns that could be the {usual}" if here else f"no column {choices[0]!r}"
    raise DataError(f"{path} has {problem}: {', '.join(here or columns)}.", f"name the column: -s data.{usual}=COLUMN")


def _class_names(feature: Any) -> list[str]:
    """Return the names of the classes by their numbers, () if there are none."""
    names = feature.get("names") if isinstance(feature, dict) else None
    return [str(name) for name in names] if isinstance(names, list) else []


def _picture(value: Any) -> tuple[bytes, str | None]:
    """Return the bytes of a picture, none for a row without one, and its path if it has one."""
    if isinstance(value, dict):
        content, name = value.get("bytes"), value.get("path")
    else:
        content, name = value, None
    if not isinstance(content, bytes | None):
        raise DataError(f"The column of the pictures holds {type(content).__name__}, and no bytes.", "name another one")
    return content or b"", name if isinstance(name, str) and name else None


def _label(value: Any, names: Sequence[str]) -> str | None:
    """Return the class of a row, None if it has none."""
    if value is None or (isinstance(value, int) and not isinstance(value, bool) and value == -1):
        return None
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or not isinstance(value, int):
        raise DataError(f"The column of the classes holds {type(value).__name__}, and no text or whole number.")
    if names and not 0 <= value < len(names):
        raise DataError(f"A row is of class {value}, and {len(names)} classes have names.", AGAIN)
    return names[value] if names else str(value)


def _bound(path: Path, target: BinaryIO) -> None:
    most = max(MOST_BYTES, MOST_TIMES * path.stat().st_size)
    if target.tell() > most:
        raise DataError(f"{path} holds pictures of more than {most:,} bytes, {MOST_TIMES} times its own size.")


def _explained(path: Path, problem: Exception) -> EdgecnnError:
    """Return the error to show for what happened while a file was read."""
    if isinstance(problem, DataError):
        sentence = problem.sentence if str(path) in problem.sentence else f"{path}: {problem.sentence}"
        return DataError(sentence, problem.hint)
    if isinstance(problem, EdgecnnError):
        return problem
    if isinstance(problem, MemoryError):
        return opening.too_large(path)
    return files.of_the_file_system(problem) or DataError(f"{path} cannot be read: {first_line(problem)}.", AGAIN)


if __name__ == "__main__":
    main(sys.argv[1:])
