"""WAV files, read to samples of 16 bits in one channel: PCM of 8, 16, 24 or 32 bits, or float (RIFF/WAVE)."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgecnn.common import files
from edgecnn.errors import DataError
from edgecnn.onboard import picture_formats

Samples = npt.NDArray[np.int16]

SUFFIXES = (".wav", ".wave")
PCM, FLOAT, EXTENSIBLE = 1, 3, 0xFFFE
READ = {(PCM, 8), (PCM, 16), (PCM, 24), (PCM, 32), (FLOAT, 32), (FLOAT, 64)}
"""(kind, bits) that are read; an extensible header names one of these kinds inside."""
MOST_VALUES = 20_000_000
"""The most samples of all channels together: 7 minutes at 48 kHz in one channel."""
MOST_CHANNELS = 32
BLOCK = 1 << 18
"""Samples of each channel that are unpacked at a time, to 8 bytes each."""
UNKNOWN_LENGTHS = (0, 0xFFFFFFFF)
"""What a program states that writes a sound into a pipe: its data go on to the end."""
OTHERS = (
    ("an MP3 sound", (b"ID3", b"\xff\xfb", b"\xff\xf3", b"\xff\xf2")),
    ("a FLAC sound", (b"fLaC",)),
    ("an Ogg sound", (b"OggS",)),
    ("a picture", (b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"BM", b"II*\0", b"MM\0*", b"P5", b"P6")),
)
"""What else people ask about, by its first bytes."""
CONVERT = "ffmpeg -i FILE -ac 1 FILE.wav converts a sound"


def is_wav(head: bytes) -> bool:
    """Return whether a file that begins so is a WAV file."""
    return head[:4] in (b"RIFF", b"RIFX") and head[8:12] == b"WAVE"


def is_sound(path: Path) -> bool:
    """Return whether a file begins as a WAV file, whatever its name."""
    try:
        with files.open_regular(path) as stream:
            return is_wav(stream.read(12))
    except OSError:
        return False


def read(source: Path | bytes, name: str = "", most_seconds: float = math.inf) -> tuple[Samples, int]:
    """Read a sound; channels are mixed to one by their mean, and other widths are rounded to 16 bits.

    Args:
        source: A file, or its bytes.
        name: What an error calls it; by default a file's path, or how many bytes there are.
        most_seconds: How long it may be; a longer one is refused before its samples are unpacked.

    Returns:
        (samples (n,), samples a second).

    Raises:
        DataError: It is no WAV file, cut short, of a kind that is not read, or too long.
    """
    label = name or (str(source) if isinstance(source, Path) else f"a sound of {len(source)} bytes")
    try:
        content = _content(source) if isinstance(source, Path) else source
        return _read(content, most_seconds)
    except OSError as error:
        raise DataError(f"Cannot read {label}: {error.strerror or error}.", "remove or replace it") from error
    except _Unfit as unfit:
        raise DataError(f"Cannot read {label}: {unfit}.", unfit.hint) from unfit


def write(samples: Samples, rate_hz: int) -> bytes:
    """Return a WAV file of 16 bits and one channel."""
    data = samples.astype("<i2").tobytes()
    form = struct.pack("<HHIIHH", PCM, 1, rate_hz, 2 * rate_hz, 2, 16)
    chunks = b"fmt " + struct.pack("<I", len(form)) + form + b"data" + struct.pack("<I", len(data)) + data
    return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WAVE" + chunks


class _Unfit(Exception):
    def __init__(self, reason: str, hint: str = "remove or replace it") -> None:
        super().__init__(reason)
        self.hint = hint


def _content(path: Path) -> bytes:
    with files.open_regular(path) as stream:
        return stream.read(8 * MOST_VALUES + 1)


def _read(content: bytes, most_seconds: float) -> tuple[Samples, int]:
    if content[:4] == b"RIFX":
        raise _Unfit("it is a WAV file of big-endian numbers", CONVERT)
    if not is_wav(content[:12]):
        raise _foreign(content)
    form = None
    for name, start, length in _chunks(content):
        if name == b"fmt ":
            form = _form(content[start : start + length])
        if name == b"data":
            if form is None:
                raise _Unfit("its data come before their form")
            return _samples(content, start, length, form, most_seconds), form.rate_hz
    raise _Unfit("it ends before its data")


@dataclass(frozen=True)
class _Form:
    kind: int
    channels: int
    rate_hz: int
    bits: int


def _chunks(content: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Yield (name, start, stated length) of each chunk; a length is padded to an even number."""
    place = 12
    while place + 8 <= len(content):
        name, length = struct.unpack_from("<4sI", content, place)
        yield name, place + 8, length
        place += 8 + length + length % 2


