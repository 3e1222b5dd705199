"""The images that a run has seen, recorded so that it is never tested on an image it was trained on.

`pictures.npz` in a run folder holds the digests of the images that the run was trained on, and of those it was chosen
by (validation, calibration). A run that started from another's weights, or was distilled from it, has also seen what
that one has. Published data sets have some images both in training and in test: images that were in a run's own
held-out splits when it was trained do not count as seen, since nobody can change that.
"""

from __future__ import annotations

import dataclasses
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgecnn import data
from edgecnn.common import arrays, console, files
from edgecnn.data import Split, Splits
from edgecnn.errors import DataError, EdgecnnError, RunError
from edgecnn.pipeline.train import start
from edgecnn.records import zoo
from edgecnn.records.recipe import DataPlan, Recipe
from edgecnn.records.run import Run, open_run

FILE = "pictures.npz"
DIGEST_BYTES = 16
"""Bytes of a sha256 that are kept, enough to tell images apart."""


@dataclass(frozen=True)
class Seen:
    """Digests of images, each DIGEST_BYTES in hexadecimal."""

    learnt: frozenset[str]
    chosen_by: frozenset[str]
    """Validation and calibration images, which decided what was kept but are not in its weights."""

    @property
    def all(self) -> frozenset[str]:
        """Both together."""
        return self.learnt | self.chosen_by

    def __or__(self, other: Seen) -> Seen:
        return Seen(self.learnt | other.learnt, self.chosen_by | other.chosen_by)


NOTHING = Seen(frozenset(), frozenset())


def read(run: Run) -> Seen | None:
    """Read which images a run has seen.

    Returns:
        Their digests, or None if the run was trained before they were recorded.

    Raises:
        RunError: the record is damaged.
    """
    path = run.folder / FILE
    if not path.is_file():
        return None
    try:
        table = arrays.read(path, ("learnt", "chosen_by"))
        return Seen(_texts(table["learnt"]), _texts(table["chosen_by"]))
    except ValueError as error:
        raise RunError(f"{path} is damaged: which pictures the run has learnt is lost.", "train it again") from error


def record(folder: Path, splits: Splits, before: Seen = NOTHING, unlabelled: Split | None = None) -> None:
    """Write which images a new run has seen.

    Args:
        folder: of the run.
        splits: of the training.
        before: what its ancestors had seen.
        unlabelled: further images that it has learnt from.
    """
    further = Seen(frozenset(_short_digests(unlabelled)), frozenset()) if unlabelled else NOTHING
    _write(folder, _seen_in_training(splits) | before | further)


def add(run: Run, splits: Splits, learns: bool) -> None:
    """Record that an export is about to see the splits' images. A run without a record stays without one.

    Args:
        run: that is exported.
        splits: of the export.
        learns: whether the export trains on them (QAT); without it they only count as chosen by.
    """
    known = read(run)
    if known is None:
        return
    new = _seen_in_training(splits)
    more = known | (new if learns else Seen(frozenset(), new.all - known.learnt))
    if more != known:
        _write(run.folder, more)


def splits_of(run: Run, only_unseen: bool = False) -> Splits:
    """Load the splits of the run's recipe, with a test split that the run has not seen.

    Raises:
        DataError: as in `unseen`.
    """
    loaded = data.load(data_of(run))
    return dataclasses.replace(loaded, test=unseen(run, loaded.test, only_unseen))


def data_of(run: Run) -> DataPlan:
    """Return the data plan that splits a folder as it was split for the run: by a draw, before there was a record."""
    plan = run.recipe.data
    if (run.folder / FILE).is_file() or plan.name != "folder" or "split" in plan.options:
        return plan
    console.note(
        f"{run.name} was trained before it was written down which pictures a run has seen: whether it learnt test "
        "pictures cannot be told if the folder has changed since"
    )
    return dataclasses.replace(plan, options={**plan.options, "split": "drawn"})


def unseen(run: Run, test: Split, only_unseen: bool = False) -> Split:
    """Return the part of a test split that the run has not seen.

    Args:
        run: to be tested.
        test: uint8 images of any origin.
        only_unseen: leave out the images that the run has seen; without it there may be none.

    Raises:
        DataError: the run has seen some of the images, or, with `only_unseen`, all of them.
    """
    seen = read(run)
    if seen is None:
        return test
    known = _known(test, seen.all)
    if not known.any():
        return test
    learnt, left = int(_known(test, seen.learnt).sum()), int((~known).sum())
    sentence = (
        f"{run.name} has seen {known.sum():,} of the {len(test):,} test pictures: it learnt {learnt:,} and was chosen "
        f"by {known.sum() - learnt:,}"
    )
    if left == 0:
        raise DataError(f"{sentence}.", "test it on other pictures: --data")
    if not only_unseen and not run.recipe.data.only_unseen:
        raise DataError(f"{sentence}.", f"--only-unseen tests on the other {left:,}")
    console.warn(f"{sentence}; it is tested on the other {left:,}")
    return test.take(np.flatnonzero(~known))


