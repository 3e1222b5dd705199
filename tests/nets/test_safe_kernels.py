"""No convolution of a training runs on kernels that overflow the heap, and it computes what it did."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any, cast

import pytest
import torch
import torch.nn.functional as F
from checkout import SUPPORT
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from edgecnn.nets import graph as dataflow
from edgecnn.nets import safe_kernels
from edgecnn.pipeline.export.quantizer import EdgeQuantizer
from edgecnn.records.isa import X86

MALLOC_CHECKS = "libc_malloc_debug.so.0"
"""Where glibc keeps them since 2.34."""

OVERFLOWING = """
import torch
import torch.nn.functional as F
from edgecnn.nets import safe_kernels
{first}
torch.set_num_threads(1)
torch.manual_seed(0)
for step in range(200):
    x = torch.randn(32, 4, 16, 16).to(memory_format=torch.channels_last).requires_grad_()
    w = torch.randn(8, 4, 1, 1).to(memory_format=torch.channels_last).requires_grad_()
    y = F.conv2d(x, w, stride=2)
    y.square().sum().backward()
"""


def as_avx2(*command: str) -> subprocess.CompletedProcess[str]:
    """Run Python with the kernels of an AVX2 CPU, every block of memory checked when it is freed."""
    variables = {
        "ONEDNN_MAX_CPU_ISA": "AVX2",
        "ATEN_CPU_CAPABILITY": "avx2",
        "MALLOC_CHECK_": "3",
        "MALLOC_PERTURB_": "7",
        "LD_PRELOAD": MALLOC_CHECKS,
        "PYTHONPATH": str(SUPPORT.parent),
    }
    return subprocess.run(
        [sys.executable, *command], env={**os.environ, **variables}, capture_output=True, text=True, check=False
    )


on_x86_linux = pytest.mark.skipif(
    sys.platform != "linux" or os.uname().machine not in X86, reason="these kernels are those of x86-64"
)


@on_x86_linux
def test_the_convolution_that_overflows_is_not_reached() -> None:
    bare = as_avx2("-c", OVERFLOWING.format(first=""))
    if bare.returncode == 0:
        pytest.skip("the kernels of this PyTorch do not overflow")
    assert bare.returncode < 0  # killed: the checks see what they should
    safe = as_avx2("-c", OVERFLOWING.format(first="safe_kernels.protect()"))
    assert (safe.returncode, safe.stderr) == (0, "")


@on_x86_linux
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_every_net_trains_at_every_width_without_writing_past_its_memory(precision: str) -> None:
    done = as_avx2(str(SUPPORT / "every_net.py"), precision)
    assert done.returncode == 0, done.stderr[-500:]
    assert int(done.stdout.split()[0]) > 400


class Recorder:
    """torch's own kernel, and the strides of every filter of one pixel that reached it."""

    def __init__(self, kernel: Any) -> None:
        self.kernel = kernel
        self.strides: list[tuple[int, ...]] = []

    def call_boxed(self, keys: Any, *args: Any) -> Any:
        if tuple(args[2].shape[2:]) == (1, 1):
            self.strides.append(tuple(args[4]))
        return self.kernel.call_boxed(keys, *args)


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    safe_kernels.protect()
    recorder = Recorder(safe_kernels.KERNEL)
    monkeypatch.setattr(safe_kernels, "KERNEL", recorder)
    return recorder


