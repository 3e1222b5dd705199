"""Event files read as TensorBoard reads them: records of a length, its checksum, an event, and its checksum."""

from __future__ import annotations

import struct
from collections import defaultdict
from pathlib import Path
from typing import Any

from tensorboardX.proto.event_pb2 import Event


def events(folder: Path) -> list[Any]:
    """All events of the only event file in a folder."""
    (path,) = folder.glob("events.out.tfevents.*")
    content, place, records = path.read_bytes(), 0, []
    while place < len(content):
        (size,) = struct.unpack_from("<Q", content, place)
        records.append(Event.FromString(content[place + 12 : place + 12 + size]))
        place += 16 + size
    return records


def scalars(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """(step, value) of every scalar by its name, in the order in which they were written."""
    series = defaultdict(list)
    for event in events(folder):
        for value in event.summary.value:
            if value.WhichOneof("value") == "simple_value":
                series[value.tag].append((event.step, value.simple_value))
    return dict(series)


def texts(folder: Path) -> dict[str, str]:
    """Return the texts under TensorBoard's TEXT, by name."""
    values = [value for event in events(folder) for value in event.summary.value]
    return {
        value.tag.removesuffix("/text_summary"): value.tensor.string_val[0].decode()
        for value in values
        if value.tag.endswith("/text_summary")
    }
