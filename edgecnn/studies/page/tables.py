"""The tables of the page, with every cell formatted as text."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from edgecnn.common import config, stats
from edgecnn.common.units import digits
from edgecnn.pipeline.bench import show
from edgecnn.records import gates, isa
from edgecnn.records.environment import Environment, fingerprint
from edgecnn.records.report import Report
from edgecnn.studies.page.fronts import Group, top1
from edgecnn.studies.page.gather import Trained

NONE = "–"


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table; the first cell of each row names it."""

    key: str
    """Id of the table, unique on the page."""
    caption: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    words: Sequence[str] = ()
    """Columns of words, which are aligned to the left."""
    prose: Sequence[str] = ()
    """Columns of whole sentences, which are wrapped."""
    bars: Mapping[str, Sequence[float]] = field(default_factory=dict)
    """Columns that are drawn as bars too, with the length of each row's in percent of the longest that can be."""


ACCURACY = ("kB", "top-1 % [95 %]", "drop pp", "agree %", "planned kB", "peak MB", "golden")
TIMES = ("p50 [95 %]", "p90", "p99", "init", "first", "end-to-end p50", "samples", "verdict")
COUNTS = ("p50 [95 %]", "instructions")


def overview(runs: Sequence[Trained], machines: Mapping[str, int]) -> Table:
    rows = []
    for trained in runs:
        run, recipe = trained.run, trained.run.recipe
        accuracy = run.validation_top1
        rows.append(
            (
                run.name, recipe.net.name, recipe.data.name, " × ".join(map(str, run.input_shape)), f"{run.params:,}",
                f"{run.macs:,}", f"{recipe.epochs}", _proportion(accuracy), f"{run.validation_n:,}",
                f"{run.train_seconds:,.0f} s", f"machine {machines[run.name]}" if run.name in machines else NONE,
            )
        )  # fmt: skip
    head = (
        "run", "net", "data", "input C × H × W", "parameters", "MACs", "epochs", "validation top-1 % [95 %]",
        "n", "training", "on",
    )  # fmt: skip
    return Table(
        key="runs-table",
        caption="The runs. Parameters are those after batch-norm folding; 1 MAC = 2 FLOPs; the interval of a "
        "validation accuracy is Wilson's, of n pictures held out from the training split.",
        head=head,
        rows=rows,
        words=("net", "data", "on"),
    )


def recipes(runs: Sequence[Trained]) -> Table:
    """Tabulate every key of every recipe, with a row per key and a column per run."""
    used = [dict(flat(config.table_of(trained.run.recipe))) for trained in runs]
    all_keys = list(dict.fromkeys(key for recipe in used for key in recipe if key != "name"))
    sections = list(dict.fromkeys(key.rpartition(".")[0] for key in all_keys))
    keys = sorted(all_keys, key=lambda key: sections.index(key.rpartition(".")[0]))
    return Table(
        key="recipes-table",
        caption="The recipes, every key as it was used.",
        head=("key", *(trained.run.name for trained in runs)),
        rows=[(key, *(recipe.get(key, NONE) for recipe in used)) for key in keys],
    )


def files(runs: Sequence[Trained]) -> Table:
    """Tabulate every exported file and the result of its check."""
    rows = []
    for artifact in (artifact for trained in runs for artifact in trained.artifacts):
        description, verdict = artifact.description, artifact.verdict
        checked = (
            (
                f"{verdict.top1_percent:.2f} [{verdict.top1_low_percent:.1f}, {verdict.top1_high_percent:.1f}]",
                f"{verdict.drop_pp:+.2f} [{verdict.drop_low_pp:+.2f}, {verdict.drop_high_pp:+.2f}]",
                f"{verdict.agreement_percent:.2f}", f"+{verdict.gained} −{verdict.lost}", f"{verdict.p_value:.2g}",
                f"{verdict.n:,}", gates.word(verdict.check),
            )
            if verdict
            else (NONE,) * 6 + ("not checked",)
        )  # fmt: skip
        rows.append(
            (
                artifact.name, description.precision, digits(description.bytes / 1000),
                f"{description.float_operators} / {description.transposes}", *checked,
            )
        )  # fmt: skip
    return Table(
        key="files-table",
        caption="The files, each run on the whole test split against its run. drop: accuracy lost against the run, "
        "with the paired interval of Agresti and Min; +/−: pictures gained and lost; p: exact McNemar, two-sided.",
        head=(
            "file", "precision", "kB", "float ops / transposes", "top-1 % [95 %]", "drop pp [95 %]", "agree %",
            "+/−", "p", "n", "check",
        ),
        rows=rows,
        words=("precision", "check"),
    )  # fmt: skip


def parities(runs: Sequence[Trained]) -> Table | None:
    """Tabulate how far the two int8 files of each run differ; None if no run has two."""
    pairs = {
        tuple(sorted((artifact.name, artifact.parity.against))): artifact.parity
        for trained in runs
        for artifact in trained.artifacts
        if artifact.parity
    }
    rows = [
        (
            " and ".join(names), f"{parity.differing_percent:.2f}", str(parity.max_lsb),
            f"{parity.agreement_percent:.2f}", f"{parity.n:,}",
        )
        for names, parity in pairs.items()
    ]  # fmt: skip
    if not rows:
        return None
    return Table(
        key="parities-table",
        caption="The int8 files of one run against each other: the share of output values that differ, by how many of "
        "their steps at most, and the share of test pictures with the same top-1 class.",
        head=("files", "differing %", "at most, steps", "same top-1 %", "n"),
        rows=rows,
    )


