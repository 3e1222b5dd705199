"""Two reports side by side."""

import dataclasses
import itertools
import json
import random
from pathlib import Path

import bench_samples as samples
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecnn.cli import measuring
from edgecnn.common import stats
from edgecnn.errors import EnvironmentUnfit, GateFailed, Undecided, UsageError
from edgecnn.pipeline.bench import compare, compare_table
from edgecnn.records import report
from edgecnn.records.environment import Environment
from edgecnn.records.measurement import Measurement, Validity
from edgecnn.records.report import Report

SIX = [1.00, 1.01, 0.99, 1.005, 0.995, 1.0]


def times(factor: float, **changes: object) -> Report:
    return samples.report(samples.measurement([factor * ms for ms in SIX], **changes))


def scored(correct: int, digest: str = "a", factor: float = 1.0) -> Report:
    accuracy = dataclasses.replace(samples.accuracy(correct, 1000), outputs_sha256=digest * 64)
    return times(factor, accuracy=accuracy)


def test_a_report_is_no_worse_than_itself() -> None:
    comparison = compare.compare(scored(900), scored(900))
    compare.judge(comparison)
    (pair,) = comparison.pairs
    assert pair.latency is not None
    assert pair.latency.ratio == pytest.approx(1, rel=0.01)
    assert pair.latency.answer == "no difference found"
    assert pair.drop is not None
    assert pair.drop.identical
    assert (pair.drop.pp, pair.drop.low_pp, pair.drop.high_pp) == (0, 0, 0)


def test_a_clear_slowdown_fails_the_gate_and_is_named() -> None:
    comparison = compare.compare(times(1.0), times(1.2))
    with pytest.raises(GateFailed, match=r"net-fp32\.tflite on litert is 20\.\d % slower") as caught:
        compare.judge(comparison)
    assert caught.value.exit_code == 1


def test_quicker_is_better_and_passes() -> None:
    comparison = compare.compare(times(1.2), times(1.0))
    compare.judge(comparison)
    assert comparison.pairs[0].latency is not None
    assert comparison.pairs[0].latency.answer == "better"


def test_what_two_benches_of_one_file_may_differ_by_is_no_finding() -> None:
    comparison = compare.compare(times(1.0), times(1.02))
    assert comparison.pairs[0].latency is not None
    assert comparison.pairs[0].latency.answer == "no difference found"


def test_the_smallest_detectable_difference_is_what_it_says() -> None:
    """A slowdown a little above it is found, one a little below is not."""
    plain = compare.compare(times(1.0), times(1.0)).pairs[0].latency
    assert plain is not None
    assert 3 < plain.detectable_percent < 10
    for percent, answer in (
        (plain.detectable_percent - 0.2, "no difference found"),
        (plain.detectable_percent + 0.2, "worse"),
    ):
        shifted = compare.compare(times(1.0), times((1 + percent / 100) / plain.ratio)).pairs[0].latency
        assert shifted is not None
        assert shifted.answer == answer


def test_a_real_drop_in_accuracy_fails_and_a_small_one_does_not() -> None:
    with pytest.raises(GateFailed, match=r"10\.00 pp less accurate"):
        compare.judge(compare.compare(scored(900), scored(800, "b")))
    comparison = compare.compare(scored(900), scored(895, "b"))
    compare.judge(comparison)
    assert comparison.pairs[0].drop is not None
    assert comparison.pairs[0].drop.low_pp < 0 < comparison.pairs[0].drop.high_pp


def test_what_may_be_worse_or_not_ends_with_2_only_if_that_is_asked_for() -> None:
    comparison = compare.compare(scored(900), scored(895, "b"))
    compare.judge(comparison)
    with pytest.raises(Undecided, match=r"0\.50 pp less accurate \[.*\], cannot tell with n 1,000: about ") as caught:
        compare.judge(comparison, strict=True)
    assert caught.value.exit_code == 2
    compare.judge(compare.compare(scored(900), scored(900, factor=0.5)), strict=True)
    close = compare.compare(times(1.0), times(1.02))
    with pytest.raises(Undecided, match=r"at most 1\.03 allowed, cannot tell with n 6 rounds: about "):
        compare.judge(close, strict=True)


