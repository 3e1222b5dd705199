import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, binomtest

from edgecnn.common import stats
from edgecnn.errors import UsageError

trials = st.integers(1, 20_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
values = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=60)


@settings(deadline=None)
@given(trials)
def test_the_wilson_interval_is_scipys(trial: tuple[int, int]) -> None:
    successes, n = trial
    ours = stats.wilson(successes, n)
    theirs = binomtest(successes, n).proportion_ci(method="wilson")
    assert ours.low_percent == pytest.approx(100 * theirs.low, abs=1e-9)
    assert ours.high_percent == pytest.approx(100 * theirs.high, abs=1e-9)


@given(st.integers(0, 40), st.integers(1, 3000), st.floats(0.001, 0.5))
def test_the_upper_bound_is_clopper_and_pearsons(successes: int, more: int, chance: float) -> None:
    n = successes + more
    bound = binomtest(successes, n).proportion_ci(1 - 2 * chance, "exact").high if successes else 1 - chance ** (1 / n)
    assert stats.binomial_upper(successes, n, chance) == pytest.approx(bound, abs=1e-7)


def test_all_successes_bound_nothing() -> None:
    assert stats.binomial_upper(7, 7, 0.05) == 1.0


@settings(deadline=None)
@given(trials)
def test_the_wilson_interval_holds_the_share_and_stays_a_share(trial: tuple[int, int]) -> None:
    share = stats.wilson(*trial)
    assert 0 <= share.low_percent <= share.percent <= share.high_percent <= 100


@pytest.mark.parametrize(("successes", "n"), [(0, 0), (-1, 5), (6, 5)])
def test_a_proportion_of_nonsense_is_refused(successes: int, n: int) -> None:
    with pytest.raises(UsageError):
        stats.wilson(successes, n)


def test_a_proportion_reads_as_a_sentence_would_have_it() -> None:
    assert str(stats.wilson(93, 100)) == "93.00 % [86.25, 96.57]"


@settings(deadline=None)
@given(st.integers(0, 200), st.integers(0, 200))
def test_mcnemar_is_the_exact_sign_test_of_the_flips(gained: int, lost: int) -> None:
    theirs = binomtest(gained, gained + lost).pvalue if gained + lost else 1.0
    assert stats.mcnemar_exact(gained, lost) == pytest.approx(theirs, rel=1e-9)


@settings(deadline=None)
@given(st.integers(0, 50), st.integers(0, 50), st.integers(0, 5000))
def test_a_drop_lies_in_its_interval_shifted_a_little_to_zero_and_mirrors(gained: int, lost: int, kept: int) -> None:
    n = gained + lost + kept
    if n == 0:
        return
    drop, low, high = stats.paired_drop_pp(gained, lost, n)
    assert drop == pytest.approx(100 * (lost - gained) / n)
    assert low <= drop * n / (n + 2) <= high
    mirrored = stats.paired_drop_pp(lost, gained, n)
    assert mirrored == pytest.approx((-drop, -high, -low))


def test_the_drops_interval_is_agresti_and_mins_formula() -> None:
    # 30 lost and 10 gained of 1000: (30.5 - 10.5) / 1002 +- z sqrt(41 - 400 / 1002) / 1002
    half = 1.959963984540054 * math.sqrt(41 - 400 / 1002) / 1002
    expected = (2.0, 100 * (20 / 1002 - half), 100 * (20 / 1002 + half))
    assert stats.paired_drop_pp(10, 30, 1000) == pytest.approx(expected)


def test_flips_that_do_not_fit_the_pictures_are_refused() -> None:
    with pytest.raises(UsageError, match="7 gained and 5 lost do not fit 10"):
        stats.paired_drop_pp(7, 5, 10)


@settings(deadline=None)
@given(values, st.floats(0, 1))
def test_quantiles_are_numpys(numbers: list[float], q: float) -> None:
    assert stats.quantile(sorted(numbers), q) == pytest.approx(float(np.quantile(numbers, q)), rel=1e-9, abs=1e-6)


def test_nothing_has_neither_quantile_nor_interval() -> None:
    with pytest.raises(UsageError):
        stats.quantile([], 0.5)
    with pytest.raises(UsageError):
        stats.median_interval([])


@settings(deadline=None)
@given(values)
def test_the_medians_interval_is_the_narrowest_that_holds_it(numbers: list[float]) -> None:
    ordered = sorted(numbers)
    n = len(ordered)
    low, high, held = stats.median_interval(list(range(n)))
    d = int(low) + 1
    assert stats.median_interval(ordered) == (ordered[d - 1], ordered[n - d], held)
    assert high == n - d
    assert held == pytest.approx(100 * max(0.0, 1 - 2 * binom.cdf(d - 1, n, 0.5)))
    narrower = 100 * (1 - 2 * binom.cdf(d, n, 0.5))
    assert d == 1 or held >= 95
    assert narrower < 95 or 2 * (d + 1) > n


def test_six_rounds_are_the_fewest_for_95_percent() -> None:
    assert stats.median_interval([1, 2, 3, 4, 5])[2] == pytest.approx(93.75)
    assert stats.median_interval([1, 2, 3, 4, 5, 6]) == (1, 6, pytest.approx(96.875))


def test_the_interval_does_hold_the_median_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    draws = np.sort(rng.lognormal(size=(4000, 6)), axis=1)  # skewed on purpose; the median is 1
    holding = np.mean([low <= 1 <= high for low, high, _ in map(stats.median_interval, draws.tolist())])
    assert abs(100 * holding - 96.875) < 1.0  # 3.6 standard errors
