"""The work of a worker process: time a model file, score it, or time a whole application around it.

Everything here runs on a board and needs NumPy, one runtime, and Pillow for encoded images.
"""

from __future__ import annotations

import gc
import hashlib
import itertools
import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from edgecnn.common import arrays
from edgecnn.errors import DataError, ModelFileError
from edgecnn.onboard import counters, operator_cost, preprocessing, runtimes, surveying, tensors
from edgecnn.onboard.job import Counting, EncodedImages, FileSurvey, Job, LabelledSet, Outcome, Timing
from edgecnn.onboard.opening import in_time
from edgecnn.onboard.runtimes import Runtime, Session
from edgecnn.onboard.tensors import INTEGERS
from edgecnn.records import environment
from edgecnn.records.artifact import Preprocessing, TensorSpec
from edgecnn.records.measurement import Accuracy, Count, EndToEnd, Window

T = TypeVar("T")
U = TypeVar("U")

MOST_RUNS = 2_000
"""A window that has its `num_runs` ends here though its seconds are not up: six windows have 120 runs beyond p99."""

WARM_UP_COUNTS = 2

SLOWER = 10
"""How many times slower than a desktop computer a board, real or emulated, may be."""

ENCODE_AT_ONCE = 256
"""Images that are converted to the input's type together, so that they share NumPy's cost of a call."""


def run(job: Job) -> Outcome:
    """Do a job in this process. A window, or else a count, comes first, for it reads the memory of a fresh process.

    Raises:
        ModelFileError: The runtime refuses the file, or cannot run it.
        MissingPackage: The runtime is not installed.
        DataError: There are no images to time.
    """
    return Outcome(
        window=window(job, job.window) if job.window else None,
        count=count(job, job.count) if job.count else None,
        accuracy=accuracy(job, job.accuracy) if job.accuracy else None,
        replay=replay(job, job.replay) if job.replay else (),
        end_to_end=end_to_end(job, job.end_to_end) if job.end_to_end else None,
        lowered=_on_random_input(job, operator_cost.lower, job.lower) if job.lower else None,
        steps=_on_random_input(job, operator_cost.measure, job.prefixes) if job.prefixes else None,
        survey=_survey(job, job.survey) if job.survey else (),
    )


def window(job: Job, timing: Timing) -> Window:
    """Load the file, run it once, warm up, then time `Session.invoke` alone without garbage collection.

    The input is in place and the output stays where it is: what is timed is the graph, and about a microsecond of the
    call from Python. `end_to_end` times the rest.
    """
    runtime = runtimes.get(job.runtime)
    _, import_ms = _timed(runtime.import_engine)
    x = random_input(job.input, job.preprocessing)
    gc.collect()
    environment.reset_peak_rss()
    baseline_rss_bytes = environment.rss_bytes()

    def ready() -> Session:
        session = runtime.open_session(Path(job.model), job.num_threads, output=job.output.name)
        session.load(x)  # a file whose input has open sizes gets its memory here
        return session

    with in_time(Path(job.model), SLOWER):
        session, init_ms = _timed(ready)
        _, first_ms = _timed(session.invoke)
    for _ in range(timing.warmup_runs):
        session.invoke()
    gc.collect()
    gc.disable()
    try:
        before, cpu_s, start = environment.condition(), time.process_time(), time.perf_counter()
        times_ns = _time_steadily(session, timing)
        elapsed_s, cpu_s, after = time.perf_counter() - start, time.process_time() - cpu_s, environment.condition()
    finally:
        gc.enable()
    return Window(
        import_ms=import_ms,
        init_ms=init_ms,
        first_ms=first_ms,
        times_ms=tuple(ns / 1e6 for ns in times_ns),
        baseline_rss_bytes=baseline_rss_bytes,
        peak_rss_bytes=environment.peak_rss_bytes(),
        process_cpu_s=cpu_s,
        elapsed_s=elapsed_s,
        before=before,
        after=after,
    )


