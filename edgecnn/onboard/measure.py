"""What a worker does in its process: time a file, score it, or time an application's whole way.

Everything here runs on a board: NumPy and one runtime, Pillow for pictures, nothing else.
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
from edgecnn.onboard import counters, operator_cost, preprocessing, runtimes
from edgecnn.onboard.job import Counting, EncodedImages, Job, LabelledSet, Outcome, Timing
from edgecnn.onboard.opening import in_time
from edgecnn.onboard.runtimes import Runtime, Session
from edgecnn.records import artifact, environment
from edgecnn.records.artifact import INTEGERS, Preprocessing, TensorSpec
from edgecnn.records.report import Accuracy, Count, EndToEnd, Window

T = TypeVar("T")
U = TypeVar("U")

MOST_RUNS = 2_000
"""A window that has its `num_runs` ends here even when its seconds are not up: six of them have 120 runs beyond p99."""

WARM_UP_COUNTS = 2

SLOWER = 10
"""How many times slower than a computer a board, or an emulated one, may be."""

ENCODE_AT_ONCE = 256
"""Images converted to the input's type together, so that NumPy's cost a call is shared."""


def run(job: Job) -> Outcome:
    """Do the job here. Raises ModelFileError, MissingPackage or DataError.

    A window, or else a count, comes first: it reads memory, so it must find a fresh process.
    """
    return Outcome(
        window=window(job, job.window) if job.window else None,
        count=count(job, job.count) if job.count else None,
        accuracy=accuracy(job, job.accuracy) if job.accuracy else None,
        replay=replay(job, job.replay) if job.replay else (),
        end_to_end=end_to_end(job, job.end_to_end) if job.end_to_end else None,
        lowered=_on_random_input(job, operator_cost.lower, job.lower) if job.lower else None,
        steps=_on_random_input(job, operator_cost.measure, job.prefixes) if job.prefixes else None,
    )


def window(job: Job, timing: Timing) -> Window:
    """Load, run first, warm up, then time `Session.invoke` alone, garbage collection off.

    The input is in place and the output is left where it is: what is timed is the graph, plus about
    a microsecond of the Python call. `end_to_end` times the rest.
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
    """Load, run first, warm up, then count the instructions of `Session.invoke` alone; None without a counter.

    What the counting itself costs, some thousand instructions of Python's, is counted on an empty call
    and taken off; it varies by a hundred, which a small net's count would show, hence several in a row.
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
        instructions=tuple(round((number - empty) / runs) for number in counts),
        baseline_rss_bytes=baseline_rss_bytes,
        peak_rss_bytes=environment.peak_rss_bytes(),
    )


def accuracy(job: Job, test: LabelledSet) -> Accuracy:
    """Top-1 on the whole test set at batch 1, and the digest of every raw output."""
    images = arrays.one(Path(test.images), in_memory=False)  # (N, H, W, C)
    labels = arrays.one(Path(test.labels))  # (N,)
    session = runtimes.get(job.runtime).open_session(Path(job.model), job.num_threads, output=job.output.name)
    digest, answers = hashlib.sha256(), []
    start = time.perf_counter()
    for first in range(0, len(images), ENCODE_AT_ONCE):
        encoded = artifact.encode(np.asarray(images[first : first + ENCODE_AT_ONCE]), job.input, job.preprocessing)
        outputs = _of_one_shape(_answers(session, encoded, job), job)
        digest.update(np.ascontiguousarray(outputs).tobytes())
        answers.append(artifact.decode(outputs, job.output).argmax(axis=1))
    predicted = np.concatenate(answers)
    return Accuracy(
        correct=int((predicted == labels).sum()),
        n=len(labels),
        classes_predicted=len(np.unique(predicted)),
        outputs_sha256=digest.hexdigest(),
        elapsed_s=time.perf_counter() - start,
    )


def replay(job: Job, images: str) -> tuple[tuple[float, ...], ...]:
    """The raw output (K) of every picture of a .npy file, as numbers."""
    session = runtimes.get(job.runtime).open_session(Path(job.model), job.num_threads, output=job.output.name)
    encoded = artifact.encode(arrays.one(Path(images)), job.input, job.preprocessing)
    outputs = _of_one_shape(_answers(session, encoded, job), job)
    return tuple(tuple(row.tolist()) for row in outputs.reshape(len(encoded), -1))


def _answers(session: Session, encoded: npt.NDArray[Any], job: Job) -> list[npt.NDArray[Any]]:
    """The raw output of every picture of (N, ...); the first in a time that an endless one does not keep."""
    outputs = runtimes.run_each(session, encoded)
    with in_time(Path(job.model), SLOWER):
        first = list(itertools.islice(outputs, 1))
    return [*first, *outputs]


def end_to_end(job: Job, task: EncodedImages) -> EndToEnd:
    """Time decode, resize, encode, run and argmax, the encoded bytes in memory."""
    encoded = [path.read_bytes() for path in sorted(Path(task.folder).iterdir())]
    if not encoded:
        raise DataError(f"There are no pictures in {task.folder}.")
    size = {name: getattr(job.preprocessing, name) for name in ("height", "width", "channels")}
    session = runtimes.get(job.runtime).open_session(Path(job.model), job.num_threads, output=job.output.name)

    def classify(picture: bytes) -> tuple[int, int]:
        start = time.perf_counter_ns()
        pixels = preprocessing.decode(picture, **size)  # (H, W, C)
        decoded = time.perf_counter_ns()
        artifact.decode(session(artifact.encode(pixels[None], job.input, job.preprocessing)), job.output).argmax()
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
    """Random pixels as the input tensor takes them; the same ones every time.

    Of a type that takes no bytes, random values that are valid for any use: zeros and ones where they may be places.
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
    return artifact.encode(images, spec, preprocessing)


def _of_one_shape(outputs: Sequence[npt.NDArray[Any]], job: Job) -> npt.NDArray[Any]:
    """The outputs of several pictures, (N, ...). Raises ModelFileError if their sizes differ."""
    counts = sorted({output.size for output in outputs})
    if len(counts) > 1:
        name = Path(job.model).name
        raise ModelFileError(
            f"{name} answers {counts[0]} values to one picture and {counts[-1]} to another: no scores."
        )
    return np.stack(outputs)


def _on_random_input(job: Job, part: Callable[[Runtime, Path, T, int, npt.NDArray[Any]], U], task: T) -> U:
    """One of `edgecnn.onboard.operator_cost`, on the job's file and a random input."""
    x = random_input(job.input, job.preprocessing)
    return part(runtimes.get(job.runtime), Path(job.model), task, job.num_threads, x)


def _time_steadily(session: Session, timing: Timing) -> list[int]:
    """Nanoseconds of each `invoke`, in order."""
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
    """What an empty call costs, so does the counting."""

    def invoke(self) -> None:
        pass


def _timed(step: Any) -> tuple[Any, float]:
    """(what `step` returns, milliseconds it took)."""
    start = time.perf_counter_ns()
    value = step()
    return value, (time.perf_counter_ns() - start) / 1e6