def held_out(recipe: Recipe, splits: Splits) -> tuple[Splits, Seen]:
    """Make sure that a new training does not validate or test on what its ancestors have seen.

    With `recipe.data.only_unseen` such images are left out, with a warning. For an ancestor without a record whose
    images are not here any more, a note says that nobody knows.

    Args:
        recipe: its `start` and teachers are the ancestors.
        splits: as they were loaded.

    Returns:
        The splits, and what the ancestors have seen.

    Raises:
        RunError: an ancestor has seen some of the images, and they are not to be left out, or nothing would be left.
    """
    before = NOTHING
    for folder, role in _ancestors(recipe).items():
        seen = _seen_by(folder, are_files=splits.train.contents is not None)
        if seen is None:
            continue
        before |= seen
        known_test, known_validation = _known(splits.test, seen.all), _known(splits.validation, seen.learnt)
        known, count = int(known_test.sum() + known_validation.sum()), len(splits.validation) + len(splits.test)
        if not known:
            continue
        sentence = f"{folder}, {role}, has seen {known:,} of the {count:,} pictures to validate and to test with"
        if not recipe.data.only_unseen or known_test.all() or known_validation.all():
            raise RunError(
                f"{sentence}.", "-s data.only_unseen=true leaves them out; [data] of its recipe.toml cuts as it did"
            )
        console.warn(f"{sentence}; they are left out")
        splits = dataclasses.replace(
            splits,
            validation=splits.validation.take(np.flatnonzero(~known_validation)),
            test=splits.test.take(np.flatnonzero(~known_test)),
        )
    return splits, before


def _ancestors(recipe: Recipe) -> dict[str, str]:
    """Return the folders of the runs whose weights or logits a training uses, each with its role."""
    teachers = dict.fromkeys(recipe.distill.teacher if recipe.distill else (), "its teacher")
    return teachers | ({recipe.start: "which it starts from"} if start.is_run(recipe.start) else {})


def _seen_in_training(splits: Splits) -> Seen:
    """Return what a run that is trained on the splits has seen."""
    parts = splits.train, splits.validation, splits.test
    learnt, validated, tested = (frozenset(_short_digests(split)) for split in parts)
    return Seen(learnt - validated - tested, validated - tested)


def _seen_by(folder: str, are_files: bool, visited: frozenset[str] = frozenset()) -> Seen | None:
    """Return what the run in `folder` has seen; without a record it is derived from the recipe.

    Nothing is downloaded to compare files with a model of the zoo: a published data set is no files, and has none of
    their digests.

    Args:
        folder: of an ancestor.
        are_files: whether the images to compare with are encoded files.
        visited: folders on the way here, since a run may name itself as its start.

    Returns:
        The digests, or None if nobody knows.
    """
    try:
        run = open_run(Path(folder))
        recorded = read(run)
        if recorded is not None:
            return recorded
        place = run.recipe.data.options.get("path")
        if folder.startswith(zoo.PREFIX) and (are_files if place is None else not Path(place).exists()):
            console.note(f"{folder} has learnt from {place or run.recipe.data.name}: these pictures are not compared")
            return None
        loaded = data.load(data_of(run))
        named, visited = run.recipe.start, visited | {str(Path(folder).resolve())}
        is_earlier = start.is_run(named) and str(Path(named).resolve()) not in visited
        earlier = _seen_by(named, are_files, visited) if is_earlier else NOTHING
    except EdgecnnError as error:
        console.note(f"Whether {folder} was trained on pictures of these splits cannot be told: {error}")
        return None
    return _seen_in_training(loaded) | (earlier or NOTHING)


def _known(split: Split, digests: frozenset[str]) -> npt.NDArray[np.bool_]:
    """Return which of the split's images are among the digests, (N,)."""
    return np.array([digest in digests for digest in _short_digests(split)], dtype=bool)


def _short_digests(split: Split) -> list[str]:
    return [digest[: 2 * DIGEST_BYTES] for digest in split.digests()]


def _texts(digests: npt.NDArray[np.uint8]) -> frozenset[str]:
    if digests.dtype != np.uint8 or digests.shape[1:] != (DIGEST_BYTES,):
        raise ValueError("no digests")
    return frozenset(digest.tobytes().hex() for digest in digests)


def _write(folder: Path, seen: Seen) -> None:
    stream = io.BytesIO()
    arrays = {
        name: np.frombuffer(bytes.fromhex("".join(sorted(texts))), dtype=np.uint8).reshape(-1, DIGEST_BYTES)
        for name, texts in (("learnt", seen.learnt), ("chosen_by", seen.chosen_by))
    }
    np.savez(stream, allow_pickle=False, **arrays)
    files.write_bytes(folder / FILE, stream.getvalue())
