"""A table of what driving a fleet costs the driver, made from bench/results/fleet.json."""

from __future__ import annotations

from typing import Any

import record
from reading import table

COLUMNS = (("seconds", 1.0, "s"), ("cpu_seconds", 1.0, "s of CPU"), ("driver_peak_rss_bytes", 1e-6, "MB"))


def fleet() -> str:
    """A row for each size, the straight lines through them, and how it was had."""
    result = record.read("fleet.json")
    runs: list[dict[str, Any]] = result["runs"]
    rows = []
    for size in sorted({run["boards"] for run in runs}):
        same = [run for run in runs if run["boards"] == size]
        cells = [_each([scale * run[key] for run in same]) for key, scale, _ in COLUMNS]
        worker = max(run["largest_worker_peak_rss_bytes"] for run in same) / 1e6
        disk = sum(run["record_bytes"] for run in same) / len(same) / 1e3
        rows.append((f"{size:,}", str(len(same)), *cells, f"{worker:.1f}", f"{disk:,.0f}"))
    lines = result["lines"]
    head = ("boards", "n", "s", "s of CPU", "MB of the driver", "MB of a worker", "kB of records")
    return (
        f"{table(head, rows)}\n"
        f"Straight lines through these: {1e3 * lines['seconds']['per_board']:.0f} ms a board "
        f"({lines['seconds']['largest_deviation_percent']:.0f} % off at most), "
        f"{1e3 * lines['cpu_seconds']['per_board']:.0f} ms of CPU a board "
        f"({lines['cpu_seconds']['largest_deviation_percent']:.0f} %), "
        f"{lines['driver_peak_rss_bytes']['per_board'] / 1e3:.1f} kB of the driver's memory a board "
        f"({lines['driver_peak_rss_bytes']['largest_deviation_percent']:.1f} %). "
        f"{result['jobs']} boards at a time, {result['canaries']} canaries; {record.how(result)}.\n"
    )


def _each(values: list[float]) -> str:
    """Every run's value: an interval of so few would say less."""
    return ", ".join(f"{value:,.1f}" for value in sorted(values))
