"""A gate passes, fails, or cannot tell: the rule, how many pictures would settle it, and what follows."""

from __future__ import annotations

import dataclasses
import json
import math
import re
from pathlib import Path

import bench_samples as samples
import numpy as np
import pytest
import small_bundles
from hypothesis import assume, given
from hypothesis import strategies as st

from edgecnn.common import stats
from edgecnn.errors import EXIT_GATE, EXIT_UNFIT, GateFailed, Undecided
from edgecnn.pipeline.bench import bench
from edgecnn.pipeline.deploy import bundle
from edgecnn.pipeline.export import export
from edgecnn.pipeline.export import show as present
from edgecnn.records import artifact, gates, report, settling, verdicts
from edgecnn.records.artifact import Artifact, Verdict
from edgecnn.records.gates import Gate, Outcome
from edgecnn.records.plans import Suite

ORDER = ("pass", "cannot tell", "fail")
finite = st.floats(-1e6, 1e6)
flips = st.tuples(st.integers(0, 40), st.integers(0, 40), st.integers(1, 4000))
"""(gained, lost, kept as they were)"""


def judged(gained: int, lost: int, n: int, max_drop_pp: float = 1.0) -> Verdict:
    """The check of a file that gains and loses so many of n pictures, the last of which are all right before."""
    labels = np.arange(n) % 2
    before, after = labels.copy(), labels.copy()
    before[:gained] ^= 1
    after[n - lost :] ^= 1
    logits = np.eye(2, dtype=np.float32)
    return verdicts.judge(3 * logits[after], 2 * logits[before], labels.astype(np.int64), max_drop_pp)


def outcome(gained: int, lost: int, n: int, limit: float) -> Outcome:
    return verdicts.hold(gained, lost, n, False, limit)[0]


# The rule


@given(finite, finite, finite)
def test_an_interval_within_the_limit_passes_beyond_it_fails_and_across_it_cannot_tell(
    a: float, b: float, limit: float
) -> None:
    low, high = sorted((a, b))
    assert gates.at_most(low, high, limit) == ("pass" if high <= limit else "cannot tell" if low <= limit else "fail")
    assert gates.at_least(low, high, limit) == gates.at_most(-high, -low, -limit)


@given(finite, finite, finite, st.floats(0, 1e6))
def test_a_wider_limit_is_never_judged_more_harshly(a: float, b: float, limit: float, more: float) -> None:
    low, high = sorted((a, b))
    strict, lenient = gates.at_most(low, high, limit), gates.at_most(low, high, limit + more)
    assert ORDER.index(lenient) <= ORDER.index(strict)


@given(finite, finite, finite, st.floats(0, 1), st.floats(0, 1))
def test_what_was_told_is_told_by_every_narrower_interval_too(
    a: float, b: float, limit: float, left: float, right: float
) -> None:
    low, high = sorted((a, b))
    told = gates.at_most(low, high, limit)
    assume(told != "cannot tell")
    c, d = sorted(min(high, max(low, low + share * (high - low))) for share in (left, right))
    assert gates.at_most(c, d, limit) == told


@given(flips, st.floats(0, 10), st.integers(2, 50))
def test_more_pictures_of_the_same_kind_never_turn_a_verdict_around(
    counts: tuple[int, int, int], limit: float, times: int
) -> None:
    gained, lost, kept = counts
    n = gained + lost + kept
    few, many = outcome(gained, lost, n, limit), outcome(times * gained, times * lost, times * n, limit)
    assert few == many or "cannot tell" in (few, many)


@given(st.integers(0, 30), st.integers(0, 30), st.integers(1000, 4000), st.floats(0.5, 10))
def test_enough_pictures_tell_any_drop_that_is_not_the_limit_itself(
    gained: int, lost: int, kept: int, limit: float
) -> None:
    n = gained + lost + kept
    drop = 100 * (lost - gained) / n
    assume(abs(drop - limit) > 0.05)
    assert outcome(10_000 * gained, 10_000 * lost, 10_000 * n, limit) == ("pass" if drop < limit else "fail")


