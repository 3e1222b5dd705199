"""The contenders' int8 files: exported, checked on the whole test split, and measured on the boards in turns."""

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
"""Test pictures that each board classifies; the check at export has already classified all of them."""


def check(plan: DuelPlan) -> None:
    """Fail before any training if files cannot be written or a board is unknown."""
    formats.get(FORMAT).check()
    for name in plan.board:
        boards.find(name)


def measure(plan: DuelPlan, tuned: Sequence[Tuned], runs: Mapping[str, Run], folder: Path) -> list[Contender]:
    """Export and measure the first run of each family.

    Files are written into the run folders, one report per board into `folder`; those that exist are kept as they are.
    """
    artifacts = {family: _exported(run) for family, run in runs.items()}
    reports = [_benched(name, list(runs.values()), folder) for name in plan.board]
    return [_contender(contender, artifacts[contender.family], runs[contender.family], reports) for contender in tuned]


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
    result = bench.bench([run.folder for run in runs], plans.load(Suite, "default", settings), output=path)
    if result.failures:
        path.unlink()
        first = result.failures[0]
        raise EnvironmentUnfit(f"{first.file} on {board}: {first.sentence}", first.hint)
    return result


def _contender(tuned: Tuned, exported: Artifact, run: Run, reports: Sequence[Report]) -> Contender:
    measurements = [next(m for m in result.measurements if m.run == run.name) for result in reports]
    first = measurements[0].summary
    assert exported.verdict is not None
    return Contender(
        family=tuned.family,
        net=config.table_of(tuned.scaled.net),
        optim=config.table_of(tuned.setting.optim),
        augment=config.table_of(tuned.setting.augment),
        params=run.params,
        macs=run.macs,
        budget_ratio=tuned.scaled.ratio,
        budget_ratio_low=tuned.scaled.ratio_low,
        budget_ratio_high=tuned.scaled.ratio_high,
        trials=tuned.trials,
        file=exported.name,
        precision=exported.description.precision,
        float_operators=exported.description.float_operators,
        bytes=exported.description.bytes,
        int8_top1_percent=exported.verdict.top1_percent,
        int8_top1_low_percent=exported.verdict.top1_low_percent,
        int8_top1_high_percent=exported.verdict.top1_high_percent,
        test_n=exported.verdict.n,
        p50_ms=first.p50_ms,
        p50_low_ms=first.p50_low_ms,
        p50_high_ms=first.p50_high_ms,
        peak_rss_bytes=first.peak_rss_bytes,
        planned_activation_peak_bytes=measurements[0].planned_activation_peak_bytes,
        instructions={
            result.board: round(m.summary.instructions_p50)
            for result, m in zip(reports, measurements, strict=True)
            if m.summary.instructions_p50 is not None
        },
    )
