"""Shows a matrix to people: a table of answers per machine, then a few lines on pairs worth a word."""

from __future__ import annotations

import textwrap

from edgecnn.checks.verify.layers import ComparedLayer
from edgecnn.checks.verify.matrix import Answer, Difference, Matrix
from edgecnn.common import console
from edgecnn.common.escapes import say
from edgecnn.records.environment import machine_name
from edgecnn.records.notebook import HtmlTable

WIDTH = 80
HEAD = ("answer", "top-1 % [95 %]", "drop pp [95 %]", "p", "flips", "max diff")


def show(matrix: Matrix) -> None:
    """Print the matrix on stdout, in 80 columns unless names are long."""
    shared, first = _shared(matrix), matrix.answers[0]
    differences = {a.after: a for a in matrix.differences if a.before == first.name}
    reference = f"{first.file} in {first.name}" if first.runtime == "torch" else first.name
    say(f"{matrix.n:,} test pictures of {matrix.data}, against {reference}")
    if shared:
        say(f"files: {shared}*")
    for board, machine in matrix.environments.items():
        answers = [a for a in matrix.answers if a.board == board]
        say(f"\n{', '.join([board, *_versions(answers)])}\non {machine_name(machine)}")
        console.table(HEAD, [_row(a, differences.get(a.name), shared) for a in answers])
    lines = [line for pair in matrix.differences for line in _lines(pair, matrix, shared)]
    lines += [f"{_short(a.name, shared)}: {a.degenerate}" for a in matrix.answers if a.degenerate]
    if lines:
        say("", *lines, sep="\n")


def tables(matrix: Matrix) -> list[HtmlTable]:
    """Return all answers, and what there is to say of the pairs, for a notebook."""
    first = matrix.answers[0]
    against = {difference.after: difference for difference in matrix.differences if difference.before == first.name}
    title = f"{matrix.n:,} test pictures of {matrix.data}, against {first.name}"
    said = [(line.strip(),) for pair in matrix.differences for line in _lines(pair, matrix, "")]
    rows = [(*_row(answer, against.get(answer.name), ""), answer.board) for answer in matrix.answers]
    shown = [HtmlTable(title, (*HEAD, "board"), rows)]
    return [*shown, HtmlTable("differences", (), said)] if said else shown


def _versions(answers: list[Answer]) -> list[str]:
    return list(dict.fromkeys(f"{answer.runtime} {answer.runtime_version}" for answer in answers))


def _row(answer: Answer, against: Difference | None, shared: str) -> tuple[str, ...]:
    name = _short(answer.name, shared).removesuffix(f" @{answer.board}")
    accuracy = f"{answer.top1_percent:.2f} [{answer.top1_low_percent:.1f}, {answer.top1_high_percent:.1f}]"
    if against is None:
        return (name, accuracy, "", "", "", "")
    verdict = against.verdict
    return (
        name,
        accuracy,
        f"{verdict.drop_pp:+.2f} [{verdict.drop_low_pp:+.2f}, {verdict.drop_high_pp:+.2f}]",
        f"{verdict.p_value:.2g}",
        f"{_flips(against):,}",
        "0" if against.identical else f"{verdict.max_logit_difference:.2g}",
    )


def _lines(pair: Difference, matrix: Matrix, shared: str) -> list[str]:
    """Return what the table does not show of a pair: its steps, its first layer, its contact sheet."""
    lines = []
    if pair.before != matrix.answers[0].name or pair.parity is not None or pair.searched:
        lines.append(f"{_short(pair.before, shared)} and {_short(pair.after, shared)}: {_apart(pair)}")
    if pair.layer is not None:
        lines += [f"  {line}" for line in describe(pair.layer)]
    elif pair.searched:
        lines.append("  no layer that corresponds differs: the difference arises behind them")
    if pair.cause is not None:
        lines += textwrap.wrap(pair.cause, WIDTH, initial_indent="  ", subsequent_indent="  ", break_on_hyphens=False)
    if pair.sheet is not None:
        names = f"{_short(pair.after, shared)} against {_short(pair.before, shared)}"
        lines += [f"{names}: {_count(_flips(pair), 'flip')}", f"  {pair.sheet}"]
    return lines


def _apart(pair: Difference) -> str:
    if pair.identical:
        return "identical, every logit"
    if pair.parity is not None:
        equal, steps = 100 - pair.parity.differing_percent, _count(pair.parity.max_lsb, "step")
        return f"{equal:.2f} % of the logits equal,\n  none more than {steps} apart"
    return f"logits up to {pair.verdict.max_logit_difference:.2g} apart"


def describe(layer: ComparedLayer) -> list[str]:
    """Return lines about the first layer that differs: which, by how much, and the cause."""
    names = " / ".join(dict.fromkeys((layer.before, layer.after)))
    operators = " / ".join(dict.fromkeys((layer.before_operator, layer.after_operator)))
    size = f"up to {layer.max_difference:.2g}"
    if layer.max_lsb is not None:
        size = f"by {_count(layer.max_lsb, 'step')}" + (" at most" if layer.max_lsb > 1 else "")
    return [
        f"first layer that differs: {layer.depth} of {layer.layers}, {operators}",
        f"  {names}",
        f"  {layer.differing:,} of {layer.values:,} values {size}, {_count(layer.pictures, 'picture')}",
        f"  {_count(layer.probes, 'layer')} run, {'all before it agree' if layer.walked else 'found by bisection'}",
        f"  {cause(layer)}",
    ]


def cause(layer: ComparedLayer) -> str:
    """Return whether the files or the kernels differ in a layer, in one sentence."""
    if layer.scales and layer.max_lsb is None:
        return "the files differ: its scale is {:.6g} here and {:.6g} there".format(*layer.scales)
    if layer.weights is not None and layer.weights.differing:
        return f"the files differ: {layer.weights.differing:,} of its {layer.weights.values:,} weights"
    if layer.uncompared:
        operators = dict.fromkeys(operator.partition(" ")[0] for operator in layer.uncompared)
        return f"what it reads could not be compared: {', '.join(operators)}"
    if layer.same_file:
        return "the file is the same: the two machines' kernels compute it differently"
    if layer.weights is None:
        return "it has no weights to compare: the two kernels compute it differently"
    return f"all {layer.weights.values:,} weights are the same: the two kernels round differently"


def _flips(pair: Difference) -> int:
    return round(pair.verdict.n * (100 - pair.verdict.agreement_percent) / 100)


def _shared(matrix: Matrix) -> str:
    """Return the prefix of all file names, up to a dash."""
    names = [answer.name for answer in matrix.answers if answer.runtime != "torch"]
    if len(names) < 2:
        return ""
    shortest = min(names, key=len)
    length = next((i for i, letter in enumerate(shortest) if any(name[i] != letter for name in names)), len(shortest))
    return shortest[: shortest[:length].rfind("-") + 1]


def _short(name: str, shared: str) -> str:
    return name.removeprefix(shared) if shared else name


def _count(count: int, word: str) -> str:
    return f"{count:,} {word}" + ("" if count == 1 else "s")
