"""An Artifact: one deployable file, and its card that says what it is, what it takes and how its check came out.

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
from edgecnn.records.certainty import Certainty
from edgecnn.records.gates import Outcome
from edgecnn.records.resizing import CROP, Resizing
from edgecnn.records.sound import FrontEnd

CARD_VERSION = 1
KIND = documents.Kind(name="card", words="a card this tool wrote", error=ModelFileError, hint="export it again")
DIGEST = "card_sha256"
"""Key of the digest that a card holds of all its other keys; earlier cards have none."""
LARGEST_PICTURE = 1 << 28
"""The most values in one picture, or in one output."""


@dataclass(frozen=True, kw_only=True)
class TensorSpec:
    """An input or output tensor; if quantised, real = scale * (stored - zero_point)."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    layout: str
    """"NHWC", "NCHW", "NK" (logits), or "" if the file does not tell."""
    scale: float | None = None
    zero_point: int | None = None
    reading: Literal["scores", "probability", "number"] = "scores"
    """How an output names the class: by a score for each, by the probability of the second of two classes (a sigmoid),
    or by the class's number (ArgMax)."""
    classes: int | None = None
    """The number of classes, where `reading` is "number"."""
    open: tuple[str, ...] = ()
    """Sizes that neither the file nor the user has fixed, such as "2 (height)"; they are 0 in `shape`."""


@dataclass(frozen=True, kw_only=True)
class Preprocessing:
    """The steps by which a device turns a picture into the input tensor."""

    height: int
    width: int
    channels: int
    colour_order: str
    """"RGB", "BGR" or "grey"."""
    resize: str
    """The rule in words (`Resizing.rule`)."""
    resizing: Resizing = CROP
    """The same in numbers; cards of earlier versions have none, and mean the largest centred crop."""
    mean: float | tuple[float, ...] = 0.0
    """Subtracted by the caller from float input, one for all channels or one for each; 0 if the graph normalises."""
    std: float | tuple[float, ...] = 1.0


@dataclass(frozen=True, kw_only=True)
class ImageNote:
    """A file's own metadata about its pictures; None for what they leave open."""

    source: str
    """Where it was read, such as "its TFLite metadata"."""
    colour_order: str | None = None
    mean: float | tuple[float, ...] | None = None
    std: float | tuple[float, ...] | None = None
    resizing: Resizing | None = None
    sound: FrontEnd | None = None
    """How they are made of sounds, by a note of this tool."""


@dataclass(frozen=True, kw_only=True)
class Description:
    """The facts that a model file states about itself when it is opened."""

    format: str
    format_version: str
    """The TFLite schema version, or the ONNX opset and IR version."""
    bytes: int
    """Size of the file; for a C array, the bytes that end up in flash."""
    sha256: str
    input: TensorSpec
    output: TensorSpec
    precision: str
    """"fp32", "fp16" (weights), "int8" (all operators, input and output), "int8-mixed", "dynamic" ..."""
    operators: Mapping[str, int]
    float_operators: int
    """Operators that compute in float; in a QDQ graph, those that no int8 kernel can replace."""
    transposes: int
    quantize_pairs: int
    """Quantise and dequantise operators that run as operators of their own."""
    planned_activation_peak_bytes: int | None
    """The largest sum of activations alive at once, in the file's operator order; None while a size is open."""
    macs: int | None
    """None if a size is open, the file does not tell inner sizes, or branches or loops decide."""
    parameters: int
    labels: tuple[str, ...] = ()
    outputs: tuple[TensorSpec, ...] = ()
    """All outputs of a file with several, `output` among them, which names the classes."""
    image: ImageNote | None = None
    micro_arena_bytes: int | None = None
    """Tensor arena that a C array needs on a microcontroller; None for other formats."""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The outcome of checking a file against its run on the same pictures."""

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
    """The p-value of McNemar's exact two-sided test."""
    agreement_percent: float
    gained: int
    lost: int
    max_logit_difference: float
    max_drop_pp: float
    outcome: Outcome | None = None
    """None in an early card, when a check either passed or failed."""
    exact: bool = False
    """Every logit equals the run's but for float32 rounding, so the drop is not an estimate."""

    @property
    def check(self) -> Outcome:
        """The outcome, also for an early card."""
        return self.outcome or ("pass" if self.passed else "fail")


@dataclass(frozen=True, kw_only=True)
class Parity:
    """The differences between the outputs of two int8 files of one run on the same pictures."""

    against: str
    """The name of the other file."""
    n: int
    max_lsb: int
    """The largest difference between two output values, in steps of their common scale."""
    differing_percent: float
    """Share of output values that differ."""
    agreement_percent: float
    """Share of pictures with the same top-1 class."""


