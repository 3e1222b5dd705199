"""What the zoo's int8 TFLite files cost on two boards and here, and which of them nothing beats at their price."""

from __future__ import annotations

import record
import zoo

from edgecnn.common import console
from edgecnn.pipeline.bench import show
from edgecnn.records import environment, report
from edgecnn.records.report import Report
from edgecnn.records.run import Run

BOARDS = {"pi4": "pi4, k instructions", "pi5": "pi5, k instructions"}
PARTS = ("zoo", "zoo-colour")
"""Beginnings of the names of the benches on boards, one for each data set."""
HERE = "zoo-here.json"


def zoo_costs() -> str:
    """Return the table, each data set's models by their instructions on the Pi 5, and where its commands are."""
    benches = {board: [report.read(record.RESULTS / f"{part}-{board}.json") for part in PARTS] for board in BOARDS}
    here = report.read(record.RESULTS / HERE)
    costs = {board: _costs(read) for board, read in benches.items()} | {"here": _costs([here])}
    models = sorted(zoo.models(), key=lambda run: (run.recipe.data.name, costs["pi5"][run.name]))
    rows = [
        [
            run.name,
            f"{_top1(run):.2f}",
            *(f"{costs[board][run.name] / 1e3:,.0f}" for board in BOARDS),
            f"{1000 * costs['here'][run.name]:.1f}",
            ", ".join(place for place in costs if _is_on_front(run, models, costs[place])) or "-",
        ]
        for run in models
    ]
    head = ["model", "int8 top-1 %", *BOARDS.values(), "here, µs", "nothing is as right for less on"]
    machine = environment.machine_name(here.environment)
    return (
        console.markdown_table(head, rows)
        + f"\nInstructions of one picture are counted on emulated cores; here is {machine}, {show.how(here)}, medians. "
        f"{here.date[:10]}; commands, versions and samples are in `bench/results/zoo-*.json`.\n"
    )


def _costs(reports: list[Report]) -> dict[str, float]:
    """Return model -> instructions of one picture, or ms where time is kept."""
    costs = {}
    for read in reports:
        for one in read.measurements:
            if one.format == "tflite" and one.precision == "int8":
                name = (one.run or one.file).rpartition("/")[2].removeprefix("zoo:")
                cost = one.summary.instructions_p50 or one.summary.p50_ms
                assert cost is not None
                costs[name] = cost
    return costs


def _top1(run: Run) -> float:
    verdict = zoo.int8_file(run).verdict
    assert verdict is not None
    return verdict.top1_percent


def _is_on_front(run: Run, models: list[Run], costs: dict[str, float]) -> bool:
    """Return whether no other model for such pictures is at least as accurate and costs no more."""
    return not any(
        other.name != run.name
        and other.recipe.data.name == run.recipe.data.name
        and _top1(other) >= _top1(run)
        and costs[other.name] <= costs[run.name]
        for other in models
    )
