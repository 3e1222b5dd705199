"""The output of a sweep: its front, its failures, and how much each key matters."""

from __future__ import annotations

from edgecnn.common import console
from edgecnn.common.escapes import say
from edgecnn.studies import sweep_cells
from edgecnn.studies.findings import Sweep


def show(sweep: Sweep) -> None:
    """Print the front, what failed, how much each key matters, and what the numbers rest on."""
    if sweep.front:
        console.table(sweep_cells.head(sweep), [sweep_cells.row(trial, sweep) for trial in sweep.front])
        say()
    if sweep.importances:
        names = list(sweep.importances)
        shares = {key: [sweep.importances[name].get(key, 0.0) for name in names] for key in sweep.importances[names[0]]}
        console.table(
            (f"share of the variance (fANOVA, n {sweep.count('finished')})", *names),
            [(key, *(f"{share:.2f}" for share in values)) for key, values in shares.items()],
        )
        say()
    for sentence in sweep_cells.sentences(sweep):
        say(sentence)
