"""One file of a prepared net: written, opened again, and described as it is."""

from __future__ import annotations

from pathlib import Path

from edgecnn import formats
from edgecnn.common import files
from edgecnn.errors import EdgecnnError, EnvironmentUnfit, OutputError
from edgecnn.pipeline.export.exportable import Exportable
from edgecnn.records.artifact import Artifact
from edgecnn.records.plans import ExportPlan


def write(model: Exportable, format_name: str, precision: str, plan: ExportPlan, folder: Path, stem: str) -> Artifact:
    """Write `stem` with the format's ending into `folder`.

    Raises OutputError if the folder does not take it, EnvironmentUnfit if the converter cannot write this net.
    """
    writer = formats.get(format_name)
    path = folder / f"{stem}{writer.SUFFIX}"
    try:
        with files.saying_when_full(folder):
            writer.write(model, precision, plan, path)
    except EdgecnnError:
        raise
    except OSError as error:
        raise OutputError(f"Cannot write {path.name} into {folder.parent}: {error.strerror or error}.") from error
    except Exception as error:  # a net may hold what a converter does not know, and each says it in its own way
        reason = str(error).strip().partition("\n")[0].rstrip(".") or type(error).__name__
        raise EnvironmentUnfit(
            f"The {format_name} converter cannot write {model.run.name} as {precision}: {reason}.",
            "which operator of the net does it not know?",
        ) from error
    description = writer.describe(path)
    if not description.precision.startswith(precision):
        raise EnvironmentUnfit(
            f"The {format_name} converter was asked for {precision} and wrote {description.precision}.",
            "install the versions of constraints.txt",
        )
    quantised = precision == "int8"
    return Artifact(
        path=path,
        description=description,
        preprocessing=model.preprocessing,
        labels=model.run.labels,
        run=model.run.name,
        run_sha256=model.run_sha256,
        target=plan.target if quantised and format_name == "onnx" else None,
        calibration=model.calibration.summary() if quantised and model.calibration is not None else {},
    )
