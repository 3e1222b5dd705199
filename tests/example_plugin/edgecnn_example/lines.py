"""lines: a tracker that writes a line of text for whatever it is told."""

from __future__ import annotations

from pathlib import Path

from edgecnn.pipeline.train.trackers import Ending, Metrics, TrackedTraining


def check() -> None:
    """Need nothing."""


def begin(training: TrackedTraining) -> Lines:
    """Begin the file anew, with the epochs before a resume."""
    log = Lines(training.folder / "lines.txt")
    log.path.write_text(f"{training.name}: {len(training.recipe)} keys\n", encoding="utf-8")
    for metrics in training.history:
        log.epoch(metrics)
    return log


class Lines:
    """The file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.shown_by = f"cat {path}"

    def epoch(self, metrics: Metrics) -> None:
        """Write an epoch."""
        self._write(f"epoch {metrics['epoch']}")

    def end(self, ending: Ending, result: Metrics) -> None:
        """Write how it ended."""
        self._write(ending)

    def _write(self, line: str) -> None:
        with self.path.open("a", encoding="utf-8") as stream:
            print(line, file=stream)
