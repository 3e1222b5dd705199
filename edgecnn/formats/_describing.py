"""Computations that all formats share: the word for a file's precision, and its activations' peak memory."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgecnn.errors import EnvironmentUnfit, ModelFileError, UsageError, first_line
from edgecnn.onboard.opening import opening

EIGHT_BIT = frozenset({"int8", "uint8"})
WIDTHS = {f"{sign}int{width}": width for sign in ("", "u") for width in (2, 4, 8, 16)}
"""Bits of the types that values are quantised to; int32 and int64 hold sums, indices and sizes."""
FLOATS = {"float16": "fp16", "bfloat16": "bf16", "float64": "fp64", "float32": "fp32"}


@contextlib.contextmanager
def describing(path: Path, format_name: str) -> Iterator[None]:
    """Open a model file within bounds, and name it in whatever the block raises.

    Args:
        path: The model file.
        format_name: What messages call its format, such as "ONNX".

    Raises:
        EnvironmentUnfit: A package is missing, or the file takes too much memory.
        ModelFileError: The file is not of its format.
        UsageError: The sizes asked for contradict it.
    """
    try:
        with opening(path):
            yield
    except EnvironmentUnfit:
        raise
    except ModelFileError as error:
        raise ModelFileError(f"{path} cannot be used: {error.sentence}", error.hint) from error
    except UsageError as error:
        raise UsageError(f"{path} {error.sentence}", error.hint) from error
    except Exception as error:  # a broken file makes a parser raise anything
        message = f"{path} is not a readable {format_name} file: {first_line(error)}."
        raise ModelFileError(message, "export it again") from error


def word(
    *, float_operators: int, integer_operators: Mapping[str, int], weights: Mapping[str, int], io: tuple[str, str]
) -> str:
    """Return one word for how a file stores its weights and computes.

    "int8" means that no operator computes in float and that input and output are 8-bit integers; otherwise it is
    "int8-mixed". "int16x8" has 16-bit activations and 8-bit weights, "int8x4" 4-bit weights. "dynamic" is int8 weights
    with float activations; "int4-weights" and "int2-weights" are narrower ones. If weights have several widths, the
    narrowest counts. Without integers it is the float type of most weights: fp32, fp16, bf16, fp64 or fp8. A file
    without weights has the type of its input or output, which may be "int64" or "bool".

    Args:
        float_operators: How many operators compute in float.
        integer_operators: How many operators compute with activations of each quantised type.
        weights: How many learnt values there are of each type.
        io: Types of the input and the output.
    """
    stored = min((WIDTHS[dtype] for dtype in weights if dtype in WIDTHS), default=None)
    computed = Counter[int]()
    for dtype, count in integer_operators.items():
        computed[WIDTHS[dtype]] += count
    if not computed.total():
        if stored is not None:
            return "dynamic" if stored == 8 else f"int{stored}-weights"
        return _float_word(weights) if _floats(weights) else _word_of(io)
    width = computed.most_common(1)[0][0]
    base = f"int{width}" if stored in (None, width) else f"int{width}x{stored}"
    pure = float_operators == 0 and len(computed) == 1 and all(WIDTHS.get(dtype) == width for dtype in io)
    return base if pure else f"{base}-mixed"


def halved(values: npt.NDArray[np.float32], name: str) -> npt.NDArray[np.float16]:
    """Round values to half precision.

    Raises:
        EnvironmentUnfit: A value exceeds half precision's maximum, 65504.
    """
    largest = float(np.abs(values).max(initial=0.0))
    if largest > float(np.finfo(np.float16).max):
        raise EnvironmentUnfit(
            f"{name!r} holds {largest:.6g}, and half precision ends at 65504.", "export fp32 or int8 instead of fp16"
        )
    return values.astype(np.float16)


def _floats(weights: Mapping[str, int]) -> dict[str, int]:
    return {dtype: count for dtype, count in weights.items() if dtype.startswith(("float", "bfloat"))}


def _word_of(io: tuple[str, str]) -> str:
    """Return the word for a file without weights: its input's or output's float type, else its input's type."""
    return next((FLOATS[dtype] for dtype in io if dtype in FLOATS), io[0])


def _float_word(weights: Mapping[str, int]) -> str:
    floats = _floats(weights)
    most = max(floats, key=lambda dtype: floats[dtype])
    return FLOATS.get(most, "fp8" if most.startswith("float8") else "fp4" if most.startswith("float4") else "fp32")


Step = tuple[Sequence[str], Sequence[str]]
"""The tensors that an operator reads, and those it writes."""


def peak_bytes(steps: Sequence[Step], sizes: Mapping[str, int], inputs: Sequence[str], outputs: Sequence[str]) -> int:
    """Compute the largest sum of tensors alive at once, in bytes.

    A tensor lives from the operator that writes it to the last that reads it, an input from the start, an output to the
    end; nothing is written in place. An allocator may need more, because of fragmentation.

    Args:
        steps: The operators in order.
        sizes: Bytes of each activation; tensors without an entry, such as constants, do not count.
        inputs: The graph's inputs.
        outputs: The graph's outputs.
    """
    first = dict.fromkeys(inputs, 0)
    last = dict.fromkeys(inputs, 0)
    for index, (read, written) in enumerate(steps):
        for name in written:
            first.setdefault(name, index)
            last[name] = index
        for name in read:
            last[name] = index
    end = max(len(steps) - 1, 0)
    last.update(dict.fromkeys(outputs, end))
    changes = [0] * (end + 2)
    for name, size in sizes.items():
        if name in first:
            changes[first[name]] += size
            changes[last[name] + 1] -= size
    alive = peak = 0
    for difference in changes:
        alive += difference
        peak = max(peak, alive)
    return peak