def test_one_round_each_finds_no_difference_and_two_that_agree_do() -> None:
    def rounds(*medians_ms: float) -> Report:
        return samples.report(samples.measurement(list(medians_ms)))

    (alone,) = compare.compare(rounds(1.0), rounds(3.0)).pairs
    assert alone.latency is not None
    assert (alone.latency.answer, alone.latency.held_percent) == ("no difference found", 0)
    (two,) = compare.compare(rounds(1.0, 1.01), rounds(3.0, 3.02)).pairs
    assert two.latency is not None
    assert (two.latency.answer, two.latency.held_percent) == ("worse", 95)
    assert two.latency.low < 3 < two.latency.high


def unfit(a: Report, b: Report, across: bool = False) -> str:
    with pytest.raises(EnvironmentUnfit) as caught:
        compare.compare(a, b, across)
    assert caught.value.exit_code == 2
    return caught.value.sentence


def elsewhere(report: Report) -> Report:
    return dataclasses.replace(report, environment=dataclasses.replace(report.environment, cpu="Cortex-A72"))


def test_other_machines_are_never_silently_compared() -> None:
    assert "cpu: " in unfit(times(1.0), elsewhere(times(1.0)))
    comparison = compare.compare(times(1.0), elsewhere(times(1.5)), across=True)
    assert "Cortex-A72" in comparison.differences[0]


def measured_on(machine: Environment, report: Report) -> Report:
    return dataclasses.replace(report, environment=machine)


def test_two_kinds_of_cpu_are_named_and_no_verdict_is_given() -> None:
    for before, after in ((times(1.0), times(1.0)), (answers("a"), answers("b"))):
        assert unfit(measured_on(samples.ZEN4, before), measured_on(samples.ZEN1, after)) == (
            "The two were measured on different kinds of CPU: AMD EPYC (AVX-512 VNNI, BF16), and AMD EPYC (AVX2)."
        )


def test_two_kinds_of_cpu_are_compared_when_asked_for_and_named_all_the_same(
    capsys: pytest.CaptureFixture[str],
) -> None:
    comparison = compare.compare(
        measured_on(samples.ZEN4, times(1.0)), measured_on(samples.PI5, times(1.5)), across=True
    )
    assert not comparison.same_kind
    compare_table.show(comparison)
    said = capsys.readouterr()
    assert said.out.splitlines()[1:3] == [
        "on AMD EPYC (AVX-512 VNNI, BF16)",
        "on Raspberry Pi 5 Model B, Cortex-A76 (ARMv8.2 dot product)",
    ]
    assert "different kinds of CPU: AMD EPYC (AVX-512 VNNI, BF16), and Raspberry Pi 5" in said.err.replace("\n", " ")
    with pytest.raises(GateFailed, match="slower"):
        compare.judge(comparison)


def answers(digest: str) -> Report:
    """Return the report of a board that neither keeps time nor counts."""
    (timed,) = scored(900, digest).measurements
    return samples.report(dataclasses.replace(timed, windows=()))


def test_equal_answers_are_equal_whatever_computed_them(capsys: pytest.CaptureFixture[str]) -> None:
    comparison = compare.compare(measured_on(samples.ZEN4, scored(900)), measured_on(samples.ZEN1, answers("a")))
    compare.judge(comparison)
    compare_table.show(comparison)
    said = capsys.readouterr()
    assert "identical outputs" in said.out
    assert "different kinds of CPU" in said.err


def test_the_machine_of_both_reports_is_said_once(capsys: pytest.CaptureFixture[str]) -> None:
    compare_table.show(compare.compare(measured_on(samples.ZEN1, times(1.0)), measured_on(samples.ZEN1, times(1.0))))
    said = capsys.readouterr()
    assert said.out.splitlines()[1] == "on AMD EPYC (AVX2)"
    assert said.out.count("AMD EPYC") == 1
    assert said.err == ""


def test_what_is_invalid_or_not_the_same_is_not_compared() -> None:
    invalid = times(1.0, validity=Validity(verdict="INVALID", reasons=("under-voltage in window 3",)))
    assert "under-voltage in window 3" in unfit(times(1.0), invalid)
    assert "INVALID" in unfit(invalid, times(1.0))
    assert "2 threads" in unfit(times(1.0, num_threads=2), times(1.0)).replace("with 2", "2")
    assert "no file" in unfit(times(1.0), times(1.0, file="other.tflite"))


def test_what_only_one_report_has_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    both = samples.report(samples.measurement(SIX), samples.measurement(SIX, file="other.tflite"))
    comparison = compare.compare(times(1.0), both)
    assert comparison.unpaired == ("other.tflite on litert",)
    compare_table.show(comparison)
    said = capsys.readouterr()
    assert "other.tflite on litert" in said.err
    assert "1.000 [" in said.out


