"""A model file that is run: what it puts out, and whether that depends on what it is shown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn import artifact as artifacts
from edgecnn import runtimes
from edgecnn.artifact import Description
from edgecnn.doctor.finding import Finding

NOISE = 32
"""Random pictures it is shown."""
MOST_SATURATED_PERCENT = 20.0
"""Of an 8-bit output's values at the ends of its range; a logit that is cut off says less than it should."""

Tensor = npt.NDArray[Any]


class Model:
    """A file in its runtime, one picture a call. Raises ModelFileError if the runtime refuses it."""

    def __init__(self, path: Path, description: Description) -> None:
        self.description = description
        runtime = runtimes.get(runtimes.for_format(description.format)[0])
        self._session = runtime.open(path, num_threads=1, output=description.output.name)

    @property
    def picture_shape(self) -> tuple[int, int, int]:
        """(H, W, C) of one picture."""
        shape = tuple(max(1, size) for size in self.description.input.shape[1:])
        if len(shape) != 3:
            return 1, int(np.prod(shape, dtype=int)), 1
        return (
            (shape[1], shape[2], shape[0])
            if self.description.input.layout == "NCHW"
            else (shape[0], shape[1], shape[2])
        )

    def outputs(self, stored: Tensor) -> Tensor:
        """What it puts out (N, K) for what its input tensor holds, (N, H, W, C) in the tensor's own type."""
        raw = [np.asarray(self._session(x)) for x in inputs(stored, self.description)]
        return np.concatenate([one.reshape(1, -1) for one in raw])

    def logits(self, stored: Tensor) -> npt.NDArray[np.float32]:
        """The same as real numbers."""
        return artifacts.decode(self.outputs(stored), self.description.output)


def inputs(stored: Tensor, description: Description) -> Tensor:
    """One input tensor for each picture, (N, *its shape), of what it holds, (N, H, W, C)."""
    if description.input.layout == "NCHW":
        stored = stored.transpose(0, 3, 1, 2)
    shape = tuple(max(1, size) for size in description.input.shape)
    return np.ascontiguousarray(stored).reshape(len(stored), *shape)


def findings(model: Model) -> Iterator[Finding]:
    """Whether what it puts out depends on what it is shown: noise, a black and a white picture."""
    shown = [_noise(model, largest) for largest in _ranges(model)]
    answers = [model.outputs(stored) for stored in shown]
    count = len(shown[0])
    yield from _judge(answers, count, model)


def _judge(answers: Sequence[Tensor], count: int, model: Model) -> Iterator[Finding]:
    everything = np.concatenate(answers)
    k = everything.shape[1]
    if not np.isfinite(everything.astype(np.float64)).all():
        evidence = f"on {len(everything)} inputs: {_not_numbers(everything)}"
        yield Finding(level="wrong", subject="answers", evidence=evidence, mend="export it again; look for a division")
        return
    if all((one == one[0]).all() for one in answers):
        if model.description.output.reading == "number":
            evidence = f"the same class for {count} different inputs of noise, which a class number may well be"
            yield Finding(level="note", subject="answers", evidence=evidence)
            return
        evidence = f"the same {k} numbers for {count} different inputs: it does not look at the picture"
        yield Finding(level="wrong", subject="answers", evidence=evidence, mend="export it again, and check it there")
        return
    yield Finding(level="ok", subject="answers", evidence=f"{k} finite numbers that depend on the input, n {count}")
    if np.issubdtype(everything.dtype, np.integer):
        span = np.iinfo(everything.dtype)
        cut = 100 * float(np.isin(everything, (span.min, span.max)).mean())
        if cut > MOST_SATURATED_PERCENT:
            evidence = f"{cut:.0f} % of the {everything.dtype} outputs on noise stand at the end of their range"
            mend = "calibrate with pictures as the model will see them"
            yield Finding(level="warn", subject="output scale", evidence=evidence, mend=mend)


def _noise(model: Model, largest: float) -> Tensor:
    """Random pictures, a black and a white one, as the input tensor holds them."""
    rng = np.random.default_rng(0)
    dtype = np.dtype(model.description.input.dtype)
    shape = (NOISE, *model.picture_shape)
    if np.issubdtype(dtype, np.integer):
        span = np.iinfo(dtype)
        low, high = float(span.min), float(span.max)
    else:
        low, high = 0.0, largest
    drawn = rng.uniform(low, high, shape)
    ends = np.stack([np.full(shape[1:], low), np.full(shape[1:], high)])
    return np.concatenate([drawn, ends]).astype(dtype)


def _ranges(model: Model) -> tuple[float, ...]:
    """A float input may take pixels, or pixels / 255: a net that saturates on one does not on the other."""
    return (255.0, 1.0) if model.description.input.dtype.startswith("float") else (255.0,)


def _not_numbers(values: Tensor) -> str:
    bad = int((~np.isfinite(values.astype(np.float64))).any(1).sum())
    return f"{bad} of {len(values)} outputs are not numbers"
