"""An Artifact is one deployable file and its card: what it is, what it takes, what it was checked to do.

dscnn-int8.tflite          the file
dscnn-int8.tflite.json     its card
"""

from __future__ import annotations

import dataclasses
import hashlib
import importlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from edgecnn.common import config, documents, files, magic
from edgecnn.common.documents import Unreadable
from edgecnn.errors import ModelFileError
from edgecnn.records import labels, model_files, own_labels
from edgecnn.records.gates import Outcome

CARD_VERSION = 1
KIND = documents.Kind(name="card", words="a card this tool wrote", error=ModelFileError, hint="export it again")
DIGEST = "card_sha256"
"""Key of a card's digest of all its other keys; earlier cards have none."""
LARGEST_PICTURE = 1 << 28
"""Values of one picture, or of one output."""
FLOATS = ("float32", "float16", "float64")
INTEGERS = ("int16", "uint16", "int32", "uint32", "int64", "uint64")


@dataclass(frozen=True, kw_only=True)
class TensorSpec:
    """One input or output tensor. real = scale * (stored - zero_point) where scale is given."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    layout: str
    """"NHWC", "NCHW", "NK" (logits), or "" when the file does not tell."""
    scale: float | None = None
    zero_point: int | None = None
    reading: Literal["scores", "probability", "number"] = "scores"
    """How an output names the class: a score for each, the second class's probability alone (a sigmoid), or the
    class's number (ArgMax)."""
    classes: int | None = None
    """How many classes a "number" is one of."""
    open: tuple[str, ...] = ()
    """Sizes that the file leaves open and nobody has said yet, as in "2 (height)"; they stand as 0 in `shape`."""


RESIZE_RULE = (
    "the largest centred crop of the target's aspect ratio, in whole pixels rounded down, is resized by Pillow's"
    " BILINEAR: a triangle filter that reaches one target pixel to each side, or one source pixel when enlarging"
)
"""How a picture of any size becomes an input of the model's size, on the device as in training."""


@dataclass(frozen=True, kw_only=True)
class Preprocessing:
    """What the device does to a picture before the input tensor takes its bytes."""

    height: int
    width: int
    channels: int
    colour_order: str
    """"RGB", "BGR" or "grey"."""
    resize: str
    mean: float | tuple[float, ...] = 0.0
    """Subtracted by the caller from float input, a number or one for each channel; 0 when normalisation is inside the
    graph."""
    std: float | tuple[float, ...] = 1.0


@dataclass(frozen=True, kw_only=True)
class ImageNote:
    """What a file's own metadata say of the pictures it takes; None for what they leave open."""

    source: str
    """Whose words they are, such as "its TFLite metadata"."""
    colour_order: str | None = None
    mean: float | tuple[float, ...] | None = None
    std: float | tuple[float, ...] | None = None


@dataclass(frozen=True, kw_only=True)
class Description:
    """What a file says of itself when it is opened again."""

    format: str
    format_version: str
    """TFLite schema version, or ONNX opset and IR version."""
    bytes: int
    """Of the file; of a C array those that end up in flash."""
    sha256: str
    input: TensorSpec
    output: TensorSpec
    precision: str
    """"fp32", "fp16" (weights), "int8" (every operator and I/O tensor int8), "int8-mixed", "dynamic"."""
    operators: Mapping[str, int]
    float_operators: int
    """Operators that compute in float; in a QDQ graph those no int8 kernel can take over."""
    transposes: int
    quantize_pairs: int
    """Quantise and dequantise operators that run as operators of their own."""
    planned_activation_peak_bytes: int | None
    """Largest sum of activation tensors alive at once, in the file's own operator order; None while a size is open."""
    macs: int | None
    """None where a size is open, the file does not tell one inside, or branches or loops decide."""
    parameters: int
    labels: tuple[str, ...] = ()
    outputs: tuple[TensorSpec, ...] = ()
    """All of them, where a file has several; `output` is the one that names the classes."""
    image: ImageNote | None = None
    micro_arena_bytes: int | None = None
    """Tensor arena a C array needs on a microcontroller; None for other formats."""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The outcome of checking a file against the run it came from, on the same pictures."""

    passed: bool
    """Whether the outcome is "pass"."""
    reason: str
    n: int
    top1_percent: float
    top1_low_percent: float
    top1_high_percent: float
    reference_top1_percent: float
    drop_pp: float
    drop_low_pp: float
    drop_high_pp: float
    p_value: float
    """Exact McNemar, two-sided."""
    agreement_percent: float
    gained: int
    lost: int
    max_logit_difference: float
    max_drop_pp: float
    outcome: Outcome | None = None
    """None in a card from before a check could not tell: `passed` says it all."""
    exact: bool = False
    """Every logit is the run's to the rounding of float32, so that the drop is no estimate."""

    @property
    def check(self) -> Outcome:
        """The outcome, of a card of any age."""
        return self.outcome or ("pass" if self.passed else "fail")


