"""Formats: a file here is a file format. Contract: `Format`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

from edgecnn.common import magic, plugins, sizes
from edgecnn.errors import ModelFileError, UsageError
from edgecnn.formats._operators import CODERS as CODERS
from edgecnn.formats._operators import MOVES as MOVES
from edgecnn.formats._operators import WEIGHTED as WEIGHTED
from edgecnn.formats._operators import Operator as Operator
from edgecnn.formats._operators import Reader as Reader
from edgecnn.formats._source import Source as Source
from edgecnn.formats._tensors import Cutter as Cutter
from edgecnn.formats._tensors import Inner as Inner
from edgecnn.records.artifact import Description

if TYPE_CHECKING:
    from edgecnn.records.plans import ExportPlan


class Format(Protocol):
    """What a file of this folder provides. `describe` needs no torch; `write` and `check` may."""

    SUFFIX: str

    OPERATORS: Reader | None
    """What tells the operators of its files apart; None where nothing can."""

    CUTTER: Cutter | None
    """What cuts its files at an inner tensor; None where nothing can."""

    def check(self) -> None:
        """Raise EnvironmentUnfit if this machine cannot write the format."""
        ...

    def write(self, model: Source, precision: str, plan: ExportPlan, path: Path) -> None:
        """Write `model` to `path`, labels and card inside."""
        ...

    def describe(self, path: Path, input_shape: Sequence[int] = ()) -> Description:
        """Open the file and say what it is, with `input_shape` for the sizes of its input that are open.

        Raises ModelFileError if it is not of this format, UsageError if `input_shape` contradicts the file.
        """
        ...


KIND = plugins.Kind("edgecnn.formats", "format", Format, "edgecnn.formats")


def names() -> tuple[str, ...]:
    """The formats there are: our own, and behind them those of other packages."""
    return KIND.names()


def get(name: str) -> Format:
    """The format of that name; a UsageError lists the known ones."""
    return cast(Format, KIND.load(name))


def of(path: Path) -> str:
    """The name of the format of a file. Raises ModelFileError if its content is no model's, or its name another's."""
    known = ", ".join(get(name).SUFFIX for name in KIND.own())
    magic.require_file(path, f"`edgecnn export` writes {known} files under RUN/artifacts")
    try:
        name = magic.format_of(path)
    except ModelFileError:  # another package may know it, which is told by the ending alone
        outside = {plugin.SUFFIX: name for name, plugin in KIND.usable().items() if name not in KIND.own()}
        if path.suffix not in outside:
            raise
        return outside[path.suffix]
    suffix = get(name).SUFFIX
    if path.suffix != suffix:
        raise ModelFileError(
            f"{path} is a {suffix} file by its content, and its name does not say so.", f"call it {path.stem}{suffix}"
        )
    return name


def describe(path: Path, input_shape: Sequence[int] = ()) -> Description:
    """What a model file of any known format says of itself, with `input_shape` for sizes that it leaves open."""
    return get(of(path)).describe(path, input_shape)


def require_sizes(path: Path, description: Description) -> Description:
    """The description of a file that is to be run. Raises UsageError while a size of its input is open."""
    spec = description.input
    if spec.open:
        tensor = f"its input {spec.name!r}"
        what = f"{' and '.join(spec.open)} of {tensor}, {sizes.words(spec.shape)}," if spec.shape else tensor
        raise UsageError(
            f"{path} leaves the size of {what} open.",
            f"say how large it is, as in --input {sizes.example(spec.shape or None)}",
        )
    return description
