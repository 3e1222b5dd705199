"""The statistics that every result here is stated with."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

from edgecnn.errors import UsageError

FEWEST = 10
"""The fewest pictures or rounds whose spread predicts that of more."""


@dataclasses.dataclass(frozen=True)
class Proportion:
    """A share of n trials with its 95 % Wilson score interval, in percent."""

    successes: int
    n: int
    percent: float
    low_percent: float
    high_percent: float

    def __str__(self) -> str:
        return f"{self.percent:.2f} % [{self.low_percent:.2f}, {self.high_percent:.2f}]"


def wilson(successes: int, n: int, z: float = 1.959963984540054) -> Proportion:
    """Compute the Wilson score interval of a binomial proportion (E. B. Wilson, 1927, JASA 22:209)."""
    if n <= 0 or not 0 <= successes <= n:
        raise UsageError(f"A proportion needs 0 <= successes <= n and n > 0, not {successes} of {n}.")
    share = successes / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    # At 0 and n the bounds are 0 and 1 exactly; rounding must not push them past the share.
    low = 0.0 if successes == 0 else max(0.0, centre - half)
    high = 1.0 if successes == n else min(1.0, centre + half)
    return Proportion(successes, n, 100 * share, 100 * low, 100 * high)


def binomial_upper(successes: int, n: int, chance: float) -> float:
    """Return the share that the true one exceeds with a probability of at most `chance`, of `successes` in n trials.

    It is the one-sided bound of C. J. Clopper and E. S. Pearson (1934, Biometrika 26:404): the largest share at which
    so few successes still have that probability.
    """
    if n <= 0 or not 0 <= successes <= n or not 0 < chance < 1:
        raise UsageError(f"{successes} of {n} at a chance of {chance} is no bound.")
    low, high = successes / n, 1.0
    while high - low > 1e-12:
        middle = (low + high) / 2
        low, high = (middle, high) if _at_most(successes, n, middle) > chance else (low, middle)
    return high


def mcnemar_exact(gained: int, lost: int) -> float:
    """Compute the two-sided exact p-value of McNemar's test on paired correct or wrong answers.

    Under the null hypothesis, gained ~ Binomial(gained + lost, 1/2) (Q. McNemar, 1947, Psychometrika 12:153).

    Args:
        gained: How many pictures only the second classifier gets right.
        lost: How many pictures only the first classifier gets right.
    """
    n = gained + lost
    if n == 0:
        return 1.0
    tail = sum(math.comb(n, k) for k in range(min(gained, lost) + 1))
    return min(1.0, float(2 * tail / 2**n))


def holm(p_values: Sequence[float]) -> list[float]:
    """Correct p-values for their number (S. Holm, 1979, Scandinavian Journal of Statistics 6:65).

    To reject those of at most 0.05 rejects any that is true with a probability of at most 0.05, however they depend on
    each other.
    """
    order = sorted(range(len(p_values)), key=lambda place: p_values[place])
    corrected, largest = [0.0] * len(p_values), 0.0
    for rank, place in enumerate(order):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[place]))
        corrected[place] = largest
    return corrected


def paired_drop_pp(gained: int, lost: int, n: int, z: float = 1.959963984540054) -> tuple[float, float, float]:
    """Estimate the drop in accuracy between two classifiers on the same n pictures, in percentage points.

    The interval is Agresti and Min's (2005, Statistics in Medicine 24:729): Wald's with half a pseudo-count added to
    each cell of the 2 x 2 table, which keeps its coverage for few flips.

    Returns:
        (drop, low, high).
    """
    if n <= 0 or gained < 0 or lost < 0 or gained + lost > n:
        raise UsageError(f"{gained} gained and {lost} lost do not fit {n} pictures.")
    adjusted_n, a, b = n + 2, lost + 0.5, gained + 0.5
    centre = (a - b) / adjusted_n
    half = z * math.sqrt((a + b) - (a - b) ** 2 / adjusted_n) / adjusted_n
    # With few pictures the interval can exceed the range of a drop.
    return 100 * (lost - gained) / n, max(-100.0, 100 * (centre - half)), min(100.0, 100 * (centre + half))


def needed_n(n: int, estimate: float, low: float, high: float, limit: float) -> float:
    """Estimate the sample size that would tell an estimate from a limit, if it and its spread stayed the same.

    An interval's half width narrows with the square root of N: it is the standard error of a mean, of a share
    (binomial), or of the flips of a paired drop (Q. McNemar, 1947, Psychometrika 12:153). It equals the distance to the
    limit at n (half / distance)**2.

    Returns:
        How many pictures or rounds, at least FEWEST, as fewer say little about their own spread; infinite if the
        estimate
        lies on the limit.
    """
    if math.isinf(high):
        return FEWEST
    half, distance = (high - low) / 2, abs(estimate - limit)
    return max(FEWEST, n * (half / distance) ** 2) if distance > 1e-9 else math.inf


def quantile(sorted_values: Sequence[float], q: float) -> float:
    """Compute the q-quantile of sorted values by linear interpolation (Hyndman and Fan's type 7)."""
    if not sorted_values:
        raise UsageError("A quantile needs at least one value.")
    position = q * (len(sorted_values) - 1)
    low = math.floor(position)
    high = min(low + 1, len(sorted_values) - 1)
    fraction = position - low
    return sorted_values[low] * (1 - fraction) + sorted_values[high] * fraction


def median_interval(sorted_values: Sequence[float], percent: float = 95.0) -> tuple[float, float, float]:
    """Compute a distribution-free confidence interval of the median.

    It is the narrowest pair of order statistics with enough coverage: the d-th smallest and d-th largest of n values
    cover the median with probability 1 - 2 P(Binomial(n, 1/2) < d) (David and Nagaraja, Order Statistics, 2003, section
    7.1).

    Returns:
        (low, high, coverage in percent); with fewer than six values even the extremes cover less than 95 %.
    """
    n = len(sorted_values)
    if n == 0:
        raise UsageError("An interval needs at least one value.")
    outside, tail, d = 1, 1, 1  # both count outcomes of n fair coins: P = count / 2**n
    while 2 * (d + 1) <= n:
        tail += math.comb(n, d)
        if 2 * tail / 2**n > 1 - percent / 100:
            break
        outside, d = tail, d + 1
    return sorted_values[d - 1], sorted_values[n - d], 100 * max(0.0, 1 - 2 * outside / 2**n)


def mean_interval(values: Sequence[float]) -> tuple[float, float, float]:
    """Return (mean, low, high) of at least two independent values, at 95 % (Student, 1908, Biometrika 6:1)."""
    n = len(values)
    mean = sum(values) / n
    spread = math.sqrt(sum((value - mean) ** 2 for value in values) / (n - 1))
    half = t_quantile(n - 1) * spread / math.sqrt(n)
    return mean, mean - half, mean + half


def typical_interval(sorted_values: Sequence[float]) -> tuple[float, float]:
    """Compute a 95 % interval (low, high) for the typical size of positive values, however few there are.

    It is the distribution-free interval of the median where there are enough values for 95 %, and Student's t on
    logarithms for two to five; for a single value it is (0, infinity).
    """
    low, high, coverage = median_interval(sorted_values)
    if coverage >= 95:
        return low, high
    if len(sorted_values) == 1:
        return 0.0, math.inf
    _, low, high = mean_interval([math.log(value) for value in sorted_values])
    return math.exp(low), math.exp(min(700.0, high))


def t_quantile(freedom: int, percent: float = 95.0) -> float:
    """Return t such that |T| < t with `percent` probability, T being Student's with `freedom` degrees of freedom.

    For 95 % it is 12.7, 4.30, 3.18 ... for 1, 2, 3 ... degrees.
    """
    low, high = 0.0, 1.0
    while _held(high, freedom) < percent / 100:
        low, high = high, 2 * high
    while high - low > 1e-9 * high:
        middle = (low + high) / 2
        low, high = (middle, high) if _held(middle, freedom) < percent / 100 else (low, middle)
    return high


def ratio_interval(a: Sequence[float], b: Sequence[float], percent: float = 95.0) -> tuple[float, float, float, float]:
    """Estimate how many times larger the values of b are than those of a; all must be positive.

    The estimate is Hodges and Lehmann's (1963, Annals of Mathematical Statistics 34:598) on logarithms: the median of
    all quotients b / a. The interval is that of the rank-sum test (Hollander, Wolfe and Chicken, Nonparametric
    Statistical Methods, 2014, section 4.3): exact, if both distributions have the same shape, whichever it is.

    Returns:
        (ratio, low, high, coverage in percent).
    """
    if not a or not b or min(a) <= 0 or min(b) <= 0:
        raise UsageError("A ratio needs positive values on both sides.")
    quotients = sorted(y / x for x in a for y in b)
    counts, total = _rank_sum_counts(len(a), len(b)), math.comb(len(a) + len(b), len(a))
    outside, d = counts[0], 1  # P(U < d) = outside / total
    while 2 * (d + 1) <= len(quotients) and 2 * (outside + counts[d]) / total <= 1 - percent / 100:
        outside, d = outside + counts[d], d + 1
    coverage = 100 * max(0.0, 1 - 2 * outside / total)
    return quantile(quotients, 0.5), quotients[d - 1], quotients[len(quotients) - d], coverage


def typical_ratio_interval(a: Sequence[float], b: Sequence[float]) -> tuple[float, float, float, float]:
    """Do what `ratio_interval` does, but use Student's t on logarithms where the values are too few for 95 %.

    Returns:
        (ratio, low, high, coverage in percent); the coverage is 0 for one value on each side, which has no interval.
    """
    ratio, low, high, coverage = ratio_interval(a, b)
    freedom = len(a) + len(b) - 2
    if coverage >= 95 or freedom == 0:
        return ratio, low, high, coverage
    logs = [[math.log(value) for value in side] for side in (a, b)]
    means = [sum(side) / len(side) for side in logs]
    pooled = sum((x - mean) ** 2 for side, mean in zip(logs, means, strict=True) for x in side) / freedom
    half = t_quantile(freedom) * math.sqrt(pooled * (1 / len(a) + 1 / len(b)))
    shift = means[1] - means[0]
    return math.exp(shift), math.exp(shift - half), math.exp(min(700.0, shift + half)), 95.0


def unpaired_drop_pp(a: Proportion, b: Proportion) -> tuple[float, float, float]:
    """Estimate the drop from a to b in percentage points, where the pictures differ or are not known to be the same.

    The interval is Newcombe's hybrid of the two Wilson intervals (1998, Statistics in Medicine 17:873, method 10).

    Returns:
        (drop, low, high).
    """
    drop = a.percent - b.percent
    low = drop - math.hypot(a.percent - a.low_percent, b.high_percent - b.percent)
    high = drop + math.hypot(a.high_percent - a.percent, b.percent - b.low_percent)
    return drop, low, high


def _at_most(successes: int, n: int, share: float) -> float:
    """Compute P(Binomial(n, share) <= successes), for a share above 0 and below 1."""
    if successes >= n:
        return 1.0
    log_share, log_rest = math.log(share), math.log1p(-share)
    terms = (
        math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1) + k * log_share + (n - k) * log_rest
        for k in range(successes + 1)
    )
    return math.fsum(map(math.exp, terms))


def _rank_sum_counts(m: int, n: int) -> list[int]:
    """Count the arrangements of m and n values by their Mann-Whitney U, from 0 to m n.

    These are the coefficients of the Gaussian binomial: the product over i = 1 to m of (1 - q**(n+i)) / (1 - q**i).
    """
    counts = [1] + [0] * (m * n)
    for i in range(1, m + 1):
        for u in range(m * n, n + i - 1, -1):
            counts[u] -= counts[u - n - i]
        for u in range(i, m * n + 1):
            counts[u] += counts[u - i]
    return counts


def _held(t: float, freedom: int) -> float:
    """Compute P(|T| < t) for Student's t.

    The finite sums are those of Abramowitz and Stegun, 1964, Handbook of Mathematical Functions, 26.7.3-26.7.4.
    """
    angle = math.atan(t / math.sqrt(freedom))
    cosine = math.cos(angle)
    odd = freedom % 2
    if freedom == 1:
        return 2 * angle / math.pi
    term = total = cosine if odd else 1.0
    for i in range(2 + odd, freedom - 1, 2):
        term *= cosine**2 * (i - 1) / i
        total += term
    inside = math.sin(angle) * total
    return 2 / math.pi * (angle + inside) if odd else inside
