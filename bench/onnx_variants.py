"""Find the spelling of int8 ONNX that is right on every CPU, and quick; makes bench/results/onnx-variants.json and .md.

    python bench/onnx_variants.py models/zoo/fashion-10k ... -o bench/results/onnx-variants.json

Of each run one quantised net is written in several ways:

    U8S8 safe      activations uint8, weights int8 that leave room for the sums of their products: what export writes
    U8S8 full      the same with weights over the whole of int8
    U8S8 7 bits    the same with weights of 7 bits, as `reduce_range` has them
    U8U8           full weights, as uint8 but for depthwise convolutions: weight_range = "full"
    S8S8           full weights, and activations as int8

For each: how many of its logits are those of a TFLite file with the same numbers, here and on emulated boards; its
latency here against "U8S8 safe", all in turns; and the instructions that an emulated ARM core takes for it. Accuracy is
that of the TFLite file, for it is what the weights are worth.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import numpy.typing as npt
import record
from torch import Tensor

from edgecnn import boards, data
from edgecnn.boards import Board
from edgecnn.common import console, files, stats
from edgecnn.errors import EdgecnnError
from edgecnn.formats.onnx import surgery
from edgecnn.onboard import measure, runtimes
from edgecnn.onboard.job import Counting, Job
from edgecnn.pipeline.export import check, exportable, weight_range
from edgecnn.records import environment, verdicts
from edgecnn.records.artifact import Artifact
from edgecnn.records.plans import ExportPlan
from edgecnn.records.run import Run, open_run

SAFE = "U8S8 safe"
VARIANTS = (SAFE, "U8S8 full", "U8S8 7 bits", "U8U8", "S8S8")
EMULATED = ("emulated:x86-64-v3", "emulated:x86-64-v2", "emulated:pi3", "emulated:pi4", "emulated:pi5")
COUNTING = Counting(num_counts=3, least_instructions=20_000_000)
ROUNDS = 12
RUNS = 50
"""Timed in a row, of each variant in each round."""


@dataclass(frozen=True)
class Pair:
    """One spelling, and the TFLite file with the same numbers."""

    onnx: Artifact
    tflite: Artifact


def variants(run: Run, folder: Path) -> dict[str, Pair]:
    """Every spelling of the run's int8 net, written into `folder`."""
    splits = data.load(run.recipe.data)
    plan = ExportPlan(name="variants", precision=("int8",))
    full = dataclasses.replace(plan, weight_range="full")
    ranges = exportable.prepare(run, splits, full)

    def both(model: exportable.Exportable, plan: ExportPlan, stem: str, *without: str) -> Pair:
        """The two files, the ONNX one `without` some steps of its making."""
        with contextlib.ExitStack() as steps:
            for step in without:
                steps.enter_context(mock.patch.object(surgery, step, _no_step))
            return Pair(*(exportable.write(model, name, "int8", plan, folder, stem) for name in ("onnx", "tflite")))

    safe = both(exportable.prepare(run, splits, plan), plan, "safe")
    with mock.patch.object(weight_range, "least_range", _seven_bits):
        seven = both(exportable.prepare(run, splits, plan), plan, "seven")
    return {
        SAFE: safe,
        "U8S8 full": both(ranges, full, "full", "weights_to_uint8"),
        "U8S8 7 bits": seven,
        "U8U8": both(ranges, full, "unsigned"),
        "S8S8": both(ranges, full, "signed", "weights_to_uint8", "activations_to_uint8"),
    }


def _no_step(model: Any) -> None:
    """Leave the graph as it is."""


def _seven_bits(weight: Tensor) -> Tensor:
    """The range (K,) in which the largest of 127 steps is the 64th."""
    return weight.detach().flatten(1).abs().amax(1) * (127 / 64)


def job(file: Artifact, **parts: Any) -> Job:
    runtime = runtimes.for_format(file.description.format)[0]
    return Job.for_artifact(file, runtime, **parts)


def exactness(pair: Pair, images: Path, expected: npt.NDArray[Any], board: Board | None) -> dict[str, float]:
    """Compare a spelling's logits on a machine with those of its TFLite file here."""
    task = job(pair.onnx, replay=str(images))
    outcome = measure.run(task) if board is None else board.run(task)
    values = np.array(outcome.replay, dtype=pair.onnx.description.output.dtype)
    parity = verdicts.parity(pair.onnx, pair.tflite, values, expected)
    assert parity is not None  # one quantised net has one output scale
    return {
        "equal_percent": 100 - parity.differing_percent,
        "max_lsb": parity.max_lsb,
        "other_answers": round(len(values) * (100 - parity.agreement_percent) / 100),
        "n": len(values),
    }


