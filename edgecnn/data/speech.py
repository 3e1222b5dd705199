"""Sounds: `<class>/*.wav` as Speech Commands keeps them, turned into pictures by the front end that the device has.

A sound is heard as a spectrogram, a picture whose rows are time and whose columns are mel bands or cepstral
coefficients. `words` makes the 12-class task of Speech Commands: the words that are named, `unknown` for all others,
and `silence`, which is cut from _background_noise_. Splits are those of testing_list.txt and validation_list.txt, or of
train/ and test/, or else are cut off by the speaker in a file's name and by content.
"""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import numpy.typing as npt

from edgecnn.common import console
from edgecnn.data import Split, _copies, _decoded, _heard, _sound_files
from edgecnn.data._cut import Texts, by_key
from edgecnn.data._heard import Changes, Take
from edgecnn.data._sound_files import Sound
from edgecnn.errors import DataError, PlanError
from edgecnn.records.sound import FrontEnd

LICENCE = "that of your sounds; Speech Commands is CC BY 4.0"
FORBIDDEN_AUGMENTATIONS: Mapping[str, str] = {
    "flip": "a mirrored spectrogram is no sound that anybody makes",
    "shift": "it moves pitch as well as time, which data.copies and data.shift_ms move alone",
    "rotation": "it would turn time into pitch",
    "resized_crop": "it stretches time and pitch, so that a word becomes another one's",
    "trivial": "it shears and turns pictures, and time is no height",
}
SPEAKER = "^(?:.*/)?([0-9a-f]+)_nohash_"
"""How Speech Commands names the speaker."""
BLOCK_S = 5.0
"""Cuts of one noise that begin within as many seconds stay on one side."""


def load(
    path: str = "",
    words: str = "",
    unknown: float = 0.1,
    silence: float = 0.1,
    copies: int = 0,
    shift_ms: float = 100.0,
    noise: float = 0.1,
    test: float = 0.2,
    seed: int = 0,
    group: str = SPEAKER,
    skip_leaks: bool = False,
    kind: str = "mfcc",
    sample_rate_hz: int = 16_000,
    seconds: float = 1.0,
    window_ms: float = 40.0,
    hop_ms: float = 20.0,
    bands: int = 40,
    coefficients: int = 10,
    low_hz: float = 20.0,
    high_hz: float = 4_000.0,
    low_db: float = -90.0,
    high_db: float = 0.0,
) -> tuple[Split, Split]:
    """Load the sounds of a folder, which are heard once and then read from a cache.

    Args:
        path: the folder.
        words: the classes, parted by commas; the other folders are one class, unknown. Empty takes every folder.
        unknown: how many sounds of other words are taken, as a share of those of the words.
        silence: how many cuts of _background_noise_ are taken as a class, as a share of the sounds.
        copies: changed copies of each training sound, moved in time and with a noise under them.
        shift_ms: the most that a copy is moved in time, in milliseconds.
        noise: the loudest noise under a copy, as a share of the noise's own loudness.
        test: share of every class that becomes the test split, if nothing says.
        seed: of that split and of the copies.
        group: a regular expression, searched for in a sound's path; those with the same match stay in one split.
        skip_leaks: learn from no sound that is also in the test split, and print how many are left out for that.
        kind: "mfcc" or "log-mel".
        sample_rate_hz: samples a second that sounds of any rate are brought to.
        seconds: length of a sound; a longer one gives its middle, silence follows a shorter one.
        window_ms: length of a window of time.
        hop_ms: time from one window to the next.
        bands: mel bands.
        coefficients: of an mfcc.
        low_hz: lowest frequency of the bands.
        high_hz: highest frequency of the bands.
        low_db: level of a log-mel's byte 0, below a full-scale sine; quieter counts as this.
        high_db: level of its byte 255.

    Returns:
        The training and the test split, uint8 (N, frames, columns, 1).

    Raises:
        PlanError: an option is out of range, or there is no such word.
        DataError: there is no such folder, it has fewer than two classes, a sound is in test and in another split, or
            one cannot be read.
    """
    wanted = front_end(
        kind=kind, sample_rate_hz=sample_rate_hz, seconds=seconds, window_ms=window_ms, hop_ms=hop_ms, bands=bands,
        coefficients=coefficients, low_hz=low_hz, high_hz=high_hz, low_db=low_db, high_db=high_db,
    )  # fmt: skip
    _check_options(path, unknown, silence, copies, shift_ms, noise, test)
    root = Path(path).expanduser()
    named = tuple(word.strip() for word in words.split(",") if word.strip())
    listing = _sound_files.find(root, named, unknown, silence, seconds)
    contents = _contents(listing.sounds)
    labels = np.array([listing.classes.index(sound.label) for sound in listing.sounds], dtype=np.int64)
    stated = {sound.role for sound in listing.sounds if sound.start_s is None}
    roles = np.array([sound.role or "train" for sound in listing.sounds], dtype="U10")
    keys = _keys(listing.sounds, contents, group)
    if "test" not in stated:
        free = np.array([sound.start_s is None for sound in listing.sounds]) & (roles != "validation")
        roles[np.flatnonzero(free)[by_key(labels[free], keys[free], test, f"test {seed}", 2)]] = "test"
        console.note(f"nothing says what to test with: {100 * test:g} % of the sounds of {root} are cut off for it")
    kept = _without_leaks(listing.sounds, contents, roles, skip_leaks)
    held_out = roles == "validation" if "validation" in roles[kept] else None
    changes = Changes(seed, shift_ms, noise, listing.noises)

    def split(places: npt.NDArray[np.intp], copied: int) -> Split:
        """Return the split of these sounds, and after them of their changed copies if they may be learnt from."""
        learnt = places if held_out is None else places[~held_out[places]]
        order = np.concatenate([places, *[learnt] * copied])
        copy_of = np.repeat(np.arange(copied + 1), [len(places), *[len(learnt)] * copied])
        takes = [
            Take(listing.sounds[place], contents[place], copy)
            for place, copy in zip(order.tolist(), copy_of.tolist(), strict=True)
        ]
        return Split(
            _heard.pictures(takes, wanted, changes),
            labels[order],
            listing.classes,
            np.array([contents[place] for place in order], dtype=np.str_),
            keys[order],
            None if held_out is None else held_out[order],
            np.array([str(listing.sounds[place]) for place in order], dtype=np.str_),
            altered=copy_of > 0 if copied else None,
        )

    return split(np.flatnonzero(kept & (roles != "test")), copies), split(np.flatnonzero(kept & (roles == "test")), 0)


