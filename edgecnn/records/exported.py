"""The exported files of a run, and which is meant where the run is named: by format and precision."""

from __future__ import annotations

from pathlib import Path

from edgecnn.common import magic
from edgecnn.errors import ModelFileError, RunError, UsageError
from edgecnn.records import artifact as artifacts
from edgecnn.records.artifact import Artifact
from edgecnn.records.run import Run, is_run, open_run


def choose(target: Path, format_name: str, precision: str) -> Artifact:
    """Choose an exported file: `target` itself, or the run's file of that format and precision.

    A run without a pure int8 file gives its `int8-mixed` file.

    Raises:
        UsageError: There is no such target, or the run has no such file or several.
        RunError: The target is a folder but not a run.
        ModelFileError: The file has no card, or is not a model.
    """
    if not is_run(target):
        if target.is_dir():
            raise RunError(f"{target} is not a run folder: it holds no recipe.toml.", "name a run or a model file")
        if not target.is_file():
            raise UsageError(f"There is neither a run nor a file {target}.", "`edgecnn train` makes runs under runs/")
        card = artifacts.read_card(target)
        if card is None:
            magic.format_of(target)  # this raises for a file that is not a model
            raise ModelFileError(f"{target} has no card, so nobody knows what it takes.", "name an exported file")
        return card
    run = open_run(target)
    exported = cards(run)
    known = sorted({f"{card.description.format} {card.description.precision}" for card in exported})
    for wanted in (precision, f"{precision}-mixed"):
        fits = [c for c in exported if c.description.format == format_name and c.description.precision == wanted]
        if len(fits) > 1:
            names = ", ".join(str(card.path) for card in fits)
            raise UsageError(f"{run.name} has {len(fits)} files that fit.", f"name one of them: {names}")
        if fits:
            return fits[0]
    hint = f"it has: {', '.join(known)}" if known else f"edgecnn export {target}"
    raise UsageError(f"{run.name} has no {format_name} file in {precision}.", hint)


def cards(run: Run) -> list[Artifact]:
    """Read the cards of all exported files of a run."""
    return [card for path in run.exported() if path.suffix == ".json" and (card := _card(path)) is not None]


def _card(path: Path) -> Artifact | None:
    """Read a card in a run's folder; None for another .json file."""
    model = path.with_suffix("")
    return artifacts.read_card(model) if model.is_file() else None
