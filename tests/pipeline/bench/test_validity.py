"""The verdict on whether a measurement may be believed."""

from dataclasses import replace

import bench_samples as samples
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecnn.pipeline.bench import validity
from edgecnn.records.measurement import Window
from edgecnn.records.throttling import Throttling


def windows(n: int = 6) -> list[Window]:
    """n calm windows."""
    return [samples.window([10.0] * 5) for _ in range(n)]


def changed_at(all_windows: list[Window], index: int, **after: object) -> list[Window]:
    changed = list(all_windows)
    changed[index] = replace(changed[index], after=replace(changed[index].after, **after))  # type: ignore[arg-type]
    return changed


def firmware(all_windows: list[Window], bits: int) -> list[Window]:
    return [
        replace(window, before=replace(window.before, throttled=bits), after=replace(window.after, throttled=bits))
        for window in all_windows
    ]


def test_a_calm_machine_is_valid() -> None:
    verdict = validity.judge(windows())
    assert (verdict.verdict, verdict.reasons) == ("VALID", ())


def test_without_windows_there_is_nothing_to_doubt() -> None:
    assert validity.judge([]).verdict == "VALID"


@pytest.mark.parametrize(
    ("bits", "word"), [(0x1, "under-voltage"), (0x2, "a capped clock"), (0x4, "throttling"), (0x5, "under-voltage and")]
)
def test_a_limit_of_the_firmware_is_invalid_and_named_with_its_window(bits: int, word: str) -> None:
    verdict = validity.judge(changed_at(firmware(windows(), 0), 2, throttled=bits))
    assert verdict.verdict == "INVALID"
    assert word in verdict.reasons[0]
    assert "in window 3" in verdict.reasons[0]


def test_a_limit_that_came_and_went_within_a_window_is_seen() -> None:
    verdict = validity.judge(changed_at(firmware(windows(), 0), 4, throttled=0x10000))
    assert verdict.reasons == ("under-voltage in window 5",)


def test_what_happened_before_the_bench_is_not_held_against_it() -> None:
    assert validity.judge(firmware(windows(), 0x70000)).verdict == "VALID"


def test_the_soft_temperature_limit_degrades() -> None:
    verdict = validity.judge(changed_at(firmware(windows(), 0), 1, throttled=0x8))
    assert (verdict.verdict, verdict.reasons) == ("DEGRADED", ("the soft temperature limit in window 2",))


def test_a_clock_that_falls_a_little_degrades_and_one_that_halves_invalidates() -> None:
    assert validity.judge(changed_at(windows(), 2, frequency_mhz=1490.0)).verdict == "VALID"
    assert validity.judge(changed_at(windows(), 2, frequency_mhz=1300.0)).verdict == "DEGRADED"
    verdict = validity.judge(changed_at(windows(), 2, frequency_mhz=600.0))
    assert verdict.verdict == "INVALID"
    assert verdict.reasons == ("the clock fell from 1500 to 600 MHz in window 3",)


def test_other_programs_degrade() -> None:
    verdict = validity.judge([replace(window, after=replace(window.after, busy_s=102.0)) for window in windows()])
    assert (verdict.verdict, verdict.reasons) == ("DEGRADED", ("other programs kept 1.00 cores busy",))


def test_a_tick_of_the_kernels_own_clock_is_not_another_program() -> None:
    short = [
        replace(
            window,
            elapsed_s=0.002,
            process_cpu_s=0.002,
            after=replace(window.after, busy_s=(window.before.busy_s or 0) + 0.01),
        )
        for window in windows()
    ]
    assert validity.judge(short).verdict == "VALID"
    longer = [
        replace(window, after=replace(window.after, busy_s=(window.before.busy_s or 0) + 0.03)) for window in short
    ]
    assert validity.judge(longer).verdict == "DEGRADED"


def test_a_burst_faster_than_the_steady_state_is_told_apart() -> None:
    verdict = validity.judge([samples.window([ms] * 5) for ms in (10.0, 10.5, 11.0, 11.5, 12.0, 12.0)])
    assert verdict.verdict == "DEGRADED"
    assert verdict.reasons == (
        "the steady state (12.0 ms, last 2 windows) is 20 % slower than the cold burst (10.0 ms, window 1)",
    )


@given(st.integers(0, 0xFFFFF), st.integers(0, 0xFFFFF))
def test_more_bits_never_make_a_verdict_better(bits: int, more: int) -> None:
    order = ("VALID", "DEGRADED", "INVALID")
    fewer = validity.judge(changed_at(firmware(windows(), 0), 0, throttled=bits))
    greater = validity.judge(changed_at(firmware(windows(), 0), 0, throttled=bits | more))
    assert order.index(greater.verdict) >= order.index(fewer.verdict)


@given(st.integers(0, 0xFFFFF))
def test_bits_mean_the_same_now_and_since_boot(bits: int) -> None:
    assert Throttling(bits << 16).since_boot() == Throttling(bits).now()
    assert Throttling(bits).began_after(Throttling(bits)) == Throttling(bits).now()
