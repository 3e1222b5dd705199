"""Examines sums of two products that some CPUs cut off at 16 bits: in which layers, how often, at what cost."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn import boards
from edgecnn.checks.doctor import model as answers
from edgecnn.checks.doctor.finding import Finding, Level
from edgecnn.checks.doctor.model import ExaminedModel
from edgecnn.common import console, scratch, stats
from edgecnn.errors import EdgecnnError, EnvironmentUnfit
from edgecnn.formats.onnx import saturation
from edgecnn.formats.onnx.saturation import fused, rates
from edgecnn.formats.onnx.saturation.rates import Rate
from edgecnn.onboard import tensors
from edgecnn.onboard.job import Job
from edgecnn.records import environment, isa
from edgecnn.records.artifact import Artifact
from edgecnn.records.environment import Environment

SHOWN = 3
"""How many layers are named; the rest is counted."""
PICTURES = 100
"""The most images that are run; an emulated CPU takes up to half a second for each."""
ON_INTEGERS = re.compile("[Qq]uant|Integer|^Q[A-Z]")
"""Matches the operators of ONNX and ONNX Runtime that make or multiply 8-bit integers."""
EMULATED = "emulated:x86-64-v3"
"""A CPU that cuts sums off, for machines that do not."""
OPTION = ("session.x64quantprecision", "1")
"""The session option of ONNX Runtime that avoids it."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class CheckedMachine:
    """A machine that the file is meant for."""

    board: str | None
    """Name of the board; None for this machine."""
    facts: Environment

    @property
    def saturates(self) -> bool:
        return isa.saturates(self.facts.arch, self.facts.features)

    @property
    def words(self) -> str:
        name = isa.name(self.facts.arch, self.facts.features)
        return f"{self.board or 'this CPU'} ({name}, no VNNI)"


def machines(board: str | None, facts: Environment | None) -> tuple[CheckedMachine, ...]:
    """Return the board, if there is one, and this machine."""
    there = (CheckedMachine(board=board, facts=facts),) if facts is not None else ()
    return (*there, CheckedMachine(board=None, facts=environment.here()))


def findings(model: Artifact, on: tuple[CheckedMachine, ...]) -> Iterator[Finding]:
    """Report layers whose weights allow sums to be cut off, and whether a machine does so.

    Yield nothing for a file without int8 layers, or for one that does not load, which is reported elsewhere.

    Args:
        model: The ONNX file.
        on: The machines it is meant for.
    """
    if not any(ON_INTEGERS.search(kind) for kind in model.description.operators):
        return  # loading a large file in ONNX Runtime takes seconds
    try:
        exposure = saturation.exposure(model.path)
    except EdgecnnError:
        return
    if not exposure.of:
        return
    if not exposure.layers:
        count = exposure.unsigned_by_signed
        evidence = (
            f"in {_count(count, 'layer')} of uint8 by int8 no pair of weights can overflow 16 bits"
            if count
            else f"its {_count(exposure.of, 'int8 layer')} never add products in 16 bits"
        )
        yield Finding(level="ok", subject="saturation", evidence=f"{evidence}: they compute the same on every CPU")
        return
    named = [f"{layer.name}: {len(layer.channels)} of {layer.of} channels" for layer in exposure.layers[:SHOWN]]
    rest = len(exposure.layers) - SHOWN
    named += [f"{rest} more"] if rest > 0 else []
    cutting = next((machine for machine in on if machine.saturates), None)
    who = cutting.words if cutting else "x86-64 with AVX2 and no VNNI"
    evidence = (
        f"sums of two products can pass 16 bits in {len(exposure.layers)} of {_count(exposure.of, 'layer')} "
        f"({', '.join(named)}); {who} cuts them off"
    )
    yield Finding(level="wrong" if cutting else "warn", subject="saturation", evidence=evidence, mend=_mend(model))


