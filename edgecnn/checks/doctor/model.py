"""Runs a model file and examines whether its answers depend on its input."""

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
from edgecnn.onboard import runtimes, tensors
from edgecnn.records.artifact import Description, TensorSpec

NOISE, FEWEST = 32, 4
"""The most and the fewest random images that are run, as MOST_MACS allows."""
EVEN = 2
"""Number of uniform inputs after the random ones: one of the lowest value, one of the highest."""
MOST_MACS = 20_000_000_000
"""The most MACs for the images of one range of values, some seconds on one core."""
MOST_SATURATED_PERCENT = 20.0
"""The largest share of 8-bit output values that may be cut off at the ends of their range."""

Tensor = npt.NDArray[Any]


class ExaminedModel:
    """A model file in the first runtime for its format, run on one image per call.

    Raises:
        ModelFileError: If the runtime refuses the file.
    """

    def __init__(self, path: Path, description: Description) -> None:
        self.path, self.description = path, description
        runtime = runtimes.get(runtimes.for_format(description.format)[0])
        self._session = runtime.open_session(path, num_threads=1, output=description.output.name)

    def outputs(self, stored: Tensor) -> Tensor:
        """Return the outputs (N, K) for images (N, H, W, C) in the type of the input tensor."""
        return self.answers(inputs(stored, self.description))

    def answer(self, tensor: Tensor) -> Tensor:
        """Return the output (1, K) for one input tensor."""
        return np.asarray(self._session(tensor)).reshape(1, -1)

    def answers(self, tensors: Tensor) -> Tensor:
        """Return the outputs (N, K) for N input tensors.

        Raises:
            ModelFileError: If their sizes differ.
        """
        raw = [self.answer(x) for x in tensors]
        counts = sorted({answer.size for answer in raw})
        if len(counts) > 1:
            raise ModelFileError(
                f"{self.path.name} answers {counts[0]} values to one picture and {counts[-1]} to another: no scores."
            )
        return np.concatenate(raw)

    def logits(self, stored: Tensor) -> npt.NDArray[np.float32]:
        """Return the outputs of `outputs` as real numbers (N, K)."""
        return tensors.decode(self.outputs(stored), self.description.output)


def inputs(stored: Tensor, description: Description) -> Tensor:
    """Return an input tensor for each image, (N, *shape), from images (N, H, W, C) in the tensor's type.

    Raises:
        ModelFileError: If an image does not fit the input.
    """
    if description.input.layout == "NCHW":
        stored = stored.transpose(0, 3, 1, 2)
    spec = description.input
    if stored[0].size != math.prod(spec.shape):
        raise ModelFileError(
            f"Input tensor {spec.name!r} is {sizes.words(spec.shape)}, and one picture {sizes.words(stored.shape[1:])}."
        )
    return np.ascontiguousarray(stored).reshape(len(stored), *spec.shape)


def findings(model: ExaminedModel, outputs: int = 1, is_stand_in: bool = False) -> Iterator[Finding]:
    """Examine the answers to noise, to a black and to a white image.

    Args:
        model: The model to run.
        outputs: Number of its outputs, of which the first is examined.
        is_stand_in: Whether its weights are constants instead of learnt ones.
    """
    batches = [_noise(model, largest) for largest in _ranges(model)]
    raw_answers: list[list[Tensor]] = []
    with console.progress("asking the file", sum(map(len, batches))) as advance:
        for tensors in batches:
            raw_answers.append([])
            for tensor in tensors:
                raw_answers[-1].append(model.answer(tensor))
                advance(1)
    counts = sorted({answer.size for of_range in raw_answers for answer in of_range})
    if len(counts) > 1:
        evidence = f"{counts[0]} to {counts[-1]} values, by what it is shown: things that it found, and no scores"
        yield Finding(level="note", subject="answers", evidence=evidence)
        return
    answers = [np.concatenate(of_range) for of_range in raw_answers]
    yield from _judge(answers, len(batches[0]), outputs, is_stand_in)
    yield from _range(np.concatenate(answers), model.description.output)


def pictures_for(macs: int | None) -> int:
    """Return the number of random images for a net of so many MACs, so that a large one takes seconds only."""
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
    if not all(finite):  # a good net may overflow in the range it was not trained on
        evidence = f"on pixels as they are or divided by 255, {_not_numbers(everything)}; on the other all are"
        yield Finding(level="note", subject="answers", evidence=evidence, mend="feed it the range it was trained on")
        return
    if all((answer == answer[0]).all() for answer in answers):
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
    """Report integer outputs that are cut off; probabilities end at 0 and 1 by nature."""
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
    """Return whether all integers are at an end of their range, as a sure answer is too."""
    if not np.issubdtype(values.dtype, np.integer):
        return False
    span = np.iinfo(values.dtype)
    return bool(np.isin(values, (span.min, span.max)).all())


def _noise(model: ExaminedModel, largest: float) -> Tensor:
    """Return random images, a black and a white one, as input tensors (N, *shape)."""
    rng = np.random.default_rng(0)
    spec = model.description.input
    try:
        dtype = np.dtype(spec.dtype)
    except TypeError as error:
        raise ModelFileError(f"Input tensor {spec.name!r} has type {spec.dtype}, which NumPy does not know.") from error
    shape = (pictures_for(model.description.macs), *spec.shape)
    if np.issubdtype(dtype, np.bool_) or (spec.dtype in tensors.INTEGERS and spec.scale is None):
        low, high = 0.0, 1.0  # perhaps indices into a table: these two are in every table
    elif np.issubdtype(dtype, np.integer):
        span = np.iinfo(dtype)
        low, high = float(span.min), float(span.max)
    else:
        low, high = 0.0, largest
    drawn = rng.uniform(low, high, shape)
    ends = np.stack([np.full(shape[1:], low), np.full(shape[1:], high)])
    drawn = np.concatenate([drawn, ends])
    return (np.rint(drawn) if high == 1.0 and dtype.kind in "iub" else drawn).astype(dtype)


def _ranges(model: ExaminedModel) -> tuple[float, ...]:
    """Return the largest values to try: a float input takes pixels or pixels / 255 and may saturate on the other."""
    return (255.0, 1.0) if model.description.input.dtype.startswith("float") else (255.0,)


def _not_numbers(values: Tensor) -> str:
    bad = int((~np.isfinite(values.astype(np.float64))).any(1).sum())
    return f"{bad} of {len(values)} outputs are not numbers"