@dataclass(frozen=True, kw_only=True)
class Parity:
    """How far the output tensors of two int8 files of one run are apart, on the same pictures."""

    against: str
    """Name of the other file."""
    n: int
    max_lsb: int
    """Largest difference of two output values, in steps of their common scale."""
    differing_percent: float
    """Share of output values that differ at all."""
    agreement_percent: float
    """Share of pictures with the same top-1 class."""


@dataclass(frozen=True, kw_only=True)
class Artifact:
    """One deployable file and its card."""

    path: Path
    description: Description
    preprocessing: Preprocessing
    labels: tuple[str, ...]
    run: str | None = None
    """Name of the run it came from; None for a file made elsewhere."""
    run_sha256: str | None = None
    """Of the run's weights."""
    target: str | None = None
    calibration: Mapping[str, Any] = field(default_factory=dict)
    verdict: Verdict | None = None
    parity: Parity | None = None

    @property
    def name(self) -> str:
        return self.path.name

    def _repr_html_(self) -> str:
        """The file as a table, for a notebook: by name, so that no board is sent what writes it."""
        return str(importlib.import_module("edgecnn.records.notebook").html(self))


def card_path(path: Path) -> Path:
    return path.with_name(path.name + ".json")


def to_table(artifact: Artifact) -> dict[str, Any]:
    """The card as JSON takes it; of the path only the file's name, so that the two can move together."""
    table = {"card_version": CARD_VERSION, **dataclasses.asdict(artifact), "path": artifact.path.name}
    return {**table, DIGEST: _digest(table)}


def write_card(artifact: Artifact) -> None:
    """Write the card beside the file, atomically."""
    files.write_json(card_path(artifact.path), to_table(artifact))


def read_card(path: Path) -> Artifact | None:
    """The Artifact of a file by its card; None if it has none, ModelFileError if the two do not match."""
    card = card_path(path)
    if not card.exists():
        return None
    with KIND.expected(card):
        table = documents.table(card)
        if (digest := table.pop(DIGEST, None)) is not None and digest != _digest(table):
            raise Unreadable("it was changed after it was written")
        if table.pop("card_version", None) is None:
            raise Unreadable("it has no card version")
        artifact = config.build(Artifact, _without_none({**table, "path": path}), card.name)
        _require_sense(artifact)
    if path.is_file() and model_files.sha256(path) != artifact.description.sha256:
        magic.format_of(path)  # what is no model at all is named as what it is
        raise ModelFileError(f"{path} is not the file its card describes (sha256 differs).", "export it again")
    return artifact


def encode(images: npt.NDArray[np.uint8], spec: TensorSpec, preprocessing: Preprocessing) -> npt.NDArray[Any]:
    """uint8 pictures (N, H, W, C) -> what the input tensor takes, in its dtype and layout.

    8-bit input takes the bytes themselves: a quantised input's scale and zero point are the
    normalisation. Float input takes (pixel - mean) / std, one quantised to 16 bits the same in its steps, and
    other integers the pixels.
    """
    if preprocessing.colour_order == "BGR":
        images = images[..., ::-1]
    if spec.dtype == "int8":
        values: npt.NDArray[Any] = (images ^ np.uint8(0x80)).view(np.int8)  # x - 128, without widening
    elif spec.dtype == "uint8":
        values = images
    elif spec.dtype in FLOATS:
        values = _normalised(images, preprocessing).astype(spec.dtype, copy=False)
    elif spec.dtype in ("int16", "uint16") and spec.scale:
        span = np.iinfo(spec.dtype)
        steps = np.rint(_normalised(images, preprocessing) / np.float32(spec.scale)) + np.float32(spec.zero_point or 0)
        values = steps.clip(span.min, span.max).astype(spec.dtype)
    elif spec.dtype in INTEGERS:
        values = images.astype(spec.dtype)
    else:
        raise ModelFileError(
            f"Input tensor {spec.name!r} has type {spec.dtype}, which takes no pixels.",
            f"these do: {', '.join(('int8', 'uint8', *FLOATS, *INTEGERS))}",
        )
    if spec.layout == "NCHW":
        values = values.transpose(0, 3, 1, 2)
    elif len(spec.shape) == 2:
        values = values.reshape(len(values), -1)
    return np.ascontiguousarray(values)


