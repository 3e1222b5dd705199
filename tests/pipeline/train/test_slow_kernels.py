"""Depthwise convolutions without a quick gradient in bf16 are computed in fp32, and no others."""

from __future__ import annotations

import contextlib

import pytest
import torch
from torch import nn

from edgecnn.pipeline.train.slow_kernels import DepthwiseInFp32

SLOW = [{"kernel_size": 5, "padding": 2}, {"kernel_size": 3, "stride": 2}, {"kernel_size": (1, 5)}]
QUICK = [{"kernel_size": 3}, {"kernel_size": 3, "stride": 2, "groups": 1}, {"kernel_size": 5, "groups": 2}]


def outcome(options: dict[str, int], mode: contextlib.AbstractContextManager[object]) -> list[torch.Tensor]:
    """Output, gradient of the input and gradient of the weight of one convolution in bf16, in float32."""
    torch.manual_seed(0)
    layer = nn.Conv2d(8, 8, **({"groups": 8, "bias": False} | options))  # type: ignore[arg-type]
    inputs = torch.randn(2, 8, 12, 12).bfloat16().requires_grad_()
    with torch.autocast("cpu", torch.bfloat16), mode:
        outputs = layer(inputs)
    assert outputs.dtype == torch.bfloat16
    outputs.float().square().sum().backward()
    assert inputs.grad is not None
    assert layer.weight.grad is not None
    return [outputs.float(), inputs.grad.float(), layer.weight.grad]


@pytest.mark.parametrize("options", SLOW)
def test_a_slow_one_is_computed_from_whole_weights_and_gives_bf16(options: dict[str, int]) -> None:
    ours, theirs = outcome(options, DepthwiseInFp32()), outcome(options, contextlib.nullcontext())
    for mine, other in zip(ours, theirs, strict=True):
        assert torch.allclose(mine, other, rtol=0.05, atol=0.05 * float(other.detach().abs().max()))
    assert not torch.equal(ours[2], ours[2].bfloat16().float())  # the weight's gradient was never rounded to bf16


@pytest.mark.parametrize("options", QUICK)
def test_all_others_stay_as_they_are(options: dict[str, int]) -> None:
    ours, theirs = outcome(options, DepthwiseInFp32()), outcome(options, contextlib.nullcontext())
    assert all(torch.equal(mine, other) for mine, other in zip(ours, theirs, strict=True))
