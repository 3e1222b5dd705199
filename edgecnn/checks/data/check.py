"""The verb: what is wrong with pictures of one's own.

suspects.py           findings from places of pictures
copies.py             copies in two classes, in two splits, or beside each other
quality.py            unreadable, dark, blurred, tiny, turned
balance.py            how many pictures each class has
measures.py           numbers and facts of every picture, from one pass over the files
features.py           what a classifier is shown
cross_validation.py   predictions by a classifier that has not learnt from the picture
confident.py          labels that it doubts
labels.py             what is said of them
probing.py            how often a classifier is right, class by class
shortcuts.py          classes that are told by their border or by the facts of their files

Memory grows by a few kB a picture (`measures`, `features`): the pixels of near-copies' thumbnails, of what the net is
shown and its features stay in files, and every classifier learns from `cross_validation.MOST_LEARNT` pictures at most.
"""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from edgecnn import data
from edgecnn.checks.data import balance, copies, features, labels, measures, probing, quality, shortcuts
from edgecnn.checks.data import cross_validation as cv
from edgecnn.checks.data.measures import Measures
from edgecnn.checks.data.suspects import CheckedPictures, not_looked_for
from edgecnn.common import console, scratch
from edgecnn.errors import DataError, GateFailed, MissingPackage, UsageError
from edgecnn.onboard import preprocessing
from edgecnn.records import data_paths, plans
from edgecnn.records import labels as labels_of
from edgecnn.records.data_check import DataCheck, DataFinding, Probe
from edgecnn.records.recipe import DataPlan

T = TypeVar("T")
THUMBNAIL = 192
"""Longest side, in pixels, of the pictures that a page may show."""


def check(pictures: DataPlan | str) -> tuple[DataCheck, data.Listed]:
    """Look for faults in pictures of one's own; nothing is written.

    Args:
        pictures: Where they are, as `--data` takes it.

    Returns:
        What was found, and the pictures in the order that its places count.

    Raises:
        DataError: They cannot be listed, or none can be read.
        UsageError: A data set is named that is not one's own pictures.
    """
    plan = plans.data_plan(pictures)
    if plan.name not in data_paths.RESIZED or "path" not in plan.options:
        raise UsageError(
            f"{plan.name} is no place of pictures.", "name a folder with one folder of pictures per class, or a list"
        )
    stages: dict[str, float] = {}
    own = data.listed(plan)
    seen = _timed(stages, "copies", lambda: data.overview(own))
    if not seen.readable.any():
        raise DataError(f"None of the {len(own.pictures):,} pictures of {own.origin} can be read.")
    shown = CheckedPictures(seen, Path(plan.options["path"]))
    measured = _timed(stages, "measures", lambda: measures.measure(own.pictures))
    learnt, probes = _learnt(shown, measured, stages)
    roles, counts = np.unique(own.roles, return_counts=True)
    return DataCheck(
        command=shlex.join(["edgecnn", "data", "check", str(plan.options["path"])]),
        path=str(plan.options["path"]),
        data=plan.name,
        pictures=len(own.pictures),
        classes=own.classes,
        splits=dict(zip(roles.tolist(), counts.tolist(), strict=True)),
        findings=(*learnt, *copies.findings(shown), balance.finding(shown), *quality.findings(shown, measured)),
        probes=tuple(probes),
        stages_s=stages,
    ), own


def judge(result: DataCheck) -> None:
    """Raise GateFailed if something is wrong with the pictures."""
    if failed := [finding for finding in result.findings if finding.level == "wrong"]:
        kinds = ", ".join(finding.kind for finding in failed)
        raise GateFailed(f"Something is wrong with the pictures of {result.path}: {kinds}.", failed[0].mend)


def thumbnails(own: data.Listed, places: Sequence[int]) -> dict[int, npt.NDArray[np.uint8]]:
    """Return pictures by their place, uint8 (H, W, 3), at most THUMBNAIL a side, without those that cannot be read."""
    result = {}
    for place in dict.fromkeys(places):
        try:
            image = preprocessing.upright(data.source(own.pictures[place])).convert("RGB")
        except Exception:  # Pillow's readers may raise anything; the finding says what is wrong
            continue
        image.thumbnail((THUMBNAIL, THUMBNAIL))
        result[place] = np.array(image)
    return result


def _learnt(
    shown: CheckedPictures, measured: Measures, stages: dict[str, float]
) -> tuple[list[DataFinding], list[Probe]]:
    """Return what a classifier finds, which learns from the pictures; and how it was right."""
    judged = probing.judged(shown)
    if len(judged.classes) < 2:
        reason = f"that takes two classes of {cv.FOLDS} different pictures"
        return [not_looked_for(kind, reason, None) for kind in ("labels", "background", "camera")], []
    try:
        cv.trees()
    except MissingPackage as error:
        return [not_looked_for(kind, error.sentence, error.hint) for kind in ("labels", "background", "camera")], []
    if judged.small:
        console.warn(
            f"{labels_of.listed(judged.small)}: fewer than {cv.FOLDS} different pictures, so no label of them is judged"
        )
    with scratch.folder() as work:
        best = _timed(stages, "features", lambda: features.best(shown.seen, measured, work))
        values, count = best.values[judged.places], len(judged.classes)
        shares = _timed(stages, "labels", lambda: cv.shares(values, judged.labels, judged.fold, count, best.model))
    probe = probing.probe("labels", best.words, shares, judged)
    asked = _timed(stages, "probes", lambda: shortcuts.probes(measured, judged, None if best.is_pretrained else shares))
    findings = [labels.finding(shown, judged, shares, probe, best), *shortcuts.findings(asked, measured, judged)]
    return findings, [probe, *(each for each, _ in asked)]


def _timed(stages: dict[str, float], name: str, work: Callable[[], T]) -> T:
    start = time.perf_counter()
    result = work()
    stages[name] = time.perf_counter() - start
    return result
