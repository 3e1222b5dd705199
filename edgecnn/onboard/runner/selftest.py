"""The selftest: golden vectors are replayed here and compared with the answers where the model was exported."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from edgecnn.errors import EXIT_GATE, EXIT_PASS, EXIT_UNFIT
from edgecnn.onboard import sounds
from edgecnn.onboard.runner import contents
from edgecnn.onboard.runner.classify import Classifier
from edgecnn.onboard.runner.contents import Contents
from edgecnn.records import environment, isa
from edgecnn.records.environment import Environment

RELATIVE_TOLERANCE = 1e-5
"""The largest difference of a float output, relative to its largest magnitude. Kernels of two CPUs sum in different
orders, while a changed weight or a wrong pixel moves logits by far more."""
MOST_LSB = 2
"""The largest difference of an integer output, in its steps. The order of summation does not matter to integers, so
`int8` should be identical; with float operators inside, a value can be off by a step."""


@dataclass(frozen=True, kw_only=True)
class GoldenComparison:
    """A comparison of two output tensors of the same images."""

    verdict: Literal["identical", "within", "different"]
    sentence: str
    pictures: int
    values: int
    differing: int
    max_lsb: int | None
    """The largest difference of an integer output, in its steps; None for a float output."""
    max_relative: float | None
    """The largest difference of a float output by its largest magnitude; None for an integer output."""

    @property
    def exit_code(self) -> int:
        """The exit code: 0 as exported, 2 if an integer output is off by a step or two, 1 if it is another model."""
        if self.verdict == "different":
            return EXIT_GATE
        return EXIT_UNFIT if self.verdict == "within" and self.max_lsb is not None else EXIT_PASS


def selftest(bundle: Contents, num_threads: int = 1) -> GoldenComparison:
    """Compare every file with the manifest, then run all golden images.

    Raises:
        ModelFileError: The bundle is damaged.
        MissingPackage: The bundle's runtime is not installed.
    """
    contents.verify(bundle)
    images, expected = bundle.golden()
    if (heard := _heard_otherwise(bundle, images)) is not None:
        return _different(heard, expected)
    return compare(Classifier(bundle.artifact, bundle.manifest.runtime, num_threads).outputs(images), expected)


def compare(outputs: npt.NDArray[Any], expected: npt.NDArray[Any]) -> GoldenComparison:
    """Compare outputs (N, ...) of this machine with those of the machine that exported the model."""
    if outputs.shape != expected.shape or outputs.dtype != expected.dtype:
        shapes = [f"{array.dtype} {array.shape}" for array in (outputs, expected)]
        return _different(f"the output is {shapes[0]}, it was {shapes[1]}", expected)
    differing = int((outputs != expected).sum())
    counts: dict[str, Any] = {"pictures": len(expected), "values": expected.size, "differing": differing}
    if np.issubdtype(expected.dtype, np.integer):
        steps = int(np.abs(outputs.astype(np.int64) - expected.astype(np.int64)).max(initial=0))
        counts |= {"max_lsb": steps, "max_relative": None}
        is_allowed, size = steps <= MOST_LSB, f"{steps} LSB"
    else:
        if not np.isfinite(outputs).all():
            return _different("the output is not all numbers", expected)
        scale = float(np.abs(expected).max(initial=0.0)) or 1.0
        relative = float(np.abs(outputs.astype(np.float64) - expected).max(initial=0.0)) / scale
        counts |= {"max_lsb": None, "max_relative": relative}
        is_allowed, size = relative <= RELATIVE_TOLERANCE, f"{relative:.1e} relative"
    if differing == 0:
        return GoldenComparison(verdict="identical", sentence="every bit as exported", **counts)
    sentence = f"{differing} of {expected.size} values differ, by up to {size}"
    return GoldenComparison(verdict="within" if is_allowed else "different", sentence=sentence, **counts)


def _heard_otherwise(bundle: Contents, images: npt.NDArray[np.uint8]) -> str | None:
    """Say what differs if the front end makes another picture of the golden sound than where the model was exported."""
    front_end, sound = bundle.artifact.sound, bundle.golden_sound()
    if front_end is None or sound is None:
        return None
    samples, place = sound
    differing = int((sounds.heard(samples, front_end)[0] != images[place]).sum())
    return f"the front end makes other bytes of a sound: {differing} of {images[place].size}" if differing else None


def table(bundle: Contents, comparison: GoldenComparison) -> dict[str, Any]:
    """Return the outcome as JSON has it, with the runtime and the versions."""
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
    """Explain a difference, if the weights and this CPU's instruction set do."""
    layers = bundle.manifest.saturating_layers
    if not layers or not isa.saturates(here.arch, here.features):
        return None
    clause = isa.cut_off(here.arch, here.features, layers)
    return f"{bundle.artifact.name} multiplies uint8 by int8, and {clause}: export it again."


def _different(sentence: str, expected: npt.NDArray[Any]) -> GoldenComparison:
    return GoldenComparison(
        verdict="different",
        sentence=sentence,
        pictures=len(expected),
        values=expected.size,
        differing=expected.size,
        max_lsb=None,
        max_relative=None,
    )
