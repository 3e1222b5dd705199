"""The printed form of a duel: two tables and its sentences, on stdout."""

from __future__ import annotations

import textwrap

from edgecnn.common import console
from edgecnn.common.escapes import say
from edgecnn.common.units import digits, duration
from edgecnn.studies.findings import Cell, Contender, Duel

WIDTH = 80


def show(duel: Duel) -> None:
    """Print accuracy against training pictures, the files, and the conclusions."""
    families = [contender.family for contender in duel.contenders]
    repeats = f"{duel.repeats} trainings" if duel.repeats > 1 else "1 training"
    say(f"{duel.data}, {repeats} each, top-1 % of {duel.contenders[0].test_n:,} test pictures [95 %]")
    shares = sorted({cell.fraction for cell in duel.cells})
    cells = {(cell.family, cell.fraction): cell for cell in duel.cells}
    rows = [
        [f"{cells[families[0], share].pictures:,}", *(_top1(cells[family, share]) for family in families)]
        for share in shares
    ]
    console.table(("pictures", *families), rows)
    say(f"\nThe files of the largest share, measured in turns on {duel.board}")
    console.table(
        ("", "parameters", "MACs", "kB", "top-1 %", "p50", "instr.", "peak MB"),
        [_file(contender) for contender in duel.contenders],
    )
    say()
    for sentence in duel.sentences:
        say(textwrap.fill(sentence, WIDTH, initial_indent="- ", subsequent_indent="  "))


def _top1(cell: Cell) -> str:
    return f"{cell.mean_percent:.1f} [{cell.low_percent:.1f}, {cell.high_percent:.1f}]"


def _file(contender: Contender) -> list[str]:
    counts = [f"{digits(count / 1000)} k" for count in contender.instructions.values()]
    return [
        f"{contender.family} {contender.precision}",
        f"{contender.params:,}",
        f"{contender.macs:,}",
        digits(contender.bytes / 1000),
        f"{contender.int8_top1_percent:.2f}",
        duration(contender.p50_ms),
        counts[0] if counts else "-",
        digits(contender.peak_rss_bytes / 1e6) if contender.peak_rss_bytes is not None else "-",
    ]
