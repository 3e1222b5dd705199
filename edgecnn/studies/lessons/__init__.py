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
    """The size of a lesson, and its folders."""

    folder: Path
    """Folder that figures are written into."""
    runs: Path
    """Folder of the trainings, kept so that a lesson that was stopped can continue."""
    quick: bool
    """Whether to measure the small form: under a minute on one core, with coarse numbers."""


@dataclass(frozen=True, kw_only=True)
class LessonResult:
    """The results of a lesson."""

    numbers: tuple[Number, ...]
    claims: tuple[Claim, ...]
    pictures: Mapping[str, str]
    """File name of a figure in the setting's folder -> its caption."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Everything that determines the numbers: data, nets, epochs, seeds."""


class Teachable(Protocol):
    """The contract of a module in `topics`."""

    TITLE: str
    """One sentence that says what the lesson is about."""

    def measure(self, setting: Setting) -> LessonResult:
        """Train and measure.

        Raises:
            EdgecnnError: data or a package is missing.
        """
        ...


KIND = plugins.PluginKind("edgecnn.studies.lessons.topics", "lesson", Teachable)


def get(name: str) -> Teachable:
    """Return the lesson of that name.

    Raises:
        UsageError: there is none; the hint lists the known names.
    """
    return cast(Teachable, KIND.load(name))
