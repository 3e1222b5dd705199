"""Examines a model file: is it what its name says, and what in it costs time or accuracy, or fails elsewhere?"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from edgecnn import formats
from edgecnn.checks.doctor import model as answers
from edgecnn.checks.doctor import operators, promises
from edgecnn.checks.doctor.finding import Finding, Level, listed, named
from edgecnn.checks.doctor.model import ExaminedModel
from edgecnn.common import magic, scratch
from edgecnn.errors import EdgecnnError, MissingPackage, ModelFileError
from edgecnn.formats import Outline
from edgecnn.formats.onnx import outline as onnx_graph
from edgecnn.formats.tflite import outline as tflite_graph
from edgecnn.onboard import c_array
from edgecnn.onboard.opening import reading
from edgecnn.records import artifact as artifacts
from edgecnn.records import foreign
from edgecnn.records.artifact import Artifact, Description, TensorSpec, values_per_picture

FEWEST_STEPS = 8
"""The least magnitude of a channel's largest int8 weight; below it less than 4 bits are in use."""


def open_model(path: Path, input_shape: Sequence[int] = ()) -> tuple[Description, list[Finding]]:
    """Open a model file by its first bytes, whatever its name says.

    Args:
        path: The file.
        input_shape: Sizes of an input that the file leaves open.

    Raises:
        ModelFileError: If the file is no model.
    """
    magic.require_file(path, "name an .onnx, a .tflite or a C array's .h file")
    name = magic.format_of(path)
    suffix = formats.get(name).SUFFIX
    description = formats.get(name).describe(path, input_shape)
    if path.suffix == suffix:
        return description, [Finding(level="ok", subject="format", evidence=f"{name}, {description.format_version}")]
    evidence = f"it is {name} by its first bytes, and its name ends in {path.suffix or 'nothing'}"
    return description, [
        Finding(level="wrong", subject="format", evidence=evidence, mend=f"call it {path.stem}{suffix}")
    ]


def findings(path: Path, description: Description, board: Mapping[str, str] | None = None) -> Iterator[Finding]:
    """Yield everything about a file that can be told without images.

    Args:
        path: The file.
        description: What `open_model` tells of it.
        board: Package -> version on the board the file is meant for; None without a board.
    """
    with reading(path):
        graph = _graph(path, description)
    runtime = operators.ask(path, description, graph)
    yield from promises.findings(path, description, graph)
    yield from operators.findings(graph, runtime)
    yield from operators.versions(graph, runtime, board)
    yield from _card(path, description, len(graph.outputs))
    yield from _places(graph, description)
    yield from _cost(graph, len(description.input.shape) == 4)
    yield from _islands(graph, description)
    yield from _depthwise(graph)
    yield from _input(description.input)
    if len(graph.inputs) != 1:
        return  # several inputs are reported above, and cannot be fed here
    yield from _reading(description.output)
    try:
        model = ExaminedModel(path, description)
    except MissingPackage as error:
        yield Finding(level="warn", subject="answers", evidence=error.sentence, mend=error.hint)
        return
    except EdgecnnError as error:
        yield Finding(level="wrong", subject="loading", evidence=error.sentence, mend=error.hint or "export it again")
        return
    try:
        yield from answers.findings(model, len(graph.outputs), graph.is_stand_in)
    except EdgecnnError as error:
        if len(description.input.shape) == 4 and not graph.dynamic:  # it should take any image
            mend = error.hint or "export it again"
            yield Finding(level="wrong", subject="answers", evidence=error.sentence, mend=mend)
        else:
            mend = "noise may be no input for it; or it takes another size: --input"
            yield Finding(level="warn", subject="answers", evidence=error.sentence, mend=mend)


def _graph(path: Path, description: Description) -> Outline:
    if description.format == "onnx":
        return onnx_graph.read(path)
    if description.format == "tflite":
        return tflite_graph.read(path)
    with scratch.folder() as folder:
        inner = folder / "array.tflite"
        inner.write_bytes(c_array.read(path).data)
        return tflite_graph.read(inner)


