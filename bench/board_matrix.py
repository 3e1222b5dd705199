"""Every file of some runs on every emulated board, over several boots: how bench/results/boards.json is made.

    python bench/board_matrix.py RUN... --boards pi3,pi4,pi5 --boots 3 --limit 3000,pi4=10000 -o RESULTS.json

Measured are, on the board: accuracy, every output against this machine's (int8 to the last bit, fp32 on the
golden pictures within 1e-5), peak memory, and instructions per inference with their spread over the boots.
Each (board, boot, file) is kept in a folder beside the output as soon as it is measured, so the same command
goes on where it was stopped, and two commands for different boards can run at once. Exit code 1 says that
outputs differ, or that counts of two boots lie more than 0.1 % apart.
"""

from __future__ import annotations

import argparse
import dataclasses
import datetime
import json
import shlex
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import board_matrix_show as show
import numpy as np

from edgecnn import boards
from edgecnn.boards import Board
from edgecnn.common import config, console, files
from edgecnn.common.stats import quantile
from edgecnn.errors import EdgecnnError, UsageError
from edgecnn.onboard.runner import selftest
from edgecnn.pipeline.bench import bench, candidates, instruction_counts, report_warnings
from edgecnn.pipeline.bench.candidates import Candidate, job_of
from edgecnn.pipeline.bench.test_inputs import Shelf, Stimuli, golden_vectors
from edgecnn.records import environment, measurement, plans
from edgecnn.records.environment import Environment
from edgecnn.records.measurement import Accuracy, Count, Golden
from edgecnn.records.plans import Suite
from edgecnn.records.report import Report

HERE = "local"


@dataclass(frozen=True, kw_only=True)
class Part:
    """One file on one board in one boot."""

    sha256: str
    pictures: int | None
    """How many the accuracy is on; None for a boot that only counts."""
    count: Count | None = None
    accuracy: Accuracy | None = None
    golden: Golden | None = None
    differences: Golden | None = None
    """From this machine's outputs of all those pictures, where their digests differ."""


class Matrix:
    """The measurements so far: one small file each, under the output's name."""

    def __init__(self, folder: Path) -> None:
        self._folder = files.make_folder(folder)

    def part(self, board: str, boot: int, candidate: Candidate, pictures: int | None) -> Part | None:
        path = self._path(board, boot, candidate, pictures)
        part = config.build(Part, json.loads(path.read_text(encoding="utf-8")), path.name) if path.is_file() else None
        wanted = (candidate.artifact.description.sha256, pictures)
        return part if part and (part.sha256, part.pictures) == wanted else None

    def keep(self, board: str, boot: int, candidate: Candidate, part: Part) -> None:
        files.write_json(self._path(board, boot, candidate, part.pictures), dataclasses.asdict(part))

    def keep_machine(self, board: str, machine: Environment) -> None:
        files.write_json(self._folder / f"{board}.json", environment.to_table(machine))

    def machine(self, board: str) -> Environment:
        return environment.from_table(json.loads((self._folder / f"{board}.json").read_text(encoding="utf-8")))

    def _path(self, board: str, boot: int, candidate: Candidate, pictures: int | None) -> Path:
        shown = f"-{pictures}" if board == HERE and pictures else ""  # boards may be shown different numbers
        return self._folder / f"{board}-{boot}-{candidate.name.replace('/', '_')}-{candidate.runtime}{shown}.json"


def measure(matrix: Matrix, board: str, boot: int, targets: Sequence[Candidate], plan: Suite, limits: Limits) -> None:
    """Measure what is missing, in one boot. Only the first boot scores; the others count."""
    todo = [
        candidate
        for candidate in targets
        if matrix.part(board, boot, candidate, limits.pictures_of(candidate, boot)) is None
    ]
    if not todo:
        return
    name = HERE if board == HERE else f"emulated:{board}"
    with boards.open_board(name) as machine, tempfile.TemporaryDirectory(prefix="edgecnn-") as scratch:
        matrix.keep_machine(board, machine.facts())
        shelves: dict[int | None, Shelf] = {}
        for candidate in todo:
            pictures = limits.pictures_of(candidate, boot)
            shelf = shelves.setdefault(pictures, Shelf(Path(scratch, str(pictures)), pictures))
            fresh = dataclasses.replace(candidate, counts=[])
            stimuli = shelf.take(candidate.data, candidate.artifact) if candidate.data and boot == 0 else None
            bench.score(machine, fresh, plan, stimuli, golden_vectors(candidate.artifact, Path(scratch)))
            if fresh.error:
                raise fresh.error
            part = Part(
                sha256=candidate.artifact.description.sha256,
                pictures=pictures,
                count=fresh.counts[0] if fresh.counts else None,
                accuracy=fresh.accuracy,
                golden=fresh.golden,
                differences=differences(machine, matrix, fresh, plan, pictures, stimuli),
            )
            matrix.keep(board, boot, candidate, part)
            console.note(f"{board}, boot {boot + 1}: {candidate.name} {_seen(fresh)}")


