"""What a sweep prints."""

from __future__ import annotations

from collections.abc import Iterator

from edgecnn.common import config, console, stats
from edgecnn.common.escapes import say
from edgecnn.studies.findings import Sweep, SweepObjective, SweepTrial


def show(sweep: Sweep) -> None:
    """Print the front, what failed, how much each key matters, and what the numbers rest on."""
    if sweep.front:
        keys = list(sweep.front[0].point)
        head = ("trial", *(heading(objective, sweep) for objective in sweep.objectives), *keys)
        console.table(head, [row(trial, sweep) for trial in sweep.front])
        say()
    if sweep.importances:
        names = list(sweep.importances)
        shares = {key: [sweep.importances[name].get(key, 0.0) for name in names] for key in sweep.importances[names[0]]}
        console.table(
            (f"share of the variance (fANOVA, n {sweep.count('finished')})", *names),
            [(key, *(f"{share:.2f}" for share in values)) for key, values in shares.items()],
        )
        say()
    for sentence in sentences(sweep):
        say(sentence)


def heading(objective: SweepObjective, sweep: Sweep) -> str:
    """Return the head of an objective's column."""
    if objective.name == "accuracy":
        return "validation top-1 %" + " [95 %]" * bool(sweep.validation_n)
    return {"loss": "validation loss", "params": "parameters", "macs": "MACs"}.get(objective.name, objective.name)


def row(trial: SweepTrial, sweep: Sweep) -> tuple[str, ...]:
    """Return the cells of a trial of the front."""
    values = zip(sweep.objectives, trial.values, strict=True)
    cells = (cell(objective, value, sweep.validation_n) for objective, value in values)
    return (str(trial.number), *cells, *(_short(value) for value in trial.point.values()))


def cell(objective: SweepObjective, value: float, n: int) -> str:
    """Format a value; an accuracy has its Wilson interval."""
    if objective.name == "accuracy":
        if not n:
            return f"{value:.2f}"
        top1 = stats.wilson(round(value * n / 100), n)
        return f"{value:.2f} [{top1.low_percent:.1f}, {top1.high_percent:.1f}]"
    return f"{value:.4f}" if objective.name == "loss" else f"{value:,.0f}"


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


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else config.shown(value)
