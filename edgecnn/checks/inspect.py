"""`edgecnn inspect`: a net layer by layer, or what a model file says of itself."""

from __future__ import annotations

import dataclasses
import os
import textwrap
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from edgecnn import formats, nets
from edgecnn.common import console, documents, sizes
from edgecnn.common.escapes import say
from edgecnn.errors import UsageError
from edgecnn.nets import code
from edgecnn.records import description_words, notebook, plans, resolve
from edgecnn.records.artifact import Description
from edgecnn.records.notebook import HtmlTable
from edgecnn.records.recipe import Recipe
from edgecnn.records.resolve import Target
from edgecnn.records.run import Run, Taken, is_run

if TYPE_CHECKING:
    from edgecnn.nets.anatomy import Layer
    from edgecnn.pipeline.costs.predict import CostPrediction

WIDTH = 80


@dataclasses.dataclass(frozen=True, kw_only=True)
class Anatomy:
    """A net taken apart."""

    name: str
    net: str
    input_shape: tuple[int, int, int]
    """(C, H, W)"""
    classes: int
    layers: tuple[Layer, ...]
    parameters: int
    """With batch norm folded."""
    macs: int
    dense_input_shape: tuple[int, int, int]
    """(C, H, W)"""
    dense_weights: int
    """Weights of a dense first layer of 1,000 units on dense_input_shape."""
    training: Taken | None = None
    """What a run's training took of its machine, if it was written down."""

    def _repr_html_(self) -> str:
        return notebook.html(self)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ModelFile:
    """A model file's description of itself, with its predicted cost if a board was named."""

    name: str
    description: Description
    prediction: CostPrediction | None = None
    """What it costs on a board, if one was named."""

    def _repr_html_(self) -> str:
        return notebook.html(self)


def inspect(
    target: Recipe | Target,
    *,
    dense_input: tuple[int, int, int] = (3, 224, 224),
    input_size: str | Sequence[int] = (),
    board: str | None = None,
    settings: Iterable[str] = (),
    **changes: Any,
) -> Anatomy | ModelFile:
    """Take a net apart layer by layer, or read what a model file says of itself.

    Args:
        target: A recipe by its name or .toml file, or a Recipe; a run or its folder; a model file or an Artifact.
        dense_input: (C, H, W) of the picture whose dense first layer is priced beside a net.
        input_size: Sizes of the input that a model file leaves open, as "1x3x224x224" or numbers; for a net
            (H, W, C), in place of `dense_input`.
        board: A board, or a profile that `edgecnn board profile` wrote: what a model file costs there is predicted.
        settings: Changes of a recipe as `-s` takes them on the command line, such as "net.width=8".
        **changes: Keys of a recipe and their values, such as `net={"width": 8}`.

    Returns:
        The Anatomy of a net, or a ModelFile.

    Raises:
        UsageError: There is no such thing, it cannot be read, or it is finished and takes no changes.

    Example:
        >>> edgecnn.inspect("dscnn-digits").input_shape
        (1, 8, 8)
        >>> edgecnn.inspect("runs/tiny/artifacts/tiny-int8.onnx").description.precision
        'int8'
    """
    kind = _kind(target)
    shape = sizes.parse(input_size) if isinstance(input_size, str) else tuple(input_size)
    if shape and kind != "file":
        dense_input = _picture(shape)
    if min(dense_input) < 1:
        raise UsageError("A picture needs at least one pixel and one channel.", "write it as 224x224x3")
    if board and kind != "file":
        raise UsageError("What a file costs is predicted from the file.", "name a .tflite file with --board")
    said = resolve.overrides(settings, changes)
    if isinstance(target, Recipe) or (kind == "recipe" and isinstance(target, (str, os.PathLike))):
        return of_recipe(resolve.find_recipe(target, said), dense_input)
    path = resolve.path(target)
    if said:
        what = f"{target if isinstance(target, str) else path} is finished: nothing in it can be set."
        raise UsageError(what, "settings change a recipe")
    if kind == "file":
        prediction = _predicted(path, board) if board else None
        return ModelFile(name=path.name, description=formats.describe(path, shape), prediction=prediction)
    return of_run(target if isinstance(target, Run) else resolve.find_run(path), dense_input)


def show(inspected: Anatomy | ModelFile) -> None:
    """Print a net as a table and what it adds up to, or a file's facts line by line."""
    if isinstance(inspected, ModelFile):
        say("\n".join(description_words.lines(inspected.name, inspected.description)))
        if inspected.prediction:
            from edgecnn.pipeline.costs import show as costs

            costs.show_prediction(inspected.prediction)
        return
    say(f"{_title(inspected)}\n")
    console.table(*layer_table(inspected))
    say("\n" + "\n".join(totals(inspected)))


def to_json(inspected: Anatomy | ModelFile) -> str:
    """Return the numbers of a net, or the description of a file."""
    if not isinstance(inspected, ModelFile):
        return documents.to_json(dataclasses.asdict(inspected))
    table = dataclasses.asdict(inspected.description)
    if inspected.prediction:
        table["prediction"] = dataclasses.asdict(inspected.prediction)
    return documents.to_json(table)


def tables(inspected: Anatomy | ModelFile) -> list[HtmlTable]:
    """Return the same for a notebook."""
    if isinstance(inspected, ModelFile):
        return [
            HtmlTable(inspected.name, (), [*description_words.facts(inspected.name, inspected.description).items()])
        ]
    return [HtmlTable(_title(inspected), *layer_table(inspected))]


