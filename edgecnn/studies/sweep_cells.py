"""The cells and sentences in which a sweep is told, on the console and on the report page."""

from __future__ import annotations

from collections.abc import Iterator

from edgecnn.common import config, stats
from edgecnn.studies.findings import Sweep, SweepObjective, SweepTrial


def head(sweep: Sweep) -> tuple[str, ...]:
    """Return the head of a table of trials: number, objectives, keys."""
    keys = list(sweep.trials[0].point) if sweep.trials else []
    return ("trial", *(heading(objective, sweep.validation_n) for objective in sweep.objectives), *keys)


def heading(objective: SweepObjective, validation_n: int) -> str:
    """Return the head of an objective's column."""
    if objective.name == "accuracy":
        return "validation top-1 %" + " [95 %]" * bool(validation_n)
    return {"loss": "validation loss", "params": "parameters", "macs": "MACs"}.get(objective.name, objective.name)


def row(trial: SweepTrial, sweep: Sweep) -> tuple[str, ...]:
    """Return the cells of a trial that is finished."""
    values = zip(sweep.objectives, trial.values, strict=True)
    cells = (_cell(objective, value, sweep.validation_n) for objective, value in values)
    return (str(trial.number), *cells, *point(trial))


def point(trial: SweepTrial) -> tuple[str, ...]:
    """Return the cells of a trial's keys."""
    return tuple(f"{value:.4g}" if isinstance(value, float) else config.shown(value) for value in trial.point.values())


def sentences(sweep: Sweep) -> Iterator[str]:
    """Say how many trials there were and how they ended, and what the accuracies are not."""
    counts = {
        "trained to the end": sweep.count("finished"),
        "pruned": sweep.count("pruned"),
        "failed": sweep.count("failed"),
        "repeats of an earlier recipe, not trained again": sweep.count("repeat"),
        "unfinished": sweep.count("unfinished"),
    }
    yield f"{len(sweep.trials)} trials: " + ", ".join(f"{count} {words}" for words, count in counts.items() if count)
    for trial in sweep.trials:
        if trial.outcome == "failed":
            yield f"trial {trial.number} failed: {trial.why}"
    if sweep.front and sweep.validation_n:
        yield (
            f"All numbers are of the same {sweep.validation_n:,} validation pictures, by which the best was chosen: "
            "its accuracy there is a little too good. No trial was tested; `edgecnn export` looks at the test pictures."
        )


def _cell(objective: SweepObjective, value: float, validation_n: int) -> str:
    """Format a value; an accuracy has its Wilson interval."""
    if objective.name == "accuracy":
        if not validation_n:
            return f"{value:.2f}"
        top1 = stats.wilson(round(value * validation_n / 100), validation_n)
        return f"{value:.2f} [{top1.low_percent:.1f}, {top1.high_percent:.1f}]"
    return f"{value:.4f}" if objective.name == "loss" else f"{value:,.0f}"