def latencies_us(pairs: Mapping[str, Pair]) -> dict[str, list[float]]:
    """Median microseconds of each spelling in each round, all taking turns."""
    sessions = {}
    for name, pair in pairs.items():
        session = runtimes.get("onnxruntime").open_session(pair.onnx.path, num_threads=1)
        session.load(measure.random_input(pair.onnx.description.input, pair.onnx.preprocessing))
        sessions[name] = session
    medians: dict[str, list[float]] = {name: [] for name in pairs}
    for _ in range(ROUNDS):
        for name, session in sessions.items():
            times = [_timed_us(session.invoke) for _ in range(RUNS)]
            medians[name].append(statistics.median(times[RUNS // 5 :]))
    return medians


def _timed_us(step: Callable[[], None]) -> float:
    start = time.perf_counter_ns()
    step()
    return (time.perf_counter_ns() - start) / 1000


def measured(run: Run, limit: int, on: Sequence[tuple[str, Board]]) -> dict[str, Any]:
    """All of one run's spellings."""
    test = data.load(run.recipe.data).test
    with tempfile.TemporaryDirectory(prefix="edgecnn-") as scratch:
        pairs = variants(run, Path(scratch))
        images = Path(scratch, "images.npy")
        np.save(images, test.images[:: max(1, len(test) // limit)][:limit])
        reference = check.reference_logits(run, test.images)
        times = latencies_us(pairs)
        table: dict[str, Any] = {"run": run.name, "spellings": {}}
        judged: dict[Path, Any] = {}
        for name, pair in pairs.items():
            if pair.tflite.path not in judged:
                judged[pair.tflite.path] = dataclasses.asdict(check.check(pair.tflite, test, reference, 100.0))
            expected = np.array(measure.run(job(pair.tflite, replay=str(images))).replay)
            expected = expected.astype(pair.tflite.description.output.dtype)
            ratios = sorted(a / b for a, b in zip(times[name], times[SAFE], strict=True))
            low, high, _ = stats.median_interval(ratios)
            table["spellings"][name] = {
                "verdict": judged[pair.tflite.path],
                "bytes": pair.onnx.description.bytes,
                "times_us": times[name],
                "ratio": {"median": statistics.median(ratios), "low": low, "high": high},
                "local": exactness(pair, images, expected, None),
                **{board: _on_board(pair, images, expected, machine) for board, machine in on},
            }
            console.note(f"{run.name}, {name}: done")
    return table


def _on_board(pair: Pair, images: Path, expected: npt.NDArray[Any], board: Board) -> dict[str, Any]:
    numbers: dict[str, Any] = dict(exactness(pair, images, expected, board))
    if "pi" in board.name:
        outcome = board.run(job(pair.onnx, count=COUNTING))
        if outcome.count is not None:
            numbers["instructions"] = statistics.median(outcome.count.instructions)
    return numbers


def rows(tables: Sequence[dict[str, Any]], names: Sequence[str]) -> Iterator[list[str]]:
    """A line for each spelling of each run."""
    for table in tables:
        for name in VARIANTS:
            spelling, safe = table["spellings"][name], table["spellings"][SAFE]
            ratio, verdict = spelling["ratio"], spelling["verdict"]
            cells = [table["run"], name, f"{verdict['top1_percent']:.2f}", f"{verdict['drop_pp']:+.2f}"]
            cells.append(f"{ratio['median']:.2f} [{ratio['low']:.2f}, {ratio['high']:.2f}]")
            cells += [
                f"{spelling[board]['equal_percent']:.1f} ({spelling[board]['max_lsb']})" for board in ("local", *names)
            ]
            for board in names:
                if "instructions" in spelling[board]:
                    count = spelling[board]["instructions"]
                    cells.append(f"{count / 1000:,.0f} k ({count / safe[board]['instructions']:.2f})")
            yield cells


def head(tables: Sequence[dict[str, Any]], names: Sequence[str]) -> list[str]:
    short = {name: name.removeprefix("emulated:") for name in names}
    counted = [short[name] for name in names if "instructions" in tables[0]["spellings"][SAFE][name]]
    return [
        *("run", "spelling", "top-1 %", "drop pp", "latency here / safe's"),
        *(f"equal % (steps), {name}" for name in ("here", *short.values())),
        *(f"instructions, {name} (/ safe's)" for name in counted),
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("runs", nargs="+", type=Path, help="run folders")
    parser.add_argument("--boards", default=",".join(EMULATED), help="which, with commas between")
    parser.add_argument("--limit", type=int, default=100, help="test pictures for exactness")
    parser.add_argument("-o", "--output", type=Path, required=True, help="a .json file; a .md file goes beside it")
    options = parser.parse_args()
    names = [name for name in options.boards.split(",") if name]
    try:
        with contextlib.ExitStack() as opened:
            on = [(name, opened.enter_context(boards.open_board(name))) for name in names]
            machines = {name: board.facts() for name, board in on}
            tables = [measured(open_run(folder), options.limit, on) for folder in options.runs]
    except EdgecnnError as error:
        console.error(error.sentence, error.hint)
        return error.exit_code
    machine_tables = {name: environment.to_table(machine) for name, machine in machines.items()}
    record.write(options.output, {"limit": options.limit, "machines": machine_tables, "runs": tables})
    titles, lines = head(tables, names), list(rows(tables, names))
    legend = record.legend({"here": environment.here(), **machines})
    files.write_text(options.output.with_suffix(".md"), f"{legend}\n{console.markdown_table(titles, lines)}")
    console.table(titles, lines)
    return 0


if __name__ == "__main__":
    sys.exit(main())
