"""Runs side by side: each against the first, with differences and their intervals where both were measured alike."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from edgecnn.common import stats, units
from edgecnn.common.stats import Proportion
from edgecnn.common.units import digits
from edgecnn.records import evaluation
from edgecnn.records.artifact import Artifact
from edgecnn.records.environment import fingerprint
from edgecnn.records.evaluation import FileScore
from edgecnn.records.measurement import Measurement, p50
from edgecnn.records.summary import medians_ms
from edgecnn.studies.page import headline
from edgecnn.studies.page.gather import Benched, Trained
from edgecnn.studies.page.tables import NONE, Table, estimate

Row = tuple[str, str, str, str, str, str]
"""(measure, the first run's value, the other's, the difference, what it says, how it was found)"""


def table(runs: Sequence[Trained], benches: Sequence[Benched]) -> list[Table]:
    """Return a table for each run but the first, against the first."""
    first = runs[0]
    return [
        Table(
            key=f"versus-{index}",
            caption=f"{other.run.name} against {first.run.name}{_kind(first, other)}: the second less the first in "
            "percentage points (pp), or the second over the first, with its 95 % interval; without one it is exact. "
            "Paired intervals are Agresti and Min's.",
            head=("measure", first.run.name, other.run.name, "difference [95 %]", "finding", "how"),
            rows=list(_rows(first, other, benches)),
            words=("finding",),
            prose=("how",),
        )
        for index, other in enumerate(runs[1:], 1)
    ]


def _rows(first: Trained, other: Trained, benches: Sequence[Benched]) -> Iterator[Row]:
    files = _alike(first, other)
    if files:
        yield _top1(first, other, *files)
        yield _cost(*files, benches)
        yield _exact("file size, kB", *(file.description.bytes / 1000 for file in files))
        peaks = [file.description.planned_activation_peak_bytes for file in files]
        if None not in peaks:
            yield _exact("activations at once, kB", *(peak / 1000 for peak in peaks if peak is not None))
    else:
        how = "they have no file of one format and precision: edgecnn export writes them"
        yield ("top-1, latency, size", NONE, NONE, NONE, NONE, how)
    yield _exact("parameters", first.run.params, other.run.params)
    yield _exact("MACs", first.run.macs, other.run.macs)


def _alike(first: Trained, other: Trained) -> tuple[Artifact, Artifact] | None:
    """Return the files of both runs to compare: those they are judged by, or others of one format and precision."""

    def ranked(trained: Trained) -> list[Artifact]:
        best = headline.chosen(trained)
        return sorted(trained.artifacts, key=lambda file: file is not best)

    for file in ranked(first):
        kind = file.description.format, file.description.precision
        for against in ranked(other):
            if (against.description.format, against.description.precision) == kind:
                return file, against
    return None


def _kind(first: Trained, other: Trained) -> str:
    files = _alike(first, other)
    return f", both as {files[0].description.precision} {files[0].description.format}" if files else ""


def _top1(first: Trained, other: Trained, file: Artifact, against: Artifact) -> Row:
    scores = _score(first, file), _score(other, against)
    if (paired := _paired(*scores)) is not None:
        return paired
    tops = _known_top1(scores[0], file), _known_top1(scores[1], against)
    before, after = (_share(top) if top else NONE for top in tops)
    names = [
        trained.evaluated.evaluation.data if score and trained.evaluated else trained.run.recipe.data.name
        for trained, score in zip((first, other), scores, strict=True)
    ]
    if names[0] != names[1]:
        return ("top-1 %", before, after, NONE, NONE, f"other pictures: {names[0]} and {names[1]}")
    commands = " and ".join(trained.eval_command for trained in (first, other))
    if tops[0] is None or tops[1] is None:
        return ("top-1 %", before, after, NONE, NONE, f"not measured for both: {commands}")
    how = f"unpaired, interval of Newcombe; {commands} pair it where the pictures are the same"
    return _accuracy(tops[0], tops[1], stats.unpaired_drop_pp(tops[0], tops[1]), how)


def _paired(before: FileScore | None, after: FileScore | None) -> Row | None:
    """Compare two files picture by picture; None if it is not known that they were shown the same ones."""
    if before is None or after is None or not before.pictures_sha256 or before.pictures_sha256 != after.pictures_sha256:
        return None
    was, now = evaluation.correct(before), evaluation.correct(after)
    if was is None or now is None or len(was) != len(now):
        return None
    gained, lost, n = int((now & ~was).sum()), int((was & ~now).sum()), len(was)
    p = stats.mcnemar_exact(gained, lost)
    how = f"paired on the same {n:,} pictures: +{gained} −{lost}, exact McNemar p = {p:.2g}"
    return _accuracy(before.top1, after.top1, stats.paired_drop_pp(gained, lost, n), how)


def _accuracy(before: Proportion, after: Proportion, drop: tuple[float, float, float], how: str) -> Row:
    pp, low, high = drop
    finding = "worse" if low > 0 else "better" if high < 0 else "no difference found"
    return ("top-1 %", _share(before), _share(after), f"{-pp:+z.2f} [{-high:+z.2f}, {-low:+z.2f}] pp", finding, how)


def _score(trained: Trained, file: Artifact) -> FileScore | None:
    scores = trained.evaluated.evaluation.files if trained.evaluated else ()
    return next((score for score in scores if score.sha256 == file.description.sha256), None)


def _known_top1(score: FileScore | None, file: Artifact) -> Proportion | None:
    if score:
        return score.top1
    verdict = file.verdict
    return stats.wilson(round(verdict.top1_percent * verdict.n / 100), verdict.n) if verdict else None


def _cost(file: Artifact, against: Artifact, benches: Sequence[Benched]) -> Row:
    """Compare latencies, or instructions: in one bench if there is one of both, else in two on machines alike."""
    for benched in benches:
        pair = headline.measured(file, [benched]), headline.measured(against, [benched])
        if pair[0] and pair[1] and pair[0][2].is_timed == pair[1][2].is_timed:
            return _ratio(pair[0][2], pair[1][2], "in one bench, turn by turn")
    before, after = headline.measured(file, benches), headline.measured(against, benches)
    advice = "edgecnn bench with both runs"
    if before is None or after is None:
        return ("latency", NONE, NONE, NONE, NONE, f"not measured for both: {advice}")
    machines = {fingerprint(entry[1].report.environment) for entry in (before, after)}
    if len(machines) > 1 or before[2].is_timed != after[2].is_timed:
        return ("latency", NONE, NONE, NONE, NONE, f"measured on different machines: {advice}")
    return _ratio(before[2], after[2], f"in two benches, between which a machine drifts; better: {advice}")


def _ratio(a: Measurement, b: Measurement, how: str) -> Row:
    doubts = sorted({m.validity.verdict for m in (a, b)} - {"VALID"})
    how += "".join(f"; {word}" for word in doubts)
    if a.is_timed:
        before, after = medians_ms(a.windows), medians_ms(b.windows)
        ratio, low, high, held = stats.typical_ratio_interval(before, after)
        finding = "no difference found" if held < 95 or low <= 1 <= high else "slower" if low > 1 else "quicker"
        interval = f" [{digits(low)}, {digits(high)}]" if held else ""
        how += f"; n = {len(before)} and {len(after)} rounds"
        told = [units.interval(*p50(m)) for m in (a, b)]
        return ("p50 latency", told[0], told[1], f"× {digits(ratio)}{interval}", finding, how)
    counts = [m.summary.instructions_p50 or 0.0 for m in (a, b)]
    ratio = counts[1] / counts[0] if counts[0] else 0.0
    told = [f"{digits(count / 1000)} k" for count in counts]
    return ("instructions", told[0], told[1], f"× {digits(ratio)}", "more" if ratio > 1 else "fewer", how)


def _exact(measure: str, before: float, after: float) -> Row:
    told = [f"{value:,.0f}" if isinstance(value, int) else digits(value) for value in (before, after)]
    finding = "equal" if before == after else "more" if after > before else "less"
    return (measure, told[0], told[1], f"× {digits(after / before)}" if before else NONE, finding, "counted")


def _share(share: Proportion) -> str:
    return estimate(share.percent, share.low_percent, share.high_percent)
