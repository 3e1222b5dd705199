"""Copies and near-copies: in two classes, in two splits, or beside each other."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from edgecnn.checks.data.suspects import CheckedPictures
from edgecnn.records.data_check import DataFinding, Suspect
from edgecnn.records.leave_out import Action

KEPT_FIRST = ("test", "validation", "train")
"""Copies in the first of these splits are kept when several hold them: a test picture must not be learnt from."""


def findings(pictures: CheckedPictures) -> Iterator[DataFinding]:
    """Yield what is found about copies to the byte, and about near-copies (`edgecnn.data`)."""
    seen, count = pictures.seen, len(pictures.seen.contents)
    exact = _groups(seen.contents)
    near = _groups(seen.keys().tolist())
    twice, told = _in_two_classes(pictures, exact, "leave out"), _repeats_within(pictures, exact, "leave out")
    yield pictures.finding(
        "two classes", "wrong", twice, count,
        "lie in two classes, the same to the byte", "take away the wrong ones: a net cannot learn both",
    )  # fmt: skip
    yield pictures.finding(
        "near-copies in two classes", "warn", _not_told(_in_two_classes(pictures, near, "look"), twice), count,
        "are near-copies of a picture of another class", "look which class they are of",
    )  # fmt: skip
    if len(np.unique(seen.listed.roles)) > 1:
        across = list(_across_splits(pictures, exact, "leave out"))
        yield pictures.finding(
            "copies across splits", "wrong", across, count, "are, byte for byte, in a split that is tested on too",
            "leave them out of the split to learn from; data.skip_leaks = true does it for the test split",
        )  # fmt: skip
        yield pictures.finding(
            "near-copies across splits", "warn", _not_told(_across_splits(pictures, near, "leave out"), across), count,
            "are near-copies of pictures in a split that is tested on", "leave them out of the split to learn from",
        )  # fmt: skip
    yield pictures.finding(
        "copies", "note", told, count, "are copies of another one of their class and split",
        "harmless: one of each is enough",
    )  # fmt: skip
    yield pictures.finding(
        "near-copies", "note", _not_told(_repeats_within(pictures, near, "look"), told), count,
        "are near-copies of another one of their class and split",
        "harmless, as a split keeps them together; they count for less than their number",
    )  # fmt: skip


def _groups(keys: Sequence[str]) -> list[list[int]]:
    """Return the places of each key that several pictures have; a file that cannot be read has an empty one."""
    places: dict[str, list[int]] = defaultdict(list)
    for place, key in enumerate(keys):
        if key:
            places[key].append(place)
    return [members for members in places.values() if len(members) > 1]


def _copy(pictures: CheckedPictures, place: int, of: int, action: Action) -> Suspect:
    return pictures.suspect(place, f"as {pictures.name(of)}", action, twin=of)


def _in_two_classes(pictures: CheckedPictures, groups: Iterable[list[int]], action: Action) -> list[Suspect]:
    labels, suspects = pictures.seen.listed.labels, []
    for members in groups:
        for place in members:
            if others := [other for other in members if labels[other] != labels[place]]:
                suspects.append(_copy(pictures, place, others[0], action))
    return suspects


def _across_splits(pictures: CheckedPictures, groups: Iterable[list[int]], action: Action) -> Iterator[Suspect]:
    """Yield the pictures of each group that are in a split to learn from while another one is in one to test with."""
    roles = pictures.seen.listed.roles
    for members in groups:
        kept = min((str(roles[place]) for place in members), key=KEPT_FIRST.index)
        first = next(place for place in members if roles[place] == kept)
        for place in members:
            if roles[place] != kept:
                yield _copy(pictures, place, first, action)


def _repeats_within(pictures: CheckedPictures, groups: Iterable[list[int]], action: Action) -> list[Suspect]:
    """Return all pictures of each group but the first of every class and split."""
    own, suspects = pictures.seen.listed, []
    for members in groups:
        first: dict[tuple[int, str], int] = {}
        for place in members:
            kept = first.setdefault((int(own.labels[place]), str(own.roles[place])), place)
            if kept != place:
                suspects.append(_copy(pictures, place, kept, action))
    return suspects


def _not_told(suspects: Iterable[Suspect], told: Iterable[Suspect]) -> list[Suspect]:
    """Return the suspects that were not told of already."""
    known = {each.index for each in told}
    return [each for each in suspects if each.index not in known]