def front_end(**options: Any) -> FrontEnd:
    """Return the front end that some of the options of `load` describe. Raises PlanError."""
    defaults = {name: parameter.default for name, parameter in inspect.signature(load).parameters.items()}
    own = {name: options.get(name, defaults[name]) for name in defaults if name in FrontEnd.__dataclass_fields__}
    try:
        return FrontEnd(**own | {"kind": cast(Literal["mfcc", "log-mel"], own["kind"])})
    except ValueError as error:
        raise PlanError(f"[data]: {error}.") from error


def _check_options(
    path: str, unknown: float, silence: float, copies: int, shift_ms: float, noise: float, test: float
) -> None:
    if not path:
        raise PlanError("[data] lacks the key 'path'.", "name the folder of your sounds: --data speech:path/to/sounds")
    if not 0 <= unknown <= 10 or not 0 <= silence <= 10:
        raise PlanError(f"[data]: unknown = {unknown}, silence = {silence} should lie between 0 and 10.")
    if not 0 <= copies <= 100 or not 0 <= shift_ms <= 10_000 or not 0 <= noise <= 10:
        raise PlanError(
            f"[data]: copies = {copies} should lie between 0 and 100, shift_ms = {shift_ms} between 0 and 10,000, and"
            f" noise = {noise} between 0 and 10."
        )
    if not 0 < test < 1:
        raise PlanError(f"[data]: test = {test} should lie between 0 and 1.")


def _contents(sounds: tuple[Sound, ...]) -> list[str]:
    """Return a digest of what is heard in each sound; that of a cut depends on its place."""
    files = sorted({sound.path for sound in sounds})
    digest_of = dict(zip(files, _decoded.digests(files), strict=True))
    return [
        digest_of[sound.path]
        if sound.start_s is None
        else hashlib.sha256(f"{digest_of[sound.path]} {sound.start_s}".encode()).hexdigest()
        for sound in sounds
    ]


def _keys(sounds: tuple[Sound, ...], contents: list[str], group: str) -> Texts:
    """Return a key for each sound, the same for those of a speaker, for copies, and for near cuts of one noise."""
    whole = [place for place, sound in enumerate(sounds) if sound.start_s is None]
    names = [sounds[place].name for place in whole]
    pattern = group
    if group == SPEAKER and not any("_nohash_" in name for name in names):
        pattern = ""
    keys = np.empty(len(sounds), dtype=object)
    keys[whole] = _copies.keys(names, [contents[place] for place in whole], None, pattern)
    for place, sound in enumerate(sounds):
        if sound.start_s is not None:
            keys[place] = f"{sound.name}@{int(sound.start_s // BLOCK_S)}"
    return keys.astype(np.str_)


def _without_leaks(
    sounds: tuple[Sound, ...], contents: list[str], roles: npt.NDArray[np.str_], skip: bool
) -> npt.NDArray[np.bool_]:
    """Return which sounds to keep, (N,). Raises DataError for one that is in the test split and beside it."""
    leaked = _copies.leaked(contents, roles)
    if not leaked.any():
        return ~leaked
    first = int(np.flatnonzero(leaked)[0])
    other = next(
        place for place, content in enumerate(contents) if content == contents[first] and roles[place] == "test"
    )
    if not skip:
        raise DataError(
            f"{sounds[first]} and {sounds[other]} are the same sound, and {leaked.sum():,} in all are in the test split"
            " and beside it.",
            "a test sound must not be learnt from: remove it from one of them, or set skip_leaks = true",
        )
    console.warn(f"left out {leaked.sum():,} sounds that are in the test split as well, {sounds[first]} first")
    return ~leaked
