"""Formats: a file here is a file format. Contract: `Format`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

from edgecnn import plugins
from edgecnn.artifact import Description
from edgecnn.errors import ModelFileError

if TYPE_CHECKING:
    from edgecnn.plans import ExportPlan
    from edgecnn.quantize import Exportable


class Format(Protocol):
    """What a file of this folder provides. `describe` needs no torch; `write` and `check` may."""

    SUFFIX: str

    def check(self) -> None:
        """Raise EnvironmentUnfit if this machine cannot write the format."""
        ...

    def write(self, model: Exportable, precision: str, plan: ExportPlan, path: Path) -> None:
        """Write `model` to `path`, labels and card inside."""
        ...

    def describe(self, path: Path) -> Description:
        """Open the file and say what it is. Raises ModelFileError if it is not of this format."""
        ...


def get(name: str) -> Format:
    """The format of that name; a UsageError lists the known ones."""
    return cast(Format, plugins.load("formats", name))


def of(path: Path) -> str:
    """The name of the format of a file, by its suffix."""
    for name in plugins.names("formats"):
        if path.suffix == get(name).SUFFIX:
            return name
    known = ", ".join(get(name).SUFFIX for name in plugins.names("formats"))
    raise ModelFileError(f"{path} is not a model file by its name.", f"known endings: {known}")


def describe(path: Path) -> Description:
    """What a model file of any known format says of itself."""
    format_name = of(path)
    if not path.is_file():
        raise ModelFileError(f"There is no file {path}.", "`edgecnn export` writes them under RUN/artifacts")
    return get(format_name).describe(path)
