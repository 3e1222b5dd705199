"""What benches have in common: where the outcome goes, and what to type to have it again."""

from __future__ import annotations

import contextlib
import datetime
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

from edgecnn.common import config, files, locks
from edgecnn.records import plans
from edgecnn.records.plans import Suite
from edgecnn.records.recipe import DataPlan
from edgecnn.records.run import BENCH_LOCK, is_run, open_run


def destination(targets: Sequence[Path], suite: Suite, output: Path | None, mark: str = "") -> Path | None:
    """Where the JSON goes: `output`, or the run's (or the runs' parent's) bench/ folder; None for loose files.

    `mark` ends a name that is made here. The folder is made now, so that an unwritable one is said before the work.
    """
    stamp = datetime.datetime.now(datetime.UTC).strftime("%Y%m%d-%H%M%S")
    name = f"{suite.board.replace('/', '').replace(':', '-')}-{stamp}{mark}.json"
    folders = [target for target in targets if is_run(target)]
    if output is not None:
        path = output if output.suffix == ".json" else output / name
    elif len(folders) < len(targets):
        return None
    elif len(folders) == 1:
        path = open_run(folders[0]).benches / name
    else:
        path = folders[0].parent / "bench" / name
    files.make_folder(path.parent)
    return path


@contextlib.contextmanager
def alone(path: Path | None, output: Path | None) -> Iterator[None]:
    """Hold the bench/ folder that `path` lies in; a file that the user named as `output` needs no such care.

    Raises RunError if another bench is at work there: two at a time would slow each other.
    """
    with locks.held(path.parent / BENCH_LOCK, "bench") if path and output is None else contextlib.nullcontext():
        yield


def command(targets: Sequence[Path], suite: Suite, data: DataPlan | None, *options: str) -> str:
    """The command line that measures this again: the targets, options, and every key that is not the default."""
    usual = {**config.table_of(plans.load(Suite, "default")), "name": suite.name}
    changed = {key: value for key, value in config.table_of(suite).items() if value != usual.get(key)}
    words = ["edgecnn", "bench", *(str(target) for target in targets), *options]
    if suite.input:
        words += ["--input", changed.pop("input")]  # as a setting, "16000" would be a number
    for key, value in changed.items():
        words += ["-s", f"{key}={','.join(value) if isinstance(value, list) else value}"]
    if data:
        words += ["--data", str(data.options.get("path", data.name))]
    return shlex.join(words)