@given(flips, st.floats(0, 10), st.integers(1, 20))
def test_losing_more_is_never_judged_more_kindly(counts: tuple[int, int, int], limit: float, more: int) -> None:
    gained, lost, kept = counts
    n = gained + lost + kept + more
    fewer, worse = stats.paired_drop_pp(gained, lost, n), stats.paired_drop_pp(gained, lost + more, n)
    assert worse[2] >= fewer[2]
    assert outcome(gained, lost + more, n, limit) != "pass" or outcome(gained, lost, n, limit) == "pass"


# How many would settle it


def test_240_pictures_cannot_tell_a_drop_of_three_from_a_limit_of_one_point() -> None:
    verdict = judged(0, 3, 240)
    assert (verdict.outcome, verdict.check, verdict.passed) == ("cannot tell", "cannot tell", False)
    assert verdict.reason == (
        "drop 1.25 pp [-0.37, +2.85], at most 1.00 pp allowed, cannot tell with n 240: about 10,000 would settle it"
    )


def test_a_drop_within_the_limit_by_too_few_pictures_cannot_tell_either() -> None:
    assert judged(0, 1, 240).check == "cannot tell"  # 0.42 [-0.77, +1.59]
    assert judged(0, 1, 2400).check == "pass"
    assert judged(0, 100, 2400).check == "fail"


def test_a_drop_on_the_limit_is_settled_by_no_affordable_number() -> None:
    assert judged(0, 1, 100).reason.endswith("cannot tell with n 100: no affordable number would settle it")
    assert math.isinf(stats.needed_n(100, 1.0, -1.0, 3.0, 1.0))


@given(st.integers(1, 10**6), st.floats(0, 10**6))
def test_the_number_named_is_more_than_there_are_and_has_two_digits(n: int, needed: float) -> None:
    said = re.fullmatch(r"cannot tell with n ([\d,]+): about ([\d,]+) would settle it", gates.doubt(n, needed))
    assert said is not None
    there, named = (int(number.replace(",", "")) for number in said.groups())
    assert there == n
    assert named > n
    assert len(str(named).rstrip("0")) <= 2
    assert named <= n * 1.1 + 1 or 0.95 * needed <= named <= 1.05 * needed + 1


@given(st.integers(0, 15), st.integers(0, 15), st.integers(500, 5000), st.floats(0.02, 0.9), st.sampled_from([-1, 1]))
def test_one_and_a_half_times_the_number_named_settles_a_drop(
    gained: int, lost: int, kept: int, share: float, side: int
) -> None:
    n = gained + lost + kept
    drop, low, high = stats.paired_drop_pp(gained, lost, n)
    limit = drop + side * share * (high - low) / 2
    times = math.ceil(1.5 * stats.needed_n(n, drop, low, high, limit) / n)
    assert outcome(times * gained, times * lost, times * n, limit) == ("pass" if drop < limit else "fail")


@given(st.floats(-50, 50), st.floats(0.01, 20), st.floats(0.01, 40), st.integers(10, 10**5))
def test_the_nearer_the_limit_the_more_it_takes_and_either_side_alike(
    estimate: float, half: float, distance: float, n: int
) -> None:
    def needed(limit: float) -> float:
        return stats.needed_n(n, estimate, estimate - half, estimate + half, limit)

    assert needed(estimate + distance) == pytest.approx(needed(estimate - distance), rel=1e-6)
    assert needed(estimate + distance / 2) >= needed(estimate + distance)


# What is exact


def test_a_file_that_computes_the_runs_own_logits_passes_on_however_few_pictures() -> None:
    logits = np.eye(3, dtype=np.float32)[[0, 1, 2]]
    labels = np.array([0, 1, 2])
    verdict = verdicts.judge(logits * np.float32(1 + 1e-6), logits, labels, max_drop_pp=0.0)
    assert (verdict.check, verdict.exact) == ("pass", True)
    assert verdict.reason == "drop 0.00 pp, exactly, at most 0.00 pp allowed"
    assert verdicts.judge(logits * np.float32(1.01), logits, labels, max_drop_pp=1.0).check == "cannot tell"


