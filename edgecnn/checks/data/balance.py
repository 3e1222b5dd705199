"""Check how evenly the pictures are spread over the classes."""

from __future__ import annotations

import numpy as np

from edgecnn.checks.data.suspects import CheckedPictures
from edgecnn.records import labels as labels_of
from edgecnn.records.data_check import DataFinding

LOPSIDED = 2.0
"""The largest class is worth a note if it has so many times more pictures than the smallest."""


def finding(pictures: CheckedPictures) -> DataFinding:
    """Return the classes with far fewer pictures than the others."""
    own, readable = pictures.seen.listed, pictures.seen.readable
    counts = np.bincount(own.labels[readable], minlength=len(own.classes))
    small, of = pictures.seen.small_classes, len(own.classes)
    ends = [f"{own.classes[label]} {counts[label]:,}" for label in (int(counts.argmin()), int(counts.argmax()))]
    span = f"from {ends[0]} to {ends[1]}, median {np.median(counts):,.0f}"
    if len(small):
        names = labels_of.listed([f"{own.classes[label]} {counts[label]:,}" for label in small.tolist()], 4)
        sentence = f"{len(small)} of {of} classes have far fewer pictures than the others: {names} ({span})"
        mend = "add pictures of them; until then a high accuracy may hide that they are never found"
        return DataFinding(
            level="warn",
            kind="balance",
            sentence=sentence,
            mend=mend,
            n=len(small),
            of=of,
            names=tuple(own.classes[label] for label in small.tolist()),
        )
    if counts.max() > LOPSIDED * max(1, counts.min()):
        mend = "look at the recall of every class (`edgecnn eval`), not at the accuracy alone"
        sentence = f"the classes differ in their number of pictures, {span}"
        return DataFinding(level="note", kind="balance", sentence=sentence, mend=mend, of=of)
    return DataFinding(level="ok", kind="balance", sentence=f"pictures of a class: {span}", of=of)
