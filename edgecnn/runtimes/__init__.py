"""Runtimes: a file here is an inference engine. Contract: `Runtime`. Needs NumPy and the engine, never torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol, cast

import numpy.typing as npt

from edgecnn import plugins


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


class Runtime(Protocol):
    """What a file of this folder provides."""

    FORMATS: tuple[str, ...]
    PACKAGE: str
    """The distribution a machine needs to install."""

    def import_engine(self) -> None:
        """Import the engine, so that `open` can be timed without it. Raises MissingPackage."""
        ...

    def open(self, path: Path, num_threads: int) -> Session:
        """Load a model file. Raises ModelFileError if the engine refuses it, MissingPackage without an engine."""
        ...


def get(name: str) -> Runtime:
    """The runtime of that name; a UsageError lists the known ones."""
    return cast(Runtime, plugins.load("runtimes", name))


def for_format(format_name: str) -> tuple[str, ...]:
    """The names of the runtimes that read a format."""
    return tuple(name for name in plugins.names("runtimes") if format_name in get(name).FORMATS)
