import dataclasses

import bench_samples as samples
import pytest

from edgecnn.pipeline.bench import report_warnings
from edgecnn.records.environment import Condition
from edgecnn.records.measurement import Measurement


def kinds(*measurements: Measurement) -> list[str]:
    return [warning.kind for warning in report_warnings.warnings(measurements)]


def int8(medians_ms: list[float], **changes: object) -> Measurement:
    return samples.measurement(medians_ms, **{"file": "net-int8.tflite", "precision": "int8"} | changes)


def test_a_calm_machine_and_steady_rounds_need_no_warning() -> None:
    assert kinds(samples.measurement([1.0] * 6), int8([0.5] * 6)) == []
    assert kinds() == []


def test_rounds_that_lie_apart_are_named_with_both_ends() -> None:
    (warning,) = report_warnings.warnings([samples.measurement([1.0, 1.0, 1.0, 1.0, 1.0, 1.2])])
    assert warning.kind == "unstable"
    assert (warning.file, warning.runtime) == ("net-fp32.tflite", "litert")
    assert warning.numbers["spread_percent"] == pytest.approx(20)
    assert "20 % apart, from 1.00 ms to 1.20 ms" in warning.sentence


@pytest.mark.parametrize(("foreign_s", "steal_s"), [(0.3, 0.0), (0.0, 0.1)])
def test_other_programs_and_a_greedy_hypervisor_are_told(foreign_s: float, steal_s: float) -> None:
    after = Condition(load_1min=2.0, frequency_mhz=1500.0, busy_s=101.0 + foreign_s, steal_s=1.0 + steal_s)
    windows = (samples.window([1.0] * 60, after=after),) * 6
    (warning,) = report_warnings.warnings([samples.measurement([], windows=windows)])
    assert warning.kind == "loaded-machine"
    assert warning.numbers["foreign_cores"] == pytest.approx(foreign_s)
    assert warning.numbers["stolen_cores"] == pytest.approx(steal_s)


def test_a_machine_without_counters_is_not_called_loaded() -> None:
    silent = samples.window([1.0] * 60, before=Condition(), after=Condition())
    assert kinds(samples.measurement([], windows=(silent,) * 6)) == []


def test_a_clock_that_fell_is_told() -> None:
    slow = samples.window([1.0] * 60, after=Condition(frequency_mhz=600.0))
    windows = (samples.window([1.0] * 60),) * 5 + (slow,)
    (warning,) = report_warnings.warnings([samples.measurement([], windows=windows)])
    assert warning.kind == "frequency-changed"
    assert warning.numbers == {"lowest_mhz": 600.0, "highest_mhz": 1500.0}


def test_too_few_rounds_say_what_their_interval_is_worth() -> None:
    (warning,) = report_warnings.warnings([samples.measurement([1.0] * 3)])
    assert warning.kind == "few-rounds"
    assert warning.numbers == {"rounds": 3, "held_percent": 75.0}


def test_too_few_samples_are_told() -> None:
    windows = (samples.window([1.0] * 8),) * 6
    assert kinds(samples.measurement([], windows=windows)) == ["few-samples"]


def test_a_model_of_one_answer_is_told() -> None:
    assert kinds(samples.measurement([1.0] * 6, accuracy=samples.accuracy(10, 100, classes_predicted=1))) == [
        "one-class"
    ]
    assert kinds(samples.measurement([1.0] * 6, accuracy=samples.accuracy(10, 100, classes_predicted=2))) == []


def test_assumed_preprocessing_matters_only_where_it_was_scored() -> None:
    scored = samples.measurement([1.0] * 6, preprocessing_assumed=True, accuracy=samples.accuracy(50, 100))
    timed = samples.measurement([1.0] * 6, preprocessing_assumed=True)
    assert kinds(scored, timed) == ["assumed-preprocessing"]
    assert kinds(timed) == []


def test_int8_slower_than_fp32_names_what_is_quicker() -> None:
    onnx = {"format": "onnx", "runtime": "onnxruntime"}
    slow = int8([0.3] * 6, **onnx)
    slow = dataclasses.replace(slow, file="net-int8.onnx")
    floating = samples.measurement([0.2] * 6, file="net-fp32.onnx", **onnx)
    (warning,) = report_warnings.warnings([slow, floating, int8([0.1] * 6)])
    assert warning.kind == "int8-slower-than-fp32"
    assert warning.file == "net-int8.onnx"
    assert "50 % slower than net-fp32.onnx (200 µs); the quickest here is net-int8.tflite on litert" in warning.sentence


def test_intervals_that_touch_call_nothing_slower() -> None:
    assert kinds(int8([1.0, 1.0, 1.0, 1.01, 1.02, 1.03]), samples.measurement([0.98, 0.99, 1.0, 1.0, 1.0, 1.0])) == []


def test_int8_is_held_against_its_own_net_only() -> None:
    assert kinds(int8([2.0] * 6), samples.measurement([1.0] * 6, run="another", file="another-fp32.tflite")) == []


@pytest.mark.parametrize(
    ("first", "other", "same"),
    [
        ("net-fp32.tflite", "net-int8.tflite", True),
        ("net.onnx", "net_int8.onnx", True),
        ("net-int8-mixed.tflite", "net-float32.tflite", True),
        ("a-fp32.tflite", "b-int8.tflite", False),
    ],
)
def test_loose_files_are_matched_by_their_names(first: str, other: str, same: bool) -> None:
    pair = [
        samples.measurement([1.0] * 6, run=None, file=name, precision=precision)
        for name, precision in ((first, "fp32"), (other, "int8"))
    ]
    if "int8" in first:
        pair = [dataclasses.replace(pair[0], precision="int8"), dataclasses.replace(pair[1], precision="fp32")]
    slow, quick = (pair[0], pair[1]) if pair[0].precision == "int8" else (pair[1], pair[0])
    slow = dataclasses.replace(
        slow, summary=dataclasses.replace(slow.summary, p50_ms=2.0, p50_low_ms=2.0, p50_high_ms=2.0)
    )
    assert kinds(slow, quick) == (["int8-slower-than-fp32"] if same else [])


@pytest.mark.parametrize(
    ("changes", "arch", "words"),
    [
        ({"format": "onnx", "target": "dotprod"}, "x86_64", "for ARM with dot product"),
        ({"format": "onnx", "target": "dotprod"}, "aarch64", "`edgecnn bench --profile` says which operators."),
        ({"precision": "int8-mixed"}, "x86_64", "Some of its operators stayed float"),
        ({}, "x86_64", "`edgecnn bench --profile` says which operators."),
    ],
)
def test_int8_slower_than_fp32_says_why_as_far_as_the_file_tells(
    changes: dict[str, str], arch: str, words: str
) -> None:
    slow = int8([0.3] * 6, **changes)
    floating = samples.measurement([0.2] * 6, format=changes.get("format", "tflite"))
    (warning,) = report_warnings.warnings([slow, floating], arch)
    assert words in warning.sentence
