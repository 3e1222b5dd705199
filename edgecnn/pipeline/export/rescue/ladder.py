"""The climb: try the rungs on validation pictures, and stop at the first that passes.

Plain int8 is rescued only if it fails its gate beyond doubt. If the validation pictures cannot tell, nothing is known
to be broken, and the remedy is more pictures. A rung passes if its drop is at most the limit: this is a choice among
tries, and the test pictures tell its worth, with an interval.

A rung is tried on top of those that helped before it. Its best try is taken if it is more accurate, beyond doubt, than
what it builds on. A rung that passes is then tried alone, and what it does not need is left out. With `rescue = "all"`
the rungs above the first that passes are priced too, on the same basis, as its alternatives. Each try is a file like
the one that would be deployed, run as a device would run it.

All choices are made on validation pictures. The test pictures are used once, by the export that follows, and its result
never leads to another climb.
"""

from __future__ import annotations

import dataclasses
import datetime
import functools
import shlex
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
from torch import nn

from edgecnn import nets
from edgecnn.common import config, console, documents, stats
from edgecnn.data import Splits
from edgecnn.errors import PlanError
from edgecnn.onboard import runtimes, tensors
from edgecnn.pipeline.export import check, exportable, rungs, scheme
from edgecnn.pipeline.export.rescue import pricing
from edgecnn.pipeline.export.rescue.price_list import PLAIN, PriceList, PriceRow
from edgecnn.pipeline.export.rungs import Options, RungTrial
from edgecnn.pipeline.export.scheme import Scheme
from edgecnn.records import plans, verdicts
from edgecnn.records.artifact import Artifact
from edgecnn.records.plans import ExportPlan
from edgecnn.records.run import Run

Taken = Mapping[str, Options]


@dataclass
class Climb:
    """The state of a climb."""

    run: Run
    splits: Splits
    plan: ExportPlan
    folder: Path
    """Where the tries' files are written."""
    format: str
    """Format of the tries' files; one is enough, as all formats have the same scales."""
    net: nn.Module
    reference: npt.NDArray[np.float32]
    """The float net's logits (N, K) on the validation pictures."""
    outcomes: list[RungTrial] = field(default_factory=list)
    """Outcomes of all tries, beginning with plain int8."""
    rows: list[PriceRow] = field(default_factory=list)
    files: list[Artifact] = field(default_factory=list)
    passed_over: list[str] = field(default_factory=list)


def climb(run: Run, splits: Splits, plan: ExportPlan, folder: Path) -> tuple[Scheme, PriceList]:
    """Find the scheme to export, and price every try.

    Args:
        run: The run.
        splits: Its splits.
        plan: The export plan.
        folder: Where to write the tries' files.

    Returns:
        The chosen scheme, or, if no rung passes, the one with the rungs that helped beyond doubt; and the price list.

    Raises:
        PlanError: No format of the plan can be timed.
        EnvironmentUnfit: The board cannot measure. Like a LinkError, it is raised before any work.
    """
    format_name, runtime = _priced(plan)
    machine = pricing.require(plan.board, runtime)
    reference = check.reference_logits(run, splits.validation.images)
    state = Climb(run, splits, plan, folder, format_name, nets.restore(run), reference)
    chosen = _choose(state)
    prices = pricing.price(state.files, plan.board, runtime)
    rows = [
        dataclasses.replace(row, price=price, taken=_is_taken(row, chosen.taken))
        for row, price in zip(state.rows, prices, strict=True)
    ]
    correct = state.reference.argmax(1) == splits.validation.labels
    return chosen, PriceList(
        run=run.name,
        command=command(run, plan),
        date=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        board=plan.board,
        environment=machine,
        format=state.format,
        runtime=runtime,
        max_drop_pp=plan.max_drop,
        float_top1_percent=100 * float(correct.mean()),
        rows=tuple(rows),
        passed_over=tuple(state.passed_over),
        chosen=chosen.taken,
        chosen_command=command(run, dataclasses.replace(plan, rescue="off", rungs=chosen.taken)),
    )


def command(run: Run, plan: ExportPlan) -> str:
    """Return the command line of an export: the run and every key that is not the default."""
    usual = {**config.table_of(plans.load(ExportPlan, "default")), "name": plan.name}
    words = ["edgecnn", "export", str(run.folder)]
    for key, value in config.table_of(plan).items():
        if key == "rungs":
            for name, options in value.items():
                words += [part for option in _settings(name, options) for part in ("-s", option)]
        elif value != usual.get(key):
            words += ["-s", f"{key}={','.join(value) if isinstance(value, list) else _toml(value)}"]
    return shlex.join(words)


def _priced(plan: ExportPlan) -> tuple[str, str]:
    """Return (format, runtime) of the tries' files: the plan's last format that boards run."""
    for name in reversed(plan.format):
        for runtime in runtimes.for_format(name):
            if runtimes.get(runtime).ON_BOARDS:
                return name, runtime
    raise PlanError(f"A rescue times its files, and no board runs {', '.join(plan.format)}.", "--format onnx,tflite")


