"""The history of a training, metrics.csv, as columns with one value per epoch."""

from __future__ import annotations

import csv
from pathlib import Path

from edgecnn.common import documents
from edgecnn.common.documents import Unreadable
from edgecnn.errors import RunError

FILE = "metrics.csv"
LARGEST_BYTES = 16 << 20
MOST_COLUMNS = 100
LARGEST = 1e40
"""The largest value; a loss is a float32, whose maximum is 3.4e38."""
DRAWN = ("epoch", "train_loss", "train_top1_percent", "validation_loss", "validation_top1_percent")
"""Columns that every training writes."""
KIND = documents.Kind(name="history", words="the history of a training", error=RunError, hint="train it again")


def columns(path: Path) -> dict[str, tuple[float, ...]]:
    """Read all columns by their names.

    Raises:
        RunError: The file is no table of numbers.
    """
    with KIND.expected(path):
        try:
            head, *rows = csv.reader(documents.content(path, LARGEST_BYTES).decode().splitlines(), strict=True)
            table = [[float(cell) for cell in row] for row in rows if row]
        except Unreadable:
            raise
        except (ValueError, csv.Error) as error:
            raise Unreadable("it is no table of numbers") from error
        if len(set(head)) < len(head) or len(head) > MOST_COLUMNS or any(len(row) != len(head) for row in table):
            raise Unreadable("it has rows of several lengths")
        if missing := set(DRAWN) - set(head):
            raise Unreadable(f"it has no column {min(missing)}")
        if not all(abs(value) <= LARGEST for row in table for value in row):  # False for NaN
            raise Unreadable("it has a number that is none, or too large")
        return {name: tuple(row[place] for row in table) for place, name in enumerate(head)} if table else {}
