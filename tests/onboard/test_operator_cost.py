import dataclasses
import gc
from pathlib import Path

import island_models
import numpy as np
import pytest
import tiny_models
from jobs import job_of
from lowered import MADE, lowered, reader

from edgecnn import formats
from edgecnn.errors import ModelFileError
from edgecnn.onboard import counters, measure, operator_cost, runtimes
from edgecnn.onboard.job import Job, Lowering, Prefixes


def cut(name: str, folder: Path) -> tuple[Job, Prefixes]:
    path = MADE[name](folder / name)
    data, _, _ = lowered(path, folder)
    parts = folder / "parts"
    parts.mkdir()
    for place, prefix in enumerate(reader(formats.name_of(path)).prefixes(data)):
        (parts / f"{place:05d}{path.suffix}").write_bytes(prefix)
    plan = Prefixes(folder=str(parts), passes=3, unit="ms", least_instructions=100_000)
    return job_of(path, runtimes.for_format(formats.name_of(path))[0]), plan


@pytest.mark.parametrize("name", ["island.onnx", "island.tflite"])
def test_every_prefix_has_a_difference_a_pass_and_they_sum_up_to_something(name: str, tmp_path: Path) -> None:
    job, plan = cut(name, tmp_path)
    steps = measure.run(dataclasses.replace(job, prefixes=plan)).steps
    assert steps is not None
    assert steps.unit == "ms"
    assert len(steps.differences) == len(list(Path(plan.folder).iterdir()))
    assert {len(costs) for costs in (*steps.differences, steps.whole)} == {3}
    assert min(steps.whole) > 0
    assert min(steps.differences[0]) > 0  # a call costs something
    assert gc.isenabled()


def test_instructions_are_counted_where_the_kernel_allows_it_and_else_absent(tmp_path: Path) -> None:
    job, plan = cut("heavy.onnx", tmp_path)
    counted = dataclasses.replace(plan, unit="instructions", passes=2)
    steps = measure.run(dataclasses.replace(job, prefixes=counted)).steps
    counter = counters.instructions()
    if counter is None:
        assert steps is None
        return
    counter.close()
    assert steps is not None
    heavy = max(range(len(steps.differences)), key=lambda place: min(steps.differences[place]))
    assert min(steps.differences[heavy]) > 0.5 * min(steps.whole)


class Meter:
    """A counter whose every step costs what the session that it runs says."""

    spent = 0

    def count(self, step: object) -> int:
        before = Meter.spent
        step()
        return Meter.spent - before + 11


class Priced:
    def __init__(self, price: int) -> None:
        self.price = price

    def invoke(self) -> None:
        Meter.spent += self.price


@pytest.mark.parametrize("price", [1, 40, 100_000])
def test_a_count_is_of_one_run_and_counting_costs_nothing(price: int) -> None:
    assert operator_cost.counted(Meter(), 1_000, Priced(price)) == price  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["island.onnx", "linear.tflite"])
def test_a_lowered_file_puts_out_what_the_file_does(name: str, tmp_path: Path) -> None:
    import base64

    path = MADE[name](tmp_path / name)
    job = job_of(path, runtimes.for_format(formats.name_of(path))[0])
    lowered = measure.run(dataclasses.replace(job, lower=Lowering(num_runs=4))).lowered
    assert lowered is not None
    assert len(lowered.times_ms) == 4
    again = tmp_path / f"again{path.suffix}"
    again.write_bytes(base64.b64decode(lowered.model))
    runtime, x = runtimes.get(job.runtime), measure.random_input(job.input, job.preprocessing)
    assert np.array_equal(runtime.open_session(again, 1, lowered=True)(x), runtime.open_session(path, 1)(x))
    for kernel in lowered.kernels:
        assert len(kernel.times_ms) == 4
        assert len(kernel.dtypes) == len(kernel.shapes) >= 1


def test_onnx_runtime_tells_its_kernels_in_the_order_they_run_and_litert_none(tmp_path: Path) -> None:
    path = island_models.heavy_onnx(tmp_path / "heavy.onnx")
    job = job_of(path, "onnxruntime")
    lowered = measure.run(dataclasses.replace(job, lower=Lowering(num_runs=2))).lowered
    assert lowered is not None
    convolutions = [kernel for kernel in lowered.kernels if kernel.operator == "Conv"]
    assert [kernel.shapes[0][1] for kernel in convolutions] == [64, 64, 16]
    tiny = tiny_models.linear_tflite(tmp_path / "tiny.tflite", tiny_models.weights(4, 4, 1, 2))
    other = measure.run(dataclasses.replace(job_of(tiny, "litert"), lower=Lowering(num_runs=2))).lowered
    assert other is not None
    assert other.kernels == ()


def test_a_prefix_that_is_no_model_is_refused(tmp_path: Path) -> None:
    job, plan = cut("linear.tflite", tmp_path)
    Path(plan.folder, "00000.tflite").write_bytes(b"no model")
    with pytest.raises(ModelFileError):
        measure.run(dataclasses.replace(job, prefixes=plan))
