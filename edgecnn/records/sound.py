"""The front end of a model of sounds: how a sound becomes the bytes that a net takes like the pixels of a picture."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any, Literal

RULE = (
    "samples of 16 bits, one channel; a periodic Hann window; magnitudes of the discrete Fourier transform of the"
    " window's own length; triangles of height 1 that are equally wide in mel, 2595 log10(1 + f / 700); levels in dB,"
    " 0 being that of a full-scale sine, held between low_db and high_db; mfcc: an orthonormal DCT-II of them;"
    " all in whole numbers that float64 holds exactly, so that every machine makes the same bytes"
)
"""How a front end computes, on the device as in training."""
MOST_SECONDS = 10.0
MOST_BANDS = 128


@dataclass(frozen=True, kw_only=True)
class FrontEnd:
    """Makes a spectrogram of a sound: a row for each window of time, a column for each band or coefficient."""

    kind: Literal["mfcc", "log-mel"] = "mfcc"
    """Mel-frequency cepstral coefficients, or the levels of the mel bands themselves."""
    sample_rate_hz: int = 16_000
    seconds: float = 1.0
    """The length of the sound that is classified at once."""
    window_ms: float = 40.0
    hop_ms: float = 20.0
    """The time from one window's beginning to the next one's."""
    bands: int = 40
    """Mel bands."""
    coefficients: int = 10
    """Coefficients of an mfcc, the first of which is the loudness; a log-mel has a column for each band instead."""
    low_hz: float = 20.0
    high_hz: float = 4_000.0
    low_db: float = -90.0
    """The level of byte 0 of a log-mel; what is less loud counts as this loud, for an mfcc too."""
    high_db: float = 0.0
    """The level of byte 255 of a log-mel."""
    rule: str = RULE

    def __post_init__(self) -> None:
        if self.kind not in ("mfcc", "log-mel"):
            raise ValueError(f"kind = {self.kind!r} should be 'mfcc' or 'log-mel'")
        if not 4_000 <= self.sample_rate_hz <= 48_000:
            raise ValueError(f"sample_rate_hz = {self.sample_rate_hz} should lie between 4,000 and 48,000")
        if not 0.1 <= self.seconds <= MOST_SECONDS:
            raise ValueError(f"seconds = {self.seconds} should lie between 0.1 and {MOST_SECONDS:g}")
        if not 4 <= self.window_ms <= 200 or not 1 <= self.hop_ms <= 200 or self.window > self.samples:
            raise ValueError(
                f"window_ms = {self.window_ms} should lie between 4 and 200, hop_ms = {self.hop_ms} between 1 and 200, "
                "and a window should fit the sound"
            )
        if not 2 <= self.bands <= MOST_BANDS or not 1 <= self.coefficients <= self.bands:
            raise ValueError(f"bands = {self.bands} should lie between 2 and {MOST_BANDS}, and coefficients be as many")
        if not 0 <= self.low_hz < self.high_hz <= self.sample_rate_hz / 2:
            raise ValueError(f"low_hz = {self.low_hz}, high_hz = {self.high_hz} should rise to half the sample rate")
        if not -200 <= self.low_db < self.high_db <= 60:
            raise ValueError(f"low_db = {self.low_db}, high_db = {self.high_db} should rise from -200 to 60")

    @property
    def samples(self) -> int:
        """Samples of one sound."""
        return round(self.seconds * self.sample_rate_hz)

    @property
    def window(self) -> int:
        """Samples of one window."""
        return round(self.window_ms * self.sample_rate_hz / 1_000)

    @property
    def hop(self) -> int:
        """Samples from one window's beginning to the next one's."""
        return max(1, round(self.hop_ms * self.sample_rate_hz / 1_000))

    @property
    def frames(self) -> int:
        """Windows in a sound: the height of its picture."""
        return (self.samples - self.window) // self.hop + 1

    @property
    def columns(self) -> int:
        """The width of a sound's picture."""
        return self.coefficients if self.kind == "mfcc" else self.bands

    @property
    def ranges_db(self) -> tuple[tuple[float, float], ...]:
        """The levels in dB that byte 0 and byte 255 of each column stand for.

        An orthonormal DCT stretches the levels by sqrt(bands) at the most. The first coefficient has all of that range;
        coefficient k has 1 / (4 sqrt(k)) of it to either side of 0, for spectra of sounds are smooth.
        """
        if self.kind == "log-mel":
            return ((self.low_db, self.high_db),) * self.bands
        stretch = math.sqrt(self.bands)
        halves = (stretch * (self.high_db - self.low_db) / (4 * math.sqrt(k)) for k in range(1, self.coefficients))
        return ((stretch * self.low_db, stretch * self.high_db), *((-half, half) for half in halves))

    def options(self) -> dict[str, Any]:
        """Return what a recipe's [data] table says of it: all but the rule."""
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self) if field.name != "rule"}

    def words(self) -> str:
        """Describe the front end in a line."""
        return (
            f"{self.kind}, {self.seconds:g} s at {self.sample_rate_hz:,} Hz, windows of {self.window_ms:g} ms every"
            f" {self.hop_ms:g} ms, {self.bands} mel bands from {self.low_hz:g} to {self.high_hz:g} Hz:"
            f" {self.frames} x {self.columns}"
        )
