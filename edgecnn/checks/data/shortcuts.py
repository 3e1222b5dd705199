"""Classes that are told without what they show: by the border of a picture alone, or by what its file says of itself.

A net learns such a shortcut, and is wrong elsewhere. Two probes are held against chance, class by class: the borders,
an eighth of the picture on each side; and the facts of the files (`measures.FACTS`), no pixels. A class counts as told
if its right calls are more than chance explains among all classes and both probes (Fisher's exact test, Holm, 1979,
Scandinavian Journal of Statistics 6:65), and nearly as many as the whole picture gives.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecnn.checks.data import cross_validation, probing
from edgecnn.checks.data.cross_validation import Shares
from edgecnn.checks.data.measures import FACTS, GRID, Measures
from edgecnn.checks.data.probing import Judged
from edgecnn.common import stats
from edgecnn.records import labels as labels_of
from edgecnn.records.data_check import DataFinding, Probe, ProbeClass

LEVEL = 0.01
"""The largest corrected p-value that counts."""
TOLD_BY_BORDER = 70.0
"""In percent: the least low end of a recall by the border; of flowers in grass the border tells about half."""
TOLD = 50.0
"""In percent: the least low end of a precision. A class that gets all calls which no fact decides has less."""


def probes(measures: Measures, judged: Judged, whole: Shares | None = None) -> list[tuple[Probe, Shares]]:
    """Return the probes of the whole picture, the borders and the facts, with their probabilities (M, K).

    Args:
        measures: Of all pictures.
        judged: Those to learn from and to predict.
        whole: The probabilities by the small features of the whole picture, if they are known.
    """

    def ask(features: npt.NDArray[Any]) -> Shares:
        count = len(judged.classes)
        return cross_validation.shares(features, judged.labels, judged.fold, count, cross_validation.trees)

    rim = np.ones((GRID, GRID), dtype=bool)
    rim[1:-1, 1:-1] = False
    blocks, facts = measures.blocks[judged.places], _numbers(measures)[judged.places]
    shown = [
        (
            "whole picture",
            "colours and edges of all blocks",
            whole if whole is not None else ask(blocks.reshape(len(blocks), -1)),
        )
    ]
    shown.append(("border", "colours and edges of the outer eighth", ask(blocks[:, rim].reshape(len(blocks), -1))))
    shown.append(("file facts", ", ".join(FACTS), ask(facts)))
    asked = [(probing.probe(name, words, shares, judged), shares) for name, words, shares in shown]
    return [asked[0], *_tested(asked[1:], judged)]


def findings(asked: Sequence[tuple[Probe, Shares]], measures: Measures, judged: Judged) -> Iterator[DataFinding]:
    """Yield which classes are told by their border, and which by the facts of their files."""
    (whole, whole_shares), (border, border_shares), (facts, _) = asked
    is_right = [shares.argmax(1) == judged.labels for shares in (whole_shares, border_shares)]
    told = []
    for label, scored in enumerate(border.classes):
        here = judged.labels == label
        gained, lost = int((is_right[1] & ~is_right[0] & here).sum()), int((is_right[0] & ~is_right[1] & here).sum())
        as_good = stats.paired_drop_pp(gained, lost, int(here.sum()))[1] <= 0
        if _is_told(scored) and scored.recall.low_percent >= TOLD_BY_BORDER and as_good:
            told.append(scored)
    against = (
        f"the border alone is right on {border.accuracy}, the whole picture on {whole.accuracy},"
        f" chance {border.chance_percent:.1f} %"
    )
    yield _finding(
        "background", told, judged, f"by the border as surely as by the whole picture; {against}",
        "is there a mark, a frame or a place that only this class has? Take it away, or take pictures without it",
    )  # fmt: skip
    by_facts = [scored for scored in facts.classes if _is_told(scored)]
    words = "by what the files say of themselves"
    if by_facts:
        words += f" ({'; '.join(_telling(measures, judged, scored.label) for scored in by_facts[:3])})"
    yield _finding(
        "camera", by_facts, judged, f"{words}; right on {facts.accuracy}, chance {facts.chance_percent:.1f} %",
        "take pictures of every class with every camera, or save all of them anew in one size, format and quality",
    )  # fmt: skip


def _finding(kind: str, told: Sequence[ProbeClass], judged: Judged, words: str, mend: str) -> DataFinding:
    classes = len(judged.classes)
    if not told:
        return DataFinding(level="ok", kind=kind, sentence=f"none of {classes} classes is told {words}", of=classes)
    names = [f"{scored.label} {scored.recall}" for scored in told]
    verb = "is" if len(told) == 1 else "are"
    sentence = f"{len(told)} of {classes} classes {verb} told {words}: recall of {labels_of.listed(names, 4)}"
    return DataFinding(
        level="warn",
        kind=kind,
        sentence=sentence,
        mend=mend,
        n=len(told),
        of=classes,
        names=tuple(scored.label for scored in told),
    )


def _tested(asked: Sequence[tuple[Probe, Shares]], judged: Judged) -> list[tuple[Probe, Shares]]:
    """Return the probes with the p-value of every class, corrected for all of them together."""
    from scipy.stats import hypergeom

    count, p_values = len(judged.labels), []
    for probe, shares in asked:
        calls = np.bincount(shares.argmax(1), minlength=len(judged.classes)).tolist()
        for scored, called in zip(probe.classes, calls, strict=True):
            both, here = scored.recall.successes, scored.recall.n
            p_values.append(float(hypergeom.sf(both - 1, count, here, called)))
    corrected = iter(stats.holm(p_values))
    return [
        (
            dataclasses.replace(
                probe, classes=tuple(dataclasses.replace(each, p_value=next(corrected)) for each in probe.classes)
            ),
            shares,
        )
        for probe, shares in asked
    ]


def _is_told(scored: ProbeClass) -> bool:
    """Return whether the calls of a class are more often right than chance explains, and mostly right."""
    is_chance = scored.p_value is None or scored.p_value > LEVEL
    return not is_chance and scored.precision is not None and scored.precision.low_percent >= TOLD


def _numbers(measures: Measures) -> npt.NDArray[np.float32]:
    """Return the facts as numbers (N, len(FACTS)): as they are if they are numbers, else their places in a list."""
    columns = []
    for place, values in enumerate(measures.values):
        is_number = all(value.isdigit() for value in values)
        numbers = np.array([float(value) if is_number else at for at, value in enumerate(values)] or [0.0])
        columns.append(numbers[measures.facts[:, place]])
    return np.stack(columns, axis=1).astype(np.float32)


def _telling(measures: Measures, judged: Judged, title: str) -> str:
    """Return the single fact that tells a class best: the value whose pictures and the class's overlap most."""
    here, best = judged.labels == judged.classes.index(title), (-1.0, "")
    for place, name in enumerate(FACTS):
        of = measures.facts[judged.places, place]
        inside = np.bincount(of[here], minlength=len(measures.values[place]))
        total = np.bincount(of, minlength=len(measures.values[place]))
        overlap = 2 * inside / (total + here.sum())
        at = int(overlap.argmax())
        words = (
            f"{title}: {name} {measures.values[place][at]} of {inside[at]:,} of its {here.sum():,} pictures"
            f" and {total[at] - inside[at]:,} of the others"
        )
        best = max(best, (float(overlap[at]), words))
    return best[1]
