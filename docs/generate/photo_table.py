"""The table of nets for photographs, made from bench/results/photographs.json."""

from __future__ import annotations

import photographs
import record

from edgecnn.common import console
from edgecnn.records import environment

RESULT = "photographs.json"


def table() -> str:
    """Return how the nets were had, and a row for each."""
    result = record.read(RESULT)
    nets = result["nets"]
    seeds, verdict = len(nets[0]["seeds"]), nets[0]["verdicts"][0]
    return (
        f"({record.how(result)}; means over {seeds} seeds with their 95 % interval, {nets[0]['num_threads']} thread; "
        f"{verdict['n']} test pictures)\n\n"
        + console.markdown_table(photographs.HEAD, [photographs.row(net) for net in nets])
    )


def costs() -> str:
    """Return on which machines the nets were measured, and a row for each net."""
    result = record.read(RESULT)
    machines = {board: environment.from_table(machine["environment"]) for board, machine in result["machines"].items()}
    return (
        record.legend(machines)
        + f"\nlocal has the fingerprint {environment.fingerprint(machines['local'])}; times of a machine with another one "
        "are not to be compared with its.\n\n"
        + console.markdown_table(photographs.COST_HEAD, [photographs.cost_row(net) for net in result["nets"]])
    )