def _card(path: Path, description: Description, outputs: int) -> Iterator[Finding]:
    """Check whether a card or a label file says what the file takes and what its classes are called."""
    try:
        card = artifacts.read_card(path)
    except ModelFileError as error:
        yield Finding(level="wrong", subject="card", evidence=error.sentence, mend=error.hint)
        return
    known = foreign.carded(card) if card is not None else foreign.known(path, description)
    labels = known.artifact.labels
    if card is None and known.whose is not None:
        words = foreign.fed_words(description.input, known.artifact.preprocessing)
        yield Finding(level="ok", subject="card", evidence=f"none; what to feed, by {known.whose}: {words}")
    elif card is None and len(description.input.shape) != 4:
        yield Finding(level="note", subject="card", evidence="none: nobody knows what its input should hold")
    elif card is None:
        evidence = "none: nobody knows what its pixels should be"
        mend = "edgecnn doctor FILE --pictures FOLDER finds out"
        yield Finding(level="note", subject="card", evidence=evidence, mend=mend)
    elif card.verdict is not None and card.verdict.check == "fail":
        yield Finding(
            level="wrong", subject="card", evidence=f"its check failed: {card.verdict.reason}", mend="export it again"
        )
    elif card.verdict is not None and card.verdict.check == "cannot tell":
        mend = "export it again with more test pictures"
        yield Finding(level="note", subject="card", evidence=f"its check: {card.verdict.reason}", mend=mend)
    else:
        yield Finding(level="ok", subject="card", evidence=_verdict_words(card))
    classes = _classes(description, outputs)
    if labels and classes is not None and len(labels) != classes:
        evidence = f"{len(labels)} labels for {classes} outputs"
        yield Finding(level="wrong", subject="labels", evidence=evidence, mend="export it again with the right ones")
    elif card is None and not description.labels:
        shipped = "ship a labels.txt with all its classes beside it"
        level: Level = "ok" if labels else "note"
        yield Finding(level=level, subject="labels", evidence=known.names, mend=None if labels else shipped)


def _reading(spec: TensorSpec) -> Iterator[Finding]:
    """Report an output that is not one score per class."""
    if spec.reading == "probability":
        evidence = f"one sigmoid for two classes ({spec.dtype}): above 0.5 is the second"
        yield Finding(level="ok", subject="output", evidence=evidence)
    elif spec.reading == "number":
        evidence = f"it puts out the class itself (ArgMax, {spec.dtype}), one of {spec.classes}, and no scores"
        mend = "cut the ArgMax off to have scores: quantisation can then be checked, and ties are seen"
        yield Finding(level="note", subject="output", evidence=evidence, mend=mend)
    elif values_per_picture(spec) == 1:
        evidence = f"one value ({spec.dtype}), and neither a sigmoid nor an ArgMax ends it: no class can be told"
        mend = "a classifier of two classes needs its sigmoid, or two outputs"
        yield Finding(level="note", subject="output", evidence=evidence, mend=mend)


def _classes(description: Description, outputs: int) -> int | None:
    """Return the number of scores; None for an output such as a map or a list of boxes."""
    sizes = [size for size in description.output.shape[1:] if size != 1]
    if outputs > 1 or len(sizes) > 1 or description.output.dtype in ("int32", "int64"):
        return None
    return math.prod(sizes)


def _places(graph: Outline, description: Description) -> Iterator[Finding]:
    """Report weights outside the file, open sizes, values nobody reads, several inputs or outputs."""
    if graph.outside_files:
        evidence = f"{graph.outside_bytes:,} bytes of weights lie in {', '.join(graph.outside_files)}"
        mend = "keep the files together, or save it with its weights inside"
        yield Finding(level="warn", subject="weights", evidence=evidence, mend=mend)
    elif graph.outside_bytes:
        evidence = (
            f"{graph.outside_bytes:,} bytes lie behind the flatbuffer: a microcontroller's runtime reads zeros there"
        )
        mend = "write it with its buffers inside (`edgecnn export` does) before it goes to a microcontroller"
        yield Finding(level="warn", subject="weights", evidence=evidence, mend=mend)
    if graph.dynamic:
        only_batch = all("dimension 0" in dimension for dimension in graph.dynamic)
        mend = (
            "fine on ONNX Runtime; fix it for LiteRT and microcontrollers"
            if only_batch
            else "export it with fixed sizes"
        )
        yield Finding(level="note", subject="shape", evidence=f"not fixed: {', '.join(graph.dynamic)}", mend=mend)
    if unread := graph.unread():
        evidence = f"nobody reads {listed(unread)}"
        yield Finding(level="warn", subject="unused", evidence=evidence, mend="export it without them: they cost time")
    if len(graph.outputs) > 1:
        evidence = f"{len(graph.outputs)} outputs ({listed(graph.outputs)})"
        evidence += f"; {description.output.name} is taken for the classes"
        yield Finding(level="note", subject="outputs", evidence=evidence, mend="export it with the logits alone")
    if len(graph.inputs) > 1:
        evidence = f"{len(graph.inputs)} inputs ({listed(graph.inputs)}); a picture fills one, so it is not run here"
        yield Finding(level="note", subject="inputs", evidence=evidence, mend="export it with one input to measure it")


def _cost(graph: Outline, takes_pictures: bool) -> Iterator[Finding]:
    """Report operators that compute nothing: transposes, quantize and dequantize operators."""
    if graph.transposes:
        first = graph.transposes[0]
        evidence = f"{len(graph.transposes)} ({named(graph.transposes)})"
        at_input = takes_pictures and not {*first.reads}.isdisjoint(graph.inputs)
        mend = "the first turns the input: export it with the runtime's own layout (NHWC for TFLite)"
        mend = mend if at_input else "attention has some by nature; between convolutions each costs a pass over memory"
        yield Finding(level="warn" if at_input else "note", subject="transposes", evidence=evidence, mend=mend)
    if graph.coders:
        doubled = _back_to_back(graph)
        evidence = f"operators that only quantise or dequantise: {len(graph.coders)} ({named(graph.coders)})"
        if doubled:
            evidence += f"; {doubled} directly behind another"
        mend = "at the edges the price of another type there; inside, keep the operators between them in int8"
        yield Finding(level="warn" if doubled else "note", subject="coders", evidence=evidence, mend=mend)


