"""Runs of `edgecnn.testing.samples`, prepared and written once a session."""

from __future__ import annotations

import functools
import tempfile
from pathlib import Path
from typing import Any

from edgecnn import formats
from edgecnn.pipeline.export import exportable as quantize
from edgecnn.pipeline.export.exportable import Exportable
from edgecnn.records.artifact import Artifact, Preprocessing
from edgecnn.records.plans import ExportPlan
from edgecnn.testing.samples import CLASSES as CLASSES
from edgecnn.testing.samples import OPTIONS as OPTIONS
from edgecnn.testing.samples import SHAPES as SHAPES
from edgecnn.testing.samples import pictures as pictures
from edgecnn.testing.samples import run as run
from edgecnn.testing.samples import splits as splits

QUICK = ("epochs=6", "num_threads=1", "precision=fp32")
"""Overrides that make a recipe of the digits train in seconds."""


@functools.cache
def _home() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory()


@functools.cache
def exportable(net: str, **plan: Any) -> Exportable:
    """The prepared net, once a session."""
    return quantize.prepare(run(net, Path(_home().name) / net), splits(SHAPES[net]), ExportPlan(name="test", **plan))


@functools.cache
def written(net: str, format_name: str, precision: str, **plan: Any) -> Artifact:
    """One file of the net, written once a session."""
    model = exportable(net, **{key: value for key, value in plan.items() if key == "weight_range"})
    marks = "-".join([precision, *map(str, plan.values())])
    path = model.run.folder / f"{net}-{marks}{formats.get(format_name).SUFFIX}"
    formats.get(format_name).write(model, precision, ExportPlan(name="test", **plan), path)
    return artifact(path, model.preprocessing)


def artifact(path: Path, preprocessing: Preprocessing) -> Artifact:
    return Artifact(path=path, description=formats.describe(path), preprocessing=preprocessing, labels=CLASSES)
