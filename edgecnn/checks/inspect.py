"""`edgecnn inspect`: a net layer by layer, or what a model file says of itself. Tables go to stdout."""

from __future__ import annotations

import dataclasses
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from edgecnn import formats
from edgecnn.common import console, documents, sizes
from edgecnn.common.escapes import say
from edgecnn.errors import UsageError
from edgecnn.records import plans
from edgecnn.records.artifact import Description, TensorSpec
from edgecnn.records.recipe import Recipe
from edgecnn.records.run import Taken, is_run, open_run

if TYPE_CHECKING:
    from edgecnn.nets.anatomy import Layer

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
    """Of a dense first layer of 1,000 units on dense_input_shape."""
    training: Taken | None = None
    """What a run's training took of its machine, if it was written down."""


def show(
    target: str,
    overrides: Sequence[str] = (),
    dense_input: tuple[int, int, int] = (3, 224, 224),
    as_json: bool = False,
    input_shape: Sequence[int] = (),
) -> None:
    """Print what is known of `target`: a recipe by name or .toml, a run folder, or a model file.

    dense_input: (C, H, W) of the picture whose dense first layer is priced beside a net.
    input_shape: sizes of the input that a model file leaves open; of a net (H, W, C), in place of dense_input.
    Raises UsageError or one of its kinds if there is no such thing, or it cannot be read.
    """
    kind = _kind(target)
    if input_shape and kind != "file":
        dense_input = _picture(input_shape)
    if min(dense_input) < 1:
        raise UsageError("A picture needs at least one pixel and one channel.", "write it as 224x224x3")
    if overrides and kind != "recipe":
        raise UsageError(f"{target} is finished: nothing in it can be set.", "settings change a recipe")
    if kind == "file":
        description = formats.describe(Path(target), input_shape)
        say(_json(description) if as_json else "\n".join(file_lines(Path(target).name, description)))
        return
    anatomy = of_run(Path(target), dense_input) if kind == "run" else of_recipe(target, overrides, dense_input)
    if as_json:
        say(_json(anatomy))
        return
    channels, height, width = anatomy.input_shape
    say(f"{anatomy.name}: {anatomy.net}, {height} x {width} x {channels} to {anatomy.classes} classes\n")
    console.table(*layer_table(anatomy))
    say("\n" + "\n".join(totals(anatomy)))


def of_recipe(name: str, overrides: Sequence[str], dense_input: tuple[int, int, int]) -> Anatomy:
    """The net a recipe would train; its data set says the input shape and the classes."""
    from edgecnn import data
    from edgecnn.nets import budget, code

    recipe = plans.load(Recipe, name, overrides)
    code.allow(recipe.net.name)
    train = data.load(recipe.data).train
    shape = train.input_shape
    return take_apart(budget.resolve(recipe, shape, len(train.classes)), shape, len(train.classes), dense_input)


def of_run(folder: Path, dense_input: tuple[int, int, int]) -> Anatomy:
    """The net of a finished run."""
    from edgecnn.nets import code

    run = open_run(folder)
    channels, height, width = run.input_shape
    recipe = dataclasses.replace(run.recipe, net=code.of_run(run))
    anatomy = take_apart(recipe, (channels, height, width), len(run.labels), dense_input)
    return dataclasses.replace(anatomy, net=run.recipe.net.name, training=run.training)


def take_apart(recipe: Recipe, shape: tuple[int, int, int], classes: int, dense_input: tuple[int, int, int]) -> Anatomy:
    """The net of a recipe without a budget, for pictures of shape (C, H, W)."""
    import torch

    from edgecnn import nets
    from edgecnn.nets import anatomy

    with torch.device("meta"):  # no weights are drawn
        net = nets.build(recipe.net, shape, classes)
    found = tuple(anatomy.layers(net, shape))
    return Anatomy(
        name=recipe.name,
        net=recipe.net.name,
        input_shape=shape,
        classes=classes,
        layers=found,
        parameters=anatomy.folded_parameters(net),
        macs=sum(layer.macs for layer in found),
        dense_input_shape=dense_input,
        dense_weights=anatomy.dense_first_layer(dense_input),
    )


def layer_table(anatomy: Anatomy) -> tuple[list[str], list[list[str]]]:
    """(head, rows) for the console."""
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
    """The sentences under the table."""
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


def file_lines(name: str, description: Description) -> list[str]:
    """A model file's own words, one fact a line."""
    count = sum(description.operators.values())
    operators = ", ".join(f"{kind} {n}" for kind, n in description.operators.items())
    facts = {
        "file": name,
        "format": f"{description.format}, {description.format_version}",
        "bytes": f"{description.bytes:,}",
        "sha256": description.sha256,
        "precision": description.precision,
        "input": tensor_words(description.input),
        "output": tensor_words(description.output),
        "parameters": f"{description.parameters:,}",
        "MACs": _count(description.macs, description),
        "operators": f"{count}: {operators}",
        "in float": f"{description.float_operators} of {count} operators",
        "quantise pairs": f"{description.quantize_pairs} operators that only quantise or dequantise",
        "transposes": str(description.transposes),
        "planned peak": _count(description.planned_activation_peak_bytes, description, " bytes of activations at once"),
        "labels": ", ".join(description.labels) or "none inside",
    }
    if description.micro_arena_bytes is not None:
        facts["tensor arena"] = f"{description.micro_arena_bytes:,} bytes in tflite-micro"
    lines: list[str] = []
    for label, text in facts.items():
        lines += textwrap.wrap(text, WIDTH, initial_indent=f"{label:<16}", subsequent_indent=" " * 16)
    return lines


def tensor_words(spec: TensorSpec) -> str:
    """One tensor in words: "x: int8 1x28x28x1 NHWC, real = 0.0039 * (stored + 128)"."""
    size = sizes.words(spec.shape) if spec.shape or spec.open else ""
    words = f"{spec.name}: {spec.dtype} {size} {spec.layout}".rstrip()
    words += {"probability": ", a sigmoid for two classes", "number": f", the class itself, of {spec.classes}"}.get(
        spec.reading, ""
    )
    if spec.scale is None:
        return words
    zero_point = spec.zero_point or 0
    sign = "+" if zero_point < 0 else "-"
    return f"{words}, real = {spec.scale:.6g} * (stored {sign} {abs(zero_point)})"


def _count(number: int | None, description: Description, unit: str = "") -> str:
    if number is not None:
        return f"{number:,}{unit}"
    spec = description.input
    if not spec.open:
        return "unknown"
    return f"open, as the input's size is: say it with --input {sizes.example(spec.shape or None)}"


def _picture(shape: Sequence[int]) -> tuple[int, int, int]:
    """(C, H, W) of height x width x channels."""
    if len(shape) != 3:
        raise UsageError(f"--input {sizes.words(shape)} is not a picture size.", "write it as 224x224x3")
    height, width, channels = shape
    return channels, height, width


def _kind(target: str) -> Literal["file", "run", "recipe"]:
    """What a name means: a folder is a run, another ending than .toml a model file, the rest a recipe."""
    path = Path(target)
    if path.suffix == ".toml" or (target in plans.names(Recipe) and not is_run(path)):
        return "recipe"
    if path.is_dir():
        return "run"
    if path.suffix or path.is_file():
        return "file"
    return "run" if len(path.parts) > 1 else "recipe"


def _row_name(layer: Layer) -> str:
    if layer.kind in ("max pool", "average pool"):  # a number among the blocks: say what it is
        return f"{layer.name} {layer.kind}"
    return layer.name.removesuffix(".conv")


def _json(value: Anatomy | Description) -> str:
    return documents.to_json(dataclasses.asdict(value))