def test_from_files_to_exit_codes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before, after = tmp_path / "a.json", tmp_path / "b.json"
    report.write(scored(900), before)
    report.write(scored(900, factor=1.5), after)
    measuring.compare(before, before)
    capsys.readouterr()
    with pytest.raises(GateFailed):
        measuring.compare(before, after, as_json=True)
    table = json.loads(capsys.readouterr().out)
    assert table["pairs"][0]["latency"]["answer"] == "worse"
    with pytest.raises(UsageError, match="no report"):
        measuring.compare(before, tmp_path / "nowhere.json")


def test_a_measurement_without_times_is_compared_by_its_accuracy_alone() -> None:
    def untimed(measurement: Measurement) -> Measurement:
        return dataclasses.replace(measurement, windows=())

    report = scored(900)
    report = dataclasses.replace(report, measurements=tuple(map(untimed, report.measurements)))
    (pair,) = compare.compare(report, report).pairs
    assert pair.latency is None
    assert pair.drop is not None


def counted(p50: int, spread: int = 0) -> Report:
    """Return the report of an emulated board: instructions and no time."""
    measurement = samples.measurement(SIX)
    summary = dataclasses.replace(
        measurement.summary,
        instructions_p50=float(p50),
        instructions_min=p50 - spread,
        instructions_max=p50,
        instructions_n=20,
    )
    return samples.report(dataclasses.replace(measurement, windows=(), summary=summary))


def test_where_no_time_is_kept_instructions_are_compared(capsys: pytest.CaptureFixture[str]) -> None:
    same = compare.compare(counted(1_000_000), counted(1_000_500))
    compare.judge(same)
    with pytest.raises(GateFailed, match=r"takes 1\.00 % more instructions"):
        compare.judge(compare.compare(counted(1_000_000), counted(1_010_000)))
    compare.judge(compare.compare(counted(1_000_000, spread=20_000), counted(1_010_000)))
    compare_table.show(same)
    assert "1,000,000 -> 1,000,500 instructions" in capsys.readouterr().out


positive = st.lists(st.floats(0.01, 100), min_size=1, max_size=8)


@given(positive, positive)
def test_the_ratio_lies_in_its_interval_and_turns_around_with_its_sides(a: list[float], b: list[float]) -> None:
    ratio, low, high, held = stats.ratio_interval(a, b)
    assert low <= ratio <= high
    assert 0 <= held <= 100
    _, back_low, back_high, _ = stats.ratio_interval(b, a)
    assert (1 / back_high, 1 / back_low) == pytest.approx((low, high))


@pytest.mark.parametrize(("m", "n"), [(1, 1), (1, 4), (2, 3), (4, 4), (5, 3)])
def test_the_rank_sum_s_distribution_is_that_of_all_arrangements(m: int, n: int) -> None:
    counts = [0] * (m * n + 1)
    for places in itertools.combinations(range(m + n), m):
        counts[sum(places) - m * (m - 1) // 2] += 1
    assert stats._rank_sum_counts(m, n) == counts


def test_six_rounds_against_six_hold_the_ratio_with_more_than_95_percent() -> None:
    *_, held = stats.ratio_interval(range(1, 7), range(1, 7))
    assert held == pytest.approx(100 * (1 - 2 * sum(stats._rank_sum_counts(6, 6)[:6]) / 924))
    assert held > 95


def test_the_interval_holds_the_ratio_as_often_as_it_says() -> None:
    random_ = random.Random(0)
    hits = 0
    for _ in range(2000):
        a = [random_.lognormvariate(0, 0.1) for _ in range(6)]
        b = [2 * random_.lognormvariate(0, 0.1) for _ in range(6)]
        _, low, high, held = stats.ratio_interval(a, b)
        hits += low <= 2 <= high
    assert held >= 95
    assert abs(100 * hits / 2000 - held) < 2


def test_newcombe_s_example() -> None:
    """56 of 70 against 48 of 80: 0.2 [0.0524, 0.3339] (Newcombe 1998, table II, method 10)."""
    drop, low, high = stats.unpaired_drop_pp(stats.wilson(56, 70), stats.wilson(48, 80))
    assert (drop, low, high) == pytest.approx((20.0, 5.24, 33.39), abs=0.01)


def test_a_ratio_of_nothing_is_refused() -> None:
    with pytest.raises(UsageError):
        stats.ratio_interval([], [1.0])
    with pytest.raises(UsageError):
        stats.ratio_interval([0.0], [1.0])
