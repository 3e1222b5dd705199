"""Folders of sounds: classes, splits, unknown words, silence, and changed copies to learn from."""

from pathlib import Path
from typing import Any

import made_sounds
import numpy as np
import pytest

from edgecnn import data
from edgecnn.data import _decoded, _heard, speech
from edgecnn.data._heard import Changes, Take
from edgecnn.data._sound_files import Sound
from edgecnn.errors import DataError, PlanError, UsageError
from edgecnn.onboard import sounds, wav_files
from edgecnn.records.recipe import DataPlan

ROOMS = np.random.default_rng(5).normal(0, 300, 8_000 * 8).astype(np.int16)


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(_decoded, "CHUNK", 1_000)  # one process, which starts at once; test_keywords has several


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return made_sounds.folder(tmp_path / "sounds", 10)


@pytest.fixture
def commands(root: Path) -> Path:
    """The layout of Speech Commands: lists of two splits, and a noise."""
    made_sounds.write(root / "_background_noise_" / "room.wav", ROOMS)
    names = sorted(path.relative_to(root).as_posix() for path in root.glob("[a-z]*/*.wav"))
    (root / "validation_list.txt").write_text("".join(f"{name}\n" for name in names[0::10] + names[1::10]))
    (root / "testing_list.txt").write_text("".join(f"{name}\n" for name in names[2::10] + names[3::10]))
    (root / "README.md").write_text("of sounds")
    return root


def load(root: Path, **options: Any) -> tuple[data.Split, data.Split]:
    return speech.load(path=str(root), **{**made_sounds.FRONT_END, **options})


def counts(split: data.Split) -> dict[str, int]:
    return {name: int((split.labels == label).sum()) for label, name in enumerate(split.classes)}


def test_folders_are_classes_and_the_picture_is_the_front_ends(root: Path) -> None:
    train, test = load(root)
    assert train.classes == made_sounds.CLASSES
    assert train.input_shape == (1, 24, 10)
    assert test.files is not None
    for index in (0, len(test) - 1):
        samples, _ = wav_files.read(Path(str(test.files[index])))
        heard = sounds.heard(samples, speech.front_end(**made_sounds.FRONT_END))
        assert np.array_equal(test.images[index], heard[0])


