"""Many files measured on a board: in few processes where instructions are counted, in fresh ones where time is."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path

from edgecnn import formats
from edgecnn.boards import Board
from edgecnn.common import console, scratch, stats
from edgecnn.onboard.job import FileSurvey, Job
from edgecnn.records.cost_profile import Unit

AT_ONCE = 40
"""Files of one process."""
ROUNDS = 5
"""Processes that time each file; they take turns with those of all others."""
PASSES = 3
LEAST_INSTRUCTIONS = 300_000
QUANTILE = 0.1
"""The quantile of a file's times that counts as its cost: disturbances make times longer, never shorter."""


def unit_of(board: Board) -> Unit:
    """Return what is measured on a board: instructions where it keeps no time of its own."""
    return "ms" if board.keeps_time else "instructions"


def measure(board: Board, contents: Mapping[str, bytes], runtime: str, num_threads: int) -> dict[str, float]:
    """Return what each file costs there, in milliseconds or instructions.

    Args:
        board: The board.
        contents: TFLite files by their names.
        runtime: The runtime that runs them.
        num_threads: Its threads.

    Raises:
        ModelFileError: The runtime refuses a file.
        EnvironmentUnfit: The board can neither time nor count.
    """
    unit = unit_of(board)
    names = sorted(contents)
    chunks = [names[start : start + AT_ONCE] for start in range(0, len(names), AT_ONCE)]
    rounds, passes = (ROUNDS, PASSES) if unit == "ms" else (1, 1)
    costs: dict[str, list[float]] = {name: [] for name in names}
    with console.progress("measuring", rounds * len(chunks)) as advance:
        for _ in range(rounds):
            for chunk in chunks:
                measured = _survey(
                    board, [(name, contents[name]) for name in chunk], unit, passes, runtime, num_threads
                )
                for name, values in zip(chunk, measured, strict=True):
                    costs[name] += values
                advance(1)
    if unit == "instructions":
        return {name: statistics.median(values) for name, values in costs.items()}
    return {name: stats.quantile(sorted(values), QUANTILE) for name, values in costs.items()}


def _survey(
    board: Board, chunk: Sequence[tuple[str, bytes]], unit: Unit, passes: int, runtime: str, num_threads: int
) -> Sequence[Sequence[float]]:
    with scratch.folder() as folder:
        paths = []
        for place, (_, content) in enumerate(chunk):
            paths.append(Path(folder) / f"{place:03}.tflite")
            paths[-1].write_bytes(content)
        known = [formats.known(path, None).artifact for path in paths]
        survey = FileSurvey(
            folder=str(folder),
            inputs=tuple(artifact.description.input for artifact in known),
            passes=passes,
            unit=unit,
            least_instructions=LEAST_INSTRUCTIONS,
        )
        return board.run(Job.for_artifact(known[0], runtime, num_threads, survey=survey)).survey