@dataclass(frozen=True, kw_only=True)
class Artifact:
    """One deployable file, with the contents of its card."""

    path: Path
    description: Description
    preprocessing: Preprocessing
    labels: tuple[str, ...]
    run: str | None = None
    """The name of the run it was exported from; None for a file made elsewhere."""
    run_sha256: str | None = None
    """Digest of the run's weights."""
    target: str | None = None
    calibration: Mapping[str, Any] = field(default_factory=dict)
    verdict: Verdict | None = None
    parity: Parity | None = None
    certainty: Certainty | None = None
    """None until `edgecnn calibrate` has learnt it."""
    sound: FrontEnd | None = None
    """How a sound becomes the picture that `preprocessing` has the size of; None for a model of pictures."""

    @property
    def name(self) -> str:
        return self.path.name

    def _repr_html_(self) -> str:
        """Return the file as a table, for a notebook: by name, so that no board is sent what writes it."""
        return str(importlib.import_module("edgecnn.records.notebook").html(self))


def card_path(path: Path) -> Path:
    return path.with_name(path.name + ".json")


def to_table(artifact: Artifact) -> dict[str, Any]:
    """Return the card as JSON tables; the path becomes the file's name, so that both can move together."""
    table = {"card_version": CARD_VERSION, **dataclasses.asdict(artifact), "path": artifact.path.name}
    return {**table, DIGEST: _digest(table)}


def write_card(artifact: Artifact) -> None:
    """Write the card beside the file, atomically."""
    files.write_json(card_path(artifact.path), to_table(artifact))


def read_card(path: Path) -> Artifact | None:
    """Read the card of a model file, None if it has none; raise ModelFileError if the two do not match."""
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
        magic.format_of(path)  # its error is clearer for a file that is no model at all
        raise ModelFileError(f"{path} is not the file its card describes (sha256 differs).", "export it again")
    return artifact


def channel_values(numbers: float | tuple[float, ...]) -> npt.NDArray[np.float32]:
    """Return one number for all channels, or one for each, as an array that broadcasts over (N, H, W, C)."""
    return np.array(numbers, dtype=np.float32)


def values_per_picture(spec: TensorSpec) -> int:
    """Return how many values an output tensor has for one picture; its shape may lack the batch."""
    return math.prod(spec.shape[1:] if len(spec.shape) > 1 else spec.shape)


def class_count(spec: TensorSpec) -> int:
    """Return how many classes an output distinguishes."""
    if spec.reading == "probability":
        return 2
    return values_per_picture(spec) if spec.classes is None else spec.classes


def _digest(table: dict[str, Any]) -> str:
    """Digest a card's keys except the path, in any order, after a round trip through JSON."""
    text = documents.canonical({key: value for key, value in table.items() if key != "path"})
    return hashlib.sha256(documents.canonical(documents.parse(text)).encode()).hexdigest()


def _require_sense(artifact: Artifact) -> None:
    """Raise Unreadable if parts of a card contradict each other, or no picture has its sizes."""
    size, spec = artifact.preprocessing, artifact.description
    sizes = (size.height, size.width, size.channels)
    for shape in (sizes, spec.input.shape, spec.output.shape):
        if min(shape, default=0) < 0 or math.prod(map(max, shape, [1] * len(shape))) > LARGEST_PICTURE:
            raise Unreadable(f"it has the shape {' x '.join(map(str, shape)) or '()'}")
    if min(sizes) < 1:
        raise Unreadable(f"its pictures are {' x '.join(map(str, sizes))}")
    if not np.all(channel_values(size.std)):
        raise Unreadable("its preprocessing divides by 0")
    for numbers in (size.mean, size.std):
        if isinstance(numbers, tuple) and len(numbers) != size.channels:
            raise Unreadable(f"its preprocessing is of {len(numbers)} channels, its pictures have {size.channels}")
    if artifact.sound is not None and sizes != (artifact.sound.frames, artifact.sound.columns, 1):
        raise Unreadable("its pictures are not those that its front end makes of a sound")
    if artifact.labels and len(artifact.labels) != class_count(spec.output):
        raise Unreadable(f"it names {len(artifact.labels)} classes for {class_count(spec.output)} outputs")
    for inside in (spec.labels, own_labels.read(artifact.path)):
        if inside and not labels.agree(artifact.labels, inside):
            raise Unreadable("its classes are not those that the model file itself names, in that order")


def _without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_none(item) for key, item in value.items() if item is not None}
    return value