def _form(chunk: bytes) -> _Form:
    if len(chunk) < 16:
        raise _Unfit("its form is cut short")
    kind, channels, rate_hz, _, _, bits = struct.unpack_from("<HHIIHH", chunk)
    if kind == EXTENSIBLE and len(chunk) >= 26:
        (kind,) = struct.unpack_from("<H", chunk, 24)
    if (kind, bits) not in READ:
        raise _Unfit(
            f"it holds samples of kind {kind} and {bits} bits; PCM of 8 to 32 bits and float are read", CONVERT
        )
    if not 1 <= channels <= MOST_CHANNELS or not 1 <= rate_hz <= 1_000_000:
        raise _Unfit(f"it has {channels} channels of {rate_hz:,} samples a second")
    return _Form(kind, channels, rate_hz, bits)


def _samples(content: bytes, start: int, length: int, form: _Form, most_seconds: float) -> Samples:
    frame = form.channels * form.bits // 8  # bytes of one sample of every channel
    if length in UNKNOWN_LENGTHS:
        length = len(content) - start
    count = length // frame
    if count > most_seconds * form.rate_hz:
        raise _Unfit(f"it is {count / form.rate_hz:,.0f} s long, {most_seconds:g} s are allowed", "cut it into parts")
    if count * form.channels > MOST_VALUES:
        raise _Unfit(f"it has {count * form.channels:,} samples, {MOST_VALUES:,} are allowed", "cut it into parts")
    if start + length > len(content):
        raise _Unfit(f"it is cut short: {length:,} bytes of samples are stated and {len(content) - start:,} are there")
    if not count:
        raise _Unfit("it holds no samples")
    samples = np.empty(count, dtype=np.int16)
    for first in range(0, count, BLOCK):
        block = min(BLOCK, count - first)
        data = np.frombuffer(content, dtype=np.uint8, count=block * frame, offset=start + first * frame)
        values = _values(data, form.kind, form.bits).reshape(block, form.channels)
        if not np.isfinite(values).all():
            raise _Unfit("it has samples that are no numbers")
        mixed = values[:, 0] if form.channels == 1 else values.sum(axis=1) / form.channels
        samples[first : first + block] = np.rint(mixed).clip(-32_768, 32_767)
    return samples


def _values(data: npt.NDArray[np.uint8], kind: int, bits: int) -> npt.NDArray[np.float64]:
    """Return samples in the range of 16 bits; but for floats, which are scaled by a power of two, they are exact."""
    if kind == FLOAT:
        return np.asarray(data.view("<f4" if bits == 32 else "<f8"), dtype=np.float64) * 32_768
    if bits == 8:
        return (data.astype(np.float64) - 128) * 256
    if bits == 24:
        triples = data.reshape(-1, 3).astype(np.int32)
        whole = (triples[:, 0] << 8) | (triples[:, 1] << 16) | (triples[:, 2] << 24)  # in the upper bits: signed
        return whole.astype(np.float64) / 65_536
    return data.view("<i2" if bits == 16 else "<i4").astype(np.float64) / (1 if bits == 16 else 65_536)


def _foreign(content: bytes) -> _Unfit:
    """Return why a file is no WAV file: what it is instead, if that is known."""
    if not content:
        return _Unfit("it is empty")
    for name, starts in OTHERS:
        if content.startswith(starts) or (name == "a picture" and content[8:12] == b"WEBP"):
            hint = "ask a model of pictures about it" if name == "a picture" else CONVERT
            return _Unfit(f"it holds {name}, and this model hears sounds", hint)
    foreign = picture_formats.recognise(content[: picture_formats.HEAD_BYTES])
    return _Unfit(f"it holds {foreign.name}, and this model hears sounds" if foreign else "it is no WAV file", CONVERT)
