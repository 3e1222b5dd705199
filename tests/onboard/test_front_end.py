"""A front end makes the bytes that its formulas say, and the same ones on every machine."""

import hashlib
import math
import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from edgecnn.errors import PlanError
from edgecnn.onboard import front_end
from edgecnn.records.sound import FrontEnd

KEYWORDS = FrontEnd()
LOG_MEL = FrontEnd(kind="log-mel", sample_rate_hz=8_000, window_ms=32, hop_ms=16, bands=24, high_hz=3_800)
BOTH = pytest.mark.parametrize("wanted", [KEYWORDS, LOG_MEL], ids=lambda wanted: wanted.kind)

IN_A_PROCESS = """
import hashlib, sys
import numpy as np
from edgecnn.onboard import front_end
from edgecnn.records.sound import FrontEnd
digest = hashlib.sha256()
log_mel = FrontEnd(kind="log-mel", sample_rate_hz=8_000, window_ms=32, hop_ms=16, bands=24, high_hz=3_800)
for wanted in (FrontEnd(), log_mel):
    for seed, loudness in enumerate((0, 1, 30, 1_000, 30_000)):
        noise = np.random.default_rng(seed).integers(-loudness, loudness + 1, wanted.samples).astype(np.int16)
        digest.update(front_end.features(noise, wanted).tobytes())
assert "torch" not in sys.modules and "scipy" not in sys.modules
print(digest.hexdigest())
"""