def test_a_speaker_is_on_one_side_only(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for name in ("rising", "tone"):
        for speaker in range(8):
            for take in range(3):
                made_sounds.write(
                    tmp_path / "s" / name / f"{speaker:04x}_nohash_{take}.wav", made_sounds.sound(name, rng)
                )
    splits = data.load(
        DataPlan(name="speech", validation=0.3, options={"path": str(tmp_path / "s"), **made_sounds.FRONT_END})
    )
    sides = [
        {Path(str(file)).name.partition("_")[0] for file in part.files}
        for part in (splits.train, splits.validation, splits.test)
        if part.files is not None
    ]
    assert all(sides)
    assert not sides[0] & sides[1] | sides[0] & sides[2] | sides[1] & sides[2]


def test_lists_decide_the_splits(commands: Path) -> None:
    train, test = load(commands, silence=0.0)
    assert train.held_out is not None
    assert counts(test) == dict.fromkeys(made_sounds.CLASSES, 2)
    assert counts(train.take(np.flatnonzero(train.held_out))) == dict.fromkeys(made_sounds.CLASSES, 2)
    assert counts(train.take(np.flatnonzero(~train.held_out))) == dict.fromkeys(made_sounds.CLASSES, 6)


def test_words_make_unknown_of_the_others_and_silence_of_the_noise(commands: Path) -> None:
    train, test = load(commands, words="rising, falling", unknown=0.5, silence=1.0)
    assert train.classes == ("falling", "rising", "silence", "unknown")
    assert counts(train)["unknown"] == 8  # half of the 12 + 4 named ones to learn from and to validate with
    assert counts(test) == {"falling": 2, "rising": 2, "unknown": 2, "silence": counts(test)["silence"]}
    assert train.files is not None
    assert test.files is not None
    places = [
        [float(str(file).rpartition("@")[2].rstrip("s")) for file in part.files if "@" in str(file)]
        for part in (train, test)
    ]
    assert 0 < len(places[1]) < len(places[0])
    assert max(places[0]) + 0.5 <= min(places[1])  # no cut of a noise in two splits


def test_silence_is_validated_with_only_where_words_are(tmp_path: Path) -> None:
    made_sounds.folder(tmp_path / "s" / "train", 8)
    made_sounds.folder(tmp_path / "s" / "test", 4, seed=1)
    made_sounds.write(tmp_path / "s" / "train" / "_background_noise_" / "room.wav", ROOMS)
    splits = data.load(
        DataPlan(
            name="speech",
            validation=0.3,
            options={"path": str(tmp_path / "s"), "silence": 0.5, **made_sounds.FRONT_END},
        )
    )
    for part in (splits.train, splits.validation, splits.test):
        assert min(counts(part).values()) > 0


def test_train_and_test_folders_are_splits(tmp_path: Path) -> None:
    made_sounds.folder(tmp_path / "s" / "train", 4)
    made_sounds.folder(tmp_path / "s" / "test", 2, seed=1)
    train, test = load(tmp_path / "s")
    assert (counts(train), counts(test)) == (
        dict.fromkeys(made_sounds.CLASSES, 4),
        dict.fromkeys(made_sounds.CLASSES, 2),
    )


def test_copies_are_learnt_from_and_neither_validated_nor_tested_with(commands: Path) -> None:
    plan = {"path": str(commands), "silence": 0.0, **made_sounds.FRONT_END}
    without, with_copies = (data.load(DataPlan(name="speech", options={**plan, "copies": copies})) for copies in (0, 3))
    assert len(with_copies.train) == 4 * len(without.train)
    for before, after in ((without.validation, with_copies.validation), (without.test, with_copies.test)):
        assert np.array_equal(before.images[:], after.images[:])
    own = with_copies.train.images[: len(without.train)]
    assert np.array_equal(own, without.train.images[:])
    copies = with_copies.train.images[len(without.train) :].reshape(3, *own.shape)
    assert all((copy != own).any(axis=(1, 2, 3)).all() for copy in copies)


def test_copies_of_what_a_draw_takes_for_validation_are_not_learnt_from(root: Path) -> None:
    plan = {"path": str(root), "copies": 2, **made_sounds.FRONT_END}
    splits = data.load(DataPlan(name="speech", validation=0.3, options=plan))
    learnt, validated = (set(part.digests()) for part in (splits.train, splits.validation))
    assert not learnt & validated
    assert len(splits.validation) == len(validated) == len(set(splits.validation.digests()))


def test_a_copy_is_moved_by_so_much_at_most_and_holds_no_more_noise_than_allowed() -> None:
    samples = np.zeros(4_000, np.int16)
    samples[2_000] = 30_000
    changes = Changes(seed=1, shift_ms=50, noise=0.0, noises=())
    places = set()
    for copy in range(1, 40):
        take = Take(Sound(Path("x.wav"), "x.wav", "x", None), "digest", copy)
        places.add(int(_heard.changed(samples, take, 8_000, changes).argmax()))
        assert np.array_equal(
            _heard.changed(samples, take, 8_000, changes), _heard.changed(samples, take, 8_000, changes)
        )
    assert len(places) > 10
    assert 1_600 <= min(places) < 2_000 < max(places) <= 2_400


@pytest.mark.parametrize("name", ["flip", "shift", "rotation", "resized_crop", "trivial"])
def test_what_would_make_another_sound_of_it_is_refused(name: str) -> None:
    assert name in speech.FORBIDDEN_AUGMENTATIONS


def test_a_sound_in_test_and_in_training_is_refused(commands: Path) -> None:
    names = (commands / "testing_list.txt").read_text().splitlines()
    other = commands / "tone" / "ffff_nohash_0.wav"
    other.write_bytes((commands / names[0]).read_bytes())
    with pytest.raises(DataError, match=r"are the same sound, and 1 in all are in the test split and beside it"):
        load(commands)
    train, _ = load(commands, skip_leaks=True)
    assert train.files is not None
    assert str(other) not in train.files.tolist()


def test_a_broken_sound_is_named(root: Path) -> None:
    broken = root / "tone" / "bad.wav"
    broken.write_bytes(b"RIFF....WAVEjunk")
    with pytest.raises(DataError, match=r"Cannot read .*bad\.wav: it ends before its data\."):
        load(root)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"words": "rising,fallling"}, "there are no sounds of the word 'fallling'"),
        ({"bands": 400}, "bands = 400 should lie between 2 and 128"),
        ({"copies": -1}, "copies = -1 should lie between 0 and 100"),
        ({"test": 1.5}, "test = 1.5 should lie between 0 and 1"),
        ({"unknown": -1.0}, "unknown = -1.0"),
    ],
)
def test_an_option_out_of_range_is_one_sentence(root: Path, options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(PlanError, match=sentence):
        load(root, **options)


def test_folders_that_hold_no_sounds_say_so(tmp_path: Path) -> None:
    (tmp_path / "cat").mkdir()
    (tmp_path / "cat" / "x.jpg").write_bytes(b"\xff\xd8\xff")
    with pytest.raises(DataError, match="holds no sounds in folders of their classes"):
        load(tmp_path)
    with pytest.raises(DataError, match="There is no folder"):
        load(tmp_path / "nothing")
    with pytest.raises(PlanError, match="lacks the key 'path'"):
        speech.load()


def test_a_recipe_is_not_chosen_by_looking_at_sounds(root: Path) -> None:
    with pytest.raises(UsageError, match="speech lists no pictures to look at") as caught:
        data.listed(DataPlan(name="speech", options={"path": str(root)}))
    assert caught.value.hint == "name a recipe"


def test_one_list_alone_and_splits_beside_classes_are_refused(commands: Path) -> None:
    (commands / "testing_list.txt").unlink()
    with pytest.raises(DataError, match=r"has one of validation_list\.txt and testing_list\.txt only"):
        load(commands)
    (commands / "test").mkdir()
    with pytest.raises(DataError, match=r"holds test/ beside falling/"):
        load(commands)
