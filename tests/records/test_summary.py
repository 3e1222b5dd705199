import bench_samples as samples
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecnn.records.measurement import Count, EndToEnd
from edgecnn.records.summary import summarise

times = st.lists(st.floats(1e-3, 1e3), min_size=1, max_size=30)
rounds = st.lists(times, min_size=1, max_size=9)


@settings(deadline=None)
@given(rounds)
def test_the_quantiles_are_those_of_the_rounds_and_of_all_samples(drawn: list[list[float]]) -> None:
    summary = summarise([samples.window(times) for times in drawn], None, None)
    together = [time for times in drawn for time in times]
    assert summary.p50_ms == pytest.approx(np.median([np.median(times) for times in drawn]))
    assert summary.p90_ms == pytest.approx(np.quantile(together, 0.9))
    assert summary.p99_ms == pytest.approx(np.quantile(together, 0.99))
    assert (summary.rounds, summary.samples) == (len(drawn), len(together))


@settings(deadline=None)
@given(rounds)
def test_the_interval_holds_the_median_and_says_how_surely(drawn: list[list[float]]) -> None:
    summary = summarise([samples.window(times) for times in drawn], None, None)
    assert summary.p50_low_ms <= summary.p50_ms * (1 + 1e-12)
    assert summary.p50_ms <= summary.p50_high_ms * (1 + 1e-12)
    assert (summary.p50_interval_percent >= 95) == (len(drawn) >= 6)


def test_a_spread_between_rounds_widens_the_interval_however_many_samples_each_has() -> None:
    steady = summarise([samples.window([1.0] * 1000)] * 6, None, None)
    drifting = summarise([samples.window([1.0 + 0.01 * i] * 1000) for i in range(6)], None, None)
    assert (steady.p50_low_ms, steady.p50_high_ms) == (1.0, 1.0)
    assert (drifting.p50_low_ms, drifting.p50_high_ms) == pytest.approx((1.0, 1.05))


def test_one_disturbed_round_moves_the_tail_but_not_the_median() -> None:
    summary = summarise([samples.window([1.0] * 100)] * 5 + [samples.window([3.0] * 100)], None, None)
    assert summary.p50_ms == 1.0
    assert summary.p90_ms == 3.0


def test_memory_is_the_worst_round_less_its_own_baseline() -> None:
    windows = [
        samples.window([1.0], baseline_rss_bytes=10, peak_rss_bytes=14),
        samples.window([1.0], baseline_rss_bytes=20, peak_rss_bytes=27),
    ]
    assert summarise(windows, None, None).peak_rss_bytes == 7


def test_accuracy_comes_with_its_interval_and_n() -> None:
    summary = summarise([samples.window([1.0])], samples.accuracy(93, 100), None)
    assert (summary.top1_percent, summary.top1_n) == (93.0, 100)
    assert (summary.top1_low_percent, summary.top1_high_percent) == pytest.approx((86.25, 96.57), abs=0.01)


def test_what_was_not_measured_is_none() -> None:
    summary = summarise([samples.window([1.0])], None, None)
    assert (summary.top1_percent, summary.top1_n, summary.end_to_end_p50_ms) == (None, None, None)


def test_end_to_end_is_stated_with_the_decoding_in_it() -> None:
    whole = EndToEnd(picture="", pictures=1, times_ms=(3.0, 5.0, 4.0), decode_ms=(2.0, 3.0, 1.0))
    summary = summarise([samples.window([1.0])], None, whole)
    assert (summary.end_to_end_p50_ms, summary.end_to_end_decode_p50_ms) == (4.0, 2.0)


def test_without_windows_there_are_counts_and_no_times() -> None:
    counts = [Count(instructions=(i, i + 2), baseline_rss_bytes=10, peak_rss_bytes=20 + i) for i in (100, 101)]
    summary = summarise([], samples.accuracy(93, 100), None, counts)
    assert (summary.instructions_min, summary.instructions_p50, summary.instructions_max, summary.instructions_n) == (
        100,
        101.5,
        103,
        4,
    )
    assert (summary.peak_rss_bytes, summary.top1_percent) == (111, 93.0)
    assert (summary.p50_ms, summary.p99_ms, summary.init_ms, summary.samples) == (None, None, None, 0)
