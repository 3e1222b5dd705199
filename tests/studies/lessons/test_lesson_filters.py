"""The lesson on filters: what is called Gabor-like, oriented and coloured."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecnn.studies.lessons import gabor as _gabor
from edgecnn.studies.lessons.gabor import Filters
from edgecnn.studies.lessons.topics import filters

SEEDS = st.integers(0, 2**31)


def drawn(seed: int, channels: int = 3, side: int = 3, count: int = 6) -> Filters:
    return np.random.default_rng(seed).standard_normal((count, channels, side, side))


def gabor(angle: float, wavelength: float, phase: float, window: float, side: int) -> npt.NDArray[np.float64]:
    place = np.arange(side) - (side - 1) / 2
    y, x = np.meshgrid(place, place, indexing="ij")
    wave = np.cos(2 * np.pi * (x * np.cos(angle) + y * np.sin(angle)) / wavelength + phase)
    return np.exp(-(x**2 + y**2) / (2 * (window * side / 2) ** 2)) * wave


@given(
    st.integers(0, _gabor.ORIENTATIONS - 1),
    st.sampled_from(_gabor.WAVELENGTHS),
    st.sampled_from(_gabor.WINDOWS),
    st.floats(0.1, 1.4),
    st.sampled_from([3, 5, 7]),
    st.tuples(*[st.floats(0.1, 1)] * 3),
)
@settings(deadline=None)
def test_a_gabor_function_in_any_colour_and_phase_is_fitted_wholly(
    step: int, wavelength: float, window: float, phase: float, side: int, colour: tuple[float, ...]
) -> None:
    grey = gabor(step * np.pi / _gabor.ORIENTATIONS, wavelength, phase, window, side)
    coloured = np.array(colour)[:, None, None] * grey
    assert _gabor.gabor_fit(coloured[None])[0] == pytest.approx(1)
    assert _gabor.gabor_fit(grey[None, None])[0] == pytest.approx(1)


def test_what_is_no_gabor_function_is_fitted_in_part() -> None:
    random = _gabor.gabor_fit(_gabor.random_filters(1, 7))
    assert random.mean() < 0.4
    assert random.max() < 1
    two_colours = np.stack([gabor(0, 3, 0, 1, 7), gabor(np.pi / 2, 3, 0, 1, 7)])
    assert _gabor.gabor_fit(two_colours[None])[0] < 0.7


@settings(deadline=None)
@given(SEEDS, st.floats(0.01, 100), st.sampled_from([1, 3]), st.sampled_from(list(filters.MEASURES)))
def test_every_measure_is_a_share_and_knows_neither_scale_nor_sign(
    seed: int, scale: float, channels: int, name: str
) -> None:
    measured, some = filters.MEASURES[name], drawn(seed, channels)
    measures = measured(some)
    assert measures.shape == (len(some),)
    assert ((measures >= 0) & (measures <= 1 + 1e-9)).all()
    assert np.allclose(measured(-scale * some), measures)


@settings(deadline=None)
@given(SEEDS)
def test_orientation_and_fit_stay_under_a_quarter_turn(seed: int) -> None:
    some = drawn(seed)
    turned = np.rot90(some, axes=(2, 3))
    assert np.allclose(_gabor.orientation(turned), _gabor.orientation(some))
    assert np.allclose(_gabor.gabor_fit(turned), _gabor.gabor_fit(some))


def test_a_stripe_is_oriented_and_a_dot_is_not() -> None:
    stripe, dot = np.zeros((1, 1, 7, 7)), np.zeros((1, 1, 7, 7))
    stripe[..., 3], dot[..., 3, 3] = 1, 1
    assert _gabor.orientation(stripe)[0] > 0.6
    assert _gabor.orientation(dot)[0] < 0.01


@given(SEEDS)
def test_grey_filters_have_no_colour_and_opponent_ones_nothing_else(seed: int) -> None:
    grey = np.repeat(drawn(seed, channels=1), 3, axis=1)
    assert np.allclose(_gabor.chroma(grey), 0)
    opponent = grey * np.array([1, -1, 0])[:, None, None]
    assert np.allclose(_gabor.chroma(opponent), 1)


def test_two_thirds_of_random_filters_are_colour() -> None:
    assert _gabor.chroma(_gabor.random_filters(3, 3)).mean() == pytest.approx(2 / 3, abs=0.01)


def test_filters_are_settled_once_they_stay_like_their_last_form() -> None:
    start, end = drawn(0), drawn(1)
    path = [start, end, start, 0.05 * start + end, 2 * end, end]
    assert filters.settled_epoch(path) == 3
    assert filters.settled_epoch([end, end]) == 0
    assert filters.cosine(end, 3 * end) == pytest.approx(1)
    assert filters.cosine(end, -end) == pytest.approx(-1)