def price(
    model: Artifact, pixels: npt.NDArray[np.uint8], labels: npt.NDArray[np.int64] | None, on: tuple[CheckedMachine, ...]
) -> Iterator[Finding]:
    """Report how often sums are cut off for images, and how many answers change.

    The answers come from the first machine of `on` whose CPU cuts sums off, or else from an emulated one.

    Args:
        model: The ONNX file.
        pixels: Images, uint8 (N, H, W, C).
        labels: The true classes (N,); None if they are not known.
        on: The machines the file is meant for.
    """
    stored = tensors.encode(pixels, dataclasses.replace(model.description.input, layout="NHWC"), model.preprocessing)
    rates_counted = rates.count(model.path, list(answers.inputs(stored, model.description)))
    yield Finding(level="note", subject="saturation", evidence=f"{_rates(rates_counted)}, n {len(pixels)}")
    with scratch.folder() as folder:
        exact = folder / "exact.onnx"
        rates.write_exact(model.path, exact)
        exact_logits = ExaminedModel(exact, model.description).logits(stored)
        cutting = next((machine for machine in on if machine.saturates), None)
        board = (cutting.board or "this machine") if cutting else EMULATED
        try:
            if cutting is not None and cutting.board is None:
                cut_logits = ExaminedModel(model.path, model.description).logits(stored)
            else:
                cut_logits = _ask(model, board, pixels, folder / "images.npy")
        except EnvironmentUnfit as error:
            evidence = f"what it costs in answers, {board} would show: {error.sentence}"
            yield Finding(level="note", subject="saturation", evidence=evidence, mend=error.hint)
            return
    changed = int((cut_logits.argmax(1) != exact_logits.argmax(1)).sum())
    evidence = f"on {board} {changed} of {_count(len(pixels), 'answer')} change"
    if labels is not None:
        shares = [
            stats.wilson(int((logits.argmax(1) == labels).sum()), len(labels)) for logits in (exact_logits, cut_logits)
        ]
        evidence += ": top-1 " + " -> ".join(map(str, shares))
    level: Level = "note" if not changed else "wrong" if cutting else "warn"
    yield Finding(level=level, subject="saturation", evidence=evidence)


def _mend(model: Artifact) -> str:
    if model.run is not None:
        return "export it again: `edgecnn export` leaves such sums room, or takes uint8 weights"
    option = "=".join(OPTION)
    runtime = f"ONNX Runtime {version('onnxruntime')}"
    way_out = (
        f"; or load it with the session option {option}: {runtime} takes this file so"
        if fused.takes(model.path, *OPTION)
        else f"; the session option {option} is no way out: {runtime} refuses this file with it"
    )
    return "quantise it with reduce_range=True (7 bits), or all of it as QuantType.QUInt8 in QDQ format" + way_out


def _rates(counted: tuple[Rate, ...]) -> str:
    passed = sorted((rate for rate in counted if rate.passed), key=lambda rate: -rate.passed / rate.sums)
    if not passed:
        return "with these pictures no sum of two products passes 16 bits"
    first, *others = (f"{100 * rate.passed / rate.sums:.2g} % in {rate.name}" for rate in passed[:SHOWN])
    share, _, first_layer = first.partition(" in ")
    others += [f"less in {len(passed) - SHOWN} more"] if len(passed) > SHOWN else []
    return (
        f"with these pictures {share} of the sums of two products pass 16 bits in {', '.join([first_layer, *others])}"
    )


def _ask(model: Artifact, board: str, pixels: npt.NDArray[np.uint8], images: Path) -> npt.NDArray[np.float32]:
    """Return the logits (N, K) on a board, whose errors it raises."""
    np.save(images, pixels)
    job = Job.for_artifact(model, "onnxruntime", replay=str(images))
    with console.progress(f"asking {board}", 1) as advance, boards.open_board(board) as there:
        outputs: Any = there.run(job).replay
        advance(1)
    return tensors.decode(np.array(outputs, dtype=model.description.output.dtype), model.description.output)


def _count(count: int, word: str) -> str:
    return f"{count:,} {word}" + ("" if count == 1 else "s")
