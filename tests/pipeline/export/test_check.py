"""Verdicts on logits, parity of output tensors, and evaluation through real runtimes."""

from __future__ import annotations

import json
import math

import numpy as np
import numpy.typing as npt
import pytest
import small_runs
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecnn.common.stats import mcnemar_exact, wilson
from edgecnn.nets import inference
from edgecnn.onboard import tensors
from edgecnn.pipeline.export import check, exportable
from edgecnn.records import verdicts

Logits = npt.NDArray[np.float32]


def logits_of(predicted: list[int], classes: int = 3) -> Logits:
    return np.eye(classes, dtype=np.float32)[predicted]


def labels_of(labels: list[int]) -> npt.NDArray[np.int64]:
    return np.array(labels, dtype=np.int64)


def test_a_file_that_agrees_passes_with_a_drop_of_zero() -> None:
    same = logits_of([0, 1, 2, 1])
    verdict = verdicts.judge(same, same, labels_of([0, 1, 2, 2]), max_drop_pp=0.0)
    assert verdict.passed
    assert (verdict.drop_pp, verdict.gained, verdict.lost, verdict.p_value) == (0.0, 0, 0, 1.0)
    assert (verdict.top1_percent, verdict.agreement_percent, verdict.max_logit_difference) == (75.0, 100.0, 0.0)


def test_flips_are_counted_both_ways() -> None:
    verdict = verdicts.judge(logits_of([0, 0, 2, 1, 1]), logits_of([0, 1, 2, 2, 0]), labels_of([0, 1, 2, 1, 2]), 100.0)
    assert (verdict.lost, verdict.gained) == (1, 1)
    assert verdict.agreement_percent == pytest.approx(40.0)
    assert verdict.max_logit_difference == 1.0


def test_the_gate_is_the_drops_interval_and_its_bound_passes() -> None:
    labels = labels_of([0, 1] * 50)
    reference = logits_of([0, 1] * 50)
    file = logits_of([1, 0, *[0, 1] * 49])  # two of a hundred lost
    bound = verdicts.judge(file, reference, labels, max_drop_pp=100.0).drop_high_pp
    assert verdicts.judge(file, reference, labels, max_drop_pp=bound).check == "pass"
    assert verdicts.judge(file, reference, labels, max_drop_pp=bound - 0.01).check == "cannot tell"


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_logits_that_are_no_numbers_never_pass(number: float) -> None:
    reference = logits_of([0, 1, 2])
    file = reference.copy()
    file[1, 2] = number
    verdict = verdicts.judge(file, reference, labels_of([0, 1, 2]), max_drop_pp=100.0)
    assert verdict.check == "fail"
    assert "1 pictures are not numbers" in verdict.reason
    json.dumps(verdict.max_logit_difference, allow_nan=False)


def test_one_class_for_every_picture_never_passes() -> None:
    reference = logits_of([1, 1, 1, 1])
    verdict = verdicts.judge(reference, reference, labels_of([0, 1, 2, 1]), max_drop_pp=100.0)
    assert verdict.check == "fail"
    assert "every picture is called class 1" in verdict.reason


@given(rows=st.lists(st.tuples(*[st.integers(0, 2)] * 3), min_size=1, max_size=60))
def test_a_verdict_adds_up(rows: list[tuple[int, int, int]]) -> None:
    file, reference, labels = (list(column) for column in zip(*rows, strict=True))
    verdict = verdicts.judge(logits_of(file), logits_of(reference), labels_of(labels), max_drop_pp=1.0)
    correct = sum(a == b for a, b in zip(file, labels, strict=True))
    before = sum(a == b for a, b in zip(reference, labels, strict=True))
    assert verdict.n == len(rows)
    assert before - correct == verdict.lost - verdict.gained
    assert verdict.drop_pp == pytest.approx(verdict.reference_top1_percent - verdict.top1_percent)
    assert verdict.drop_low_pp <= verdict.drop_high_pp
    assert verdict.top1_percent == pytest.approx(wilson(correct, len(rows)).percent)
    assert verdict.p_value == mcnemar_exact(verdict.gained, verdict.lost)


