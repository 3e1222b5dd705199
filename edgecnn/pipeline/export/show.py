"""Exported files for people: what each is, and how its check against the run came out."""

from __future__ import annotations

from collections.abc import Sequence

from edgecnn.common import console
from edgecnn.common.escapes import say
from edgecnn.records import gates
from edgecnn.records.artifact import Artifact
from edgecnn.records.notebook import HtmlTable

HEAD = ("file", "kB", "in float", "top-1 % [95 %]", "drop pp [95 %]", "check")


def show(made: Sequence[Artifact]) -> None:
    """Print what each file is and how its check came out: a table, then how far the two int8 files are apart."""
    shared = run_prefix(made)
    verdicts = [file.verdict for file in made if file.verdict is not None]
    if verdicts:
        first = verdicts[0]
        say(f"{shared}* against the run, {first.reference_top1_percent:.2f} % of {first.n:,} test pictures")
    console.table(HEAD, [_row(file, shared) for file in made])
    for file in made:
        if file.parity is not None:
            say(
                f"{file.name.removeprefix(shared)} and {file.parity.against.removeprefix(shared)}: "
                f"{100 - file.parity.differing_percent:.3f} % of the logits equal, none more than "
                f"{file.parity.max_lsb} {'step' if file.parity.max_lsb == 1 else 'steps'} apart"
            )
            break
    for file in made:
        if file.description.micro_arena_bytes is not None:
            name, arena_bytes = file.name.removeprefix(shared), file.description.micro_arena_bytes
            say(f"{name} needs a tensor arena of {arena_bytes:,} bytes in tflite-micro")


def tables(file: Artifact) -> list[HtmlTable]:
    """Return the file and how its check came out, for a notebook."""
    description = file.description
    sizes = " x ".join(map(str, description.input.shape))
    facts = [
        ("format", f"{description.format} {description.precision}"),
        ("input", f"{description.input.dtype} {sizes} {description.input.layout}".rstrip()),
        ("classes", ", ".join(file.labels)),
    ]
    return [HtmlTable(file.name, HEAD, [_row(file)]), HtmlTable("its card", (), facts)]


def _row(file: Artifact, shared: str = "") -> list[str]:
    """Return the cells under HEAD, those of the check only if there was one; the name less `shared`."""
    description, verdict = file.description, file.verdict
    row = [file.name.removeprefix(shared), f"{description.bytes / 1000:.1f}"]
    row += [f"{description.float_operators} of {sum(description.operators.values())}"]
    if verdict is not None:
        row += [
            f"{verdict.top1_percent:.2f} [{verdict.top1_low_percent:.1f}, {verdict.top1_high_percent:.1f}]",
            f"{verdict.drop_pp:+.2f} [{verdict.drop_low_pp:+.2f}, {verdict.drop_high_pp:+.2f}]",
            gates.word(verdict.check),
        ]
    return row


def run_prefix(made: Sequence[Artifact]) -> str:
    """Return what all file names of one run begin with."""
    return f"{made[0].run}-" if made and made[0].run else ""
