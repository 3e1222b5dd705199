"""Formats: a file here is a file format. Contract: `Format`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

from edgecnn import magic, plugins
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
    """The name of the format of a file. Raises ModelFileError if its content is no model's, or its name another's."""
    if not path.is_file():
        known = ", ".join(get(name).SUFFIX for name in plugins.names("formats"))
        raise ModelFileError(f"There is no file {path}.", f"`edgecnn export` writes {known} files under RUN/artifacts")
    name = magic.format_of(path)
    suffix = get(name).SUFFIX
    if path.suffix != suffix:
        raise ModelFileError(
            f"{path} is a {suffix} file by its content, and its name does not say so.", f"call it {path.stem}{suffix}"
        )
    return name


def describe(path: Path) -> Description:
    """What a model file of any known format says of itself."""
    return get(of(path)).describe(path)