def expected(samples: np.ndarray, wanted: FrontEnd) -> np.ndarray:
    """The same by the textbook, in floats and with NumPy's own Fourier transform: (frames, columns) before rounding."""
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(wanted.window) / wanted.window)
    frames = np.array([samples[i * wanted.hop :][: wanted.window] * window for i in range(wanted.frames)])
    magnitude = np.abs(np.fft.rfft(frames))

    def mel(hertz: np.ndarray | float) -> np.ndarray:
        return 2595 * np.log10(1 + np.asarray(hertz) / 700)

    corners = np.linspace(mel(wanted.low_hz), mel(wanted.high_hz), wanted.bands + 2)
    places = mel(np.arange(wanted.window // 2 + 1) * wanted.sample_rate_hz / wanted.window)
    triangles = [
        np.interp(places, corners[band : band + 3], [0, 1, 0], left=0, right=0) for band in range(wanted.bands)
    ]
    sine = 32_768 * wanted.window / 4
    with np.errstate(divide="ignore"):
        levels = 20 * np.log10(magnitude @ np.array(triangles).T / sine)
    levels = levels.clip(wanted.low_db, wanted.high_db)
    if wanted.kind == "mfcc":
        k, band = np.arange(wanted.coefficients)[:, None], np.arange(wanted.bands)[None]
        dct = np.sqrt(2 / wanted.bands) * np.cos(np.pi * k * (2 * band + 1) / (2 * wanted.bands))
        dct[0] /= np.sqrt(2)
        levels = levels @ dct.T
    low, high = np.array(wanted.ranges_db).T
    return np.asarray((255 * (levels - low) / (high - low)).clip(0, 255))


@BOTH
@given(data=st.data())
@settings(max_examples=25, deadline=None)
def test_it_is_the_textbooks_to_a_step_where_there_is_more_than_rounding_noise(
    wanted: FrontEnd, data: st.DataObject
) -> None:
    loudness = data.draw(st.sampled_from([300, 3_000, 30_000]))
    rng = np.random.default_rng(data.draw(st.integers(0, 1_000)))
    tone = np.sin(np.arange(wanted.samples) * rng.uniform(0.1, 1.5)) * rng.uniform(0, loudness)
    samples = np.rint(tone + rng.uniform(-loudness, loudness, wanted.samples) / 4).clip(-32_768, 32_767)
    heard = front_end.features(samples.astype(np.int16), wanted)
    assert heard.shape == (wanted.frames, wanted.columns, 1)
    assert np.abs(heard[..., 0] - expected(samples, wanted)).max() < 0.75


@BOTH
@given(arrays.arrays(np.int16, 16_000))
@example(np.full(16_000, -32_768, np.int16))
@example(np.zeros(16_000, np.int16))
@settings(max_examples=20, deadline=None)
def test_no_sum_leaves_what_float64_holds_exactly(wanted: FrontEnd, samples: np.ndarray) -> None:
    """Whatever order a matrix product adds in, and fused or not: the sums are those of Python's whole numbers."""
    known = front_end.tables(wanted)
    windows = np.lib.stride_tricks.sliding_window_view(samples[: wanted.samples], wanted.window)[:: wanted.hop]
    for table in (known.fourier, known.mel):
        assert np.array_equal(table, np.rint(table))
    rows = windows[[0, -1]].astype(np.int64)
    exact = rows @ known.fourier.astype(np.int64)[:, ::37]
    assert np.array_equal(rows.astype(np.float64) @ known.fourier[:, ::37], exact.astype(np.float64))
    assert np.abs(windows.astype(np.float64)).max(initial=0) * np.abs(known.fourier).sum(0).max() < 2**53
    assert np.abs(2**front_end.MAGNITUDE_BITS * known.mel).sum(0).max() < 2**53


def test_no_entry_of_a_table_is_so_near_a_half_that_another_libm_could_round_it_otherwise() -> None:
    size = KEYWORDS.window
    for numbers in (
        [front_end.OCTAVE * math.log2(1 + (i + 0.5) / front_end.LOG_INDICES) for i in range(front_end.LOG_INDICES)],
        [
            2**front_end.FOURIER_BITS * (0.5 - 0.5 * math.cos(2 * math.pi * n / size)) * part(2 * math.pi * turn / size)
            for n in range(1, size)
            for turn in range(0, size, 7)
            for part in (math.cos, math.sin)
        ],
    ):
        distance = min(abs(number % 1 - 0.5) for number in numbers if abs(number) > 1)
        assert distance > 1e-8, distance


def test_the_tables_are_those_that_every_model_was_trained_with() -> None:
    known = front_end.tables(KEYWORDS)
    numbers = (known.fourier, known.mel, known.dct, known.low, known.span, front_end.logarithms())
    digest = hashlib.sha256(b"".join(np.asarray(table, dtype=np.int64).tobytes() for table in numbers)).hexdigest()
    assert digest == "c4bad0bf109dcb14d17e81428de4861e32d3ae699ae2a80fa847f03c174fa71a"


@pytest.mark.parametrize(
    "machine",
    [
        {},
        {"OPENBLAS_CORETYPE": "Haswell"},
        {"OPENBLAS_CORETYPE": "Nehalem", "NPY_DISABLE_CPU_FEATURES": "AVX2 FMA3 AVX512F"},
        {"OPENBLAS_NUM_THREADS": "2"},
    ],
    ids=["as it is", "Haswell's kernels", "Nehalem's kernels", "two threads"],
)
def test_other_kernels_make_the_same_bytes_without_torch(machine: dict[str, str]) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", IN_A_PROCESS],
        env=os.environ | machine,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "49d2e45d990424becc3262be425642e424762c265c5572aa26f5211a27bf84db"


def test_digital_silence_is_the_least_level_and_no_shape() -> None:
    (row,) = np.unique(front_end.features(np.zeros(16_000, np.int16), KEYWORDS)[..., 0], axis=0)
    assert row.tolist() == [0] + [128] * 9


def test_a_full_scale_sine_in_the_middle_of_a_band_is_0_db() -> None:
    wanted = FrontEnd(kind="log-mel", bands=20, high_hz=8_000)
    levels = front_end.features(np.rint(32_767 * np.sin(np.arange(16_000) * 2 * np.pi / 16)).astype(np.int16), wanted)
    assert levels.max() >= 250


def test_mlperf_tinys_front_end_makes_49_x_10() -> None:
    assert (KEYWORDS.frames, KEYWORDS.columns, KEYWORDS.window, KEYWORDS.hop) == (49, 10, 640, 320)


def test_bands_that_hold_no_frequency_are_refused() -> None:
    with pytest.raises(PlanError, match="Mel band 0 of 128 is too narrow for windows of 10 ms"):
        front_end.tables(FrontEnd(bands=128, window_ms=10))


@pytest.mark.parametrize(
    "options",
    [
        {"kind": "raw"},
        {"sample_rate_hz": 100},
        {"seconds": 0.0},
        {"seconds": math.nan},
        {"window_ms": 2_000},
        {"hop_ms": 0},
        {"bands": 1},
        {"coefficients": 41},
        {"low_hz": 5_000.0},
        {"high_hz": 9_000.0},
        {"low_db": 1.0},
    ],
)
def test_a_front_end_of_nothing_is_refused(options: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="should"):
        FrontEnd(**options)  # type: ignore[arg-type]