@pytest.mark.parametrize("format_name", ["onnx", "tflite"])
def test_a_float_file_gives_the_nets_own_logits(format_name: str) -> None:
    file = small_runs.written("dscnn", format_name, "fp32")
    test = small_runs.splits((1, 8, 8)).test
    run = small_runs.exportable("dscnn").run
    reference = check.reference_logits(run, test.load_all())
    logits = tensors.decode(check.outputs(file, test.load_all()), file.description.output)
    assert np.abs(logits - reference).max() < 1e-4
    assert check.check(file, test, reference, max_drop_pp=0.0).agreement_percent == 100.0


def test_reference_logits_do_not_depend_on_how_pictures_are_batched() -> None:
    run = small_runs.exportable("mlp").run
    images = small_runs.pictures(inference.BATCH + 9, small_runs.SHAPES["mlp"], seed=5).load_all()
    whole = check.reference_logits(run, images)
    assert whole.shape == (inference.BATCH + 9, 4)
    assert np.allclose(whole[-9:], check.reference_logits(run, images[-9:]), atol=1e-5)


@settings(max_examples=10, deadline=None)
@given(count=st.integers(1, 7))
def test_outputs_come_in_the_order_of_the_pictures(count: int) -> None:
    file = small_runs.written("mlp", "onnx", "int8")
    images = small_runs.pictures(7, small_runs.SHAPES["mlp"], seed=6).load_all()
    assert np.array_equal(check.outputs(file, images[:count]), check.outputs(file, images)[:count])


def test_parity_counts_steps_across_signs() -> None:
    onnx, tflite = (small_runs.written("mlp", name, "int8") for name in ("onnx", "tflite"))
    assert onnx.description.output.dtype == "uint8"
    steps = np.array([[0, 5, 9, 1], [7, 1, 1, 1]], dtype=np.int32)
    zero = tflite.description.output.zero_point or 0
    signed = np.clip(steps + zero, -128, 127).astype(np.int8)
    unsigned = (signed.astype(np.int32) + 128).astype(np.uint8)
    same = verdicts.parity(onnx, tflite, unsigned, signed)
    assert same is not None
    assert (same.max_lsb, same.differing_percent, same.agreement_percent) == (0, 0.0, 100.0)
    unsigned[0, 0] += 2
    apart = verdicts.parity(onnx, tflite, unsigned, signed)
    assert apart is not None
    assert (apart.max_lsb, apart.differing_percent, apart.n) == (2, 12.5, 2)
    assert apart.against == tflite.name


def test_files_without_a_common_scale_have_no_parity() -> None:
    integer, real = small_runs.written("mlp", "onnx", "int8"), small_runs.written("mlp", "onnx", "fp32")
    values = np.zeros((2, 4), np.uint8)
    assert verdicts.parity(integer, real, values, values.astype(np.float32)) is None
    other = small_runs.written("dscnn", "onnx", "int8")
    assert verdicts.parity(integer, other, values, values) is None


@pytest.mark.parametrize("net", ["dscnn", "mlp", "resnet"])
def test_both_int8_files_of_a_net_agree_to_one_step(net: str) -> None:
    images = small_runs.splits(small_runs.SHAPES[net]).test.load_all()
    onnx, tflite = (small_runs.written(net, name, "int8") for name in ("onnx", "tflite"))
    parity = verdicts.parity(onnx, tflite, check.outputs(onnx, images), check.outputs(tflite, images))
    assert parity is not None
    assert parity.max_lsb <= 1


def test_normalised_pictures_are_what_the_net_was_trained_on() -> None:
    run = small_runs.exportable("resnet").run
    images = small_runs.pictures(2, (3, 32, 32), seed=8).load_all()
    seen = exportable.normalised(images, run)
    assert tuple(seen.shape) == (2, 3, 32, 32)
    assert seen[1, 2, 3, 4].item() == pytest.approx((int(images[1, 3, 4, 2]) - 120) / 70)
