"""Runtimes are inference engines, and each file of this folder is one (`Runtime`), which needs no torch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast

import numpy.typing as npt

from edgecnn.common import plugins


class Session(Protocol):
    """A model that is loaded and ready; its three steps are apart, so that each can be timed alone."""

    def load(self, x: npt.NDArray[Any]) -> None:
        """Copy one batch into the input tensor, in its dtype, shape and layout."""
        ...

    def invoke(self) -> None:
        """Run the graph on what was loaded last. Releases the GIL."""
        ...

    def fetch(self) -> npt.NDArray[Any]:
        """Return a copy of the output tensor of the last `invoke`."""
        ...

    def __call__(self, x: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Load, invoke and fetch."""
        ...


@dataclass(frozen=True, kw_only=True)
class KernelProfile:
    """One operator in the engine's own profile."""

    place: int
    """The operator's place in the lowered file."""
    operator: str
    dtypes: tuple[str, ...]
    """The dtypes of its outputs."""
    shapes: tuple[tuple[int, ...], ...]
    times_ms: tuple[float, ...]
    """The time of every run but the first few, in which the engine's memory still grows."""


class Runtime(Protocol):
    """The interface of a runtime plug-in."""

    FORMATS: tuple[str, ...]
    PACKAGE: str
    """The distribution that a machine must have installed."""
    ON_BOARDS: bool
    """False for an engine that stands in for another machine: no board needs it, and its times say nothing. A bench
    uses it only when its files are named."""

    def import_engine(self) -> None:
        """Import the engine, so that `open_session` can be timed without it. Raises MissingPackage."""
        ...

    def open_session(self, path: Path, num_threads: int, lowered: bool = False, output: str | None = None) -> Session:
        """Load a model file.

        Args:
            path: The model file.
            num_threads: The engine's threads.
            lowered: Whether the file is a lowered one, which is run as it is.
            output: The name of the output that is fetched. The first output is, without a name or if none has this
                one, as in a part of a file, which ends elsewhere.

        Raises:
            ModelFileError: The engine refuses the file.
            MissingPackage: The engine is not installed.
        """
        ...

    def lower(self, path: Path, target: Path) -> None:
        """Write the graph as the engine executes it here, fused and laid out for this CPU, as a model file."""
        ...

    def profile(self, lowered: Path, num_threads: int, x: npt.NDArray[Any], num_runs: int) -> tuple[KernelProfile, ...]:
        """Profile a lowered file on the input `x` with the engine's own profiler, whose cost is in the times.

        Returns:
            The operators in the order in which they are executed; () if the engine has no profiler.
        """
        ...


KIND = plugins.PluginKind("edgecnn.onboard.runtimes", "runtime", Runtime, "edgecnn.runtimes")


def get(name: str) -> Runtime:
    """Load the runtime of that name. Raises UsageError, which lists the known ones."""
    return cast(Runtime, KIND.load(name))


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
    """Return the names of the runtimes that boards have."""
    return tuple(name for name, runtime in KIND.usable().items() if runtime.ON_BOARDS)


def for_format(format_name: str) -> tuple[str, ...]:
    """Return the names of the runtimes that read a format, our own first."""
    return tuple(name for name, runtime in KIND.usable().items() if format_name in runtime.FORMATS)
