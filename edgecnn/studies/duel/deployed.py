"""The contenders as files: exported as int8, checked on the whole test split, and measured on the boards in turns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from edgecnn import boards, formats
from edgecnn.common import config, console
from edgecnn.errors import EnvironmentUnfit
from edgecnn.pipeline.bench import bench
from edgecnn.pipeline.export import export
from edgecnn.records import artifact, plans, report
from edgecnn.records.artifact import Artifact
from edgecnn.records.plans import ExportPlan, Suite
from edgecnn.records.report import Report
from edgecnn.records.run import Run
from edgecnn.studies.duel.plan import DuelPlan
from edgecnn.studies.duel.tuning import Tuned
from edgecnn.studies.findings import Contender

FORMAT = "tflite"
RUNTIME = "litert"
REPLAYED = 500
"""Test pictures a board answers; the check at export has answered all of them already."""


def check(plan: DuelPlan) -> None:
    """Raise before any training what would end the duel after all of them."""
    formats.get(FORMAT).check()
    for name in plan.board:
        boards.find(name)


def measure(plan: DuelPlan, tuned: Sequence[Tuned], runs: Mapping[str, Run], folder: Path) -> list[Contender]:
    """The contenders; their files stand beside the runs, the boards' reports in `folder`.

    Files and reports that are there already are taken as they are.
    """
    made = {family: _exported(run) for family, run in runs.items()}
    reports = [_benched(name, list(runs.values()), folder) for name in plan.board]
    return [_contender(one, made[one.family], runs[one.family], reports) for one in tuned]


def _exported(run: Run) -> Artifact:
    suffix = formats.get(FORMAT).SUFFIX
    for path in (path for path in run.exported() if path.suffix == suffix):
        if card := artifact.read_card(path):
            return card
    console.note(f"exporting {run.name}")
    return export.export(run, ExportPlan(name="duel", format=(FORMAT,), precision=("int8",)))[0]


def _benched(board: str, runs: Sequence[Run], folder: Path) -> Report:
    path = folder / f"{board.replace('/', '').replace(':', '-')}.json"
    if path.is_file():
        return report.read(path)
    console.note(f"measuring on {board}")
    settings = (f'board="{board}"', f"runtime={RUNTIME}", f"limit={REPLAYED}")
    result, _ = bench.bench([run.folder for run in runs], plans.load(Suite, "default", settings), output=path)
    if result.failures:
        path.unlink()
        first = result.failures[0]
        raise EnvironmentUnfit(f"{first.file} on {board}: {first.sentence}", first.hint)
    return result


def _contender(one: Tuned, made: Artifact, run: Run, reports: Sequence[Report]) -> Contender:
    seen = [next(m for m in result.measurements if m.run == run.name) for result in reports]
    first = seen[0].summary
    assert made.verdict is not None
    return Contender(
        family=one.family,
        net=config.table_of(one.scaled.net),
        optim=config.table_of(one.setting.optim),
        augment=config.table_of(one.setting.augment),
        params=run.params,
        macs=run.macs,
        budget_ratio=one.scaled.ratio,
        budget_ratio_low=one.scaled.ratio_low,
        budget_ratio_high=one.scaled.ratio_high,
        trials=one.trials,
        file=made.name,
        precision=made.description.precision,
        float_operators=made.description.float_operators,
        bytes=made.description.bytes,
        int8_top1_percent=made.verdict.top1_percent,
        int8_top1_low_percent=made.verdict.top1_low_percent,
        int8_top1_high_percent=made.verdict.top1_high_percent,
        test_n=made.verdict.n,
        p50_ms=first.p50_ms,
        p50_low_ms=first.p50_low_ms,
        p50_high_ms=first.p50_high_ms,
        peak_rss_bytes=first.peak_rss_bytes,
        planned_activation_peak_bytes=seen[0].planned_activation_peak_bytes,
        instructions={
            result.board: round(m.summary.instructions_p50)
            for result, m in zip(reports, seen, strict=True)
            if m.summary.instructions_p50 is not None
        },
    )