def count(job: Job, counting: Counting) -> Count | None:
    """Load the file, run it once, warm up, then count the instructions of `Session.invoke` alone.

    The counting itself costs some thousand instructions of Python, which are counted on an empty call and subtracted.
    They vary by a hundred, which a small net's count would show, so several inferences are counted in a row.

    Returns:
        The counts, or None where the kernel lets nobody count.
    """
    runtime = runtimes.get(job.runtime)
    runtime.import_engine()
    x = random_input(job.input, job.preprocessing)
    gc.collect()
    environment.reset_peak_rss()
    baseline_rss_bytes = environment.rss_bytes()
    counter = counters.instructions()  # before the runtime starts its threads, so that they are counted too
    if counter is None:
        return None
    with counter:
        with in_time(Path(job.model), SLOWER):
            session = runtime.open_session(Path(job.model), job.num_threads, output=job.output.name)
            session.load(x)
            session.invoke()
        runs = math.ceil(counting.least_instructions / counter.count(session.invoke))
        idle = _Idle()
        for step in (idle.invoke, session.invoke):
            counters.in_a_row(counter, step, runs, WARM_UP_COUNTS)
        gc.collect()
        gc.disable()
        try:
            empty = min(counters.in_a_row(counter, idle.invoke, runs, counting.num_counts))
            counts = counters.in_a_row(counter, session.invoke, runs, counting.num_counts)
        finally:
            gc.enable()
    return Count(
        instructions=tuple(round((total - empty) / runs) for total in counts),
        baseline_rss_bytes=baseline_rss_bytes,
        peak_rss_bytes=environment.peak_rss_bytes(),
    )


def accuracy(job: Job, test: LabelledSet) -> Accuracy:
    """Score the whole test set, one image at a time: top-1, and a digest of all raw outputs."""
    images = arrays.read_array(Path(test.images), in_memory=False)  # (N, H, W, C)
    labels = arrays.read_array(Path(test.labels))  # (N,)
    session = runtimes.get(job.runtime).open_session(Path(job.model), job.num_threads, output=job.output.name)
    digest, answers = hashlib.sha256(), []
    start = time.perf_counter()
    for first in range(0, len(images), ENCODE_AT_ONCE):
        encoded = tensors.encode(np.asarray(images[first : first + ENCODE_AT_ONCE]), job.input, job.preprocessing)
        outputs = _of_one_shape(_answers(session, encoded, job), job)
        digest.update(np.ascontiguousarray(outputs).tobytes())
        answers.append(tensors.decode(outputs, job.output).argmax(axis=1))
    predicted = np.concatenate(answers)
    return Accuracy(
        correct=int((predicted == labels).sum()),
        n=len(labels),
        classes_predicted=len(np.unique(predicted)),
        outputs_sha256=digest.hexdigest(),
        elapsed_s=time.perf_counter() - start,
    )


def replay(job: Job, images: str) -> tuple[tuple[float, ...], ...]:
    """Return the raw output (K) of every image of a .npy file, as numbers."""
    session = runtimes.get(job.runtime).open_session(Path(job.model), job.num_threads, output=job.output.name)
    encoded = tensors.encode(arrays.read_array(Path(images)), job.input, job.preprocessing)
    outputs = _of_one_shape(_answers(session, encoded, job), job)
    return tuple(tuple(row.tolist()) for row in outputs.reshape(len(encoded), -1))


def _answers(session: Session, encoded: npt.NDArray[Any], job: Job) -> list[npt.NDArray[Any]]:
    """Run every image of (N, ...); the first has a time limit, which ends a model that never answers."""
    outputs = runtimes.run_each(session, encoded)
    with in_time(Path(job.model), SLOWER):
        first = list(itertools.islice(outputs, 1))
    return [*first, *outputs]


