"""A job for a worker and its outcome: what travels to a board and back, as JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from edgecnn.onboard.runtimes import KernelProfile
from edgecnn.records.artifact import Artifact, Preprocessing, TensorSpec
from edgecnn.records.measurement import Accuracy, Count, EndToEnd, Window

Unit = Literal["ms", "instructions"]


@dataclass(frozen=True, kw_only=True)
class Timing:
    """The extent of a timing: `num_runs` runs at least, then more until `min_secs` seconds have passed.

    `measure.MOST_RUNS` runs end it in any case.
    """

    warmup_runs: int
    num_runs: int
    min_secs: float


@dataclass(frozen=True, kw_only=True)
class Counting:
    """The number of counts of instructions, each over as many inferences as take `least_instructions`."""

    num_counts: int
    least_instructions: int


@dataclass(frozen=True, kw_only=True)
class LabelledSet:
    """Labelled pictures in two .npy files: uint8 (N, H, W, C) and int64 (N,)."""

    images: str
    labels: str


@dataclass(frozen=True, kw_only=True)
class EncodedImages:
    """Encoded pictures, every file of a folder, and how long to time them."""

    folder: str
    kind: str
    """What they are, for the report."""
    timing: Timing


@dataclass(frozen=True, kw_only=True)
class Lowering:
    """Return the graph that the runtime executes, and run it `num_runs` times under the runtime's own profiler."""

    num_runs: int


@dataclass(frozen=True, kw_only=True)
class Lowered:
    """A model file as its runtime executes it."""

    model: str
    """The file's bytes in base64."""
    kernels: tuple[KernelProfile, ...]
    """What the runtime's own profiler says of each; empty if it has no profiler."""
    times_ms: tuple[float, ...]
    """As many runs without the profiler: compared with the kernels' sum they show what the profiler costs."""


@dataclass(frozen=True, kw_only=True)
class Prefixes:
    """A folder with the prefixes of a graph, to be run against each other.

    The names, sorted, are in the order of the graph: the bare call, one operator, two operators, ..., all of them.
    """

    folder: str
    passes: int
    """How often each pair of neighbours takes turns."""
    unit: Unit
    least_instructions: int
    """Instructions are counted over as many runs in a row as take at least this many."""


@dataclass(frozen=True, kw_only=True)
class Steps:
    """The cost of each prefix beyond the one before it, in the unit that was asked for."""

    unit: Unit
    differences: tuple[tuple[float, ...], ...]
    """[prefix][pass]: the cost of a prefix less that of its predecessor in the same turn; the first is the call's."""
    whole: tuple[float, ...]
    """[pass]: the cost of the whole file."""


@dataclass(frozen=True, kw_only=True)
class FileSurvey:
    """Model files of a folder, all measured in one process: starting one costs an emulated board a minute."""

    folder: str
    inputs: tuple[TensorSpec, ...]
    """The input of each file, in the order of the files' names."""
    passes: int
    """How often each file is measured; for times, all files take turns within a pass."""
    unit: Unit
    least_instructions: int
    """Instructions are counted over as many runs in a row as take at least this many."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """One model file on one runtime in one process, and the parts to do there: at least one of those below."""

    model: str
    input: TensorSpec
    output: TensorSpec
    preprocessing: Preprocessing
    runtime: str
    num_threads: int
    window: Timing | None = None
    count: Counting | None = None
    accuracy: LabelledSet | None = None
    replay: str | None = None
    """Pictures whose raw outputs are wanted: a .npy file, uint8 (N, H, W, C)."""
    end_to_end: EncodedImages | None = None
    lower: Lowering | None = None
    prefixes: Prefixes | None = None
    survey: FileSurvey | None = None

    @classmethod
    def for_artifact(cls, artifact: Artifact, runtime: str, num_threads: int = 1, **parts: Any) -> Job:
        """Describe a file as its card does, or as it describes itself.

        Args:
            artifact: The model file.
            runtime: The name of the runtime that runs it.
            num_threads: The runtime's threads.
            **parts: What to do there, by the names of this class's fields from `window` on.
        """
        return cls(
            model=str(artifact.path.absolute()),  # not where a link leads: its further files lie beside the link
            input=artifact.description.input,
            output=artifact.description.output,
            preprocessing=artifact.preprocessing,
            runtime=runtime,
            num_threads=num_threads,
            **parts,
        )


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The measurements of a job's parts; a part that was not asked for is None or empty."""

    window: Window | None = None
    count: Count | None = None
    """None also where the kernel lets nobody count."""
    accuracy: Accuracy | None = None
    replay: tuple[tuple[float, ...], ...] = ()
    """Raw outputs (N, K) of the pictures to replay; JSON holds a float32 and an int8 exactly."""
    end_to_end: EndToEnd | None = None
    lowered: Lowered | None = None
    steps: Steps | None = None
    """None also where instructions were asked for and the kernel lets nobody count."""
    survey: tuple[tuple[float, ...], ...] = ()
    """[file][pass]: the cost of each file in the survey's unit; empty also where nobody may count instructions."""
