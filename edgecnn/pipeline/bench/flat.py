"""A report as CSV for spreadsheets and data frames: a line for each file on each runtime, without the samples."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping

from edgecnn.common import console
from edgecnn.records import environment
from edgecnn.records.measurement import Measurement, Summary
from edgecnn.records.report import Report

OF_THE_FILE = (
    "file", "run", "sha256", "format", "precision", "target", "runtime", "runtime_version", "num_threads", "bytes",
    "planned_activation_peak_bytes", "parameters", "macs",
)  # fmt: skip
"""Fields of a Measurement that have a column; those of its Summary have one each, too."""
OF_THE_CHECK = ("drop_pp", "drop_low_pp", "drop_high_pp", "agreement_percent")
"""Fields of the Verdict of its export that have a column, named "check_drop_pp"."""


def csv(report: Report) -> str:
    """Return the report as CSV with a head; a cell is empty if it was not measured."""
    machine = environment.machine_name(report.environment)
    rows = [
        {"board": report.board, "machine": machine, "date": report.date, **_cells(measurement)}
        for measurement in report.measurements
    ]
    lines: list[Iterable[object]] = [rows[0].keys(), *(row.values() for row in rows)] if rows else []
    return "".join(f"{console.csv_line([*line])}\n" for line in lines)


def _cells(measurement: Measurement) -> Mapping[str, object]:
    """Return the cells of a line by the names of their columns."""
    check, golden = measurement.verdict, measurement.golden
    return {
        **{name: getattr(measurement, name) for name in OF_THE_FILE},
        **{field.name: getattr(measurement.summary, field.name) for field in dataclasses.fields(Summary)},
        "check": check.check if check else None,
        **{f"check_{name}": getattr(check, name) if check else None for name in OF_THE_CHECK},
        "golden": golden.verdict if golden else None,
        "validity": measurement.validity.verdict if measurement.is_timed else None,
    }