def end_to_end(job: Job, task: EncodedImages) -> EndToEnd:
    """Time the way of an image from its bytes in memory: decode, resize, encode, run and argmax."""
    encoded = [path.read_bytes() for path in sorted(Path(task.folder).iterdir())]
    if not encoded:
        raise DataError(f"There are no pictures in {task.folder}.")
    size = {name: getattr(job.preprocessing, name) for name in ("height", "width", "channels", "resizing")}
    session = runtimes.get(job.runtime).open_session(Path(job.model), job.num_threads, output=job.output.name)

    def classify(picture: bytes) -> tuple[int, int]:
        start = time.perf_counter_ns()
        pixels = preprocessing.decode(picture, **size)  # (H, W, C)
        decoded = time.perf_counter_ns()
        tensors.decode(session(tensors.encode(pixels[None], job.input, job.preprocessing)), job.output).argmax()
        return time.perf_counter_ns() - start, decoded - start

    for i in range(task.timing.warmup_runs):
        classify(encoded[i % len(encoded)])
    pairs: list[tuple[int, int]] = []
    gc.disable()
    try:
        end = time.perf_counter() + task.timing.min_secs
        while len(pairs) < task.timing.num_runs or (len(pairs) < MOST_RUNS and time.perf_counter() < end):
            pairs.append(classify(encoded[len(pairs) % len(encoded)]))
    finally:
        gc.enable()
    return EndToEnd(
        picture=task.kind,
        pictures=len(encoded),
        times_ms=tuple(total / 1e6 for total, _ in pairs),
        decode_ms=tuple(decode / 1e6 for _, decode in pairs),
    )


def random_input(spec: TensorSpec, preprocessing: Preprocessing) -> npt.NDArray[Any]:
    """Make random pixels as the input tensor takes them, the same ones every time.

    A tensor that holds no pixels gets random values that are valid for any use: zeros and ones where they may be
    indices.
    """
    shape = list(spec.shape)
    if spec.dtype in ("bool", *INTEGERS) and spec.scale is None:
        return np.random.default_rng(0).integers(0, 2, shape).astype(spec.dtype)
    if spec.dtype in INTEGERS:
        span = np.iinfo(spec.dtype)
        return np.random.default_rng(0).integers(span.min, span.max, shape, dtype=spec.dtype, endpoint=True)
    if spec.layout == "NCHW":
        shape = [shape[0], *shape[2:], shape[1]]
    images = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    return tensors.encode(images, spec, preprocessing)


def _of_one_shape(outputs: Sequence[npt.NDArray[Any]], job: Job) -> npt.NDArray[Any]:
    """Stack the outputs of several images to (N, ...). Raises ModelFileError if their sizes differ."""
    counts = sorted({output.size for output in outputs})
    if len(counts) > 1:
        name = Path(job.model).name
        raise ModelFileError(
            f"{name} answers {counts[0]} values to one picture and {counts[-1]} to another: no scores."
        )
    return np.stack(outputs)


def _on_random_input(job: Job, part: Callable[[Runtime, Path, T, int, npt.NDArray[Any]], U], task: T) -> U:
    """Call a function of `operator_cost` with the job's file and a random input."""
    x = random_input(job.input, job.preprocessing)
    return part(runtimes.get(job.runtime), Path(job.model), task, job.num_threads, x)


def _survey(job: Job, survey: FileSurvey) -> tuple[tuple[float, ...], ...]:
    inputs = [random_input(spec, job.preprocessing) for spec in survey.inputs]
    return surveying.measure(runtimes.get(job.runtime), survey, inputs, job.num_threads)


def _time_steadily(session: Session, timing: Timing) -> list[int]:
    """Time each `invoke` in nanoseconds."""
    invoke, clock = session.invoke, time.perf_counter_ns
    times_ns: list[int] = []
    start = clock()
    least_ns = math.ceil(timing.min_secs * 1e9)
    while len(times_ns) < timing.num_runs or (len(times_ns) < MOST_RUNS and clock() - start < least_ns):
        before = clock()
        invoke()
        times_ns.append(clock() - before)
    return times_ns


class _Idle:
    """A session that does nothing: what its call costs is the cost of counting."""

    def invoke(self) -> None:
        pass


def _timed(step: Any) -> tuple[Any, float]:
    """Call `step`; returns (its result, the milliseconds it took)."""
    start = time.perf_counter_ns()
    value = step()
    return value, (time.perf_counter_ns() - start) / 1e6