def _choose(state: Climb) -> Scheme:
    """Climb from plain int8 to the scheme to export."""
    plain, standing = _try(state, lambda: scheme.plain(state.run, state.splits, state.plan, state.net))
    ground = plain
    answer: Scheme | None = ground if state.rows[0].outcome != "fail" else None
    for name in rungs.in_order():
        if answer is not None and state.plan.rescue == "first":
            break
        outcomes, tried = [standing], [ground]
        for options in rungs.get(name).tries(ground, outcomes):
            step = functools.partial(rungs.take, ground, name, options)
            candidate, outcome = _try(state, step)
            tried.append(candidate)
            outcomes.append(outcome)
        if len(outcomes) == 1:
            state.passed_over.append(name)
            continue
        best = max(range(1, len(outcomes)), key=lambda i: (outcomes[i].passed, outcomes[i].rank))
        if answer is None and outcomes[best].passed:
            answer = _without_the_rest(state, plain, tried[best], outcomes[best])
        elif answer is None and outcomes[best].beats(standing):
            ground, standing = tried[best], outcomes[best]
    return ground if answer is None else answer


def _without_the_rest(state: Climb, plain: Scheme, passed: Scheme, outcome: RungTrial) -> Scheme:
    """Return the last rung alone if it passes, and what helped before it adds nothing beyond doubt."""
    *before, name = passed.taken
    if not before:
        return passed
    alone, alone_outcome = _try(state, functools.partial(rungs.take, plain, name, passed.taken[name]))
    return alone if alone_outcome.passed and not outcome.beats(alone_outcome) else passed


def _try(state: Climb, step: Callable[[], Scheme]) -> tuple[Scheme, RungTrial]:
    """Take the step, write the file, run it on the validation pictures, and add its row."""
    validation, plan = state.splits.validation, state.plan
    started = time.perf_counter()
    tried = step()
    model = exportable.exportable(tried, state.net)
    artifact = exportable.write(model, state.format, "int8", plan, state.folder, f"try-{len(state.rows)}")
    made_s = time.perf_counter() - started
    logits = tensors.decode(check.outputs(artifact, validation.images), artifact.description.output)
    verdict = verdicts.judge(logits, state.reference, validation.labels, plan.max_drop)
    passed = verdict.check != "fail" and verdict.drop_pp <= plan.max_drop
    *on, rung = tried.taken or [PLAIN]
    options = tried.taken.get(rung, {})
    outcome = RungTrial(
        options=options,
        correct=logits.argmax(1) == validation.labels,
        squared_error=float(np.mean((logits - state.reference) ** 2)),
        passed=passed,
    )
    state.outcomes.append(outcome)
    plain = state.outcomes[0]
    bought, bought_low, bought_high = rungs.gain_pp(outcome.correct, plain.correct)
    row = PriceRow(
        rung=rung,
        label=rungs.get(rung).label(options) if tried.taken else PLAIN,
        options=options,
        on={name: tried.taken[name] for name in on},
        command=command(state.run, dataclasses.replace(plan, rescue="off", rungs=tried.taken)),
        precision=artifact.description.precision,
        bytes=artifact.description.bytes,
        float_operators=artifact.description.float_operators,
        n=verdict.n,
        top1_percent=verdict.top1_percent,
        top1_low_percent=verdict.top1_low_percent,
        top1_high_percent=verdict.top1_high_percent,
        drop_pp=verdict.drop_pp,
        drop_low_pp=verdict.drop_low_pp,
        drop_high_pp=verdict.drop_high_pp,
        bought_pp=bought,
        bought_low_pp=bought_low,
        bought_high_pp=bought_high,
        bought_p_value=stats.mcnemar_exact(
            int((outcome.correct & ~plain.correct).sum()), int((~outcome.correct & plain.correct).sum())
        ),
        passed=passed,
        outcome=verdict.check,
        made_s=made_s,
    )
    state.rows.append(row)
    state.files.append(artifact)
    console.note(f"{row.label}: drop {verdict.drop_pp:.2f} pp on {verdict.n:,} validation pictures")
    return tried, outcome


def _is_taken(row: PriceRow, chosen: Taken) -> bool:
    """Return whether the row is a step towards what was chosen."""
    if row.rung == PLAIN:
        return not chosen
    steps = list(chosen.items())[: len(row.on) + 1]
    return steps == [*row.on.items(), (row.rung, row.options)]


def _settings(name: str, options: Options) -> list[str]:
    if not options:
        return [f"rungs.{name}={{}}"]
    return [f"rungs.{name}.{key}={_toml(value)}" for key, value in options.items()]


def _toml(value: object) -> str:
    return value if isinstance(value, str) else documents.to_json(value, None)
