"""The page of `edgecnn data check`: what was found in pictures, with a sheet of them for every finding."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath

import numpy as np
import numpy.typing as npt

from edgecnn.common import files
from edgecnn.common.stats import Proportion
from edgecnn.records.data_check import DataCheck, DataFinding, ProbeClass, Suspect
from edgecnn.studies.page import render, thumbnails
from edgecnn.studies.page.tables import NONE, Table

MOST = 60
"""The most pictures that a finding shows; the list has all."""
CLASSES = 40
"""The most classes of the table of shortcuts."""
TITLES = {
    "wrong": ("Something is wrong", "bad"),
    "warn": ("Worth a look", "doubt"),
    "note": ("Nothing is wrong", "good"),
    "ok": ("Nothing is wrong", "good"),
}


@dataclass(frozen=True, kw_only=True)
class ShownSuspect:
    """A picture of a finding, with its thumbnail if it can be read."""

    suspect: Suspect
    addresses: tuple[str, ...]
    """Data URLs of the picture and of the one that it is a copy of; none of a picture that cannot be read."""
    is_small: bool
    """Whether pixels are shown as squares."""


@dataclass(frozen=True, kw_only=True)
class ShownFinding:
    """A finding with its sheet of pictures."""

    key: str
    finding: DataFinding
    tone: str
    suspects: tuple[ShownSuspect, ...]


def places(check: DataCheck) -> list[int]:
    """Return the places of the pictures that the page shows."""
    suspects = [suspect for finding in check.findings for suspect in finding.suspects[:MOST]]
    return [place for suspect in suspects for place in (suspect.index, suspect.twin) if place is not None]


def build(check: DataCheck, pictures: Mapping[int, npt.NDArray[np.uint8]], output: Path) -> None:
    """Write the page; the same input gives the same bytes.

    Args:
        check: What was found.
        pictures: Those of `places` that can be read, uint8 (H, W, 3).
        output: The HTML file.

    Raises:
        MissingPackage: Jinja is not installed.
        OutputError: `output` cannot be written.
    """
    levels = {finding.level for finding in check.findings}
    worst = next((level for level in ("wrong", "warn", "note") if level in levels), "ok")
    title, tone = TITLES[worst]
    sheets = [
        _shown(number, finding, pictures) for number, finding in enumerate(check.findings, 1) if finding.level != "ok"
    ]
    order = ("wrong", "warn", "note")
    text = render.page(
        "data_check.html.j2",
        check=check,
        name=PurePath(check.path).name,
        title=title,
        tone=tone,
        sheets=sorted(sheets, key=lambda sheet: order.index(sheet.finding.level)),
        clean=[finding for finding in check.findings if finding.level == "ok"],
        probes=_probes(check),
        told=_told(check),
        most=MOST,
    )
    files.make_folder(output.parent)
    files.write_text(output, text)


def _shown(number: int, finding: DataFinding, pictures: Mapping[int, npt.NDArray[np.uint8]]) -> ShownFinding:
    tone = {"wrong": "bad", "warn": "doubt", "note": "good"}[finding.level]
    suspects = tuple(_suspect(suspect, pictures) for suspect in finding.suspects[:MOST])
    return ShownFinding(key=f"finding-{number}", finding=finding, tone=tone, suspects=suspects)


def _suspect(suspect: Suspect, pictures: Mapping[int, npt.NDArray[np.uint8]]) -> ShownSuspect:
    both = (suspect.index, -1 if suspect.twin is None else suspect.twin)
    images = [pictures[place] for place in both if place in pictures]
    return ShownSuspect(
        suspect=suspect,
        addresses=tuple(map(thumbnails.address, images)),
        is_small=any(max(image.shape[:2]) < thumbnails.SIDE for image in images),
    )


def _probes(check: DataCheck) -> Table:
    return Table(
        key="probes-table",
        caption="Classifiers that have not learnt from the picture that they are asked about, nor from a copy of it: "
        "how often each is right, with Wilson's interval, beside the share of the largest class.",
        head=("shown", "what of it", "right % [95 %]", "chance %", "n"),
        rows=[
            (probe.name, probe.words, _percents(probe.accuracy), f"{probe.chance_percent:.1f}", f"{probe.accuracy.n:,}")
            for probe in check.probes
        ],
        words=("what of it",),
    )


def _told(check: DataCheck) -> Table | None:
    """Tabulate the recall of every class by the whole picture, the border and the facts; None without probes."""
    asked = {probe.name: probe for probe in check.probes}
    names = [name for name in ("whole picture", "border", "file facts") if name in asked]
    if len(names) < 3:
        return None
    rows = []
    for place, scored in enumerate(asked["border"].classes[:CLASSES]):
        each = [asked[name].classes[place] for name in names]
        tests = [_p_value(score) for score in each[1:]]
        rows.append((scored.label, f"{scored.recall.n:,}", *(_percents(score.recall) for score in each), *tests))
    return Table(
        key="told-table",
        caption="Which classes are told by the border alone, or by the facts of the files: recall in percent with "
        "Wilson's interval. p: of as many right calls by chance, Fisher's exact test after Holm's correction.",
        head=("class", "n", *(f"{name} %" for name in names), "p, border", "p, facts"),
        rows=rows,
        bars={"border %": [score.recall.percent for score in asked["border"].classes[:CLASSES]]},
    )


def _p_value(scored: ProbeClass) -> str:
    return NONE if scored.p_value is None else f"{scored.p_value:.1g}"


def _percents(share: Proportion) -> str:
    return f"{share.percent:.1f} [{share.low_percent:.1f}, {share.high_percent:.1f}]"
