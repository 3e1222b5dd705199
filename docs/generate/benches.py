"""Tables made from bench/results: benches, boards, the duel, the zoo, the price list of a rescue, an ablation."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import record
import zoo
from record import RESULTS

from edgecnn.common import console
from edgecnn.pipeline.bench import show
from edgecnn.records import environment, report
from edgecnn.records.environment import Environment
from edgecnn.studies import findings
from edgecnn.studies.findings import Duel, Lesson

BENCHES = (
    ("dscnn-fashion.json", "Fashion-MNIST", "edgecnn run dscnn-fashion"),
    ("demo.json", "Three nets of one parameter budget on the digits", "make demo"),
)
"""(file in bench/results, heading, the one command that makes all of it anew)"""

BENCH_COLUMNS = ("kB", "top-1 % [95 %]", "drop pp", "agree %", "p50 [95 %]", "p99", "init", "planned kB", "peak MB")
BOARD_COLUMNS = ("top-1 % [95 %]", "planned kB", "peak MB", "golden", "instructions")
SHOWN_ON_BOARDS = "dscnn-fashion"


def benches() -> str:
    parts = []
    for name, heading, command in BENCHES:
        measured = report.read(RESULTS / name)
        packages = _packages(measured.environment, "ai-edge-litert", "onnxruntime")
        table = console.markdown_table(*show.cells(measured, BENCH_COLUMNS))
        parts.append(
            f"**{heading}** (all anew: `{command}`; measured by `{measured.command}`; "
            f"{measured.date[:10]}, {_machine(measured.environment)}, {packages}; {show.how(measured)}; "
            f"all samples in `bench/results/{name}`; on an AMD Zen 4 before: "
            f"`bench/results/{name.removesuffix('.json')}-zen4.md`)\n\n{table}"
        )
    return "\n".join(parts)


def boards() -> str:
    """One run's files on every emulated board; the others are in the same result."""
    table = record.read("boards.json")
    rows, head = [], [""]
    for board in table["boards"]:
        measured = report.from_table(board["report"])
        boots = {(boot["file"], boot["runtime"]): boot for boot in board["boots"]}
        head, cells = show.cells(measured, BOARD_COLUMNS)
        for row, measurement in zip(cells, measured.measurements, strict=True):
            if measurement.run == SHOWN_ON_BOARDS:
                beside = boots[measurement.file, measurement.runtime]
                file = row[0].removeprefix(f"{SHOWN_ON_BOARDS}-")
                spread = f"{beside['spread_percent']:.3f} %"
                rows.append([f"{measured.board} {file}", *row[1:], spread, beside["against_here"]])
    lines = [
        f"(`{table['command']}`; {len(table['boards'])} boards, {table['boards'][0]['boots'][0]['boots']} boots each; "
        f"x86 is {environment.machine_name(environment.from_table(table['here']))}; three more nets in "
        "`bench/results/boards.md`)",
        "",
        console.markdown_table([*head, "spread of boots", "outputs against x86"], rows),
        *(f"- {sentence}" for sentence in table["follows"]),
    ]
    return "\n".join(lines) + "\n"


def rescue() -> str:
    """The price list of a real rescue, without its single layers; all of it is in the result."""
    lines = (RESULTS / "rescue" / "rescue.md").read_text(encoding="utf-8").splitlines()
    kept = [line for line in lines if line.startswith("|") and not re.match(r"\| \+ float [a-z]+\.?\S* \|", line)]
    machine = next(line for line in lines if line.startswith("20"))
    verdicts = [line for line in lines if "test pictures" in line]
    return "\n".join(
        [f"({machine} Single layers in float: `bench/results/rescue/rescue.md`)", "", *kept, "", *verdicts, ""]
    )


def duel() -> str:
    """Every duel: the table of accuracies, the costs, and what follows."""
    return "\n".join(_duel(findings.read(Duel, path)) for path in sorted(RESULTS.glob("duel*/duel.json")))


SHORT = ("model", "parameters", "int8 kB", "int8 top-1 % [95 %]", "drop pp [95 %]")
"""What the first page says of a model of the zoo."""


def zoo_in_short() -> str:
    """Every model of the zoo in a few columns, each with a link to its card."""
    places = [zoo.HEAD.index(column) for column in SHORT]
    rows = [[f"[{row[0]}](models/zoo/{row[0]}/README.md)", *(row[place] for place in places[1:])] for row in zoo.rows()]
    return console.markdown_table(SHORT, rows)


