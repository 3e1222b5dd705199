"""WAV files of every width, as programs write them and as damage leaves them."""

import io
import struct
import wave
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from edgecnn.errors import DataError
from edgecnn.onboard import wav_files

SAMPLES = np.array([0, 1, -1, 12_345, -32_768, 32_767], dtype=np.int16)


def wav(kind: int, bits: int, data: bytes, channels: int = 1, rate_hz: int = 16_000, before: bytes = b"") -> bytes:
    form = struct.pack("<HHIIHH", kind, channels, rate_hz, 0, 0, bits)
    chunks = before + b"fmt " + struct.pack("<I", 16) + form + b"data" + struct.pack("<I", len(data)) + data
    return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WAVE" + chunks


@given(arrays.arrays(np.int16, st.integers(1, 50)), st.integers(1, 200_000))
def test_what_is_written_is_read_here_and_by_python(samples: np.ndarray, rate_hz: int) -> None:
    content = wav_files.write(samples, rate_hz)
    again, hertz = wav_files.read(content)
    assert (again.tolist(), hertz) == (samples.tolist(), rate_hz)
    with wave.open(io.BytesIO(content)) as theirs:
        assert (theirs.getframerate(), theirs.getnchannels(), theirs.getsampwidth()) == (rate_hz, 1, 2)
        assert theirs.readframes(len(samples)) == samples.astype("<i2").tobytes()


@pytest.mark.parametrize(
    ("kind", "bits", "data"),
    [
        (1, 16, SAMPLES.astype("<i2").tobytes()),
        (
            1,
            24,
            b"".join(int(value).to_bytes(4, "little", signed=True)[:3] for value in SAMPLES.astype(np.int32) * 256),
        ),
        (1, 32, (SAMPLES.astype("<i4") * 65_536).tobytes()),
        (3, 32, (SAMPLES / 32_768).astype("<f4").tobytes()),
        (3, 64, (SAMPLES / 32_768).astype("<f8").tobytes()),
    ],
)
def test_every_width_is_read_to_the_same_samples(kind: int, bits: int, data: bytes) -> None:
    assert wav_files.read(wav(kind, bits, data))[0].tolist() == SAMPLES.tolist()


def test_eight_bits_are_unsigned() -> None:
    assert wav_files.read(wav(1, 8, bytes([0, 128, 255])))[0].tolist() == [-32_768, 0, 32_512]


def test_channels_are_mixed_by_their_mean() -> None:
    stereo = np.array([[100, 201], [-7, -7], [32_767, 32_767]], dtype="<i2").tobytes()
    assert wav_files.read(wav(1, 16, stereo, channels=2))[0].tolist() == [150, -7, 32_767]


def test_floats_beyond_full_scale_are_held_there() -> None:
    assert wav_files.read(wav(3, 32, np.array([2, -2], "<f4").tobytes()))[0].tolist() == [32_767, -32_768]


def test_other_chunks_and_an_extensible_form_are_understood() -> None:
    odd = b"LIST" + struct.pack("<I", 3) + b"abc\0"
    assert wav_files.read(wav(1, 16, SAMPLES.tobytes(), before=odd))[0].tolist() == SAMPLES.tolist()
    form = struct.pack("<HHIIHH", 0xFFFE, 1, 16_000, 0, 0, 16) + struct.pack("<HHIH", 22, 16, 4, 1) + bytes(14)
    data = SAMPLES.tobytes()
    chunks = b"fmt " + struct.pack("<I", len(form)) + form + b"data" + struct.pack("<I", len(data)) + data
    assert wav_files.read(b"RIFF\0\0\0\0WAVE" + chunks)[0].tolist() == SAMPLES.tolist()


def test_a_sound_that_was_written_into_a_pipe_goes_on_to_its_end() -> None:
    content = wav(1, 16, SAMPLES.tobytes())
    place = content.index(b"data") + 4
    piped = content[:place] + b"\xff\xff\xff\xff" + content[place + 4 :]
    assert wav_files.read(piped)[0].tolist() == SAMPLES.tolist()


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "it is empty"),
        (b"hello", "it is no WAV file"),
        (b"\xff\xd8\xff\xe0 and so on", "it holds a picture, and this model hears sounds"),
        (b"RIFF\x00\x00\x00\x00WEBPVP8 ", "it holds a picture, and this model hears sounds"),
        (b"ID3\x03", "it holds an MP3 sound, and this model hears sounds"),
        (b"fLaC\x00", "it holds a FLAC sound, and this model hears sounds"),
        (b"%PDF-1.7", "it holds a PDF, and this model hears sounds"),
        (b"RIFX\x00\x00\x00\x00WAVE", "it is a WAV file of big-endian numbers"),
        (wav(1, 16, SAMPLES.tobytes())[:40], "it ends before its data"),
        (wav(1, 16, SAMPLES.tobytes())[:-2], "it is cut short: 12 bytes of samples are stated and 10 are there"),
        (wav(1, 16, b"\0"), "it holds no samples"),
        (wav(7, 8, b"\0\0"), "it holds samples of kind 7 and 8 bits; PCM of 8 to 32 bits and float are read"),
        (wav(1, 16, b"\0\0", channels=0), "it has 0 channels of 16,000 samples a second"),
        (wav(3, 32, np.array([np.nan], "<f4").tobytes()), "it has samples that are no numbers"),
    ],
)
def test_what_cannot_be_heard_is_one_sentence(content: bytes, sentence: str) -> None:
    with pytest.raises(DataError) as caught:
        wav_files.read(content, "x.wav")
    assert caught.value.sentence == f"Cannot read x.wav: {sentence}."
    assert caught.value.hint


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"Cannot read .*nothing\.wav: No such file or directory\."):
        wav_files.read(tmp_path / "nothing.wav")


@given(st.binary(max_size=80), st.integers(0, 60))
def test_damage_gives_samples_or_a_sentence(noise: bytes, place: int) -> None:
    content = bytearray(wav(1, 16, SAMPLES.tobytes()))
    content[place : place + len(noise)] = noise
    try:
        samples, rate_hz = wav_files.read(bytes(content))
    except DataError:
        return
    assert len(samples) > 0 < rate_hz
