"""Helpers that the scripts of this folder share: a result with its command, date and machine, and runs of seeds."""

from __future__ import annotations

import datetime
import json
import os
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgecnn.common import files
from edgecnn.errors import RunError
from edgecnn.records import environment
from edgecnn.records.environment import Environment
from edgecnn.records.run import Run, open_run

KERNELS = ("ONEDNN_MAX_CPU_ISA", "ATEN_CPU_CAPABILITY", environment.CPUINFO)
"""Environment variables that make a CPU compute as an older one: part of a command, where they are set."""
RESULTS = Path(__file__).resolve().parent / "results"


def write(output: Path, result: dict[str, Any]) -> None:
    """`found` as JSON, after the command line that is running, the date and the machine."""
    files.write_json(
        output,
        {
            "command": " ".join(
                [*_kernels(), shlex.join(["python", f"bench/{Path(sys.argv[0]).name}", *sys.argv[1:]])]
            ),
            "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "environment": environment.to_table(environment.here()),
            **result,
        },
    )


def _kernels() -> list[str]:
    return [f"{name}={shlex.quote(os.environ[name])}" for name in KERNELS if name in os.environ]


def read(name: str) -> dict[str, Any]:
    """A result that stands in bench/results."""
    result: dict[str, Any] = json.loads((RESULTS / name).read_text(encoding="utf-8"))
    return result


def how(table: dict[str, Any]) -> str:
    """Return the command, date and machine of a result, for a sentence."""
    return f"`{table['command']}`; {table['date'][:10]}, {machine(environment.from_table(table['environment']))}"


def machine(facts: Environment) -> str:
    """A machine for a sentence: its name with the instruction set, and its cores."""
    return f"{environment.machine_name(facts)}, {facts.cores} core{'s' * (facts.cores != 1)}"


def legend(machines: Mapping[str, Environment]) -> str:
    """Return the machine behind each board of a table, a line each, as Markdown."""
    return "".join(f"- {name.removeprefix('emulated:')}: {machine(facts)}\n" for name, facts in machines.items())


def seeds(folder: Path) -> list[Run]:
    """The finished runs of `edgecnn train --repeats`. Raises RunError for fewer than two."""
    runs = [open_run(path.parent) for path in sorted(folder.glob("seed-*/run.json"))]
    if len(runs) < 2:
        raise RunError(f"{folder} does not hold the runs of at least two seeds.", "edgecnn train RECIPE --repeats 3")
    return runs


def num_threads(run: Run) -> int:
    """Return how many threads a run was trained with; its recipe names them if the run does not tell."""
    threads = run.training.num_threads if run.training else run.recipe.num_threads
    if threads == "auto":
        raise RunError(f"{run.folder} does not tell with how many threads it was trained.")
    return threads