def zoo_table(links: str) -> str:
    """Every model of the zoo, from its own cards; `links` says what its name leads to."""
    rows = [[f"[{name}]({links.format(name)})", *facts] for name, *facts in zoo.rows()]
    return console.markdown_table(zoo.HEAD, rows)


def zoo_cards() -> str:
    """The cards of all models of the zoo, one after the other."""
    cards = [(run.folder / zoo.CARD).read_text(encoding="utf-8") for run in zoo.models()]
    return "\n".join(re.sub(r"^(#+ )", r"#\1", card, flags=re.MULTILINE) for card in cards)


def pictures() -> list[Path]:
    """The pictures that pages of results show."""
    return sorted(RESULTS.glob("duel*/duel.png"))


def ablation() -> str:
    """Return a table of what each option of a recipe buys on one small net, over seeds."""
    table = record.read("ablation.json")
    rows = [
        [
            row["option"],
            f"{row['mean_percent']:.2f}",
            f"{row['deviation_pp']:.2f}",
            f"{row['gain_pp']:+.2f} [{row['gain_low_pp']:+.2f}, {row['gain_high_pp']:+.2f}]"
            if "gain_pp" in row
            else "",
            ", ".join(f"`{setting}`" for setting in row["settings"]),
        ]
        for row in table["rows"]
    ]
    base = table["rows"][0]
    settings = ", ".join(f"`{setting}`" for setting in table["settings"])
    return (
        f"({record.how(table)}; "
        f"`{table['recipe']}` with {settings}: {base['params']:,} parameters; n {len(base['seeds'])} seeds each, "
        f"{base['validation_n']:,} validation pictures; gains are paired by seed, Student's t)\n\n"
        + console.markdown_table(["option", "top-1 %", "sd pp", "gain pp [95 %]", "settings"], rows)
        + "\n"
        + _qat()
    )


def _qat() -> str:
    """Return a sentence on what epochs under int8 rounding buy the base of the ablation."""
    table = record.read("qat.json")
    gain, after, drop = (
        "{:+.2f} pp [{:+.2f}, {:+.2f}]".format(*interval)
        for interval in (table["gain_pp"], table["drop_pp"]["after_training"], table["drop_pp"]["qat"])
    )
    return (
        f"{table['qat_epochs']} further epochs under int8 rounding (`qat_epochs`) gain the int8 net {gain}, n "
        f"{len(table['top1_percents'])} seeds of the base: its drop from float is {drop} with them and {after} without "
        f"({record.how(table)})\n"
    )


def _duel(duel: Duel) -> str:
    families = list(dict.fromkeys(cell.family for cell in duel.cells))
    cells = {(cell.family, cell.fraction): cell for cell in duel.cells}
    fractions = sorted({cell.fraction for cell in duel.cells})
    curve = [[f"{cells[families[0], fraction].pictures:,}", *_means(duel, fraction)] for fraction in fractions]
    costs = [
        [
            c.family, f"{c.params:,}", f"{c.macs:,}", c.precision, f"{c.bytes / 1000:.1f}",
            f"{c.int8_top1_percent:.2f} [{c.int8_top1_low_percent:.1f}, {c.int8_top1_high_percent:.1f}]",
            f"{1000 * c.p50_ms:.1f}" if c.p50_ms is not None else "",
            f"{c.planned_activation_peak_bytes / 1000:.1f}",
        ]
        for c in duel.contenders
    ]  # fmt: skip
    return "\n".join(
        [
            f"(`{duel.command}`; {duel.date[:10]}, {_machine(duel.environment)}; {duel.repeats} repeats; "
            "mean top-1 % of the float net on the whole test split, 95 % over repeats)",
            "",
            console.markdown_table(["training pictures", *families], curve),
            console.markdown_table(
                ["net", "parameters", "MACs", "file", "kB", "top-1 % [95 %]", "p50 µs", "planned kB"], costs
            ),
            *(f"- {sentence}" for sentence in duel.sentences),
            "",
        ]
    )


def _means(duel: Duel, fraction: float) -> Iterator[str]:
    for cell in duel.cells:
        if cell.fraction == fraction:
            yield f"{cell.mean_percent:.2f} [{cell.low_percent:.2f}, {cell.high_percent:.2f}]"


def how_measured(finding: Duel | Lesson) -> str:
    """Return when and on which machine something was measured."""
    return f"{finding.date[:10]}, {_machine(finding.environment)}"


def _machine(machine: Environment) -> str:
    return f"{record.machine(machine)}, Python {machine.python}, fingerprint {environment.fingerprint(machine)}"


def _packages(machine: Environment, *names: str) -> str:
    return ", ".join(f"{name} {machine.packages[name]}" for name in names)
