"""A Run for people: one line on stdout, or its facts as a table."""

from __future__ import annotations

from edgecnn.common.escapes import say
from edgecnn.records.notebook import HtmlTable
from edgecnn.records.run import Run


def show(run: Run) -> None:
    """Print where the run is and how accurate it is on the validation pictures."""
    say(f"{run.folder}  validation top-1 {run.validation_top1}  n {run.validation_n}")


def tables(run: Run) -> list[HtmlTable]:
    """Return the run's facts, for a notebook."""
    channels, height, width = run.input_shape
    rows = [
        ("folder", str(run.folder)),
        ("validation top-1", f"{run.validation_top1}, n {run.validation_n:,}"),
        ("net", f"{run.recipe.net.name}, {run.params:,} parameters, {run.macs:,} MACs"),
        ("input", f"{height} x {width} x {channels}"),
        ("classes", ", ".join(run.labels)),
        ("data", run.recipe.data.name),
        ("epochs", str(run.recipe.epochs)),
        ("trained in", f"{run.train_seconds:.0f} s" + (f", {run.training}" if run.training else "")),
    ]
    return [HtmlTable(f"run {run.name}", (), rows)]
