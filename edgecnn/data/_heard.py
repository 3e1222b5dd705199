"""Make the pictures of sounds once, in parallel, into a cache that the next load reads.

The cache is keyed by all that decides its bytes: the content of every sound in order, the front end and its rule, how
copies are changed, the noises, and the version of this package.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

import edgecnn
from edgecnn.common import console, documents
from edgecnn.common.cache import cache_folder
from edgecnn.data import _decoded, _stored
from edgecnn.data._sound_files import OF_TRAINING, Sound
from edgecnn.data._stored import Pixels, Stored
from edgecnn.errors import DataError
from edgecnn.onboard import front_end, sounds
from edgecnn.onboard.wav_files import Samples
from edgecnn.records.sound import FrontEnd

NOISY = 0.8
"""The share of the changed copies that have a noise under them."""


@dataclass(frozen=True)
class Changes:
    """The changes to a copy of a training sound: a shift in time, and a noise laid under it."""

    seed: int
    shift_ms: float
    """The most that it is moved to either side; silence comes in."""
    noise: float
    """The loudest noise, as a share of its own loudness."""
    noises: tuple[Path, ...]
    """What is laid under it; white noise if there are none."""


@dataclass(frozen=True, slots=True)
class Take:
    """One sound as it is heard, or one changed copy of it."""

    sound: Sound
    content: str
    """Its digest."""
    copy: int = 0
    """0 for the sound itself."""


def pictures(takes: Sequence[Take], wanted: FrontEnd, changes: Changes) -> Pixels | Stored:
    """Return the pictures of all takes, uint8 (N, frames, columns, 1).

    Raises:
        DataError: A sound cannot be read.
        PlanError: The front end's bands are too narrow.
    """
    front_end.tables(wanted)  # its error is the user's, before any work
    shape = (len(takes), wanted.frames, wanted.columns, 1)
    path = cache_folder() / "decoded" / f"{_key(takes, wanted, changes)}.npy"
    cached = _stored.opened(path, shape)
    if cached is None:
        cached = _stored.made(path, shape, _parts(takes, wanted, changes))
        console.note(f"heard {len(takes):,} sounds into {path}")
    return cached


def cut(samples: Samples, size: int, start: int | None) -> Samples:
    """Return `size` samples: those from `start`, or else the middle of a longer sound, or a shorter one and silence."""
    if start is None:
        start = max(0, (len(samples) - size) // 2)
    return sounds.padded(samples[start : start + size], size)


def changed(samples: Samples, take: Take, rate_hz: int, changes: Changes) -> Samples:
    """Return the samples of a copy: moved in time, and with a noise under them; what is drawn depends on the take."""
    rng = np.random.default_rng([changes.seed, take.copy, *hashlib.sha256(take.content.encode()).digest()[:8]])
    most = round(changes.shift_ms * rate_hz / 1000)
    shift = int(rng.integers(-most, most + 1))
    moved = np.zeros_like(samples)
    if abs(shift) < len(samples):
        moved[max(0, shift) : len(samples) + min(0, shift)] = samples[max(0, -shift) : len(samples) - max(0, shift)]
    if not changes.noise or rng.random() >= NOISY:
        return moved
    loudness = changes.noise * rng.random()
    if changes.noises:
        noise = _noise(changes.noises[int(rng.integers(len(changes.noises)))], rate_hz)
        noise = noise[: max(len(samples), int(OF_TRAINING * len(noise)))]
        start = int(rng.integers(max(1, len(noise) - len(samples) + 1)))
        under = sounds.padded(noise[start : start + len(samples)], len(samples)).astype(np.float64)
    else:
        under = 3_000 * rng.standard_normal(len(samples))
    mixed: Samples = np.rint(moved + loudness * under).clip(-32_768, 32_767).astype(np.int16)
    return mixed


@functools.lru_cache(maxsize=16)
def _noise(path: Path, rate_hz: int) -> Samples:
    return sounds.samples_of(path, rate_hz)


def _key(takes: Sequence[Take], wanted: FrontEnd, changes: Changes) -> str:
    """Return the name of the cache's file."""
    copies = any(take.copy for take in takes)
    noises = [hashlib.sha256(path.read_bytes()).hexdigest() for path in changes.noises] if copies else []
    of_copies = [changes.seed, changes.shift_ms, changes.noise, noises, np.__version__] if copies else []
    heard = [[take.content, take.sound.start_s, take.copy] for take in takes]
    key = documents.to_json([edgecnn.__version__, dataclasses.asdict(wanted), of_copies, heard], None)
    return hashlib.sha256(key.encode()).hexdigest()[:32]


def _parts(takes: Sequence[Take], wanted: FrontEnd, changes: Changes) -> Iterator[Pixels]:
    """Yield the pictures in order, uint8 (n, frames, columns, 1). Raises DataError."""
    work = functools.partial(_hear, wanted=wanted, changes=changes)
    with (
        contextlib.closing(_decoded.in_processes(work, takes)) as heard,
        console.progress("hearing sounds", len(takes)) as advance,
    ):
        for part in heard:
            if isinstance(part, DataError):
                raise part
            yield part
            advance(len(part))


def _hear(takes: Sequence[Take], wanted: FrontEnd, changes: Changes) -> npt.NDArray[np.uint8] | DataError:
    rate_hz = wanted.sample_rate_hz
    part = np.empty((len(takes), wanted.frames, wanted.columns, 1), dtype=np.uint8)
    for index, take in enumerate(takes):
        is_cut = take.sound.start_s is not None
        try:
            whole = (_noise if is_cut else sounds.samples_of)(take.sound.path, rate_hz)
        except DataError as error:
            return error
        start = None if take.sound.start_s is None else round(take.sound.start_s * rate_hz)
        samples = cut(whole, wanted.samples, start)
        if take.copy:
            samples = changed(samples, take, rate_hz, changes)
        part[index] = front_end.features(samples, wanted)
    return part
