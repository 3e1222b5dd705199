"""Our median against that of `litert-benchmark`, the program that ships with ai-edge-litert, on the same files.

    python bench/peers/litert_benchmark.py FILE.tflite... --output bench/results/litert-benchmark.json

Each round runs both in fresh processes, ours first in even rounds and theirs first in odd ones. Both
time the graph alone with the input in place: ours `Interpreter.invoke`, theirs `CompiledModel.run_by_name`.
Their program rounds its results to 10 µs, more than 5 % of a small model, so it runs here with its
own `round` replaced by one that keeps all digits; nothing else of it is changed. What `run_by_name`
does around the graph (names to buffers and back) costs a few microseconds more than `invoke`, whatever
the model: the table shows that difference too.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from edgecnn import boards, formats
from edgecnn.boards import Board
from edgecnn.common import console, files, stats
from edgecnn.common.units import duration
from edgecnn.errors import EdgecnnError, EnvironmentUnfit
from edgecnn.onboard.job import Job, Timing
from edgecnn.records import environment
from edgecnn.records.foreign import assumed_preprocessing

LEAST_MS = 0.05
"""Below it a microsecond of Python on either side is more than the agreement asked for."""
AGREEMENT_PERCENT = 5.0

THEIR_PROGRAM = """
import ai_edge_litert.tools.benchmark_litert_model as program
program.round = lambda value, places: value
program.main()
"""


def ours_ms(board: Board, model: Path, timing: Timing, num_threads: int) -> float:
    description = formats.describe(model)
    job = Job(
        model=str(model.resolve()),
        input=description.input,
        output=description.output,
        preprocessing=assumed_preprocessing(description.input),
        runtime="litert",
        num_threads=num_threads,
        window=timing,
    )
    window = board.run(job).window
    assert window is not None
    return statistics.median(window.times_ms)


def theirs_ms(model: Path, timing: Timing, num_threads: int) -> float:
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder, "result.json")
        options = {
            "--model": model,
            "--num_runs": timing.num_runs,
            "--warmup_runs": timing.warmup_runs,
            "--num_threads": num_threads,
            "--result_json": result,
        }
        words = [str(word) for pair in options.items() for word in pair]
        done = subprocess.run([sys.executable, "-c", THEIR_PROGRAM, *words], capture_output=True, encoding="utf-8")
        if done.returncode or not result.is_file():
            last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
            raise EnvironmentUnfit(f"litert-benchmark failed on {model}: {last}")
        return float(json.loads(result.read_text(encoding="utf-8"))["latency"]["median_ms"])


def compare(board: Board, model: Path, timing: Timing, rounds: int, num_threads: int) -> dict[str, Any]:
    """The medians of both by round, and the ratio of ours to theirs with the interval of the rounds' ratios."""
    ours, theirs = [], []
    for round_ in range(rounds):
        if round_ % 2 == 0:
            ours.append(ours_ms(board, model, timing, num_threads))
            theirs.append(theirs_ms(model, timing, num_threads))
        else:
            theirs.append(theirs_ms(model, timing, num_threads))
            ours.append(ours_ms(board, model, timing, num_threads))
    ratios = sorted(a / b for a, b in zip(ours, theirs, strict=True))
    low, high, held = stats.median_interval(ratios)
    return {
        "file": model.name,
        "sha256": files.sha256(model),
        "ours_ms": ours,
        "theirs_ms": theirs,
        "theirs_less_ours_ms": statistics.median(b - a for a, b in zip(ours, theirs, strict=True)),
        "ratio_of_medians": statistics.median(ours) / statistics.median(theirs),
        "ratio_low": low,
        "ratio_high": high,
        "interval_percent": held,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", type=Path)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--num-runs", type=int, default=3000)
    parser.add_argument("--warmup-runs", type=int, default=100)
    parser.add_argument("--num-threads", type=int, default=1)
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    timing = Timing(warmup_runs=options.warmup_runs, num_runs=options.num_runs, min_secs=0.0)
    try:
        with boards.open_board("local") as board:
            results = [compare(board, model, timing, options.rounds, options.num_threads) for model in options.models]
            table = {
                "command": "python bench/peers/litert_benchmark.py "
                f"--rounds {options.rounds} --num-runs {options.num_runs} --warmup-runs {options.warmup_runs} "
                f"--num-threads {options.num_threads}",
                "environment": environment.to_table(board.facts()),
                "results": results,
            }
            if options.output:
                files.make_folder(options.output.parent)
                files.write_json(options.output, table)
    except EdgecnnError as error:
        console.error(error.sentence, error.hint)
        return error.exit_code
    rows, agree = [], True
    for result in results:
        ours, theirs = statistics.median(result["ours_ms"]), statistics.median(result["theirs_ms"])
        within = abs(100 * (result["ratio_of_medians"] - 1)) <= AGREEMENT_PERCENT
        agree &= within or theirs < LEAST_MS
        verdict = "under 50 µs" if theirs < LEAST_MS else "agrees" if within else "differs"
        ratio = f"{result['ratio_of_medians']:.3f} [{result['ratio_low']:.3f}, {result['ratio_high']:.3f}]"
        more = duration(result["theirs_less_ours_ms"])
        rows.append([result["file"], duration(ours), duration(theirs), more, ratio, verdict])
    console.table(
        [
            "file",
            "edgecnn p50",
            "litert-benchmark p50",
            "theirs less ours",
            "ratio [95 %]",
            f"within {AGREEMENT_PERCENT:.0f} %",
        ],
        rows,
    )
    return 0 if agree else 1


if __name__ == "__main__":
    sys.exit(main())
