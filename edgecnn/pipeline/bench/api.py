"""`edgecnn.bench`: the verb, for whoever names runs and files in Python."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from edgecnn.pipeline.bench.bench import bench as verb
from edgecnn.records import resolve
from edgecnn.records.foreign import PictureOptions
from edgecnn.records.plans import Suite
from edgecnn.records.recipe import DataPlan
from edgecnn.records.report import Report
from edgecnn.records.resolve import FilePath, Target


def bench(
    targets: Target | Iterable[Target],
    suite: Suite | FilePath = "default",
    *,
    data: DataPlan | FilePath | None = None,
    pictures: PictureOptions | None = None,
    output: FilePath | None = None,
    settings: Iterable[str] = (),
    **changes: Any,
) -> Report:
    """Measure latency, memory and accuracy of model files, each in fresh processes that take turns.

    Nothing is raised for a gate that fails: `gates` says how each came out, `failures` what could not be measured.

    Args:
        targets: A run, all files of which are measured, or a model file of any make; or several of them. A Run and an
            Artifact stand for themselves.
        suite: The name of a shipped suite, the path of a .toml file, or a Suite.
        data: A data set or a folder of pictures to score on; a run's files have their own.
        pictures: How pictures are to be fed, against what a file or its card says.
        output: The report's .json file; without it the report goes into the run's bench/ folder, and for loose files
            it is not written.
        settings: Changes of the suite as `-s` takes them on the command line, such as "rounds=3".
        **changes: Keys of the suite and their values, such as `board="ssh://pi@raspberrypi.local"`, `rounds=3` or
            `max_ms=5`.

    Returns:
        All measurements of one board, times in ms.

    Raises:
        PlanError: There is no such suite, or a key or a value of it is wrong; the hint names the nearest.
        UsageError: A target cannot be measured; this is told before anything is.
        LinkError: The board cannot be reached.
        OutputError: The report cannot be written.

    Example:
        >>> report = edgecnn.bench("runs/tiny", rounds=1, num_runs=5, min_secs=0, limit=50)
        >>> [(one.file, one.accuracy.n) for one in report.measurements]
        [('tiny-fp32.onnx', 50), ('tiny-int8.onnx', 50)]
    """
    chosen = resolve.find_plan(Suite, suite, resolve.overrides(settings, changes))
    path = None if output is None else Path(output)
    return verb(resolve.paths(targets), chosen, resolve.data_plan(data), path, pictures)
