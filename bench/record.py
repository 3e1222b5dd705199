"""What the scripts of this folder share: a result with its command, date and machine, and the runs of several seeds."""

from __future__ import annotations

import datetime
import shlex
import sys
from pathlib import Path
from typing import Any

from edgecnn import environment, files
from edgecnn.errors import RunError
from edgecnn.run import Run, open_run


def write(output: Path, found: dict[str, Any]) -> None:
    """`found` as JSON, after the command line that is running, the date and the machine."""
    files.write_json(
        output,
        {
            "command": shlex.join(["python", f"bench/{Path(sys.argv[0]).name}", *sys.argv[1:]]),
            "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "environment": environment.to_table(environment.here()),
            **found,
        },
    )


def seeds(folder: Path) -> list[Run]:
    """The finished runs of `edgecnn train --repeats`. Raises RunError for fewer than two."""
    runs = [open_run(path.parent) for path in sorted(folder.glob("seed-*/run.json"))]
    if len(runs) < 2:
        raise RunError(f"{folder} does not hold the runs of at least two seeds.", "edgecnn train RECIPE --repeats 3")
    return runs
