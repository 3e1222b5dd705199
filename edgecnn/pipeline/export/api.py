"""`edgecnn.export`: the verb, for whoever names a run in Python."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from edgecnn.pipeline.export.export import export as verb
from edgecnn.records import resolve
from edgecnn.records.artifact import Artifact
from edgecnn.records.plans import ExportPlan
from edgecnn.records.resolve import FilePath
from edgecnn.records.run import Run


def export(
    run: Run | FilePath, plan: ExportPlan | FilePath = "default", *, settings: Iterable[str] = (), **changes: Any
) -> list[Artifact]:
    """Write a run's model files and check each against the run.

    Nothing is raised for a file that fails its check: `verdict` says how it came out.

    Args:
        run: The run or its folder.
        plan: The name of a shipped export plan, the path of a .toml file, or an ExportPlan.
        settings: Changes of the plan as `-s` takes them on the command line, such as "calib_samples=100".
        **changes: Keys of the plan and their values, such as `format="onnx"`, `precision=("fp32", "int8")` or
            `max_drop=0.5`.

    Returns:
        The files, each with its card: format, precision, input and output, preprocessing, classes, verdict.

    Raises:
        PlanError: There is no such plan, or a key or a value of it is wrong; the hint names the nearest.
        RunError: There is no such run, it did not finish, or its data set is another one by now.
        EnvironmentUnfit: This machine cannot write a format.

    Example:
        >>> files = edgecnn.export("runs/tiny", format="onnx", max_drop=100)
        >>> [file.name for file in files]
        ['tiny-fp32.onnx', 'tiny-int8.onnx']
    """
    chosen = resolve.find_plan(ExportPlan, plan, resolve.overrides(settings, changes))
    return verb(resolve.find_run(run), chosen)
