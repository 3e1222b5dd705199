import dataclasses
import gc
import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tiny_models
from jobs import job_of, written
from PIL import Image

from edgecnn import boards, formats
from edgecnn.common import plugins
from edgecnn.errors import DataError, ModelFileError
from edgecnn.onboard import counters, measure, runtimes
from edgecnn.onboard.job import Counting, EncodedImages, Job, Timing
from edgecnn.records.artifact import Preprocessing, TensorSpec

KERNEL = tiny_models.weights(6, 5, 3, 7)
WRITERS = {
    "litert": lambda path: tiny_models.linear_tflite(path.with_suffix(".tflite"), KERNEL),
    "onnxruntime": lambda path: tiny_models.linear_onnx(path.with_suffix(".onnx"), KERNEL),
    "tflite-micro": lambda path: tiny_models.linear_c(path.with_suffix(".h"), KERNEL),
}
RUNTIMES = plugins.own_names("edgecnn.onboard.runtimes")
PREPROCESSING = Preprocessing(height=8, width=8, channels=1, colour_order="grey", resize="")


@pytest.fixture(params=RUNTIMES)
def job(request: pytest.FixtureRequest, tmp_path: Path) -> Job:
    return job_of(WRITERS[request.param](tmp_path / "linear"), request.param)


def test_a_window_keeps_at_least_the_runs_asked_for_and_each_took_time(job: Job) -> None:
    window = measure.window(job, Timing(warmup_runs=3, num_runs=70, min_secs=0.0))
    assert len(window.times_ms) == 70
    assert min(window.times_ms) > 0
    assert sum(window.times_ms) / 1e3 <= window.elapsed_s
    assert min(window.import_ms, window.init_ms, window.first_ms) > 0
    assert gc.isenabled()


def test_a_window_goes_on_until_its_seconds_are_up_or_its_runs_are_many(job: Job) -> None:
    window = measure.window(job, Timing(warmup_runs=0, num_runs=1, min_secs=0.02))
    assert window.elapsed_s >= 0.02 or len(window.times_ms) == measure.MOST_RUNS


def test_memory_is_read_around_the_loading(job: Job) -> None:
    window = measure.window(job, Timing(warmup_runs=0, num_runs=1, min_secs=0.0))
    assert 0 < window.baseline_rss_bytes <= window.peak_rss_bytes


def test_a_large_model_shows_in_the_peak(tmp_path: Path) -> None:
    big = tiny_models.weights(128, 128, 3, 100)  # 19.7 MB of float32
    job = job_of(tiny_models.linear_onnx(tmp_path / "big.onnx", big), "onnxruntime")
    with boards.open_board("local") as board:  # a process of its own: this one may hold memory that others have freed
        window = board.run(dataclasses.replace(job, window=Timing(warmup_runs=0, num_runs=1, min_secs=0.0))).window
    assert window is not None
    assert window.peak_rss_bytes - window.baseline_rss_bytes > big.nbytes


