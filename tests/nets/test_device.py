"""Nets train on what there is; every tensor gets there, and what is written comes from the CPU."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from edgecnn import data, nets
from edgecnn.errors import EnvironmentUnfit, UsageError
from edgecnn.nets import device, inference
from edgecnn.pipeline.train import optimizer, precise_batch_norm, train_step
from edgecnn.pipeline.train.checkpoint import State
from edgecnn.pipeline.train.distillation import Teacher
from edgecnn.pipeline.train.distributed import ALONE
from edgecnn.pipeline.train.train_step import TrainContext
from edgecnn.records import plans
from edgecnn.records.recipe import DistillPlan
from edgecnn.records.run import Run

Has = Callable[[int, bool], None]


@pytest.fixture
def has(monkeypatch: pytest.MonkeyPatch) -> Has:
    """Call it to have so many CUDA devices, and MPS or not."""
    monkeypatch.delenv(device.VARIABLE, raising=False)

    def call(cuda: int, mps: bool) -> None:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: cuda)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)

    return call


@pytest.mark.parametrize(
    ("cuda", "mps", "processes", "chosen"),
    [
        (0, False, {}, "cpu"),
        (0, True, {}, "mps"),
        (1, False, {}, "cuda:0"),
        (2, True, {}, "cuda:0"),
        (2, False, {"processes": 4, "local_processes": 2, "local_rank": 1}, "cuda:1"),
        (0, True, {"processes": 2, "local_processes": 2}, "cpu"),
    ],
)
def test_the_first_device_there_is_is_chosen(
    has: Has, cuda: int, mps: bool, processes: dict[str, int], chosen: str
) -> None:
    has(cuda, mps)
    assert device.choose(**processes) == torch.device(chosen)  # type: ignore[arg-type]


def test_the_variable_names_another(has: Has, monkeypatch: pytest.MonkeyPatch) -> None:
    has(1, True)
    for name in ("cpu", "mps"):
        monkeypatch.setenv(device.VARIABLE, name)
        assert device.choose() == torch.device(name)


@pytest.mark.parametrize("name", ["cuda", "tpu"])
def test_a_device_that_is_not_here_is_refused(has: Has, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    has(0, True)
    monkeypatch.setenv(device.VARIABLE, name)
    with pytest.raises(EnvironmentUnfit, match=f"EDGECNN_DEVICE={name} names a device") as error:
        device.choose()
    assert error.value.hint == "here it can be mps or cpu"


def test_a_recipe_names_another_whatever_the_variable_says(has: Has, monkeypatch: pytest.MonkeyPatch) -> None:
    has(1, True)
    monkeypatch.setenv(device.VARIABLE, "mps")
    for name in ("cpu", "cuda", "mps"):
        assert device.choose(name).type == name
        assert device.why(name) == "asked for"
    assert device.choose("auto").type == "mps"
    assert device.why("auto") == "EDGECNN_DEVICE names it"
    has(0, False)
    with pytest.raises(EnvironmentUnfit, match="device = cuda names a device that this training cannot use"):
        device.choose("cuda")


def test_more_processes_than_cuda_devices_are_refused(has: Has) -> None:
    has(1, False)
    with pytest.raises(UsageError, match="2 processes cannot share the CUDA devices here, of which there are 1"):
        device.choose(processes=2, local_processes=2)


ELSEWHERE = torch.device("meta")
"""A device that is none of the CPU's, and is everywhere: its tensors have a shape and no values."""

RECIPE = plans.load_recipe(
    "dscnn-digits", ("augment.shift=1", "augment.cutout=2", "augment.jitter=0.1", "optim.ema=0.9", "net.dropout=0.1")
)


class OneDeviceAtATime(TorchDispatchMode):
    """Refuses, as CUDA does, operators over tensors of two devices. Elsewhere a single number is 1."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.ops.aten._local_scalar_dense.default and args[0].device == ELSEWHERE:
            return 1
        leaves = tree_leaves((args, kwargs))
        devices = {leaf.device for leaf in leaves if isinstance(leaf, torch.Tensor) and leaf.ndim}
        if len(devices) > 1 and "copy" not in str(func):
            raise AssertionError(f"{func} was given tensors of {devices}")
        return func(*args, **(kwargs or {}))


def move(value: Any, target: torch.device) -> Any:
    """`device.move`; what comes back from elsewhere has lost its values."""
    if target == device.CPU:
        return value.to_empty(device=target) if isinstance(value, nn.Module) else torch.empty_like(value, device=target)
    return value.to(target)


@pytest.fixture
def autocasts(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Tensors are put elsewhere; the types of devices that were asked for low precision."""
    asked: list[str] = []

    def autocast(kind: str, *_: object, **__: object) -> contextlib.AbstractContextManager[None]:
        asked.append(kind)
        return contextlib.nullcontext()

    monkeypatch.setattr(torch, "autocast", autocast)
    monkeypatch.setattr(device, "move", move)
    return asked


def begun(teacher: Teacher | None = None) -> tuple[State, TrainContext]:
    """The recipe's net and context, both elsewhere."""
    ctx = TrainContext(RECIPE, data.load(RECIPE.data).train, 78.0, 95.0, teacher, ALONE, ELSEWHERE)
    net = nets.build(RECIPE.net, (1, 8, 8), 10).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return optimizer.fresh_state(device.move(net, ELSEWHERE), RECIPE.optim), ctx


def test_every_tensor_of_a_step_and_of_an_epochs_end_is_on_the_device(autocasts: list[str], digits_run: Run) -> None:
    plan = DistillPlan(teacher=(str(digits_run.folder),))
    state, ctx = begun(Teacher(plan, (1, 8, 8), digits_run.labels, ELSEWHERE))
    generator = torch.Generator().manual_seed(0)
    state.net.train()
    with OneDeviceAtATime():
        for step in range(2):
            inputs, targets = train_step.load_batch(ctx, np.arange(64), None, generator)
            loss, logits = train_step.forward(state.net, ctx, inputs, targets, step)
            train_step.backward(state, loss)
            optimizer.step(state, RECIPE.optim, step)
            assert {value.device for value in (inputs, targets, loss, logits)} == {ELSEWHERE}
        precise_batch_norm.recompute_batch_norm(state.eval_net, ctx.training, 78.0, 95.0, 0)
        assert inference.logits(state.eval_net, ctx.training.images[:600], 78.0, 95.0).device == device.CPU
    assert autocasts == ["meta", "meta"]
    for net in (state.net, state.averaged):
        assert net is not None
        assert {value.device for value in (*net.parameters(), *net.buffers())} == {ELSEWHERE}


@pytest.mark.usefixtures("autocasts")
def test_a_tensor_that_was_left_behind_would_be_noticed() -> None:
    state, _ = begun()
    with OneDeviceAtATime(), pytest.raises(AssertionError, match="tensors of"):
        state.net(torch.zeros(2, 1, 8, 8))


@pytest.mark.usefixtures("autocasts")
def test_who_watches_is_shown_a_net_on_the_cpu_and_the_net_itself_stays() -> None:
    state, _ = begun()
    assert device.net_device(device.cpu_version(state.eval_net)) == device.CPU
    assert device.net_device(state.eval_net) == ELSEWHERE
    here = nets.build(RECIPE.net, (1, 8, 8), 10)
    assert device.cpu_version(here) is here
