"""Curves over epochs, from the metrics.csv files of runs that differ only by their seed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from edgecnn.records import history
from edgecnn.records.run import Run


def curve(run: Run, column: str) -> list[float]:
    """Return one column of the run's metrics.csv, one value per epoch."""
    return list(history.columns(run.folder / history.FILE)[column])


def mean(runs: Sequence[Run], column: str) -> list[float]:
    """Average a column over runs with equal numbers of epochs; return one value per epoch."""
    curves = [curve(run, column) for run in runs]
    return [sum(values) / len(values) for values in zip(*curves, strict=True)]


def draw(axes: Any, runs: Sequence[Run], column: str, label: str, style: str = "-", **more: Any) -> None:
    """Draw the mean curve, and the curve of each run as a thin line."""
    (line,) = axes.plot(range(1, runs[0].recipe.epochs + 1), mean(runs, column), style, label=label, **more)
    for run in runs if len(runs) > 1 else ():
        values = curve(run, column)
        axes.plot(range(1, len(values) + 1), values, style, color=line.get_color(), linewidth=0.6, alpha=0.4)


def dress(axes: Any, unit: str, is_log: bool = False) -> None:
    """Label the axes: epochs along x, `unit` along y."""
    axes.set(xlabel="epoch", ylabel=unit)
    axes.xaxis.get_major_locator().set_params(integer=True)
    if is_log:
        from matplotlib.ticker import LogLocator, NullFormatter

        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_minor_formatter(NullFormatter())
    axes.grid(alpha=0.3)
