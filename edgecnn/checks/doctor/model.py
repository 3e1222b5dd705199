"""A model file that is run: what it puts out, and whether that depends on what it is shown."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.checks.doctor.finding import Finding
from edgecnn.common import console, sizes
from edgecnn.errors import ModelFileError
from edgecnn.onboard import runtimes
from edgecnn.records import artifact as artifacts
from edgecnn.records.artifact import Description, TensorSpec

NOISE, FEWEST = 32, 4
"""Random pictures it is shown: as many as MOST_MACS allow, within these."""
EVEN = 2
"""Inputs after these that have one value all over: the lowest and the highest."""
MOST_MACS = 20_000_000_000
"""Of the pictures of one range of values: some seconds of a core."""
MOST_SATURATED_PERCENT = 20.0
"""Of an 8-bit output's values at the ends of its range; a logit that is cut off says less than it should."""

Tensor = npt.NDArray[Any]


class Model:
    """A file in its runtime, one picture a call. Raises ModelFileError if the runtime refuses it."""

    def __init__(self, path: Path, description: Description) -> None:
        self.path, self.description = path, description
        runtime = runtimes.get(runtimes.for_format(description.format)[0])
        self._session = runtime.open_session(path, num_threads=1, output=description.output.name)

    def outputs(self, stored: Tensor) -> Tensor:
        """What it puts out (N, K) for what its input tensor holds, (N, H, W, C) in the tensor's own type."""
        return self.answers(inputs(stored, self.description))

    def answer(self, tensor: Tensor) -> Tensor:
        """What it puts out (1, K) for one input tensor."""
        return np.asarray(self._session(tensor)).reshape(1, -1)

    def answers(self, tensors: Tensor) -> Tensor:
        """What it puts out (N, K) for so many input tensors. Raises ModelFileError if the sizes of that differ."""
        raw = [self.answer(x) for x in tensors]
        counts = sorted({answer.size for answer in raw})
        if len(counts) > 1:
            raise ModelFileError(
                f"{self.path.name} answers {counts[0]} values to one picture and {counts[-1]} to another: no scores."
            )
        return np.concatenate(raw)

    def logits(self, stored: Tensor) -> npt.NDArray[np.float32]:
        """The same as real numbers."""
        return artifacts.decode(self.outputs(stored), self.description.output)


def inputs(stored: Tensor, description: Description) -> Tensor:
    """One input tensor for each picture, (N, *its shape), of what it holds, (N, H, W, C)."""
    if description.input.layout == "NCHW":
        stored = stored.transpose(0, 3, 1, 2)
    spec = description.input
    if stored[0].size != math.prod(spec.shape):
        raise ModelFileError(
            f"Input tensor {spec.name!r} is {sizes.words(spec.shape)}, and one picture {sizes.words(stored.shape[1:])}."
        )
    return np.ascontiguousarray(stored).reshape(len(stored), *spec.shape)


def findings(model: Model, outputs: int = 1, is_stand_in: bool = False) -> Iterator[Finding]:
    """Whether what it puts out depends on what it is shown: noise, a black and a white picture.

    outputs: how many it has; the first is looked at. is_stand_in: its weights are no learnt ones.
    """
    shown = [_noise(model, largest) for largest in _ranges(model)]
    raw: list[list[Tensor]] = []
    with console.progress("asking the file", sum(map(len, shown))) as advance:
        for tensors in shown:
            raw.append([])
            for x in tensors:
                raw[-1].append(model.answer(x))
                advance(1)
    counts = sorted({answer.size for of_range in raw for answer in of_range})
    if len(counts) > 1:
        evidence = f"{counts[0]} to {counts[-1]} values, by what it is shown: things that it found, and no scores"
        yield Finding(level="note", subject="answers", evidence=evidence)
        return
    answers = [np.concatenate(of_range) for of_range in raw]
    yield from _judge(answers, len(shown[0]), outputs, is_stand_in)
    yield from _range(np.concatenate(answers), model.description.output)


