"""The reference of files: what lies in a run folder and a bundle, the fields of a card, of reports and of profiles."""

from __future__ import annotations

import dataclasses
import inspect
import re
from pathlib import Path
from typing import Any

from reading import cell, docstring, field_texts, field_types, table, type_cell

from edgecnn.onboard import releases
from edgecnn.records import artifact, environment, measurement, report, run

RESULTS = Path(__file__).resolve().parents[2] / "bench" / "results"

CARD = (
    artifact.Artifact, artifact.Description, artifact.TensorSpec, artifact.Preprocessing, artifact.Verdict,
)  # fmt: skip
REPORT = (
    report.Report, measurement.Measurement, measurement.Summary, measurement.Accuracy, measurement.Window,
    measurement.Validity, environment.Environment,
)  # fmt: skip


def page() -> str:
    """Return the page of all files."""
    parts = [
        "# Files\n",
        "Every hand-over is a folder or a file that the next step reads alone. All of them are TOML, JSON, CSV or formats of "
        "others; units stand in the names of fields, kB is 1000 bytes, one MAC is two FLOPs.\n",
        f"## A run folder\n\n```text\n{_tree(run)}\n```\n",
        f"## A model on a board\n\n```text\n{_tree(releases)}\n```\n",
        "## The card of a model file\n",
        "`NAME.tflite.json` lies beside `NAME.tflite`, and inside it too.\n",
        *map(_fields, CARD),
        "## A bench report\n",
        "`edgecnn bench` writes one under `RUN/bench`; `bench/report.schema.json` in the source is its JSON Schema, which "
        "every report is held against, and `bench/profile.schema.json` that of `--profile`.\n",
        *map(_fields, REPORT),
    ]
    return "\n".join(parts)


def result(name: str) -> str:
    """Return a recorded page of bench/results, without its title, and its headings one level down."""
    text = (RESULTS / name).read_text(encoding="utf-8")
    body = re.sub(r"\A# .*\n+", "", text)
    return re.sub(r"^(#+ )", r"#\1", body, flags=re.MULTILINE)


def _tree(module: Any) -> str:
    """Return the drawing of a folder that a module's docstring holds."""
    paragraphs = (inspect.getdoc(module) or "").split("\n\n")
    return next(text for text in paragraphs if "/" in text.splitlines()[0] and "\n    " in text)


def _fields(cls: type) -> str:
    types, texts = field_types(cls), field_texts(cls)
    rows = [
        (f"`{field.name}`", type_cell(types[field.name]), cell(texts[field.name]))
        for field in dataclasses.fields(cls)
        if field.name in types
    ]
    return f"### {cls.__name__}\n\n{docstring(cls).text}\n\n{table(('field', 'type', ''), rows)}"
