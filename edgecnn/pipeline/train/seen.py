"""What a run has seen of its pictures, so that it is tested on nothing that it learnt.

`pictures.npz` in a run's folder holds the digests of what it learnt and of what it was chosen by (validation,
calibration); a run that began with another's weights, or learnt from its logits, has seen what that one saw. Published
data sets hold some pictures twice, in training and in test; those that a run's own held-out splits held when it was
trained are left out, for nobody can help it.
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
from edgecnn.records.recipe import DataPlan, Recipe
from edgecnn.records.run import Run, open_run

FILE = "pictures.npz"
DIGEST_BYTES = 16
"""Of a sha256, which is enough to tell pictures apart."""


@dataclass(frozen=True)
class Seen:
    """Digests of pictures, DIGEST_BYTES as hex each."""

    learnt: frozenset[str]
    chosen_by: frozenset[str]
    """Validation and calibration pictures: they decided what was kept, and not its weights."""

    @property
    def all(self) -> frozenset[str]:
        return self.learnt | self.chosen_by

    def __or__(self, other: Seen) -> Seen:
        return Seen(self.learnt | other.learnt, self.chosen_by | other.chosen_by)


NOTHING = Seen(frozenset(), frozenset())


def of(run: Run) -> Seen | None:
    """What the run has seen; None for one that was trained before this was written down.

    Raises RunError if its record cannot be read.
    """
    path = run.folder / FILE
    if not path.is_file():
        return None
    try:
        held = arrays.read(path, ("learnt", "chosen_by"))
        return Seen(_texts(held["learnt"]), _texts(held["chosen_by"]))
    except ValueError as error:
        raise RunError(f"{path} is damaged: which pictures the run has learnt is lost.", "train it again") from error


def record(folder: Path, splits: Splits, before: Seen = NOTHING) -> None:
    """Write what a run has seen: its own splits, and what the runs that it comes from had seen `before`."""
    _write(folder, _of_splits(splits) | before)


def add(run: Run, splits: Splits, learns: bool) -> None:
    """Add what an export is about to see: to calibrate and choose by, or, if it `learns`, to train on.

    Nothing for a run without a record, and nothing new where the pictures are what they were.
    """
    known = of(run)
    if known is None:
        return
    new = _of_splits(splits)
    more = known | (new if learns else Seen(frozenset(), new.all - known.learnt))
    if more != known:
        _write(run.folder, more)


def splits_of(run: Run, only_unseen: bool = False) -> Splits:
    """The splits of the run's recipe as its pictures are now, tested on nothing that the run has seen.

    Raises DataError as `unseen` does.
    """
    loaded = data.load(data_of(run))
    return dataclasses.replace(loaded, test=unseen(run, loaded.test, only_unseen))


def data_of(run: Run) -> DataPlan:
    """The pictures of the run's recipe, cut as they were cut for it: by a draw before there was a record."""
    plan = run.recipe.data
    if (run.folder / FILE).is_file() or plan.name != "folder" or "split" in plan.options:
        return plan
    console.note(
        f"{run.name} was trained before it was written down which pictures a run has seen: whether it learnt test "
        "pictures cannot be told if the folder has changed since"
    )
    return dataclasses.replace(plan, options={**plan.options, "split": "drawn"})


def unseen(run: Run, test: Split, only_unseen: bool = False) -> Split:
    """The test pictures, of which the run must have seen none; with `only_unseen`, those that it has not.

    Raises DataError if it has seen some, or with `only_unseen` all.
    """
    seen = of(run)
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
    """(the splits of a new training, what the runs that it comes from have seen): it must not test or validate on that.

    With recipe.data.only_unseen such pictures are left out, and it is said how many; without it a RunError is raised.
    Of a run that has no record and whose pictures are not here any more a note says that nobody knows.
    """
    before = NOTHING
    for folder, role in _ancestors(recipe).items():
        seen = _told(folder)
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
    """The folders of the runs whose weights or logits a training takes, and what they are to it."""
    teachers = dict.fromkeys(recipe.distill.teacher if recipe.distill else (), "its teacher")
    return teachers | ({recipe.start: "which it starts from"} if recipe.start else {})


def _of_splits(splits: Splits) -> Seen:
    learnt, validated, tested = (_digests(split) for split in (splits.train, splits.validation, splits.test))
    return Seen(learnt - validated - tested, validated - tested)


def _told(folder: str, known: frozenset[str] = frozenset()) -> Seen | None:
    """What the run in `folder` has seen, derived from its recipe where it has no record; None if nobody knows.

    known: the folders asked before, for a run may name itself as its start.
    """
    try:
        run = open_run(Path(folder))
        recorded = of(run)
        if recorded is not None:
            return recorded
        loaded = data.load(data_of(run))
        start, known = run.recipe.start, known | {str(Path(folder).resolve())}
        earlier = _told(start, known) if start and str(Path(start).resolve()) not in known else NOTHING
    except EdgecnnError as error:
        console.note(f"Whether {folder} was trained on pictures of these splits cannot be told: {error}")
        return None
    return _of_splits(loaded) | (earlier or NOTHING)


def _known(split: Split, digests: frozenset[str]) -> npt.NDArray[np.bool_]:
    """(N,) which of the split's pictures are among them."""
    return np.array([digest in digests for digest in _each(split)], dtype=bool)


def _each(split: Split) -> list[str]:
    return [digest[: 2 * DIGEST_BYTES] for digest in split.digests()]


def _digests(split: Split) -> frozenset[str]:
    return frozenset(_each(split))


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
