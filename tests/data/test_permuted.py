"""The shuffled twin of a data set: nothing is lost but place."""

import numpy as np
import pytest

from edgecnn import data
from edgecnn.data import permuted
from edgecnn.errors import UsageError


def test_every_picture_is_shuffled_by_the_same_permutation() -> None:
    (plain, plain_test), (shuffled, shuffled_test) = data.get("digits").load(), permuted.load()
    everything = np.concatenate([plain.load_all(), plain_test.load_all()]).reshape(-1, 64)
    moved = np.concatenate([shuffled.load_all(), shuffled_test.load_all()]).reshape(-1, 64)
    columns = {column.tobytes(): place for place, column in enumerate(everything.T)}
    # Pixels that never differ between pictures cannot be told apart; the others must each be found once.
    places = [columns[column.tobytes()] for column in moved.T]
    distinct = [place for place in places if list(places).count(place) == 1]
    assert len(distinct) > 50
    assert distinct != sorted(distinct)


def test_each_picture_keeps_its_pixels_and_its_label() -> None:
    plain, shuffled = data.get("digits").load()[0], permuted.load()[0]
    assert np.array_equal(np.sort(plain.load_all().reshape(-1, 64)), np.sort(shuffled.load_all().reshape(-1, 64)))
    assert np.array_equal(plain.labels, shuffled.labels)
    assert not np.array_equal(plain.load_all(), shuffled.load_all())


def test_another_seed_is_another_permutation() -> None:
    assert not np.array_equal(permuted.load(seed=1)[0].load_all(), permuted.load()[0].load_all())


def test_the_channels_of_a_pixel_stay_together() -> None:
    plain, shuffled = data.get("shapes").load()[1].images[:20], permuted.load(of="shapes")[1].images[:20]
    for before, after in zip(plain, shuffled, strict=True):
        assert np.array_equal(*(np.unique(image.reshape(-1, 3), axis=0) for image in (before, after)))  # type: ignore[arg-type]


def test_an_unknown_data_set_is_answered_with_the_known_ones() -> None:
    with pytest.raises(UsageError, match="no data set named 'digit'") as error:
        permuted.load(of="digit")
    assert "digits" in str(error.value.hint)
