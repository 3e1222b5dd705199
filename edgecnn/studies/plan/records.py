"""The records of a plan: its settings, and the journal that is written to its folder after every step."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgecnn.common import config, documents, files
from edgecnn.errors import RunError
from edgecnn.records.cost_profile import Unit
from edgecnn.records.gates import Gate

FILE = "journal.json"
SCHEMA_VERSION = 1
KIND = documents.Kind(
    name="plan", words="the journal of a plan", error=RunError, hint="`edgecnn plan` writes one as it works"
)


@dataclass(frozen=True, kw_only=True)
class PlanLimits:
    """The limits on the file's cost and accuracy; None is no limit."""

    max_ms: float | None = None
    max_minstr: float | None = None
    """In millions of instructions."""
    max_kb: float | None = None
    """The size of the file, 1 kB = 1000 bytes."""
    max_arena_kb: float | None = None
    """The planned peak of activations."""
    min_acc: float | None = None

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if value is not None and not value > 0:
                raise ValueError(f"{name} = {value} should be above 0")

    def cost(self, unit: Unit) -> float | None:
        """Return the largest cost in a profile's unit."""
        if unit == "ms":
            return self.max_ms
        return None if self.max_minstr is None else 1e6 * self.max_minstr


@dataclass(frozen=True, kw_only=True)
class PlanSettings:
    """The settings of a plan; it is resumed with the same."""

    recipe: Mapping[str, Any]
    """The recipe of every training, but for its net and its epochs."""
    board: str
    limits: PlanLimits
    hours: float
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """A net that fits the limits as far as is known without training it."""

    name: str
    net: str
    options: Mapping[str, Any]
    input_shape: tuple[int, int, int]
    """(C, H, W)"""
    macs: int
    parameters: int
    file_bytes: int
    """The bytes of its weights and graph."""
    arena_bytes: int
    """The planned peak of its activations."""
    predicted: float
    drafted: float | None = None
    """What a file with these layers and other weights costs, measured on the board."""
    start: str = ""
    """The weights that its trainings begin with; "" for drawn ones."""
    notes_bytes: int = 2_700
    """The bytes that labels, card and signature add to its file, at most."""

    @property
    def exported_bytes(self) -> int:
        """The bytes of its exported file, at most."""
        return self.file_bytes + self.notes_bytes

    @property
    def family(self) -> str:
        """The group that it is compared within: the nets of one design space, or the sizes of one trained net."""
        return self.start or self.net


@dataclass(frozen=True, kw_only=True)
class PlannedRun:
    """A training of a candidate, which is an ordinary run."""

    candidate: str
    epochs: int
    run: str
    """Its folder, below that of the plan."""
    validation_percent: float
    """0 if it failed."""
    validation_n: int
    seconds: float
    failed: str = ""
    """The reason why it could not be trained; "" if it was."""


@dataclass(frozen=True, kw_only=True)
class Finalist:
    """A finalist's int8 file, measured."""

    candidate: str
    file: str
    """Below the plan's folder."""
    file_bytes: int
    arena_bytes: int
    measured: float
    top1_percent: float
    top1_low_percent: float
    top1_high_percent: float
    test_n: int


@dataclass(frozen=True, kw_only=True)
class Planned:
    """All that is known so far."""

    settings: PlanSettings
    unit: Unit
    p95_percent: float
    """The prediction's stated error (`records.cost_profile`)."""
    drawn: int
    """Nets that were drawn from the design spaces."""
    fitting: int
    """How many of them are predicted within the limits."""
    rungs: tuple[tuple[int, int], ...]
    """(epochs, trainings) of each round of halving, the shortest first."""
    candidates: tuple[Proposal, ...]
    prepared_seconds: float = 0.0
    """Spent on proposals and on measuring their drafts."""
    trials: tuple[PlannedRun, ...] = ()
    exported: tuple[Finalist, ...] = ()
    gates: tuple[Gate, ...] = ()

    def candidate(self, name: str) -> Proposal:
        """Return the candidate of that name."""
        return next(candidate for candidate in self.candidates if candidate.name == name)

    def of_rung(self, epochs: int) -> tuple[PlannedRun, ...]:
        """Return the trainings of a rung that did not fail, the best on validation first and of equals the cheapest."""
        finished = [trial for trial in self.trials if trial.epochs == epochs and not trial.failed]
        return tuple(sorted(finished, key=self._rank))

    def was_tried(self, name: str, epochs: int) -> bool:
        """Return whether a candidate's training of so many epochs has ended, well or not."""
        return any(trial.candidate == name and trial.epochs == epochs for trial in self.trials)

    def longest(self) -> tuple[PlannedRun, ...]:
        """Return each candidate's longest training: those of the last rung first, and of a rung the best."""
        last = {trial.candidate: trial for epochs, _ in self.rungs for trial in self.of_rung(epochs)}
        return tuple(sorted(last.values(), key=lambda trial: (-trial.epochs, *self._rank(trial))))

    def _rank(self, trial: PlannedRun) -> tuple[float, float]:
        return -trial.validation_percent, self.candidate(trial.candidate).drafted or 0.0


def write(planned: Planned, folder: Path) -> None:
    """Write the journal, atomically."""
    files.write_json(folder / FILE, {"schema_version": SCHEMA_VERSION, **dataclasses.asdict(planned)})


def read(folder: Path) -> Planned:
    """Read the journal of a plan's folder; raises RunError if it has none."""
    path = folder / FILE
    with KIND.expected(path):
        return config.build(Planned, documents.versioned(path, SCHEMA_VERSION), path.name)
