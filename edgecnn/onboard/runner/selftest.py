"""Replay the golden vectors here and compare with what the model answered where it was exported."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from edgecnn.errors import EXIT_GATE, EXIT_PASS, EXIT_UNFIT
from edgecnn.onboard.runner import contents
from edgecnn.onboard.runner.classify import Classifier
from edgecnn.onboard.runner.contents import Contents
from edgecnn.records import environment, isa
from edgecnn.records.environment import Environment

RELATIVE_TOLERANCE = 1e-5
"""Of a float output, against its largest magnitude. Kernels of two CPUs sum in different orders; a
changed weight or a wrong pixel moves logits by far more."""
MOST_LSB = 2
"""Of an integer output: beyond it the model is another one. Integer arithmetic has no order of
summation, so `int8` is expected to be identical; with float operators inside, a step can flip."""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Two output tensors of the same pictures."""

    verdict: Literal["identical", "within", "different"]
    sentence: str
    pictures: int
    values: int
    differing: int
    max_lsb: int | None
    """Largest difference of an integer output, in its steps; None for a float one."""
    max_relative: float | None
    """Largest difference of a float output by the largest magnitude; None for an integer one."""

    @property
    def exit_code(self) -> int:
        """0 as good as exported, 2 cannot tell (an integer output is off by a step or two), 1 another model."""
        if self.verdict == "different":
            return EXIT_GATE
        return EXIT_UNFIT if self.verdict == "within" and self.max_lsb is not None else EXIT_PASS


def selftest(bundle: Contents, num_threads: int = 1) -> Comparison:
    """Check every file against the manifest, then run all golden pictures.

    Raises ModelFileError for a damaged bundle, MissingPackage without its runtime.
    """
    contents.verify(bundle)
    images, expected = bundle.golden()
    return compare(Classifier(bundle.artifact, bundle.manifest.runtime, num_threads).outputs(images), expected)


def compare(here: npt.NDArray[Any], there: npt.NDArray[Any]) -> Comparison:
    """Outputs (N, ...) of this machine against those of the one that exported."""
    if here.shape != there.shape or here.dtype != there.dtype:
        shapes = [f"{array.dtype} {array.shape}" for array in (here, there)]
        return _different(f"the output is {shapes[0]}, it was {shapes[1]}", there)
    differing = int((here != there).sum())
    counts: dict[str, Any] = {"pictures": len(there), "values": there.size, "differing": differing}
    integer = np.issubdtype(there.dtype, np.integer)
    if integer:
        steps = int(np.abs(here.astype(np.int64) - there.astype(np.int64)).max(initial=0))
        counts |= {"max_lsb": steps, "max_relative": None}
        allowed, size = steps <= MOST_LSB, f"{steps} LSB"
    else:
        if not np.isfinite(here).all():
            return _different("the output is not all numbers", there)
        scale = float(np.abs(there).max(initial=0.0)) or 1.0
        relative = float(np.abs(here.astype(np.float64) - there).max(initial=0.0)) / scale
        counts |= {"max_lsb": None, "max_relative": relative}
        allowed, size = relative <= RELATIVE_TOLERANCE, f"{relative:.1e} relative"
    if differing == 0:
        return Comparison(verdict="identical", sentence="every bit as exported", **counts)
    sentence = f"{differing} of {there.size} values differ, by up to {size}"
    return Comparison(verdict="within" if allowed else "different", sentence=sentence, **counts)


def table(bundle: Contents, comparison: Comparison) -> dict[str, Any]:
    """As JSON has it: the outcome, and the runtime and versions it is about."""
    here = environment.here()
    return {
        **dataclasses.asdict(comparison),
        "model": bundle.artifact.name,
        "sha256": bundle.artifact.description.sha256,
        "precision": bundle.artifact.description.precision,
        "runtime": bundle.manifest.runtime,
        "packages": dict(here.packages),
        "python": here.python,
        "arch": here.arch,
        "cpu": here.cpu,
        "features": list(here.features),
        "machine": environment.machine_name(here),
        "cause": None if comparison.verdict == "identical" else _cause(bundle, here),
    }


def _cause(bundle: Contents, here: Environment) -> str | None:
    """Why it differs, where its weights and this CPU's instruction set tell."""
    layers = bundle.manifest.saturating_layers
    if not layers or not isa.saturates(here.arch, here.features):
        return None
    clause = isa.cut_off(here.arch, here.features, layers)
    return f"{bundle.artifact.name} multiplies uint8 by int8, and {clause}: export it again."


def _different(sentence: str, there: npt.NDArray[Any]) -> Comparison:
    return Comparison(
        verdict="different",
        sentence=sentence,
        pictures=len(there),
        values=there.size,
        differing=there.size,
        max_lsb=None,
        max_relative=None,
    )
