"""`edgecnn board profile`: measure the designed set on a board, fit what operators cost, and test it on other nets."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np

from edgecnn import boards
from edgecnn.boards import Board
from edgecnn.common import console
from edgecnn.errors import UsageError
from edgecnn.formats import Operator
from edgecnn.nets import spaces
from edgecnn.pipeline.costs import design, fit, surveyed
from edgecnn.pipeline.costs.fit import Sample
from edgecnn.records import cost_profile, environment
from edgecnn.records.cost_profile import CostModel, CostProfile, HeldOutNet
from edgecnn.records.environment import Environment

PRECISIONS = ("int8", "fp32")
RUNTIME, PACKAGE = "litert", "ai-edge-litert"
CLASSES = 10
PICTURES = ((1, 28, 28), (3, 32, 32), (3, 48, 48), (3, 64, 64), (3, 96, 96))
"""(C, H, W) of the pictures that held-out nets are drawn for."""
NETS = 12
"""Held-out nets of each architecture."""
MOST_MACS = 30_000_000
SEED = 1
"""The seed of the held-out nets; the designed set has its own."""


@dataclass(frozen=True)
class DrawnNet:
    """A net of a design space, and the file it would be."""

    net: str
    options: dict[str, Any]
    input_shape: tuple[int, int, int]
    operators: tuple[Operator, ...]
    content: bytes

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one picture."""
        return sum(operator.macs for operator in self.operators)


def profile(
    board: str,
    precision: Sequence[str] = PRECISIONS,
    num_threads: Sequence[int] = (1,),
    size: float = 1.0,
    nets: int = NETS,
    output: Path | None = None,
) -> CostProfile:
    """Measure what operators cost on a board.

    Args:
        board: Its name.
        precision: Of the files: "int8", "fp32".
        num_threads: Threads of the runtime; each number gets a model of its own.
        size: Of the designed set: 0.5 is half as many files.
        nets: Held-out nets of each architecture.
        output: The JSON file; None keeps the profile where `edgecnn inspect --board` and `edgecnn plan` look for it.

    Returns:
        The profile, which is written.

    Raises:
        UsageError: A precision is unknown, or a number is too small.
        EnvironmentUnfit: The board can neither time nor count.
    """
    if unknown := [name for name in precision if name not in PRECISIONS]:
        raise UsageError(f"The cost of {unknown[0]} files is not modelled.", f"these are: {', '.join(PRECISIONS)}")
    if not 0.1 <= size <= 10 or nets < 1 or not num_threads or min(num_threads) < 1:
        raise UsageError("A profile needs a size of 0.1 to 10, and at least one net and one thread.")
    with boards.open_board(board) as ready:
        machine = ready.facts()
        models = [_model(ready, machine, name, threads, size, nets) for name in precision for threads in num_threads]
        unit = surveyed.unit_of(ready)
    result = CostProfile(
        board=board,
        unit=unit,
        date=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        environment=machine,
        fingerprint=environment.fingerprint(machine),
        models=tuple(models),
    )
    cost_profile.write(result, output or cost_profile.user_path(board))
    return result


def drawn_nets(count: int, precision: str) -> list[DrawnNet]:
    """Return nets of every architecture that has a design space, `count` of each or all that there are."""
    nets: list[DrawnNet] = []
    for name in spaces.names():
        for plan, shape, layers in spaces.different(name, 3 * count, PICTURES, CLASSES, SEED):
            content, operators = drafted(layers, shape, precision)
            net = DrawnNet(name, dict(plan.options), shape, operators, content)
            if net.macs <= MOST_MACS and sum(other.net == name for other in nets) < count:
                nets.append(net)
    return nets


def drafted(
    layers: Sequence[Any], input_shape: tuple[int, int, int], precision: str
) -> tuple[bytes, tuple[Operator, ...]]:
    """Return the TFLite file of layers for pictures of (C, H, W), and its operators."""
    from edgecnn.formats.tflite import drafted, operators

    channels, height, width = input_shape
    content = drafted.write(layers, (height, width, channels), cast(Literal["int8", "fp32"], precision))
    return content, operators.read(content, {})


def _model(board: Board, machine: Environment, precision: str, threads: int, size: float, nets: int) -> CostModel:
    with console.stage(f"{precision} files drawn"):
        designed = {
            file.name: drafted(file.layers, (file.picture[2], *file.picture[:2]), precision)
            for file in design.files(size)
        }
        drawn = {f"net-{place:03}": net for place, net in enumerate(drawn_nets(nets, precision))}
    contents = {name: content for name, (content, _) in designed.items()}
    contents |= {name: net.content for name, net in drawn.items()}
    costs = surveyed.measure(board, contents, RUNTIME, threads)
    with console.stage("costs fitted"):
        fitted = fit.fit([Sample(name, operators, costs[name]) for name, (_, operators) in designed.items()])
    tested = [
        HeldOutNet(
            net=net.net,
            options=net.options,
            input_shape=net.input_shape,
            macs=net.macs,
            predicted=fit.cost(fitted.call, fitted.operators, net.operators)[0],
            measured=costs[name],
        )
        for name, net in drawn.items()
    ]
    return CostModel(
        precision=precision,
        runtime=RUNTIME,
        runtime_version=machine.packages.get(PACKAGE, "unknown"),
        num_threads=threads,
        call=fitted.call,
        operators=fitted.operators,
        fitted_files=len(designed),
        fitted_median_percent=100 * float(np.median(np.abs(fitted.errors))),
        held_out=fit.held_out(tested),
    )
