"""Do int8 files answer the same on every CPU? How bench/results/same-answers.json and .md are made.

    python bench/same_answers.py models/zoo/* runs/demo/dscnn-digits --limit 500 -o bench/results/same-answers.json

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

from edgecnn import config, console, environment, files, parity
from edgecnn.environment import Environment
from edgecnn.errors import EdgecnnError, RunError
from edgecnn.parity.compare import HERE
from edgecnn.parity.matrix import Answer, Difference, Matrix
from edgecnn.run import Run, open_run

BOARDS = ("emulated:x86-64-v3", "emulated:x86-64-v2", "emulated:pi3", "emulated:pi4", "emulated:pi5")
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


def measure(run: Run, boards: Sequence[str], limit: int) -> tuple[list[Row], dict[str, Environment]]:
    """The rows of one run, and the machines they are of. Raises RunError if it has no int8 file of both formats."""
    paths = [run.artifacts / f"{run.name}-int8{mixed}.{end}" for mixed in ("", "-mixed") for end in ("tflite", "onnx")]
    paths = [path for path in paths if path.is_file()]
    if len(paths) < 2:
        raise RunError(f"{run.folder} does not hold an int8 file of both formats.", f"edgecnn export {run.folder}")
    matrix, _ = parity.verify(paths, boards, run.recipe.data, limit)
    return list(_rows(matrix)), dict(matrix.environments)


def _rows(matrix: Matrix) -> Iterator[Row]:
    first = matrix.answers[0]
    apart = {(one.before, one.after): one for one in matrix.differences}
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
    """Where a file leaves the TFLite file here: by its format, by the machine, or by both."""
    here = next(one for one in matrix.answers if one.board == HERE and one.sha256 == answer.sha256)
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
    parser.add_argument("--limit", type=int, default=500, help="test pictures of each run")
    parser.add_argument("-o", "--output", type=Path, required=True, help="a .json file; a .md file goes beside it")
    options = parser.parse_args()
    boards = options.boards.split(",")
    rows: list[Row] = []
    machines: dict[str, Environment] = {}
    try:
        parts = files.make_folder(options.output.with_suffix(".parts"))
        for folder in options.runs:
            run = open_run(folder)
            for board in ("", *boards):
                path = parts / f"{run.name}-{board.replace(':', '-') or HERE}.json"
                kept, machine = _kept(path) if path.is_file() else ([], {})
                if not kept:
                    kept, machine = measure(run, [board] if board else [], options.limit)
                    kept = [row for row in kept if row.board == (board or HERE)]
                    files.write_json(
                        path,
                        {
                            "rows": [dataclasses.asdict(row) for row in kept],
                            "machines": {name: environment.to_table(one) for name, one in machine.items()},
                        },
                    )
                rows += kept
                machines |= machine
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


def _kept(path: Path) -> tuple[list[Row], dict[str, Environment]]:
    table = json.loads(path.read_text())
    rows = [config.build(Row, row, path.name) for row in table["rows"]]
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