def differences(
    machine: Board, matrix: Matrix, candidate: Candidate, plan: Suite, pictures: int | None, stimuli: Stimuli | None
) -> Golden | None:
    """Compare an integer file's outputs with this machine's: how many values differ, and how far; None if none does."""
    here = matrix.part(HERE, 0, candidate, pictures)
    if stimuli is None or candidate.accuracy is None or here is None or here.accuracy is None:
        return None
    if (
        candidate.artifact.description.precision != "int8"
        or candidate.accuracy.outputs_sha256 == here.accuracy.outputs_sha256
    ):
        return None
    job = dataclasses.replace(job_of(candidate, plan), replay=stimuli.test.images)
    with boards.open_board(HERE) as local:
        expected = np.array(local.run(job).replay, dtype=candidate.artifact.description.output.dtype)
    comparison = dataclasses.asdict(selftest.compare(np.array(machine.run(job).replay, dtype=expected.dtype), expected))
    del comparison["sentence"]
    return Golden(**comparison)


def numbers(text: str | None, boards: Sequence[str]) -> dict[str, int | None]:
    """Text such as "3000,pi4=10000" -> a number for each board; None, for all pictures, where nothing is said."""
    limits: dict[str, int | None] = dict.fromkeys(boards)
    for part in sorted(text.split(","), key=lambda part: "=" in part) if text else ():
        board, _, number = part.rpartition("=")
        if not number.isdecimal() or (board and board not in limits):
            raise UsageError(f"{part!r} is no number of pictures for {', '.join(boards)}.", "--limit 3000,pi4=10000")
        limits |= dict.fromkeys([board] if board else boards, int(number))
    return limits


@dataclass(frozen=True)
class Limits:
    """Test pictures to score on one board; a float file takes several times as long in the emulator."""

    int8: int | None
    fp32: int | None

    def pictures_of(self, candidate: Candidate, boot: int) -> int | None:
        if boot:
            return None
        return self.fp32 if candidate.artifact.description.precision == "fp32" else self.int8


def assembled(
    matrix: Matrix, board: str, boots: int, targets: Sequence[Candidate], plan: Suite, limits: Limits, command: str
) -> Report:
    """A report of one board, its counts those of all boots."""
    machine = matrix.machine(board)
    whole = []
    for candidate in targets:
        parts = [matrix.part(board, boot, candidate, limits.pictures_of(candidate, boot)) for boot in range(boots)]
        counts = [part.count for part in parts if part and part.count]
        first = parts[0]
        assert first is not None
        whole.append(dataclasses.replace(candidate, counts=counts, accuracy=first.accuracy, golden=first.golden))
    measurements = tuple(candidates.measurement(candidate, plan, machine) for candidate in whole)
    return Report(
        board=f"emulated:{board}",
        date=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        command=command,
        environment=machine,
        suite=config.table_of(plan),
        measurements=measurements,
        failures=(),
        warnings=report_warnings.warnings(measurements),
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("runs", nargs="+", type=Path, help="run folders")
    parser.add_argument("--boards", default="pi3,pi4,pi5", help="pi3,pi4,pi5")
    parser.add_argument("--boots", type=int, default=3)
    parser.add_argument("--limit", help="test pictures for int8 files, as 3000 or 3000,pi4=10000; all by default")
    parser.add_argument("--limit-fp32", help="the same for float files; --limit by default")
    parser.add_argument("-o", "--output", type=Path, required=True, help="a .json file; .md is written beside it")
    options = parser.parse_args()
    command = shlex.join(["python", "bench/board_matrix.py", *sys.argv[1:]])
    names = options.boards.split(",")
    plan = plans.load(Suite, "default")
    matrix = Matrix(options.output.with_suffix(".parts"))
    try:
        int8, fp32 = (numbers(text, names) for text in (options.limit, options.limit_fp32 or options.limit))
        limits = {board: Limits(int8[board], fp32[board]) for board in names}
        targets = candidates.find(options.runs, plan, None)
        for board in names:
            measure(matrix, HERE, 0, targets, plan, limits[board])
            for boot in range(options.boots):
                measure(matrix, board, boot, targets, plan, limits[board])
    except EdgecnnError as error:
        console.error(error.sentence, error.hint)
        return error.exit_code
    results = [assembled(matrix, board, options.boots, targets, plan, limits[board], command) for board in names]
    against: show.Against = {}
    for board in names:
        for candidate in targets:
            here, there = (
                matrix.part(place, 0, candidate, limits[board].pictures_of(candidate, 0)) for place in (HERE, board)
            )
            measured = next(
                m for m in results[names.index(board)].measurements if _key(m) == (candidate.name, candidate.runtime)
            )
            words = show.against_here(measured, here.accuracy if here else None, there.differences if there else None)
            against[f"emulated:{board}", candidate.name, candidate.runtime] = words
    wrong = [sentence for result in results for sentence in show.complaints(result, against)]
    table = {
        "command": command,
        "here": environment.to_table(matrix.machine(HERE)),
        "boards": [show.board_table(result, against) for result in results],
        "follows": instruction_counts.sentences(results),
        "complaints": wrong,
    }
    files.write_json(options.output, table)
    files.write_text(options.output.with_suffix(".md"), show.markdown(results, against, command))
    for sentence in wrong:
        console.warn(sentence)
    return int(bool(wrong))


def _key(row: measurement.Measurement) -> tuple[str, str]:
    return row.file, row.runtime


def _seen(candidate: Candidate) -> str:
    counted = f"{quantile(sorted(candidate.counts[0].instructions), 0.5):,.0f} instructions" if candidate.counts else ""
    scored = f"{candidate.accuracy.correct} of {candidate.accuracy.n} right" if candidate.accuracy else ""
    return ", ".join(filter(None, (counted, scored)))


if __name__ == "__main__":
    sys.exit(main())
