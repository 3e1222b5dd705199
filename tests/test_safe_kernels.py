"""No convolution of a training runs on kernels that overflow the heap, and it computes what it did."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from edgecnn.isa import X86
from edgecnn.safe_kernels import SafeConvolutions

TESTS = Path(__file__).parent
MALLOC_CHECKS = "libc_malloc_debug.so.0"
"""Where glibc keeps them since 2.34."""

OVERFLOWING = """
import torch
import torch.nn.functional as F
from contextlib import nullcontext
from edgecnn.safe_kernels import SafeConvolutions
torch.set_num_threads(1)
torch.manual_seed(0)
for step in range(200):
    x = torch.randn(32, 4, 16, 16).to(memory_format=torch.channels_last).requires_grad_()
    w = torch.randn(8, 4, 1, 1).to(memory_format=torch.channels_last).requires_grad_()
    with {context}():
        y = F.conv2d(x, w, stride=2)
    y.square().sum().backward()
"""


def as_avx2(*command: str) -> subprocess.CompletedProcess[str]:
    """What Python does with the kernels that an AVX2 CPU has, every block of memory checked when it is freed."""
    variables = {
        "ONEDNN_MAX_CPU_ISA": "AVX2",
        "ATEN_CPU_CAPABILITY": "avx2",
        "MALLOC_CHECK_": "3",
        "MALLOC_PERTURB_": "7",
        "LD_PRELOAD": MALLOC_CHECKS,
        "PYTHONPATH": str(TESTS.parent),
    }
    return subprocess.run(
        [sys.executable, *command], env={**os.environ, **variables}, capture_output=True, text=True, check=False
    )


on_x86_linux = pytest.mark.skipif(
    sys.platform != "linux" or os.uname().machine not in X86, reason="these kernels are those of x86-64"
)


@on_x86_linux
def test_the_convolution_that_overflows_is_not_reached() -> None:
    bare = as_avx2("-c", OVERFLOWING.format(context="nullcontext"))
    if bare.returncode == 0:
        pytest.skip("the kernels of this PyTorch do not overflow")
    assert bare.returncode < 0  # killed: the checks see what they should
    safe = as_avx2("-c", OVERFLOWING.format(context="SafeConvolutions"))
    assert (safe.returncode, safe.stderr) == (0, "")


@on_x86_linux
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_every_net_trains_at_every_width_without_writing_past_its_memory(precision: str) -> None:
    done = as_avx2(str(TESTS / "every_net.py"), precision)
    assert done.returncode == 0, done.stderr[-500:]
    assert int(done.stdout.split()[0]) > 400


class Strides(TorchDispatchMode):
    """Keeps the strides of every convolution of one pixel that reaches a kernel, on the way forward and back."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[list[int]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = str(func)
        if "convolution_backward" in name:
            self._keep(args[2], args[4])
        elif "convolution" in name:
            self._keep(args[1], args[3])
        return func(*args, **(kwargs or {}))

    def _keep(self, weight: Tensor, stride: list[int]) -> None:
        if tuple(weight.shape[2:]) == (1, 1):
            self.seen.append(list(stride))


class Functional(nn.Module):
    """A net that calls torch's function itself."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(6, 3, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.weight, stride=2)


def as_graph(net: nn.Module) -> nn.Module:
    return torch.export.export(net, (torch.randn(2, 3, 8, 8),)).module()


@pytest.mark.parametrize(
    "make",
    [
        lambda: nn.Conv2d(3, 6, 1, stride=2),
        Functional,
        lambda: as_graph(nn.Conv2d(3, 6, 1, stride=2)),
        lambda: as_graph(Functional()),
        lambda: nn.Conv2d(3, 6, 1, stride=(1, 3)),
        lambda: nn.Conv2d(3, 6, 1, stride=2, padding=1),
        lambda: nn.Conv2d(3, 6, 1, stride=2, groups=3),
    ],
    ids=["module", "function", "graph of a module", "graph of a function", "one side", "padded", "grouped"],
)
def test_whoever_calls_it_one_pixel_is_convolved_with_stride_1(make: Callable[[], nn.Module]) -> None:
    net = make()
    with Strides() as strides:
        with SafeConvolutions():
            outputs = net(torch.randn(2, 3, 8, 8, requires_grad=True))
        outputs.sum().backward()
    assert len(strides.seen) == 2
    assert all(stride == [1, 1] for stride in strides.seen)


def test_without_it_the_stride_reaches_the_kernel() -> None:
    with Strides() as strides:
        nn.Conv2d(3, 6, 1, stride=2)(torch.randn(2, 3, 8, 8))
    assert strides.seen == [[2, 2]]


@given(
    channels=st.sampled_from([1, 3, 4, 6]),
    kernel=st.sampled_from([1, 2, 3]),
    stride=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    padding=st.integers(0, 1),
    grouped=st.booleans(),
    bias=st.booleans(),
    size=st.tuples(st.integers(4, 9), st.integers(4, 9)),
    seed=st.integers(0, 1000),
)
@settings(max_examples=60, deadline=None)
def test_values_and_gradients_are_those_of_the_convolution_itself(
    channels: int,
    kernel: int,
    stride: tuple[int, int],
    padding: int,
    grouped: bool,
    bias: bool,
    size: tuple[int, int],
    seed: int,
) -> None:
    generator = torch.Generator().manual_seed(seed)
    groups = channels if grouped else 1
    tensors = [torch.randn(2, channels, *size, generator=generator, dtype=torch.float64)]
    tensors.append(torch.randn(2 * channels, channels // groups, kernel, kernel, generator=generator).double())
    tensors += [torch.randn(2 * channels, generator=generator).double()] if bias else []

    def outcome() -> list[Tensor]:
        x, weight, *rest = (one.clone().requires_grad_() for one in tensors)
        outputs = F.conv2d(x, weight, rest[0] if rest else None, stride, padding, 1, groups)
        outputs.square().sum().backward()
        return [outputs.detach(), *(one.grad for one in (x, weight, *rest) if one.grad is not None)]

    expected = outcome()
    with SafeConvolutions():
        computed = outcome()
    assert len(expected) == len(computed) == 3 + bias
    for before, after in zip(expected, computed, strict=True):
        torch.testing.assert_close(after, before)


def test_gradients_stay_channels_last() -> None:
    x = torch.randn(2, 4, 8, 8).to(memory_format=torch.channels_last).requires_grad_()
    with SafeConvolutions():
        outputs = nn.Conv2d(4, 6, 1, stride=2).to(memory_format=torch.channels_last)(x * 1)  # type: ignore[call-overload]
    (gradient,) = torch.autograd.grad(outputs.sum(), x)
    assert outputs.is_contiguous(memory_format=torch.channels_last)
    assert gradient.is_contiguous(memory_format=torch.channels_last)


def test_a_file_holds_the_strided_convolution() -> None:
    graph = as_graph(nn.Conv2d(3, 6, 1, stride=2))
    (convolution,) = [node for node in graph.graph.nodes if "conv2d" in str(node.target)]  # type: ignore[union-attr]
    assert convolution.args[3] == [2, 2]


def test_a_transposed_convolution_and_a_call_without_stride_are_left_alone() -> None:
    x, weight = torch.randn(1, 3, 4, 4), torch.randn(3, 5, 1, 1)
    with SafeConvolutions():
        assert F.conv_transpose2d(x, weight, stride=2).shape == (1, 5, 7, 7)
        assert F.conv2d(x, weight.transpose(0, 1)).shape == (1, 5, 4, 4)
