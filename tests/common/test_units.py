import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecnn.common import units


@pytest.mark.parametrize(
    ("ms", "text"),
    [(0.0681, "68.1 µs"), (0.99949, "999 µs"), (1.0, "1.00 ms"), (12.345, "12.3 ms"), (1234.5, "1,234 ms")],
)
def test_a_duration_has_three_digits_and_its_unit(ms: float, text: str) -> None:
    assert units.duration(ms) == text


def test_an_interval_keeps_the_unit_of_its_middle() -> None:
    assert units.interval(0.999, 0.9, 1.1) == "999 [900, 1,100] µs"


@settings(deadline=None)
@given(st.floats(1e-3, 1e6))
def test_what_is_written_is_within_half_a_percent(value: float) -> None:
    text = units.digits(value)
    assert re.fullmatch(r"[\d,]+(\.\d+)?", text)
    if value >= 1:
        assert float(text.replace(",", "")) == pytest.approx(value, rel=0.0051)
