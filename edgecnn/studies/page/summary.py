"""The summary at the top of the page: a few sentences generated from the numbers below."""

from __future__ import annotations

from collections.abc import Iterator

from edgecnn.records.environment import machine_name
from edgecnn.studies.page.fronts import groups, leading
from edgecnn.studies.page.gather import Gathered


def sentences(gathered: Gathered) -> list[tuple[str, str]]:
    """Return (sentence, id of the section with its numbers) pairs."""
    return [*_files(gathered), *_benches(gathered), *_duel(gathered), *_lessons(gathered)]


def _files(gathered: Gathered) -> Iterator[tuple[str, str]]:
    checked = [(file.name, file.verdict) for run in gathered.runs for file in run.artifacts if file.verdict]
    failed, doubted = ([name for name, v in checked if v.check == word] for word in ("fail", "cannot tell"))
    if not checked:
        return
    passed = len(checked) - len(failed) - len(doubted)
    text = f"{passed} of {len(checked)} exported files pass their check against their run"
    text += f"; {', '.join(failed)} do not" if failed else ""
    text += f"; of {', '.join(doubted)} too few test pictures cannot tell." if doubted else "."
    worst, verdict = max(checked, key=lambda pair: pair[1].drop_pp)
    if verdict.drop_pp > 0:
        interval = f"[{verdict.drop_low_pp:+.2f}, {verdict.drop_high_pp:+.2f}], n = {verdict.n:,}"
        text += f" {worst} loses most accuracy: {verdict.drop_pp:.2f} pp {interval}."
    else:
        text += " None has fewer test pictures right than its run."
    yield text, "files"


def _benches(gathered: Gathered) -> Iterator[tuple[str, str]]:
    data = {trained.run.name: trained.run.recipe.data.name for trained in gathered.runs}
    for index, bench in enumerate(gathered.benches, 1):
        for group in groups(bench.report, data):
            front, machine = group.fronts[0], bench.report.environment
            yield (
                f"{group.pictures}, {len(front.points)} candidates on {machine_name(machine)}: the front of "
                f"accuracy against {front.cost.name} is {'; '.join(leading(front))}.",
                f"bench-{index}-fronts",
            )
        verdicts = [measurement.validity.verdict for measurement in bench.report.measurements]
        for word in ("DEGRADED", "INVALID"):
            if word in verdicts:
                yield (
                    f"{verdicts.count(word)} of the {len(verdicts)} measurements of bench {index} are {word}.",
                    f"bench-{index}",
                )


def _duel(gathered: Gathered) -> Iterator[tuple[str, str]]:
    if gathered.duel:
        for crossover in gathered.duel.crossovers:
            yield crossover.sentence, "duel"


def _lessons(gathered: Gathered) -> Iterator[tuple[str, str]]:
    claims = [claim.holds for taught in gathered.lessons for claim in taught.lesson.claims]
    if claims:
        yield (
            f"Of {len(claims)} claims of the textbook in {len(gathered.lessons)} lessons "
            f"{claims.count(True)} hold here, {claims.count(False)} do not, and {claims.count(None)} cannot be told.",
            "lessons",
        )