def _predicted(path: Path, board: str) -> CostPrediction:
    from edgecnn.pipeline.costs import predict
    from edgecnn.pipeline.costs import show as costs
    from edgecnn.records import cost_profile, environment

    profile = cost_profile.find(board)
    if profile.board == "local":
        costs.warn_of_another_machine(profile, environment.here())
    return predict.of_file(path, profile)


def of_recipe(recipe: Recipe, dense_input: tuple[int, int, int]) -> Anatomy:
    """Return the net a recipe would train; its data set says the input shape and the classes."""
    from edgecnn import data
    from edgecnn.nets import budget

    code.allow(recipe.net.name)
    train = data.load(recipe.data).train
    shape = train.input_shape
    return take_apart(budget.resolve(recipe, shape, len(train.classes)), shape, len(train.classes), dense_input)


def of_run(run: Run, dense_input: tuple[int, int, int]) -> Anatomy:
    """Return the net of a finished run."""
    recipe = dataclasses.replace(run.recipe, net=code.of_run(run))
    channels, height, width = run.input_shape
    anatomy = take_apart(recipe, (channels, height, width), len(run.labels), dense_input)
    return dataclasses.replace(anatomy, net=run.recipe.net.name, training=run.training)


def take_apart(recipe: Recipe, shape: tuple[int, int, int], classes: int, dense_input: tuple[int, int, int]) -> Anatomy:
    """Return the net of a recipe without a budget, for pictures of shape (C, H, W)."""
    import torch

    from edgecnn.nets import anatomy

    with torch.device("meta"):  # no weights are drawn
        net = nets.build(recipe.net, shape, classes)
    layers = tuple(anatomy.layers(net, shape))
    return Anatomy(
        name=recipe.name,
        net=recipe.net.name,
        input_shape=shape,
        classes=classes,
        layers=layers,
        parameters=anatomy.folded_parameters(net),
        macs=sum(layer.macs for layer in layers),
        dense_input_shape=dense_input,
        dense_weights=anatomy.dense_first_layer(dense_input),
    )


def layer_table(anatomy: Anatomy) -> tuple[list[str], list[list[str]]]:
    """Return (head, rows) for the console."""
    head = ["layer", "output", "params", "MACs", "share", "field", "stride"]
    rows = [
        [
            _row_name(layer),
            "x".join(str(size) for size in layer.output_shape),
            f"{layer.parameters:,}" if layer.parameters else "-",
            f"{layer.macs:,}" if layer.macs else "-",
            f"{layer.macs_percent:.1f} %" if layer.macs else "-",
            "-" if layer.kind == "parameter" else str(layer.receptive_field or "all"),
            str(layer.stride or "-"),
        ]
        for layer in anatomy.layers
    ]
    return head, rows


def totals(anatomy: Anatomy) -> list[str]:
    """Return the sentences under the table."""
    channels, height, width = anatomy.dense_input_shape
    sentences = [
        f"Together {anatomy.parameters:,} parameters with batch norm folded, and {anatomy.macs:,} MACs a picture "
        "(1 MAC = 2 FLOPs; convolutions, linear layers and attention's products are counted). "
        "Field: side of the theoretical receptive field in pixels, before it is cut off at the picture's edge.",
        f"A dense first layer of 1,000 units on {height} x {width} x {channels} would hold "
        f"{anatomy.dense_weights:,} weights; a 3x3 convolution holds {9 * channels} a filter, shared by all places.",
    ]
    if taken := anatomy.training:
        sentences.append(
            f"Trained in {taken} ({taken.isa}). Precision: {taken.why_precision}; threads: {taken.why_num_threads}; "
            f"device: {taken.why_device}."
        )
    return [line for sentence in sentences for line in textwrap.wrap(sentence, WIDTH)]


def _picture(shape: Sequence[int]) -> tuple[int, int, int]:
    """Return (C, H, W) of height x width x channels."""
    if len(shape) != 3:
        raise UsageError(f"--input {sizes.words(shape)} is not a picture size.", "write it as 224x224x3")
    height, width, channels = shape
    return channels, height, width


def _kind(target: Recipe | Target) -> Literal["file", "run", "recipe"]:
    """Return what a name means: a folder is a run, another ending than .toml a model file, the rest a recipe."""
    if not isinstance(target, (str, os.PathLike)):
        return "recipe" if isinstance(target, Recipe) else "run" if isinstance(target, Run) else "file"
    path = resolve.path(target)
    if path.suffix == ".toml" or (os.fspath(target) in plans.names(Recipe) and not is_run(path)):
        return "recipe"
    if path.is_dir():
        return "run"
    if path.suffix or path.is_file():
        return "file"
    return "run" if len(path.parts) > 1 else "recipe"


def _title(anatomy: Anatomy) -> str:
    channels, height, width = anatomy.input_shape
    return f"{anatomy.name}: {anatomy.net}, {height} x {width} x {channels} to {anatomy.classes} classes"


def _row_name(layer: Layer) -> str:
    if layer.kind in ("max pool", "average pool"):  # a number among the blocks: say what it is
        return f"{layer.name} {layer.kind}"
    return layer.name.removesuffix(".conv")
