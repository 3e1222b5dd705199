"""Computation of the Summary, the few numbers by which a Measurement is quoted."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from edgecnn.common import stats
from edgecnn.records.measurement import Accuracy, Count, EndToEnd, Summary, Window


def summarise(
    windows: Sequence[Window],
    accuracy: Accuracy | None,
    end_to_end: EndToEnd | None,
    counts: Sequence[Count] = (),
) -> Summary:
    """Compute the Summary of one file on one runtime.

    p50 is the median of the rounds' medians, and its interval is one over rounds: samples from one process share its
    memory layout and its seconds, so they agree better with each other than with another process's. p90 and p99 are
    taken over all samples together, since a single disturbed round makes a tail. Instructions are taken over all counts
    together. Memory is the largest peak of any window, or of any count if there are no windows.
    """
    top1 = stats.wilson(accuracy.correct, accuracy.n) if accuracy else None
    instructions = sorted(value for count in counts for value in count.instructions)
    peaks = [process.peak_rss_bytes - process.baseline_rss_bytes for process in windows or counts]
    untimed = Summary(
        peak_rss_bytes=max(peaks, default=None),
        top1_percent=top1.percent if top1 else None,
        top1_low_percent=top1.low_percent if top1 else None,
        top1_high_percent=top1.high_percent if top1 else None,
        top1_n=top1.n if top1 else None,
        instructions_p50=stats.quantile(instructions, 0.5) if instructions else None,
        instructions_min=instructions[0] if instructions else None,
        instructions_max=instructions[-1] if instructions else None,
        instructions_n=len(instructions) or None,
    )
    if not windows:
        return untimed
    medians = medians_ms(windows)
    samples = sorted(time for window in windows for time in window.times_ms)
    low, high, coverage = stats.median_interval(medians)
    return dataclasses.replace(
        untimed,
        rounds=len(windows),
        samples=len(samples),
        p50_ms=stats.quantile(medians, 0.5),
        p50_low_ms=low,
        p50_high_ms=high,
        p50_interval_percent=coverage,
        p90_ms=stats.quantile(samples, 0.90),
        p99_ms=stats.quantile(samples, 0.99),
        import_ms=_median([window.import_ms for window in windows]),
        init_ms=_median([window.init_ms for window in windows]),
        first_ms=_median([window.first_ms for window in windows]),
        end_to_end_p50_ms=_median(end_to_end.times_ms) if end_to_end else None,
        end_to_end_decode_p50_ms=_median(end_to_end.decode_ms) if end_to_end else None,
    )


def medians_ms(windows: Sequence[Window]) -> list[float]:
    """Return the rounds' medians, sorted; rounds are independent, samples are not."""
    return sorted(stats.quantile(sorted(window.times_ms), 0.5) for window in windows if window.times_ms)


def _median(values: Sequence[float]) -> float:
    return stats.quantile(sorted(values), 0.5)