def measured(key: str, report: Report, caption: str) -> tuple[Table, ...]:
    """Tabulate a bench report: size, accuracy and memory first, then latency or instructions."""
    timed = any(measurement.is_timed for measurement in report.measurements)
    counted = any(measurement.summary.instructions_n for measurement in report.measurements)
    times = (*TIMES, "instructions") if counted else TIMES
    parts: list[tuple[str, Sequence[str], str]] = [("answers", ACCURACY, "Size, accuracy and memory")]
    if timed:
        parts.append(("times", times, "Latency"))
    elif counted:
        parts.append(("times", COUNTS, "Instructions; an emulated board has no latency"))
    tables = []
    for part, columns, title in parts:
        head, rows = show.cells(report, columns)
        words = ("runtime", "verdict")
        tables.append(Table(key=f"{key}-{part}", caption=f"{title}: {caption}", head=head, rows=rows, words=words))
    return tuple(tables)


def fronts(key: str, group: Group, numbers: Mapping[str, int], machine: str) -> Table:
    """Tabulate every candidate of a group: accuracy, and each cost with the place on its front."""
    columns = []
    for front in group.fronts:
        rows = {}
        for point, place in zip(front.points, front.places, strict=True):
            other = f" {numbers[place.other]}" if place.other else ""
            word = {"front": "front", "behind": "behind", "undecided": "not told from"}[place.standing]
            rows[point.name] = (
                front.cost.write(point.cost) + " †" * (point.name in front.doubted),
                word + other,
            )
        columns.append(rows)
    degraded = " †: DEGRADED." if any(front.doubted for front in group.fronts) else ""
    return Table(
        key=key,
        caption=f"Accuracy against each cost, {group.pictures}, {machine}. front: nothing else is as accurate for "
        "less; behind N: candidate N is at least as good in both and better in one; not told from N: the place rests "
        f"on a difference whose 95 % interval holds 0.{degraded} The interval of memory and of instructions is from "
        "the least to the most of any process.",
        head=(
            "candidate",
            "top-1 % [95 %]",
            *(word for front in group.fronts for word in (front.cost.name, f"place by {front.cost.name}")),
        ),
        rows=[
            (
                f"{numbers[name]}  {name}",
                estimate(top1(measurement).value, top1(measurement).low, top1(measurement).high),
                *(cell for rows in columns for cell in rows.get(name, (NONE, NONE))),
            )
            for name, measurement in zip(group.names, group.measurements, strict=True)
        ],
        words=tuple(f"place by {front.cost.name}" for front in group.fronts),
    )


def machines(environments: Sequence[Environment], used: Sequence[Sequence[str]]) -> Table:
    """Tabulate the machines, with a row per fact and a column per machine; `used` lists what each was used for."""
    packages = dict.fromkeys(name for machine in environments for name in sorted(machine.packages))
    facts: list[tuple[str, list[Any]]] = [
        ("used for", ["; ".join(words) for words in used]),
        ("processor", [machine.cpu for machine in environments]),
        ("board", [machine.model for machine in environments]),
        ("architecture", [machine.arch for machine in environments]),
        ("instruction set", [isa.name(machine.arch, machine.features) for machine in environments]),
        ("cores", [machine.cores for machine in environments]),
        ("features", [", ".join(machine.features) for machine in environments]),
        (
            "memory",
            [f"{machine.memory_bytes / 1e9:.1f} GB" if machine.memory_bytes else None for machine in environments],
        ),
        ("clock governor", [machine.governor for machine in environments]),
        ("system", [f"{machine.os}, {machine.kernel}, {machine.libc}" for machine in environments]),
        ("Python", [machine.python for machine in environments]),
        ("edgecnn", [machine.edgecnn for machine in environments]),
        *((name, [machine.packages.get(name) for machine in environments]) for name in packages),
        ("fingerprint", [fingerprint(machine) for machine in environments]),
    ]
    head = ("fact", *(f"machine {index}" for index in range(1, len(environments) + 1)))
    return Table(
        key="machines-table",
        caption="The machines. Two with the same fingerprint are alike in all that latency depends on.",
        head=head,
        rows=[(name, *(NONE if value in (None, "") else str(value) for value in values)) for name, values in facts],
        prose=head,
    )


def figure(value: float) -> str:
    """Format a number of any size: an integer in full, any other with a few significant digits."""
    if not math.isfinite(value):
        return str(value)
    if value == int(value):
        return f"{value:,.0f}"
    return digits(value) if abs(value) >= 0.1 else f"{value:.2g}"


def estimate(value: float, low: float, high: float) -> str:
    return f"{value:.2f} [{low:.1f}, {high:.1f}]"


def _proportion(proportion: stats.Proportion) -> str:
    return estimate(proportion.percent, proportion.low_percent, proportion.high_percent)


def flat(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Flatten nested tables to pairs such as ("optim.lr", "0.2")."""
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", _value(value)


def _value(value: Any) -> str:
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)