def test_a_flip_between_logits_that_are_almost_equal_is_no_exact_drop_of_zero() -> None:
    before = np.array([[1.0, 1.0 + 1e-6], [0.0, 1.0]], np.float32)
    after = np.array([[1.0 + 1e-6, 1.0], [0.0, 1.0]], np.float32)
    verdict = verdicts.judge(after, before, np.array([1, 1]), max_drop_pp=1.0)
    assert (verdict.exact, verdict.lost) == (False, 1)


# Intervals of few


@given(flips)
def test_the_interval_of_a_drop_stays_where_a_drop_can_be(counts: tuple[int, int, int]) -> None:
    gained, lost, kept = counts
    for n in {max(1, gained + lost), gained + lost + kept}:
        drop, low, high = stats.paired_drop_pp(gained, lost, n)
        assert -100 <= low <= drop <= high <= 100


@pytest.mark.parametrize(("gained", "lost", "n"), [(0, 1, 1), (1, 0, 1), (0, 2, 2)])
def test_one_picture_lost_of_one_has_not_lost_more_than_all(gained: int, lost: int, n: int) -> None:
    drop, low, high = stats.paired_drop_pp(gained, lost, n)
    assert max(abs(low), abs(high)) == 100 == abs(drop)
    assert outcome(gained, lost, n, 1.0) == "cannot tell"


def test_one_round_tells_no_latency_and_two_that_agree_do() -> None:
    assert stats.typical_interval([5.0]) == (0.0, math.inf)
    low, high = stats.typical_interval([5.0, 5.05])
    assert 4 < low < 5.0 < 5.05 < high < 6
    assert stats.typical_interval([1, 2, 3, 4, 5, 6]) == (1, 6)


@given(st.lists(st.floats(0.1, 10), min_size=2, max_size=5), st.floats(0.01, 100))
def test_the_interval_of_few_rounds_holds_their_middle_and_scales(medians: list[float], factor: float) -> None:
    ordered = sorted(medians)
    low, high = stats.typical_interval(ordered)
    middle = math.exp(sum(map(math.log, ordered)) / len(ordered))
    assert low <= middle * (1 + 1e-9)
    assert middle <= high * (1 + 1e-9)
    scaled = stats.typical_interval([factor * value for value in ordered])
    assert scaled == pytest.approx((factor * low, factor * high), rel=1e-6)


# The gates of a bench


def benched(medians_ms: list[float], correct: int = 90, n: int = 100) -> report.Report:
    return samples.report(samples.measurement(medians_ms, accuracy=samples.accuracy(correct, n)))


SIX = [5.0, 5.1, 5.2, 5.3, 5.4, 5.5]


@pytest.mark.parametrize(
    ("medians_ms", "max_ms", "expected"),
    [
        (SIX, 6.0, "pass"),
        (SIX, 4.0, "fail"),
        (SIX, 5.3, "cannot tell"),
        (SIX[:1], 1000.0, "cannot tell"),
        (SIX[:2], 10.0, "pass"),
        (SIX[:2], 1.0, "fail"),
    ],
)
def test_a_latency_is_held_by_the_interval_of_its_rounds(
    medians_ms: list[float], max_ms: float, expected: Outcome
) -> None:
    (gate,) = bench.hold(benched(medians_ms).measurements, Suite(name="s", max_ms=max_ms))
    assert (gate.limit, gate.outcome) == ("max-ms", expected)
    assert ("rounds: about" in gate.sentence) == (expected == "cannot tell")


@pytest.mark.parametrize(
    ("correct", "n", "min_acc", "expected"),
    [
        (90, 100, 80.0, "pass"),
        (90, 100, 99.0, "fail"),
        (90, 100, 89.0, "cannot tell"),
        (90, 100, 91.0, "cannot tell"),
        (10, 10, 95.0, "cannot tell"),
        (1, 1, 50.0, "cannot tell"),
        (0, 10, 50.0, "fail"),
        (0, 10, 0.0, "pass"),
    ],
)
def test_an_accuracy_is_held_by_its_wilson_interval(correct: int, n: int, min_acc: float, expected: Outcome) -> None:
    (gate,) = bench.hold(benched(SIX, correct, n).measurements, Suite(name="s", min_acc=min_acc))
    assert (gate.limit, gate.outcome) == ("min-acc", expected)


