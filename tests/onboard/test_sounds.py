"""Sounds of any rate and length become what a model hears."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecnn.errors import DataError
from edgecnn.onboard import front_end, resample, sounds, wav_files
from edgecnn.records.sound import FrontEnd

WANTED = FrontEnd(sample_rate_hz=8_000, seconds=0.5, high_hz=3_800, bands=20)


def tone(rate_hz: int, hertz: float, seconds: float = 0.5, amplitude: float = 10_000) -> np.ndarray:
    t = np.arange(round(rate_hz * seconds)) / rate_hz
    return np.rint(amplitude * np.sin(2 * np.pi * hertz * t)).astype(np.int16)


@pytest.mark.parametrize(("from_hz", "to_hz"), [(44_100, 16_000), (48_000, 16_000), (8_000, 16_000), (22_050, 8_000)])
@pytest.mark.parametrize("hertz", [200, 1_000, 3_000])
def test_a_tone_is_the_same_tone_at_another_rate(from_hz: int, to_hz: int, hertz: float) -> None:
    made, expected = resample.resample(tone(from_hz, hertz), from_hz, to_hz), tone(to_hz, hertz)
    assert len(made) == len(expected)
    inside = slice(100, -100)
    assert np.abs(made[inside].astype(float) - expected[inside]).max() < 30  # 50 dB below it


def test_what_the_lower_rate_cannot_hold_is_taken_away() -> None:
    made = resample.resample(tone(48_000, 10_000), 48_000, 16_000)
    assert np.abs(made[100:-100]).max() < 30


@given(
    st.integers(40, 1_920).map(lambda hundreds: 100 * hundreds + 1) | st.integers(4, 192).map(lambda k: 1_000 * k),
    st.integers(1, 300),
)
@settings(max_examples=20, deadline=None)
def test_any_rate_gives_as_many_samples_as_its_length_has_or_a_sentence(from_hz: int, count: int) -> None:
    try:
        made = resample.resample(np.ones(count, np.int16), from_hz, 8_000)
    except DataError as error:
        sentence = error.sentence
    else:
        sentence = "no simple ratio"
        assert (len(made), made.dtype) == (-(-count * 8_000 // from_hz), np.int16)
    assert "no simple ratio" in sentence


def test_a_rate_out_of_range_is_refused() -> None:
    with pytest.raises(DataError, match="A sound of 1,000 samples a second is not read"):
        resample.resample(np.ones(10, np.int16), 1_000, 8_000)


def test_the_same_sound_at_another_rate_looks_the_same() -> None:
    heard = [sounds.windows(wav_files.write(tone(rate, 700), rate), WANTED)[0] for rate in (8_000, 44_100)]
    inside = [pictures[0, 2:-2].astype(int) for pictures in heard]
    assert np.abs(inside[0] - inside[1]).max() <= 3


@given(st.integers(1, 40_000))
def test_windows_cover_a_sound_from_its_beginning_to_its_end(count: int) -> None:
    places = sounds.starts(count, 4_000)
    assert places[0] == 0
    assert all(0 < later - earlier <= 2_000 for earlier, later in itertools.pairwise(places))
    assert places[-1] == max(0, count - 4_000)


def test_a_short_sound_is_followed_by_silence_and_a_long_one_is_heard_in_windows() -> None:
    short, starts_s = sounds.windows(wav_files.write(tone(8_000, 700, 0.2), 8_000), WANTED)
    padded = np.concatenate([tone(8_000, 700, 0.2), np.zeros(2_400, np.int16)])
    assert np.array_equal(short[0], front_end.features(padded, WANTED))
    assert starts_s == (0.0,)
    long, starts_s = sounds.windows(wav_files.write(tone(8_000, 700, 1.1), 8_000), WANTED)
    assert (long.shape, starts_s) == ((4, 24, 10, 1), (0.0, 0.25, 0.5, 0.6))


def test_a_sound_of_an_hour_is_refused() -> None:
    with pytest.raises(DataError, match=r"Cannot read song\.wav: it is 61 s long, 60 s are allowed\."):
        sounds.windows(wav_files.write(np.zeros(61 * 8_000, np.int16), 8_000), WANTED, "song.wav")