def decode(outputs: npt.NDArray[Any], spec: TensorSpec) -> npt.NDArray[np.float32]:
    """The output tensor as a float score for each class (N, K), the largest of which is the answer.

    Those of an output that puts out the class's number are 1 for that class and 0 for the others.
    """
    values = outputs.reshape(len(outputs), -1)
    if spec.reading == "number":
        numbers = np.arange(class_count(spec))
        return np.asarray(values[:, :1] == numbers, dtype=np.float32)
    scores = values.astype(np.float32)
    if spec.scale is not None and np.issubdtype(outputs.dtype, np.integer):
        scores = (scores - np.float32(spec.zero_point or 0)) * np.float32(spec.scale)
    return np.concatenate([1 - scores, scores], axis=1) if spec.reading == "probability" else scores


def _normalised(images: npt.NDArray[np.uint8], preprocessing: Preprocessing) -> npt.NDArray[np.float32]:
    """(pixel - mean) / std, float32 (N, H, W, C)."""
    return (images.astype(np.float32) - _channels(preprocessing.mean)) / _channels(preprocessing.std)


def _channels(numbers: float | tuple[float, ...]) -> npt.NDArray[np.float32]:
    """One number for all channels, or one for each."""
    return np.array(numbers, dtype=np.float32)


def values_per_picture(spec: TensorSpec) -> int:
    """How many values an output tensor has for one picture; a file may leave the batch out of its shape."""
    return math.prod(spec.shape[1:] if len(spec.shape) > 1 else spec.shape)


def class_count(spec: TensorSpec) -> int:
    """How many classes an output tells apart."""
    if spec.reading == "probability":
        return 2
    return values_per_picture(spec) if spec.classes is None else spec.classes


def _digest(table: dict[str, Any]) -> str:
    """Of a card's keys, in whatever order they stand, as they are read again."""
    kept = documents.canonical({key: value for key, value in table.items() if key != "path"})
    return hashlib.sha256(documents.canonical(documents.parse(kept)).encode()).hexdigest()


def _require_sense(one: Artifact) -> None:
    """Raises Unreadable for a card whose parts contradict each other, or whose sizes no picture has."""
    size, spec = one.preprocessing, one.description
    sizes = (size.height, size.width, size.channels)
    for shape in (sizes, spec.input.shape, spec.output.shape):
        if min(shape, default=0) < 0 or math.prod(map(max, shape, [1] * len(shape))) > LARGEST_PICTURE:
            raise Unreadable(f"it has the shape {' x '.join(map(str, shape)) or '()'}")
    if min(sizes) < 1:
        raise Unreadable(f"its pictures are {' x '.join(map(str, sizes))}")
    if not np.all(_channels(size.std)):
        raise Unreadable("its preprocessing divides by 0")
    for numbers in (size.mean, size.std):
        if isinstance(numbers, tuple) and len(numbers) != size.channels:
            raise Unreadable(f"its preprocessing is of {len(numbers)} channels, its pictures have {size.channels}")
    if one.labels and len(one.labels) != class_count(spec.output):
        raise Unreadable(f"it names {len(one.labels)} classes for {class_count(spec.output)} outputs")
    for inside in (spec.labels, own_labels.read(one.path)):
        if inside and not labels.agree(one.labels, inside):
            raise Unreadable("its classes are not those that the model file itself names, in that order")


def _without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_none(item) for key, item in value.items() if item is not None}
    return value
