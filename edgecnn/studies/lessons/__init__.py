"""Lessons: a file here is a claim of the textbook, measured on real nets. Contract: `Teachable`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, cast

from edgecnn.common import plugins
from edgecnn.studies.findings import Claim, Number


@dataclass(frozen=True, kw_only=True)
class Setting:
    """How large a lesson is measured, and where."""

    folder: Path
    """Pictures are written into it."""
    runs: Path
    """Finished trainings are kept here, so that a lesson that was stopped goes on."""
    quick: bool
    """Small form: under a minute on one core, its numbers coarse."""


@dataclass(frozen=True, kw_only=True)
class Found:
    """What a lesson hands back."""

    numbers: tuple[Number, ...]
    claims: tuple[Claim, ...]
    pictures: Mapping[str, str]
    """File name in the setting's folder -> caption."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Data, nets, epochs, seeds: all that decides the numbers."""


class Teachable(Protocol):
    """What a file of this folder provides."""

    TITLE: str
    """What it is about, one sentence."""

    def measure(self, setting: Setting) -> Found:
        """Train and measure. Raises EdgecnnError when data or a package is missing."""
        ...


KIND = plugins.Kind("edgecnn.studies.lessons.topics", "lesson", Teachable)


def get(name: str) -> Teachable:
    """The lesson of that name; a UsageError lists the known ones."""
    return cast(Teachable, KIND.load(name))
