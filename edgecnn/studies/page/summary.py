"""What the page says first: a few sentences made of the numbers below."""

from __future__ import annotations

from collections.abc import Iterator

from edgecnn.records.environment import machine_name
from edgecnn.studies.page.fronts import groups, leading
from edgecnn.studies.page.gather import Gathered


def sentences(found: Gathered) -> list[tuple[str, str]]:
    """(sentence, id of the section that holds its numbers)."""
    return [*_files(found), *_benches(found), *_duel(found), *_lessons(found)]


def _files(found: Gathered) -> Iterator[tuple[str, str]]:
    checked = [(one.name, one.verdict) for run in found.runs for one in run.artifacts if one.verdict]
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


def _benches(found: Gathered) -> Iterator[tuple[str, str]]:
    data = {one.run.name: one.run.recipe.data.name for one in found.runs}
    for number, bench in enumerate(found.benches, 1):
        for group in groups(bench.report, data):
            front, machine = group.fronts[0], bench.report.environment
            yield (
                f"{group.pictures}, {len(front.points)} candidates on {machine_name(machine)}: the front of "
                f"accuracy against {front.cost.name} is {'; '.join(leading(front))}.",
                f"bench-{number}-fronts",
            )
        verdicts = [one.validity.verdict for one in bench.report.measurements]
        for word in ("DEGRADED", "INVALID"):
            if word in verdicts:
                yield (
                    f"{verdicts.count(word)} of the {len(verdicts)} measurements of bench {number} are {word}.",
                    f"bench-{number}",
                )


def _duel(found: Gathered) -> Iterator[tuple[str, str]]:
    if found.duel:
        for crossover in found.duel.crossovers:
            yield crossover.sentence, "duel"


def _lessons(found: Gathered) -> Iterator[tuple[str, str]]:
    claims = [claim.holds for one in found.lessons for claim in one.lesson.claims]
    if claims:
        yield (
            f"Of {len(claims)} claims of the textbook in {len(found.lessons)} lessons {claims.count(True)} hold here, "
            f"{claims.count(False)} do not, and {claims.count(None)} cannot be told.",
            "lessons",
        )
