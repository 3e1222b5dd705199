r"""MLPerf Tiny's two nets for wake words and keywords, held against its reference: how bench/results/tiny.json is made.

    python bench/tiny.py sounds data/tones
    edgecnn train wake-words --data shapes -s data.task=relation -s data.size=96 -s data.count=600 -s data.test=200 \
        --epochs 1
    edgecnn train keywords --data speech:data/tones -s data.words= -s data.silence=0.0 -s optim.ema=0.0 --epochs 1
    edgecnn export runs/wake-words --format tflite,onnx,c --max-drop 100      and the same for runs/keywords
    edgecnn bench runs/wake-words/artifacts/wake-words-int8.tflite runs/keywords/artifacts/keywords-int8.tflite \
        -s board=emulated:pi5 -s rounds=2 -s num_runs=20 -s min_secs=0.0 -o bench/results/tiny-pi5.json   and pi4, pi3
    python bench/tiny.py report runs/wake-words runs/keywords -o bench/results/tiny.json

Neither COCO nor Speech Commands is at hand, so stand-ins train for one epoch: their numbers are of cost, which weights
do not change, and no accuracy is taken from them.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import record

from edgecnn.common import stats
from edgecnn.errors import EdgecnnError, RunError
from edgecnn.onboard import front_end, sounds, wav_files
from edgecnn.records import artifact
from edgecnn.records.run import open_run
from edgecnn.records.sound import FrontEnd

REFERENCE = {
    "wake-words": {"parameters": 210_850, "macs": 7_489_664, "int8_tflite_kb": 333.3},
    "keywords": {"parameters": 22_604, "macs": 2_656_768, "int8_tflite_kb": 53.9},
}
"""MLPerf Tiny's trained nets: parameters with batch norm folded, MACs of one input, the size of its int8 files."""
BOARDS = ("pi3", "pi4", "pi5")
WORDS = 12
SOUNDS = 20
REPEATS = 200


def write_sounds(folder: Path) -> None:
    """Write a second of a tone, SOUNDS times for each of WORDS words."""
    rng = np.random.default_rng(0)
    for word in range(WORDS):
        place = folder / f"tone-{word:02}"
        place.mkdir(parents=True, exist_ok=True)
        for index in range(SOUNDS):
            turns = np.arange(16_000) / 16_000 * (200 + 300 * word + rng.uniform(-100, 100))
            wave = rng.uniform(2_000, 20_000) * np.sin(2 * np.pi * turns) + rng.normal(0, 50, 16_000)
            (place / f"{index:02}.wav").write_bytes(wav_files.write(np.rint(wave).astype(np.int16), 16_000))


def gather(folder: Path) -> dict[str, Any]:
    """Return what the files of a run cost beside the reference's. Raises RunError without its files or counts."""
    run = open_run(folder)
    cards = {path.name: card for path in run.exported() if (card := artifact.read_card(path)) is not None}
    try:
        int8, array = cards[f"{run.name}-int8.tflite"], cards[f"{run.name}-int8.h"]
    except KeyError as error:
        raise RunError(f"{run.folder} lacks {error}.", "edgecnn export --format tflite,onnx,c") from error
    return {
        "name": run.name,
        "input_shape": run.input_shape,
        "classes": len(run.labels),
        "parameters": run.params,
        "macs": run.macs,
        "bytes": {name: card.description.bytes for name, card in sorted(cards.items())},
        "planned_activation_peak_bytes": int8.description.planned_activation_peak_bytes,
        "micro_arena_bytes": array.description.micro_arena_bytes,
        "operators": dict(int8.description.operators),
        "instructions": {
            board: _instructions(board, int8.name)
            for board in BOARDS
            if (record.RESULTS / f"tiny-{board}.json").is_file()
        },
        "reference": REFERENCE[run.name],
    }


def _instructions(board: str, name: str) -> dict[str, Any]:
    """Return the instructions of one inference on an emulated board: every count, and the golden verdict."""
    report = record.read(f"tiny-{board}.json")
    (measurement,) = (row for row in report["measurements"] if row["file"].endswith(name))
    counts = [value for count in measurement["counts"] for value in count["instructions"]]
    return {"counts": counts, "median": stats.quantile(sorted(counts), 0.5), "golden": measurement["golden"]["verdict"]}


def timed(wanted: FrontEnd) -> list[float]:
    """Return how long the front end takes for a second of noise in a WAV file, in ms, REPEATS times."""
    noise = np.random.default_rng(0).integers(-3_000, 3_000, wanted.samples).astype(np.int16)
    content = wav_files.write(noise, wanted.sample_rate_hz)
    front_end.tables(wanted)
    times_ms = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        sounds.windows(content, wanted)
        times_ms.append(1e3 * (time.perf_counter() - start))
    return times_ms


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True, dest="command")
    commands.add_parser("sounds").add_argument("folder", type=Path)
    report = commands.add_parser("report")
    report.add_argument("runs", nargs="+", type=Path)
    report.add_argument("-o", "--output", type=Path, required=True)
    options = parser.parse_args(arguments)
    try:
        if options.command == "sounds":
            write_sounds(options.folder)
        else:
            front_end_ms = timed(FrontEnd())
            record.write(options.output, {"nets": [gather(run) for run in options.runs], "front_end_ms": front_end_ms})
    except EdgecnnError as error:
        print(f"error: {error.sentence}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