def test_accuracy_is_counted_on_every_picture_and_the_outputs_are_hashed(job: Job, tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    images = rng.integers(0, 256, (600, 6, 5, 3), dtype=np.uint8)  # more than two chunks of encoding
    labels = rng.integers(0, 7, 600)
    outputs = tiny_models.logits(KERNEL, images)
    predicted = outputs.argmax(axis=1)
    result = measure.accuracy(job, written(images, labels, tmp_path))
    assert result.n == 600
    assert result.correct == int((predicted == labels).sum())
    assert result.classes_predicted == len(set(predicted.tolist()))
    assert result.outputs_sha256 == hashlib.sha256(outputs.astype(np.float32).tobytes()).hexdigest()


def test_int8_files_are_fed_and_read_by_their_scales(tmp_path: Path) -> None:
    path = tiny_models.linear_tflite(tmp_path / "int8.tflite", KERNEL, int8=True)
    images = np.random.default_rng(4).integers(0, 256, (500, 6, 5, 3), dtype=np.uint8)
    exact = tiny_models.logits(KERNEL, images)
    ordered = np.sort(exact, axis=1)
    step = formats.describe(path).output.scale or 0.0
    clear = ordered[:, -1] - ordered[:, -2] > 2 * step  # no rounding can turn these
    assert clear.sum() > 50
    labels = exact.argmax(axis=1)
    result = measure.accuracy(job_of(path, "litert"), written(images[clear], labels[clear], tmp_path))
    assert result.correct == result.n == clear.sum()


def test_end_to_end_takes_pictures_of_any_size_in_turn(job: Job, tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for i, size in enumerate([(64, 48), (10, 90), (5, 6)]):
        pixels = np.random.default_rng(i).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{i}.jpg")
    task = EncodedImages(folder=str(folder), kind="noise", timing=Timing(warmup_runs=1, num_runs=7, min_secs=0.0))
    result = measure.end_to_end(job, task)
    assert (result.picture, result.pictures, len(result.times_ms)) == ("noise", 3, 7)
    assert all(0 < decode < total for decode, total in zip(result.decode_ms, result.times_ms, strict=True))


def test_no_pictures_and_broken_ones_are_told(job: Job, tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    task = EncodedImages(folder=str(folder), kind="none", timing=Timing(warmup_runs=1, num_runs=1, min_secs=0.0))
    with pytest.raises(DataError, match="no pictures"):
        measure.end_to_end(job, task)
    (folder / "a.jpg").write_bytes(b"\xff\xd8 and no more")
    with pytest.raises(DataError, match="Cannot read"):
        measure.end_to_end(job, task)


def test_a_job_does_what_it_names_and_no_more(job: Job) -> None:
    outcome = measure.run(dataclasses.replace(job, window=Timing(warmup_runs=0, num_runs=2, min_secs=0.0)))
    assert outcome.window is not None
    assert (outcome.accuracy, outcome.end_to_end) == (None, None)


@pytest.mark.parametrize(
    ("dtype", "layout", "shape"),
    [
        ("int8", "NHWC", (1, 4, 5, 3)),
        ("uint8", "NCHW", (1, 3, 4, 5)),
        ("float32", "NCHW", (1, 3, 4, 5)),
        ("float32", "", (1, 17)),
    ],
)
def test_random_input_has_the_tensors_type_and_shape_and_repeats(
    dtype: str, layout: str, shape: tuple[int, ...]
) -> None:
    spec = TensorSpec(name="x", shape=shape, dtype=dtype, layout=layout)
    preprocessing = Preprocessing(height=4, width=5, channels=3, colour_order="RGB", resize="")
    x = measure.random_input(spec, preprocessing)
    assert x.shape == shape
    assert x.dtype == dtype
    assert len(np.unique(x)) > 5
    assert np.array_equal(x, measure.random_input(spec, preprocessing))


@pytest.mark.parametrize("dtype", ["float16", "float64", "int16", "uint16", "int32", "int64", "bool"])
def test_any_type_that_an_engine_takes_gets_random_input(dtype: str) -> None:
    x = measure.random_input(TensorSpec(name="x", shape=(1, 8, 8), dtype=dtype, layout=""), PREPROCESSING)
    assert (x.dtype, x.shape) == (np.dtype(dtype), (1, 8, 8))
    assert len(np.unique(x)) > 1
    assert dtype.startswith("float") or set(np.unique(x)) == {0, 1}  # they may be places in a table


def test_quantised_input_of_16_bits_is_random_over_its_whole_range() -> None:
    spec = TensorSpec(name="x", shape=(1, 64), dtype="int16", layout="NK", scale=0.01, zero_point=0)
    x = measure.random_input(spec, PREPROCESSING)
    assert x.min() < -20_000
    assert x.max() > 20_000


def test_an_input_type_no_picture_has_is_refused() -> None:
    spec = TensorSpec(name="words", shape=(1, 8), dtype="object", layout="")
    with pytest.raises(ModelFileError, match="'words' has type object"):
        measure.random_input(spec, PREPROCESSING)


def test_instructions_are_counted_where_the_kernel_allows_it_and_else_absent(job: Job) -> None:
    outcome = measure.run(dataclasses.replace(job, count=Counting(num_counts=5, least_instructions=100_000)))
    counter = counters.instructions()
    if counter is None:
        assert outcome.count is None
        return
    counter.close()
    assert outcome.count is not None
    assert len(outcome.count.instructions) == 5
    assert min(outcome.count.instructions) > 0
    assert 0 < outcome.count.baseline_rss_bytes <= outcome.count.peak_rss_bytes


class Tally:
    """A counter that counts calls: every one costs what it says, and reading it 7."""

    spent = 0

    def count(self, step: Callable[[], object]) -> int:
        Tally.spent = 7
        step()
        return Tally.spent

    def __enter__(self) -> "Tally":
        return self

    def __exit__(self, *_: object) -> None:
        pass


def test_counting_costs_nothing_and_small_nets_run_often(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    module = runtimes.get(job.runtime)
    session = module.open_session(Path(job.model), 1)
    runs = []

    def invoke() -> None:
        runs.append(1)
        Tally.spent += 300

    monkeypatch.setattr(counters, "instructions", Tally)
    monkeypatch.setattr(type(session), "invoke", lambda self: invoke())
    count = measure.count(job, Counting(num_counts=4, least_instructions=1_000))
    assert count is not None
    assert count.instructions == (300,) * 4
    assert len(runs) == 2 + 4 * measure.WARM_UP_COUNTS + 4 * 4  # four in a row reach a thousand


def test_raw_outputs_of_pictures_are_given_exactly(job: Job, tmp_path: Path) -> None:
    images = np.random.default_rng(5).integers(0, 256, (3, 6, 5, 3), dtype=np.uint8)
    np.save(tmp_path / "images.npy", images)
    outputs = measure.run(dataclasses.replace(job, replay=str(tmp_path / "images.npy"))).replay
    assert np.array_equal(np.array(outputs, dtype=np.float32), tiny_models.logits(KERNEL, images).astype(np.float32))


def test_a_sigmoid_is_scored_at_a_half_and_a_class_number_as_it_is(tmp_path: Path) -> None:
    images = np.random.default_rng(3).integers(0, 256, (30, 6, 5, 3), dtype=np.uint8)
    kernel = tiny_models.weights(6, 5, 3, 3)
    difference = kernel[1:2] - kernel[:1]
    is_second = (tiny_models.logits(difference, images)[:, 0] > 0).astype(np.int64)
    best = tiny_models.logits(kernel, images).argmax(1)
    number = [("ArgMax", {"axis": 1, "keepdims": 0})]
    squeezed = tiny_models.linear_onnx(tmp_path / "b.onnx", kernel, [*number, ("Squeeze", {})], [])
    sigmoid = tiny_models.with_sigmoid(tiny_models.linear_tflite(tmp_path / "s.tflite", difference))
    jobs = [
        (job_of(tiny_models.linear_onnx(tmp_path / "s.onnx", difference, [("Sigmoid", {})]), "onnxruntime"), is_second),
        (job_of(sigmoid, "litert"), is_second),
        (job_of(tiny_models.linear_onnx(tmp_path / "n.onnx", kernel, number, [1]), "onnxruntime"), best),
        (job_of(squeezed, "onnxruntime"), best),
    ]
    for place, (job, labels) in enumerate(jobs):
        (tmp_path / str(place)).mkdir()
        assert labels.sum() > 0
        assert measure.accuracy(job, written(images, labels, tmp_path / str(place))).correct == 30
