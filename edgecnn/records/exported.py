"""The cards of the files that were exported from a run."""

from __future__ import annotations

from pathlib import Path

from edgecnn.records import artifact as artifacts
from edgecnn.records.artifact import Artifact
from edgecnn.records.run import Run


def cards(run: Run) -> list[Artifact]:
    """Read the cards of all exported files of a run."""
    return [card for path in run.exported() if path.suffix == ".json" and (card := _card(path)) is not None]


def _card(path: Path) -> Artifact | None:
    """Read a card in a run's folder; None for another .json file."""
    model = path.with_suffix("")
    return artifacts.read_card(model) if model.is_file() else None
