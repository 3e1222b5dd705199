"""The output of `edgecnn plan`, and its page: trained nets, predicted against measured, and the chosen file."""

from __future__ import annotations

import dataclasses

from edgecnn.common import console, documents, stats
from edgecnn.common.escapes import say
from edgecnn.pipeline.costs import show as costs
from edgecnn.studies.plan import halving, proposals
from edgecnn.studies.plan.records import Finalist, Planned

HEAD = ["net", "validation [95 %]", "epochs", "predicted", "measured", "error", "kB", "kB at once", ""]


def show(planned: Planned, as_json: bool = False) -> None:
    """Print every net that was trained, at its longest training, and what follows."""
    if as_json:
        say(documents.to_json(dataclasses.asdict(planned)))
        return
    console.table(HEAD, rows(planned))
    say("\n" + "\n".join(sentences(planned)))


def markdown(planned: Planned) -> str:
    """Return the page."""
    return (
        "\n\n".join(
            [
                f"# A plan for {planned.settings.board}",
                console.markdown_table(HEAD, rows(planned)).rstrip(),
                *sentences(planned),
            ]
        )
        + "\n"
    )


def rows(planned: Planned) -> list[list[str]]:
    """Return a row for each trained net, the most accurate first; "front" where none is as accurate for less."""
    files = {done.candidate: done for done in planned.exported}
    ordered = planned.longest()
    table = []
    for trial in ordered:
        net, done = planned.candidate(trial.candidate), files.get(trial.candidate)
        cost = done.measured if done else net.drafted
        assert cost is not None
        rivals = [other for other in ordered if other.epochs == trial.epochs and other is not trial]
        is_behind = any(
            rival.validation_percent >= trial.validation_percent
            and (planned.candidate(rival.candidate).drafted or 0) <= cost
            for rival in rivals
        )
        mark = "" if is_behind else "front"
        table.append(
            [
                proposals.title(net),
                str(stats.wilson(round(trial.validation_percent / 100 * trial.validation_n), trial.validation_n)),
                str(trial.epochs),
                costs.amount(net.predicted, planned.unit),
                costs.amount(cost, planned.unit),
                f"{100 * (net.predicted / cost - 1):+.1f} %",
                f"{(done.file_bytes if done else net.exported_bytes) / 1000:.1f}",
                f"{net.arena_bytes / 1000:.1f}",
                f"exported, {mark}".rstrip(", ") if done else mark,
            ]
        )
    return table


def sentences(planned: Planned) -> list[str]:
    """Return what follows from the trainings, in sentences."""
    seconds = sum(trial.seconds for trial in planned.trials)
    trained = {trial.candidate for trial in planned.trials}
    lines = [
        f"{planned.fitting} of {planned.drawn} drawn nets are predicted within the limits; {len(planned.candidates)} "
        f"were chosen, and the hours held {len(planned.trials)} trainings of {len(trained)} of them, "
        f"{seconds / 60:.0f} minutes together.",
        _trust(planned),
    ]
    if failed := [trial for trial in planned.trials if trial.failed]:
        first = f"{proposals.title(planned.candidate(failed[0].candidate))} ({failed[0].failed})"
        lines.append(f"{len(failed)} of the trainings failed: {first}{' first' * (len(failed) > 1)}.")
    for done in planned.exported:
        net = planned.candidate(done.candidate)
        off = 100 * abs(net.predicted / done.measured - 1)
        lines.append(
            f"{done.file}: {proposals.title(net)}, int8 {accuracy(done)}, {costs.amount(done.measured, planned.unit)} "
            f"on {planned.settings.board}, predicted {costs.amount(net.predicted, planned.unit)}: {off:.1f} % off, "
            f"{'within' if off <= planned.p95_percent else 'beyond'} the {planned.p95_percent:.1f} % that the profile "
            "states."
        )
    return lines


def accuracy(done: Finalist) -> str:
    """Return a file's accuracy on the test split with its interval and n."""
    interval = f"[{done.top1_low_percent:.2f}, {done.top1_high_percent:.2f}]"
    return f"{done.top1_percent:.2f} % {interval} of {done.test_n:,} test pictures"


def _trust(planned: Planned) -> str:
    kept = halving.order_kept(planned)
    rungs = ", ".join(f"{len(planned.of_rung(epochs))} of {epochs} epochs" for epochs, _ in planned.rungs)
    if kept is None:
        return f"Trainings: {rungs}. Too few nets were trained twice to tell how far short trainings can be trusted."
    return (
        f"Trainings: {rungs}. Of the pairs of nets that were trained twice, {kept} (n {kept.n}) kept their order in "
        "the longer trainings: so far can the short ones be trusted."
    )
