"""C: a TFLite model as an array in a header, for TensorFlow Lite for Microcontrollers.

To save flash, notes and labels stand in the header's comment and not in the array. The size of the tensor arena in it
was found by running the model; `runtimes/tflite_micro.py` says what that covers.
"""

from __future__ import annotations

import dataclasses
import importlib.metadata
import platform
import textwrap
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import edgecnn
from edgecnn.common import files, scratch
from edgecnn.errors import MissingPackage, PlanError
from edgecnn.formats.tflite import convert, description, flatbuffer
from edgecnn.onboard import c_array
from edgecnn.onboard.c_array import CArray
from edgecnn.onboard.opening import opening
from edgecnn.onboard.runtimes import tflite_micro
from edgecnn.records.artifact import Description, TensorSpec

if TYPE_CHECKING:
    from edgecnn.formats import Source
    from edgecnn.records.plans import ExportPlan

SUFFIX = ".h"
OPERATORS = CUTTER = None
WIDTH = 100
"""Width of the comment, in characters."""


def check() -> None:
    """Check that this machine can write TFLite, and can run it to find the tensor arena.

    Raises:
        EnvironmentUnfit: The converter has no build for this machine.
        MissingPackage: A package is not installed.
    """
    convert.check()
    if find_spec("tflite_micro") is None:
        raise MissingPackage(tflite_micro.PACKAGE, "micro", "Writing a C array")


def write(model: Source, precision: str, plan: ExportPlan, path: Path) -> None:
    """Write the net as `precision` ("fp32" or "int8") to `path`.

    Raises:
        PlanError: The precision is fp16.
        ModelFileError: TensorFlow Lite for Microcontrollers lacks an operator of the net.
    """
    if precision == "fp16":
        raise PlanError(
            "A microcontroller's runtime has no half precision: a C array is int8 or fp32.",
            "--precision int8 with --format c",
        )
    data = flatbuffer.dump(convert.convert(model, precision, plan))
    facts = _described(data)
    array = CArray(
        name=c_array.identifier(f"{model.run.name}-{facts.precision}"),
        data=data,
        arena_bytes=tflite_micro.arena_bytes(data),
        labels=model.run.labels,
    )
    path.write_text(c_array.write(array, _card(model, facts, array)), encoding="utf-8")


def describe(path: Path, input_shape: Sequence[int] = ()) -> Description:
    """Read a header and describe its array.

    Raises:
        ModelFileError: It is not a header that `write` wrote.
    """
    with opening(path):
        array = c_array.read(path)
        return dataclasses.replace(
            _described(array.data, input_shape),
            format="c",
            sha256=files.sha256(path),
            labels=array.labels,
            micro_arena_bytes=array.arena_bytes,
        )


def _described(data: bytes, input_shape: Sequence[int] = ()) -> Description:
    with scratch.folder() as folder:
        inner = folder / "array.tflite"
        inner.write_bytes(data)
        return description.describe(inner, input_shape)


def _card(model: Source, facts: Description, array: CArray) -> list[str]:
    """Return the lines of the comment: what a programmer must know to use the array."""
    version = importlib.metadata.version(tflite_micro.PACKAGE)
    paragraphs = [
        f"{model.run.name}, {facts.precision}: a TFLite model for TensorFlow Lite for Microcontrollers, made by "
        f"edgecnn {edgecnn.__version__} from weights with sha256 {model.run_sha256}.",
        f"Input: {_tensor(facts.input)} {_fed(model)}",
        f"Output: {_tensor(facts.output)} One value a class, the largest is the answer.",
        f"Operators: {', '.join(f'{name} {count}' for name, count in facts.operators.items())}.",
        f"Tensor arena: {array.arena_bytes:,} bytes, aligned to {c_array.ALIGNMENT}; the least that tflite-micro "
        f"{version} runs in on {platform.machine()}, where a pointer takes 8 bytes. A 32-bit core needs less, kernels "
        "with scratch buffers of their own (CMSIS-NN, ESP-NN) may need more.",
    ]
    return [line for paragraph in paragraphs for line in textwrap.wrap(paragraph, WIDTH, subsequent_indent="  ")]


def _fed(model: Source) -> str:
    """Describe what a pixel of the input is: of a picture, or of what the front end makes of a sound."""
    size, sound = model.preprocessing, model.sound
    if sound is None:
        return f"A picture is {size.width} x {size.height} pixels, {size.colour_order}, resized: {size.resize}."
    ranges = ", ".join(f"{low:.2f} to {high:.2f}" for low, high in dict.fromkeys(sound.ranges_db))
    return (
        f"A pixel is a value of a sound's spectrogram, rows in time: {sound.words()}. {sound.rule}. "
        f"Pixels 0 to 255 stand for dB, column by column: {ranges}."
    )


def _tensor(spec: TensorSpec) -> str:
    """Describe one tensor in words."""
    words = f"{spec.dtype} {' x '.join(map(str, spec.shape))} {spec.layout}".rstrip()
    if spec.layout == "NHWC":
        stored = {"int8": "pixel - 128", "uint8": "pixel", "float32": "pixel, 0 .. 255, as float"}
        return f"{words}, stored = {stored.get(spec.dtype, 'unknown')}."
    if spec.scale is None:
        return f"{words}."
    zero_point = spec.zero_point or 0
    return f"{words}, logit = {spec.scale!r} * (stored {'+' if zero_point < 0 else '-'} {abs(zero_point)})."