def _islands(graph: Outline, description: Description) -> Iterator[Finding]:
    """Report groups of float operators inside an int8 file."""
    islands = graph.islands()
    if not islands or not description.precision.startswith("int8"):
        return
    largest = max(islands, key=len)
    kinds = sorted({operator.kind for island in islands for operator in island})
    evidence = (
        f"{sum(map(len, islands))} operators in {len(islands)} islands compute in float; the largest has {len(largest)}"
        f" ({named(largest)}). Kinds: {listed(kinds)}"
    )
    mend = "normal for LayerNorm and softmax; else see which of these kinds the quantiser leaves out"
    yield Finding(level="note", subject="float islands", evidence=evidence, mend=mend)


def _depthwise(graph: Outline) -> Iterator[Finding]:
    """Report depthwise convolutions with one scale for all channels, which leaves few steps to small channels."""
    shared = [layer for layer in graph.depthwise if layer.scales == 1 and len(layer.largest) > 1]
    if not shared:
        return
    starved = {layer.name: sum(0 < size < FEWEST_STEPS for size in layer.largest) for layer in shared}
    worst = max(shared, key=lambda layer: max(layer.largest) / max(1, min(layer.largest)))
    low, high = min(worst.largest), max(worst.largest)
    evidence = (
        f"{len(shared)} of {len(graph.depthwise)} have one scale for all channels; in {worst.name} one channel uses"
        f" {high} of 127 steps and another {low}; {sum(starved.values())} channels have fewer than {FEWEST_STEPS}"
    )
    mend = "quantise weights per channel: with depthwise layers this is what collapses int8 accuracy"
    yield Finding(level="warn", subject="depthwise", evidence=evidence, mend=mend)


def _input(spec: TensorSpec) -> Iterator[Finding]:
    """Judge by the input's scale and zero point what it was calibrated with; for images if it has four axes."""
    if spec.scale is None:
        return
    span = np.iinfo(spec.dtype) if spec.dtype in ("int8", "uint8", "int16") else None
    zero_point = spec.zero_point or 0
    if span is None or not math.isfinite(spec.scale) or spec.scale <= 0 or not span.min <= zero_point <= span.max:
        evidence = f"scale {spec.scale!r}, zero point {zero_point} for {spec.dtype}"
        yield Finding(level="wrong", subject="input scale", evidence=evidence, mend="export it again")
        return
    black, white = spec.scale * (span.min - zero_point), spec.scale * (span.max - zero_point)
    evidence = f"stands for {black:.4g} .. {white:.4g}: (pixel - {zero_point - span.min}) / {1 / spec.scale:.4g}"
    if spec.dtype == "int16":
        evidence = f"stands for {black:.4g} .. {white:.4g} in steps of {spec.scale:.4g}, symmetric as 16 bits are"
        yield Finding(level="ok", subject="input scale", evidence=evidence)
        return
    if len(spec.shape) != 4:
        evidence = f"stands for {black:.4g} .. {white:.4g} in steps of {spec.scale:.4g}"
        yield Finding(level="ok", subject="input scale", evidence=evidence)
        return
    width = white - black
    suspicion = None
    if width < 0.9:
        suspicion = "calibrated on pictures that were divided by 255 twice?"
    elif width > 300:
        suspicion = "no pixels reach so far: calibrated on something else?"
    elif abs(black + white) < 0.1 * width and 6.5 < width < 16:
        suspicion = "calibrated on random normal numbers instead of pictures?"
    elif 16 < width < 200:
        suspicion = "neither raw pixels nor any usual normalisation"
    elif white <= 0 or black >= 255:
        suspicion = "no picture lies there"
    if suspicion:
        mend = "calibrate it with training pictures in the model's own preprocessing"
        yield Finding(level="warn", subject="input scale", evidence=f"{evidence}; {suspicion}", mend=mend)
    else:
        yield Finding(level="ok", subject="input scale", evidence=evidence)


def _back_to_back(graph: Outline) -> int:
    """Return how many quantize or dequantize operators read what another one wrote."""
    written = {name for coder in graph.coders for name in coder.writes}
    return sum(not written.isdisjoint(coder.reads) for coder in graph.coders)


def _verdict_words(card: Artifact) -> str:
    if card.verdict is None:
        return f"of {card.run or 'an export'}, unchecked"
    verdict = card.verdict
    return (
        f"{verdict.top1_percent:.2f} % [{verdict.top1_low_percent:.2f}, {verdict.top1_high_percent:.2f}] of "
        f"{verdict.n:,} test pictures where it was exported"
    )
