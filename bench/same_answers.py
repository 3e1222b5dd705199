"""Check that int8 files answer the same on every CPU; makes bench/results/same-answers.json and .md.

    python bench/same_answers.py models/zoo/* runs/demo/* --limit 500,colour-30k=3000 -o bench/results/same-answers.json

Of each run the int8 files are shown the same test pictures here and on every board; what they put out is held against
what the int8 TFLite file puts out here. Where it is more than one step away, the first layer that differs is named: of
the file there from the file here, and of the file here from the TFLite file. A run's rows are kept in a folder beside
the output as soon as they are measured, so the same command goes on where it was stopped. Exit code 1: a file is
neither within a step of the TFLite file nor has a layer named, or its top-1 is more than 0.1 pp away.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import record

from edgecnn.checks.verify import verify
from edgecnn.checks.verify.compare import HERE
from edgecnn.checks.verify.matrix import Answer, Difference, Matrix
from edgecnn.common import config, console, files
from edgecnn.errors import EdgecnnError, RunError, UsageError
from edgecnn.records import environment
from edgecnn.records.environment import Environment
from edgecnn.records.run import Run, open_run

BOARDS = ("emulated:x86-64-v3", "emulated:x86-64-v2", "emulated:pi3", "emulated:pi4", "emulated:pi5")
Part = tuple[list["Row"], dict[str, Environment]]
"""The rows of one run on one board, and the machines they are of."""
MOST_LSB = 1
MOST_PP = 0.1
HEAD = ("file", "machine", "equal logits %", "steps apart", "other answers", "top-1 pp", "first layer that differs")


@dataclass(frozen=True, kw_only=True)
class Row:
    """One file on one machine, against the int8 TFLite file here."""

    file: str
    sha256: str
    board: str
    n: int
    equal_percent: float
    """Share of the logits that are equal."""
    max_lsb: int
    """Largest difference of two logits, in steps of their scale."""
    other_answers: int
    """Pictures with another top-1 class."""
    top1_percent: float
    top1_pp: float
    """Top-1 less that of the TFLite file here, in percentage points."""
    layer: str
    """The first layer that differs, of so many, and by what; "" where all are equal."""

    @property
    def is_same(self) -> bool:
        """Within a step, or with the layer named, and as accurate."""
        return (self.max_lsb <= MOST_LSB or bool(self.layer)) and abs(self.top1_pp) <= MOST_PP


def measure(run: Run, boards: Sequence[str], limit: int) -> Part:
    """The rows of one run, and the machines they are of. Raises RunError if it has no int8 file of both formats."""
    paths = [run.artifacts / f"{run.name}-int8{mixed}.{end}" for mixed in ("", "-mixed") for end in ("tflite", "onnx")]
    paths = [path for path in paths if path.is_file()]
    if len(paths) < 2:
        raise RunError(f"{run.folder} does not hold an int8 file of both formats.", f"edgecnn export {run.folder}")
    matrix = verify.verify(paths, boards, run.recipe.data, limit)
    return list(_rows(matrix)), dict(matrix.environments)


def _rows(matrix: Matrix) -> Iterator[Row]:
    first = matrix.answers[0]
    apart = {(difference.before, difference.after): difference for difference in matrix.differences}
    for answer in matrix.answers[1:]:
        against = apart[first.name, answer.name]
        assert against.parity is not None  # both files have one output scale
        yield Row(
            file=answer.file,
            sha256=answer.sha256,
            board=answer.board,
            n=matrix.n,
            equal_percent=100 - against.parity.differing_percent,
            max_lsb=against.parity.max_lsb,
            other_answers=round(matrix.n * (100 - against.parity.agreement_percent) / 100),
            top1_percent=answer.top1_percent,
            top1_pp=answer.top1_percent - first.top1_percent,
            layer=_layer(answer, matrix, apart),
        )


def _layer(answer: Answer, matrix: Matrix, apart: dict[tuple[str, str], Difference]) -> str:
    """Return the layer at which a file leaves the TFLite file here: by its format, by the machine, or by both."""
    here = next(other for other in matrix.answers if other.board == HERE and other.sha256 == answer.sha256)
    pairs = [(matrix.answers[0], here, "from TFLite")]
    pairs += [(here, answer, "from here")] if answer.board != HERE else []
    words = []
    for before, after, which in pairs:
        difference = apart.get((before.name, after.name))
        if difference is not None and difference.layer is not None:
            layer = difference.layer
            words.append(f"{which}: {layer.after_operator} {layer.depth} of {layer.layers}, {layer.max_lsb} LSB")
    return "; ".join(words)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("runs", nargs="+", type=Path, help="run folders")
    parser.add_argument("--boards", default=",".join(BOARDS), help="which, with commas between")
    parser.add_argument("--limit", default="500", help="test pictures of each run, as 500 or 500,colour-30k=3000")
    parser.add_argument("-o", "--output", type=Path, required=True, help="a .json file; a .md file goes beside it")
    options = parser.parse_args()
    rows: list[Row] = []
    machines: dict[str, Environment] = {}
    try:
        runs = [open_run(folder) for folder in options.runs]
        limits = _limits(options.limit, [run.name for run in runs])
        parts = files.make_folder(options.output.with_suffix(".parts"))
        for run in runs:
            for board in (HERE, *options.boards.split(",")):
                path = parts / f"{run.name}-{board.replace(':', '-')}.json"
                part = _kept(path, run, limits[run.name]) or _measured(path, run, board, limits[run.name])
                rows += part[0]
                machines |= part[1]
    except EdgecnnError as error:
        console.error(error.sentence, error.hint)
        return error.exit_code
    tables = {name: environment.to_table(machine) for name, machine in machines.items()}
    record.write(options.output, {"rows": [dataclasses.asdict(row) for row in rows], "machines": tables})
    cells = [_cells(row) for row in rows]
    page = f"{record.legend(machines)}\n{console.markdown_table(HEAD, cells)}"
    files.write_text(options.output.with_suffix(".md"), page)
    console.table(HEAD, cells)
    failed = [f"{row.file} on {row.board}" for row in rows if not row.is_same]
    if failed:
        console.error(f"{len(failed)} of {len(rows)} do not answer the same: {', '.join(failed)}.")
    return int(bool(failed))


def _limits(text: str, runs: Sequence[str]) -> dict[str, int]:
    """Pictures of each run, from "500,colour-30k=3000". Raises UsageError for what is no such text."""
    usual, *others = text.split(",")
    limits = dict.fromkeys(runs, usual) | dict(other.partition("=")[::2] for other in others)
    if unknown := sorted(set(limits) - set(runs)) + [number for number in limits.values() if not number.isdigit()]:
        raise UsageError(f"--limit {text} holds {unknown[0]!r}, no run here and no number.", "--limit 500,NAME=3000")
    return {run: int(number) for run, number in limits.items()}


def _measured(path: Path, run: Run, board: str, limit: int) -> Part:
    """One run on one board, kept at `path`."""
    rows, machines = measure(run, [] if board == HERE else [board], limit)
    rows = [row for row in rows if row.board == board]
    table = {
        "limit": limit,
        "rows": [dataclasses.asdict(row) for row in rows],
        "machines": {name: environment.to_table(machine) for name, machine in machines.items()},
    }
    files.write_json(path, table)
    return rows, machines


def _kept(path: Path, run: Run, limit: int) -> Part | None:
    """Return what was measured before, if it was of these very files and so many pictures."""
    if not path.is_file():
        return None
    table = json.loads(path.read_text(encoding="utf-8"))
    rows = [config.build(Row, row, path.name) for row in table["rows"]]
    if table.get("limit") != limit or any(files.sha256(run.artifacts / row.file) != row.sha256 for row in rows):
        return None
    return rows, {name: environment.from_table(machine) for name, machine in table["machines"].items()}


def _cells(row: Row) -> list[str]:
    return [
        row.file,
        row.board.removeprefix("emulated:"),
        f"{row.equal_percent:.2f}",
        str(row.max_lsb),
        f"{row.other_answers} of {row.n}",
        f"{row.top1_pp:+.2f}",
        row.layer,
    ]


if __name__ == "__main__":
    sys.exit(main())