class Functional(nn.Module):
    """A net that calls torch's function itself."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(6, 3, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.weight, stride=2)


class Checkpointed(nn.Module):
    """A net that keeps nothing for its backward pass, and computes it once more there."""

    def __init__(self, use_reentrant: bool) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(3, 6, 1, stride=2)
        self.use_reentrant = use_reentrant

    def forward(self, x: Tensor) -> Any:
        return checkpoint(self.convolution, x, use_reentrant=self.use_reentrant)


def as_graph(net: nn.Module) -> nn.Module:
    return torch.export.export(net, (torch.randn(2, 3, 8, 8),)).module()


def under_rounding(net: nn.Module) -> nn.Module:
    """The graph that quantisation-aware training trains."""
    from torchao.quantization.pt2e.quantize_pt2e import prepare_pt2e

    graph = dataflow.export(net.eval(), (3, 8, 8))
    return cast(nn.Module, prepare_pt2e(graph, EdgeQuantizer(1 / 64, 0, trained=True)))


@pytest.mark.parametrize(
    "make",
    [
        lambda: nn.Conv2d(3, 6, 1, stride=2),
        Functional,
        lambda: as_graph(nn.Conv2d(3, 6, 1, stride=2)),
        lambda: as_graph(Functional()),
        lambda: under_rounding(nn.Conv2d(3, 6, 1, stride=2)),
        lambda: Checkpointed(use_reentrant=True),
        lambda: Checkpointed(use_reentrant=False),
        lambda: torch.jit.trace(nn.Conv2d(3, 6, 1, stride=2), torch.randn(2, 3, 8, 8)),
        lambda: nn.Conv2d(3, 6, 1, stride=(1, 3)),
        lambda: nn.Conv2d(3, 6, 1, stride=2, padding=1),
        lambda: nn.Conv2d(3, 6, 1, stride=2, groups=3),
    ],
    ids=[
        "module", "function", "graph of a module", "graph of a function", "graph under rounding", "computed once more",
        "computed once more, no reentry", "trace", "one side", "padded", "grouped",
    ],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_whatever_calls_it_gradients_of_one_pixel_are_computed_with_stride_1(
    recorder: Recorder, make: Callable[[], nn.Module]
) -> None:
    make()(torch.randn(2, 3, 8, 8, requires_grad=True)).sum().backward()
    assert recorder.strides == [(1, 1)]


@given(
    channels=st.sampled_from([1, 3, 4, 6]),
    kernel=st.sampled_from([1, 2, 3]),
    stride=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    padding=st.tuples(st.integers(0, 1), st.integers(0, 2)),
    grouped=st.booleans(),
    wanted=st.tuples(st.booleans(), st.booleans(), st.booleans()).filter(any),
    size=st.tuples(st.integers(4, 9), st.integers(4, 9)),
    seed=st.integers(0, 1000),
)
@settings(max_examples=100, deadline=None)
def test_gradients_are_those_of_torchs_own_kernel(
    channels: int,
    kernel: int,
    stride: tuple[int, int],
    padding: tuple[int, int],
    grouped: bool,
    wanted: tuple[bool, bool, bool],
    size: tuple[int, int],
    seed: int,
) -> None:
    safe_kernels.protect()
    generator = torch.Generator().manual_seed(seed)
    groups = channels if grouped else 1
    x = torch.randn(2, channels, *size, generator=generator, dtype=torch.float64)
    weight = torch.randn(2 * channels, channels // groups, kernel, kernel, generator=generator, dtype=torch.float64)
    outputs = F.conv2d(x, weight, None, stride, padding, 1, groups)
    gradient = torch.randn(outputs.shape, generator=generator, dtype=torch.float64)
    call = (gradient, x, weight, [len(weight)], stride, padding, (1, 1), False, (0, 0), groups, wanted)
    expected = safe_kernels.KERNEL.call_boxed(torch._C.DispatchKeySet(torch._C.DispatchKey.CPU), *call)
    computed = torch.ops.aten.convolution_backward(*call)
    for name, before, after in zip(("input", "weight", "bias"), expected, computed, strict=True):
        assert (before is None) == (after is None), name
        if before is not None:
            torch.testing.assert_close(after, before)


def test_a_file_holds_the_strided_convolution() -> None:
    graph = as_graph(nn.Conv2d(3, 6, 1, stride=2))
    (convolution,) = [node for node in graph.graph.nodes if "conv2d" in str(node.target)]
    assert convolution.args[3] == [2, 2]


def test_a_transposed_convolution_is_left_to_torch(recorder: Recorder) -> None:
    x = torch.randn(1, 3, 4, 4, requires_grad=True)
    F.conv_transpose2d(x, torch.randn(3, 5, 1, 1), stride=2).sum().backward()
    assert recorder.strides == [(2, 2)]


def test_no_net_is_built_without_protection() -> None:
    program = (
        "import torch; from edgecnn import nets; from edgecnn.records.recipe import NetPlan; "
        "nets.build(NetPlan(name='resnet', options={'width': 4}), (3, 16, 16), 4); "
        "from edgecnn.nets import safe_kernels; assert safe_kernels.protect.cache_info().currsize == 1"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