def test_what_a_bench_cannot_tell_is_a_warning_and_an_error_only_if_asked(capsys: pytest.CaptureFixture[str]) -> None:
    report, suite = benched(SIX), Suite(name="s", min_acc=91.0, limit=100)
    bench.judge(report, suite)
    said = capsys.readouterr().err
    assert "reaches 90.00 % [82.56, 94.48], against 91.0 %, cannot tell with n 100: about " in said
    assert "--limit, now 100" in said
    with pytest.raises(Undecided) as caught:
        bench.judge(report, suite, strict=True)
    assert caught.value.exit_code == EXIT_UNFIT


def test_a_report_holds_its_gates_and_one_from_before_has_none(tmp_path: Path) -> None:
    bench_report = benched(SIX)
    whole = dataclasses.replace(bench_report, gates=bench.hold(bench_report.measurements, Suite(name="s", max_ms=6.0)))
    path = tmp_path / "a.json"
    report.write(whole, path)
    assert report.read(path) == dataclasses.replace(whole, path=path)
    table = report.to_table(bench_report)
    del table["gates"]
    assert report.from_table(table).gates == ()


# What follows


def gate(outcome: Outcome, sentence: str) -> Gate:
    return Gate(limit="max-drop", subject="a", outcome=outcome, sentence=sentence)


def test_a_failure_beats_a_doubt_and_both_are_said(capsys: pytest.CaptureFixture[str]) -> None:
    both = [gate("cannot tell", "a cannot tell"), gate("fail", "b failed"), gate("pass", "c passed")]
    for strict in (False, True):
        with pytest.raises(GateFailed, match=r"^b failed\.$") as caught:
            settling.settle(both, strict, "rescue", "more pictures")
        assert (caught.value.exit_code, caught.value.hint) == (EXIT_GATE, "rescue")
        assert "a cannot tell; more pictures" in capsys.readouterr().err


def checked(folder: Path, verdict: Verdict) -> Artifact:
    file = dataclasses.replace(small_bundles.exported(folder), verdict=verdict)
    artifact.write_card(file)
    return file


def test_an_export_that_cannot_tell_points_to_more_pictures_and_not_to_rescue(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = checked(tmp_path, judged(0, 3, 240))
    present.show([file])
    export.judge([file])
    said = capsys.readouterr()
    assert "cannot tell" in said.out
    assert "more pictures would tell: a larger test split" in said.err
    assert "rescue" not in said.err
    with pytest.raises(Undecided) as caught:
        export.judge([file], strict=True)
    assert (caught.value.exit_code, "rescue" in str(caught.value.hint)) == (EXIT_UNFIT, False)
    with pytest.raises(GateFailed) as failed:
        export.judge([checked(tmp_path / "worse", judged(0, 100, 2400))])
    assert "--rescue" in str(failed.value.hint)


def test_a_file_whose_check_cannot_tell_is_deployed_with_a_warning_unless_strict(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = checked(tmp_path, judged(0, 3, 240))
    assert bundle.make(file).artifact is file
    assert "cannot tell with n 240" in capsys.readouterr().err
    with pytest.raises(Undecided, match="cannot tell with n 240"):
        bundle.make(file, strict=True)


@pytest.mark.parametrize("passed", [True, False])
def test_a_card_from_before_a_check_could_not_tell_is_read_as_it_was_meant(passed: bool, tmp_path: Path) -> None:
    old = dataclasses.replace(judged(0, 3, 240), passed=passed, outcome=None)
    file = checked(tmp_path, old)
    path = artifact.card_path(file.path)
    table = json.loads(path.read_text())
    del table["verdict"]["outcome"], table["verdict"]["exact"], table[artifact.DIGEST]
    path.write_text(json.dumps(table))
    read = artifact.read_card(file.path)
    assert read is not None
    assert read.verdict is not None
    assert read.verdict.check == ("pass" if passed else "fail")
