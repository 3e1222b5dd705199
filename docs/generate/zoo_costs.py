"""The table of costs of the zoo's int8 TFLite files on two boards and here, and of which nothing beats at its price."""

from __future__ import annotations

import chart
import record
import zoo

from edgecnn.common import console
from edgecnn.pipeline.bench import show
from edgecnn.records import environment, report
from edgecnn.records.report import Report
from edgecnn.records.run import Run

PARTS = ("zoo", "zoo-colour")
"""Beginnings of the names of the benches on boards, one for each data set."""
HERE = "zoo-here.json"


def zoo_costs() -> str:
    """Return the table, each data set's models by their instructions on the Pi 5, and where its commands are."""
    benches = {
        board: [report.read(record.RESULTS / f"{part}-{board}.json") for part in PARTS] for board in chart.BOARDS
    }
    here = report.read(record.RESULTS / HERE)
    costs = {board: _costs(read) for board, read in benches.items()} | {"here": _costs([here])}
    models = zoo.models()
    top1 = {run.name: _top1(run) for run in models}
    models = sorted(models, key=lambda run: (run.recipe.data.name, costs["pi5"][run.name]))
    alike: dict[str, list[str]] = {}
    for run in models:
        alike.setdefault(run.recipe.data.name, []).append(run.name)
    fronts = {
        place: {name for names in alike.values() for name in chart.front({name: own[name] for name in names}, top1)}
        for place, own in costs.items()
    }
    rows = [
        [
            run.name,
            f"{top1[run.name]:.2f}",
            *(f"{costs[board][run.name] / 1e3:,.0f}" for board in chart.BOARDS),
            f"{1000 * costs['here'][run.name]:.1f}",
            ", ".join(place for place in costs if run.name in fronts[place]) or "-",
        ]
        for run in models
    ]
    head = [
        "model",
        "int8 top-1 %",
        *(f"{board}, k instructions" for board in chart.BOARDS),
        "here, µs",
        "nothing is as right for less on",
    ]
    machine = f"{environment.machine_name(here.environment)}, fingerprint {environment.fingerprint(here.environment)}"
    return (
        console.markdown_table(head, rows)
        + f"\nInstructions of one picture are counted on emulated cores; here is {machine}, {show.how(here)}, medians. "
        f"{here.date[:10]}; commands, versions and samples are in `bench/results/zoo-*.json`.\n"
    )


def _costs(reports: list[Report]) -> dict[str, float]:
    """Return model -> instructions of one picture, or ms where time is kept."""
    costs = {}
    for read in reports:
        for measured in read.measurements:
            if measured.format == "tflite" and measured.precision == "int8":
                cost = measured.summary.instructions_p50 or measured.summary.p50_ms
                assert cost is not None
                costs[chart.model_of(measured)] = cost
    return costs


def _top1(run: Run) -> float:
    verdict = zoo.int8_file(run).verdict
    assert verdict is not None
    return verdict.top1_percent
