"""The tables of predicted costs, made from bench/results/cost-model.json."""

from __future__ import annotations

import cost_model
import record

from edgecnn.common import config, console
from edgecnn.studies.plan import show
from edgecnn.studies.plan.records import Planned

RESULT = "cost-model.json"
BOARD = "emulated:pi5"


def table() -> str:
    """Return how the profiles were had, and a row for each board and precision."""
    result = record.read(RESULT)
    machines = "; ".join(f"{board}: {machine}" for board, machine in cost_model.machines(result).items())
    return f"({record.how(result)}; {machines})\n\n" + console.markdown_table(cost_model.HEAD, cost_model.rows(result))


def by_net() -> str:
    """Return a row for each architecture on one board."""
    return console.markdown_table(cost_model.BY_NET, cost_model.rows_by_net(record.read(RESULT), BOARD))


def planned(name: str) -> str:
    """Return what a recorded plan came to: the rows of its front, and all of its sentences."""
    journal = record.read(f"{name}.json")
    del journal["schema_version"]
    plan = config.build(Planned, journal, name)
    rows = show.rows(plan)
    front = [row[:-1] for row in rows if row[-1]]
    table = console.markdown_table(show.HEAD[:-1], front).rstrip()
    left_out = f"{len(rows) - len(front)} more nets were trained, each beside one of as many epochs that is as right for no more."
    return "\n\n".join([table, left_out, *show.sentences(plan)]) + "\n"
