"""Which precision word a file has earned, and how half precision is made."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from edgecnn.errors import EnvironmentUnfit

EIGHT_BIT = frozenset({"int8", "uint8"})


def word(
    *, float_operators: int, int8_operators: int, int8_weights: bool, fp16_weights: bool, io: tuple[str, str]
) -> str:
    """fp32, fp16, int8, int8-mixed or dynamic.

    "int8" is earned when no operator computes in float and input and output are 8-bit integers;
    "dynamic" is int8 weights with float activations; "fp16" is float with half-precision weights.
    """
    if int8_operators == 0:
        if int8_weights:
            return "dynamic"
        return "fp16" if fp16_weights else "fp32"
    if float_operators == 0 and EIGHT_BIT.issuperset(io):
        return "int8"
    return "int8-mixed"


def halved(values: npt.NDArray[np.float32], name: str) -> npt.NDArray[np.float16]:
    """The values in half precision, rounded to nearest; EnvironmentUnfit if one is beyond its 65,504."""
    largest = float(np.abs(values).max(initial=0.0))
    if largest > float(np.finfo(np.float16).max):
        raise EnvironmentUnfit(
            f"{name!r} holds {largest:.6g}, and half precision ends at 65504.", "export fp32 or int8 instead of fp16"
        )
    return values.astype(np.float16)
