"""Conformance checks for authors of plug-ins; edgecnn's own nets, data sets and trackers pass them.

`edgecnn.testing.check_net("my-net")` raises AssertionError with one sentence if the plug-in breaks its contract; no
test framework is needed. This is the thirteenth entry of the package, for it is part of what others build on, stands
above all other rooms, and is imported by none of them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any


def check_net(name: str) -> None:
    """Hold a net against `edgecnn.nets.Net`, by its name or as "file.py:Class" once it is trusted."""
    from edgecnn.testing import nets

    for check in nets.CHECKS:
        check(name)


def check_data(name: str, **options: Any) -> None:
    """Hold a data set against `edgecnn.data.DataSet`; `options` are those that it needs to find its pictures."""
    from edgecnn.testing import data_sets

    for check in data_sets.CHECKS:
        check(name, options)


def check_rung(name: str) -> None:
    """Hold a rung against `edgecnn.pipeline.export.rungs.Rung`, on a small dense net with random weights."""
    from edgecnn.testing import rungs

    for check in rungs.CHECKS:
        check(name)


def check_tracker(name: str) -> None:
    """Hold a tracker against `edgecnn.pipeline.train.trackers.Tracker`, on trainings that it is only told of."""
    from edgecnn.testing import trackers

    for check in trackers.CHECKS:
        check(name)


def check_format(name: str) -> None:
    """Hold a format against `edgecnn.formats.Format`: it writes a small net and describes what it wrote."""
    from edgecnn.testing import model_files

    for check in model_files.FORMAT_CHECKS:
        check(name)


def check_runtime(name: str, model: Path) -> None:
    """Hold a runtime against `edgecnn.onboard.runtimes.Runtime`, with a model file that it reads."""
    from edgecnn.testing import model_files

    for check in model_files.RUNTIME_CHECKS:
        check(name, model)


def check_board(name: str, model: Path) -> None:
    """Hold a board against `edgecnn.boards.BoardKind`: its facts, and jobs with a model file, a fresh process each."""
    from edgecnn.testing import machines

    for check in machines.CHECKS:
        check(name, model)
