"""Runtimes: a file here is an inference engine. Contract: `Runtime`. Needs NumPy and the engine, never torch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast

import numpy.typing as npt

from edgecnn.common import plugins


class Session(Protocol):
    """A model that is loaded and ready. Its three steps are apart so that each can be timed alone."""

    def load(self, x: npt.NDArray[Any]) -> None:
        """Copy one batch in, in the input tensor's dtype, shape and layout."""
        ...

    def invoke(self) -> None:
        """Run the graph on what was loaded last. Releases the GIL."""
        ...

    def fetch(self) -> npt.NDArray[Any]:
        """The output tensor of the last `invoke`, copied."""
        ...

    def __call__(self, x: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """All three."""
        ...


@dataclass(frozen=True, kw_only=True)
class KernelProfile:
    """One operator, as the engine's own profiler tells it."""

    place: int
    """In the lowered file."""
    operator: str
    dtypes: tuple[str, ...]
    """Of its outputs."""
    shapes: tuple[tuple[int, ...], ...]
    times_ms: tuple[float, ...]
    """Every run, the first few, which still grow the engine's memory, left out."""


class Runtime(Protocol):
    """What a file of this folder provides."""

    FORMATS: tuple[str, ...]
    PACKAGE: str
    """The distribution a machine needs to install."""
    ON_BOARDS: bool
    """False for an engine that stands in for another machine on this one: no board needs it, and how long it takes
    says nothing. A bench takes it when it is asked for its files by name."""

    def import_engine(self) -> None:
        """Import the engine, so that `open_session` can be timed without it. Raises MissingPackage."""
        ...

    def open_session(self, path: Path, num_threads: int, lowered: bool = False, output: str | None = None) -> Session:
        """Load a model file; a lowered one is run as it is, with nothing left to optimise.

        `output` names the one of several outputs that is fetched; without it, or if there is none of that name (a
        part of a file ends elsewhere), it is the first.

        Raises ModelFileError if the engine refuses it, MissingPackage without an engine.
        """
        ...

    def lower(self, path: Path, target: Path) -> None:
        """Write the graph as the engine executes it here, fused and laid out for this CPU, as a model file."""
        ...

    def profile(self, lowered: Path, num_threads: int, x: npt.NDArray[Any], num_runs: int) -> tuple[KernelProfile, ...]:
        """The engine's own profile of a lowered file on the input `x`, in execution order; () if it has none.

        What a profiler costs is in its times.
        """
        ...


def get(name: str) -> Runtime:
    """The runtime of that name; a UsageError lists the known ones."""
    return cast(Runtime, plugins.load("onboard.runtimes", name, "runtime"))


def run_each(session: Session, encoded: npt.NDArray[Any]) -> Iterator[npt.NDArray[Any]]:
    """Run a session on one image after the other, as a device does.

    Args:
        session: A model that takes one image at a time.
        encoded: Images as the input tensor holds them, (N, ...).

    Returns:
        The output tensor of each, in order; an image is run when its output is asked for.
    """
    return (session(encoded[i : i + 1]) for i in range(len(encoded)))


def on_boards() -> tuple[str, ...]:
    """The names of the runtimes that boards have."""
    return tuple(name for name in plugins.names("onboard.runtimes") if get(name).ON_BOARDS)


def for_format(format_name: str) -> tuple[str, ...]:
    """The names of the runtimes that read a format."""
    return tuple(name for name in plugins.names("onboard.runtimes") if format_name in get(name).FORMATS)
