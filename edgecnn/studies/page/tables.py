"""The tables of the page: every cell as it is read, with its interval and its n."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
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
    """Rows under a head, the first cell of each naming it."""

    key: str
    """Unlike any other table's on the page."""
    caption: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    words: Sequence[str] = ()
    """Columns that hold words, which begin at the left."""
    prose: Sequence[str] = ()
    """Columns that hold whole sentences, which are broken into lines."""


ACCURACY = ("kB", "top-1 % [95 %]", "drop pp", "agree %", "planned kB", "peak MB", "golden")
TIMES = ("p50 [95 %]", "p90", "p99", "init", "first", "end-to-end p50", "samples", "verdict")
COUNTS = ("p50 [95 %]", "instructions")


def overview(runs: Sequence[Trained], machines: Mapping[str, int]) -> Table:
    rows = []
    for one in runs:
        run, recipe = one.run, one.run.recipe
        right = stats.wilson(round(run.validation_top1_percent * run.validation_n / 100), run.validation_n)
        rows.append(
            (
                run.name, recipe.net.name, recipe.data.name, " × ".join(map(str, run.input_shape)), f"{run.params:,}",
                f"{run.macs:,}", f"{recipe.epochs}", _proportion(right), f"{run.validation_n:,}",
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
    """Every key of every recipe, the keys down and the runs across."""
    used = [dict(flat(config.table_of(one.run.recipe))) for one in runs]
    seen = list(dict.fromkeys(key for one in used for key in one if key != "name"))
    sections = list(dict.fromkeys(key.rpartition(".")[0] for key in seen))
    keys = sorted(seen, key=lambda key: sections.index(key.rpartition(".")[0]))
    return Table(
        key="recipes-table",
        caption="The recipes, every key as it was used.",
        head=("key", *(one.run.name for one in runs)),
        rows=[(key, *(one.get(key, NONE) for one in used)) for key in keys],
    )


def files(runs: Sequence[Trained]) -> Table:
    """Every exported file, what it is and how its check came out."""
    rows = []
    for artifact in (artifact for one in runs for artifact in one.artifacts):
        what, check = artifact.description, artifact.verdict
        checked = (
            (
                f"{check.top1_percent:.2f} [{check.top1_low_percent:.1f}, {check.top1_high_percent:.1f}]",
                f"{check.drop_pp:+.2f} [{check.drop_low_pp:+.2f}, {check.drop_high_pp:+.2f}]",
                f"{check.agreement_percent:.2f}", f"+{check.gained} −{check.lost}", f"{check.p_value:.2g}",
                f"{check.n:,}", gates.word(check.check),
            )
            if check
            else (NONE,) * 6 + ("not checked",)
        )  # fmt: skip
        rows.append(
            (
                artifact.name, what.precision, digits(what.bytes / 1000),
                f"{what.float_operators} / {what.transposes}", *checked,
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
    """How far the two int8 files of a run are apart, each pair once; None where there is no pair."""
    pairs = {
        tuple(sorted((artifact.name, artifact.parity.against))): artifact.parity
        for one in runs
        for artifact in one.artifacts
        if artifact.parity
    }
    rows = [
        (
            " and ".join(names), f"{apart.differing_percent:.2f}", str(apart.max_lsb),
            f"{apart.agreement_percent:.2f}", f"{apart.n:,}",
        )
        for names, apart in pairs.items()
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
    """What a bench found: first what does not depend on time, then what does."""
    timed = any(one.is_timed for one in report.measurements)
    counted = any(one.summary.instructions_n for one in report.measurements)
    times = (*TIMES, "instructions") if counted else TIMES
    parts: list[tuple[str, Sequence[str], str]] = [("answers", ACCURACY, "Size, accuracy and memory")]
    if timed:
        parts.append(("times", times, "Latency"))
    elif counted:
        parts.append(("times", COUNTS, "Instructions; an emulated board has no latency"))
    made = []
    for part, columns, title in parts:
        head, rows = show.cells(report, columns)
        words = ("runtime", "verdict")
        made.append(Table(key=f"{key}-{part}", caption=f"{title}: {caption}", head=head, rows=rows, words=words))
    return tuple(made)


def fronts(key: str, group: Group, numbers: Mapping[str, int], where: str) -> Table:
    """Every candidate of a group: its accuracy, and each cost with its place in the front against it."""
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
        caption=f"Accuracy against each cost, {group.pictures}, {where}. front: nothing else is as accurate for less; "
        "behind N: candidate N is at least as good in both and better in one; not told from N: the place rests on a "
        f"difference whose 95 % interval holds 0.{degraded} The interval of memory and of instructions is from the "
        "least to the most of any process.",
        head=(
            "candidate",
            "top-1 % [95 %]",
            *(word for front in group.fronts for word in (front.cost.name, f"place by {front.cost.name}")),
        ),
        rows=[
            (
                f"{numbers[name]}  {name}",
                estimate(top1(one).value, top1(one).low, top1(one).high),
                *(cell for rows in columns for cell in rows.get(name, (NONE, NONE))),
            )
            for name, one in zip(group.names, group.measurements, strict=True)
        ],
        words=tuple(f"place by {front.cost.name}" for front in group.fronts),
    )


def machines(environments: Sequence[Environment], used: Sequence[Sequence[str]]) -> Table:
    """The facts down, the machines across; `used` says for each what was done on it."""
    packages = dict.fromkeys(name for one in environments for name in sorted(one.packages))
    facts: list[tuple[str, list[Any]]] = [
        ("used for", ["; ".join(words) for words in used]),
        ("processor", [one.cpu for one in environments]),
        ("board", [one.model for one in environments]),
        ("architecture", [one.arch for one in environments]),
        ("instruction set", [isa.name(one.arch, one.features) for one in environments]),
        ("cores", [one.cores for one in environments]),
        ("features", [", ".join(one.features) for one in environments]),
        ("memory", [f"{one.memory_bytes / 1e9:.1f} GB" if one.memory_bytes else None for one in environments]),
        ("clock governor", [one.governor for one in environments]),
        ("system", [f"{one.os}, {one.kernel}, {one.libc}" for one in environments]),
        ("Python", [one.python for one in environments]),
        ("edgecnn", [one.edgecnn for one in environments]),
        *((name, [one.packages.get(name) for one in environments]) for name in packages),
        ("fingerprint", [fingerprint(one) for one in environments]),
    ]
    head = ("fact", *(f"machine {number}" for number in range(1, len(environments) + 1)))
    return Table(
        key="machines-table",
        caption="The machines. Two with the same fingerprint are alike in all that latency depends on.",
        head=head,
        rows=[(name, *(NONE if value in (None, "") else str(value) for value in values)) for name, values in facts],
        prose=head,
    )


def figure(value: float) -> str:
    """A number of any size: whole ones in full, others with three digits that mean something."""
    if not math.isfinite(value):
        return str(value)
    if value == int(value):
        return f"{value:,.0f}"
    return digits(value) if abs(value) >= 0.1 else f"{value:.2g}"


def estimate(value: float, low: float, high: float) -> str:
    return f"{value:.2f} [{low:.1f}, {high:.1f}]"


def _proportion(one: stats.Proportion) -> str:
    return estimate(one.percent, one.low_percent, one.high_percent)


def flat(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """("optim.lr", "0.2") and so on."""
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", _value(value)


def _value(value: Any) -> str:
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)
