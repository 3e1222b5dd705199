"""Model file formats, each a plug-in in this folder that keeps the contract `Format`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast, get_args

from edgecnn.common import magic, plugins, sizes
from edgecnn.errors import ModelFileError, RunError, UsageError, nearest, nearest_path
from edgecnn.formats._operators import CODERS as CODERS
from edgecnn.formats._operators import MOVES as MOVES
from edgecnn.formats._operators import WEIGHTED as WEIGHTED
from edgecnn.formats._operators import Operator as Operator
from edgecnn.formats._operators import Reader as Reader
from edgecnn.formats._outline import Outline as Outline
from edgecnn.formats._outline import OutlineOperator as OutlineOperator
from edgecnn.formats._source import Source as Source
from edgecnn.formats._tensors import Cutter as Cutter
from edgecnn.formats._tensors import Inner as Inner
from edgecnn.records import artifact, exported, foreign
from edgecnn.records.artifact import Artifact, Description
from edgecnn.records.foreign import Known, PictureOptions
from edgecnn.records.plans import Precision
from edgecnn.records.run import is_run, open_run

if TYPE_CHECKING:
    from edgecnn.records.plans import ExportPlan


class Format(Protocol):
    """The interface of a format plug-in; `describe` needs no torch, `write` and `check` may."""

    SUFFIX: str

    OPERATORS: Reader | None
    """Reads the operators of its files; None if that is not possible."""

    CUTTER: Cutter | None
    """Cuts its files at an inner tensor; None if that is not possible."""

    def check(self) -> None:
        """Raise EnvironmentUnfit if this machine cannot write the format."""
        ...

    def write(self, model: Source, precision: str, plan: ExportPlan, path: Path) -> None:
        """Write `model` to `path`, with its labels and card inside."""
        ...

    def describe(self, path: Path, input_shape: Sequence[int] = ()) -> Description:
        """Open a file and describe it.

        Args:
            path: The file.
            input_shape: Sizes for an input whose sizes the file leaves open.

        Raises:
            ModelFileError: The file is not of this format.
            UsageError: `input_shape` contradicts the file.
        """
        ...


KIND = plugins.PluginKind("edgecnn.formats", "format", Format, "edgecnn.formats")


def names() -> tuple[str, ...]:
    """Return the names of all formats: our own, sorted, and behind them those of other packages."""
    return KIND.names()


def get(name: str) -> Format:
    """Return the format `name`.

    Raises:
        UsageError: There is no such format; the hint lists the known ones.
    """
    return cast(Format, KIND.load(name))


def name_of(path: Path) -> str:
    """Return the name of a file's format.

    Raises:
        ModelFileError: Its content is no model's, or its suffix is another format's.
    """
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
    """Describe a model file of any known format; `input_shape` sets the sizes that the file leaves open."""
    return get(name_of(path)).describe(path, input_shape)


def require_sizes(path: Path, description: Description) -> Description:
    """Return the description of a file that is about to be run.

    Raises:
        UsageError: A size of its input is open.
    """
    spec = description.input
    if spec.open:
        tensor = f"its input {spec.name!r}"
        what = f"{' and '.join(spec.open)} of {tensor}, {sizes.words(spec.shape)}," if spec.shape else tensor
        raise UsageError(
            f"{path} leaves the size of {what} open.",
            f"say how large it is, as in --input {sizes.example(spec.shape or None)}",
        )
    return description


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
            hint = nearest_path(target, Path.exists, "`edgecnn train` makes runs under runs/")
            raise UsageError(f"There is neither a run nor a file {target}.", hint)
        card = artifact.read_card(target)
        if card is None:
            describe(target)  # this raises for a file that is not a model
            raise ModelFileError(f"{target} has no card, so nobody knows what it takes.", "name an exported file")
        return card
    run = open_run(target)
    cards = exported.cards(run)
    known = sorted({f"{card.description.format} {card.description.precision}" for card in cards})
    for wanted in (precision, f"{precision}-mixed"):
        fits = [c for c in cards if c.description.format == format_name and c.description.precision == wanted]
        if len(fits) > 1:
            names = ", ".join(str(card.path) for card in fits)
            raise UsageError(f"{run.name} has {len(fits)} files that fit.", f"name one of them: {names}")
        if fits:
            return fits[0]
    precisions = {*get_args(Precision), *(card.description.precision for card in cards)}
    for noun, word, words in (("format", format_name, {*KIND.names()}), ("precision", precision, precisions)):
        if word not in words:
            raise UsageError(f"There is no {noun} named {word!r}.", nearest(word, words))
    hint = f"it has: {', '.join(known)}" if known else f"edgecnn export {target}"
    raise UsageError(f"{run.name} has no {format_name} file in {precision}.", hint)


def known(
    path: Path, card: Artifact | None, input_shape: Sequence[int] = (), pictures: PictureOptions | None = None
) -> Known:
    """Return a model file as it is to be run: by its card, or for a file made elsewhere by what it says itself.

    Args:
        path: The file.
        card: The file as its card describes it; None if it has none.
        input_shape: Sizes of its input that the file leaves open.
        pictures: What the user says of the pictures; only their size is looked at, where `input_shape` says nothing.

    Raises:
        ModelFileError: It is no model file that can be read.
        UsageError: It leaves a size of its input open that nobody says, or that is said otherwise than it is.
    """
    if card is not None and not input_shape:
        return foreign.carded(card)
    description = describe(path, input_shape)
    if description.input.open and pictures is not None and pictures.size:
        description = describe(path, pictures.size)
    require_sizes(path, description)
    return foreign.carded(card) if card is not None else foreign.known(path, description)