def pictures_for(macs: int | None) -> int:
    """How many random pictures a net of so many MACs is shown, so that a large one takes seconds."""
    if macs is None:
        return FEWEST
    return min(NOISE, max(FEWEST, MOST_MACS // max(1, macs)))


def _judge(answers: Sequence[Tensor], count: int, outputs: int, is_stand_in: bool) -> Iterator[Finding]:
    everything = np.concatenate(answers)
    k = everything.shape[1]
    finite = [bool(np.isfinite(answer.astype(np.float64)).all()) for answer in answers]
    if not all(finite) and all(np.isfinite(answer[:-EVEN].astype(np.float64)).all() for answer in answers):
        evidence = f"{_not_numbers(everything)}, all for inputs of one value, such as black or silence"
        mend = "look for a logarithm of the input, or a division by its mean or deviation: add something small there"
        yield Finding(level="warn", subject="answers", evidence=evidence, mend=mend)
        return
    if not any(finite):
        evidence = f"on {len(everything)} inputs: {_not_numbers(everything)}"
        yield Finding(level="wrong", subject="answers", evidence=evidence, mend="export it again; look for a division")
        return
    if not all(finite):  # a net may be right that takes one range of values and overflows in the other
        evidence = f"on pixels as they are or divided by 255, {_not_numbers(everything)}; on the other all are"
        yield Finding(level="note", subject="answers", evidence=evidence, mend="feed it the range it was trained on")
        return
    if all((one == one[0]).all() for one in answers):
        evidence = f"the same {k} {'number' if k == 1 else 'numbers'} for {count} different inputs"
        if is_stand_in:
            evidence += ": its weights are filled with one number each (ConstantOfShape), in place of learnt ones"
            yield Finding(level="note", subject="answers", evidence=evidence)
        elif k > 1 and outputs == 1 and not _is_cut_off(everything):
            evidence += ": it does not look at the picture"
            yield Finding(
                level="wrong", subject="answers", evidence=evidence, mend="export it again, and check it there"
            )
        else:
            evidence += " of noise, which may be right: such an output can stand still where there is nothing to see"
            yield Finding(level="note", subject="answers", evidence=evidence, mend="show it pictures")
        return
    evidence = "1 finite number that depends" if k == 1 else f"{k} finite numbers that depend"
    yield Finding(level="ok", subject="answers", evidence=f"{evidence} on the input, n {count}")


def _range(values: Tensor, spec: TensorSpec) -> Iterator[Finding]:
    """Whether integers that stand for more than probabilities, which end at 0 and 1 by nature, are cut off."""
    if not np.issubdtype(values.dtype, np.integer) or spec.scale is None or (values == values[0]).all():
        return
    span = np.iinfo(values.dtype)
    low, high = (spec.scale * (end - (spec.zero_point or 0)) for end in (span.min, span.max))
    cut = 100 * float(np.isin(values, (span.min, span.max)).mean())
    if cut > MOST_SATURATED_PERCENT and not (low == 0 and high < 1.01):
        evidence = f"{cut:.0f} % of the {values.dtype} outputs on noise stand at the end of their range"
        mend = "calibrate with pictures as the model will see them"
        yield Finding(level="warn", subject="output scale", evidence=evidence, mend=mend)


def _is_cut_off(values: Tensor) -> bool:
    """Whether integers all stand at an end of their range, where a sure answer does too."""
    if not np.issubdtype(values.dtype, np.integer):
        return False
    span = np.iinfo(values.dtype)
    return bool(np.isin(values, (span.min, span.max)).all())


def _noise(model: Model, largest: float) -> Tensor:
    """Random pictures, a black and a white one, as the input tensor holds them."""
    rng = np.random.default_rng(0)
    spec = model.description.input
    try:
        dtype = np.dtype(spec.dtype)
    except TypeError as error:
        raise ModelFileError(f"Input tensor {spec.name!r} has type {spec.dtype}, which NumPy does not know.") from error
    shape = (pictures_for(model.description.macs), *spec.shape)
    if np.issubdtype(dtype, np.bool_) or (spec.dtype in artifacts.INTEGERS and spec.scale is None):
        low, high = 0.0, 1.0  # places in a table, perhaps: these two are in every one
    elif np.issubdtype(dtype, np.integer):
        span = np.iinfo(dtype)
        low, high = float(span.min), float(span.max)
    else:
        low, high = 0.0, largest
    drawn = rng.uniform(low, high, shape)
    ends = np.stack([np.full(shape[1:], low), np.full(shape[1:], high)])
    drawn = np.concatenate([drawn, ends])
    return (np.rint(drawn) if high == 1.0 and dtype.kind in "iub" else drawn).astype(dtype)


def _ranges(model: Model) -> tuple[float, ...]:
    """A float input may take pixels, or pixels / 255: a net that saturates on one does not on the other."""
    return (255.0, 1.0) if model.description.input.dtype.startswith("float") else (255.0,)


def _not_numbers(values: Tensor) -> str:
    bad = int((~np.isfinite(values.astype(np.float64))).any(1).sum())
    return f"{bad} of {len(values)} outputs are not numbers"
