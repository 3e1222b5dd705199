"""Prints an evaluation: the files, then class by class the one that is told in full."""

from __future__ import annotations

from collections.abc import Sequence

from edgecnn.common import console
from edgecnn.common.escapes import say
from edgecnn.common.stats import Proportion
from edgecnn.records import environment, labels
from edgecnn.records.evaluation import Evaluation, FileScore, shown
from edgecnn.records.notebook import HtmlTable

WIDTH = 80
"""Columns of the printed text."""
HEAD = ("file", "top-1 % [95 %]", "top-5 %", "calibration error pp")
MOST_CONFUSIONS = 5
MOST_MISTAKES = 5


def show(evaluation: Evaluation) -> None:
    """Print the accuracy of all files, and of one its classes, confusions and worst mistakes."""
    file = shown(evaluation)
    say(_title(evaluation, file))
    console.table(HEAD, [_row(each) for each in evaluation.files])
    for line in balanced(evaluation):
        say(line)
    say(f"\n{file.file}, class by class")
    console.table(*classes(evaluation, file))
    if (rows := matrix(file)) and len(rows[0]) <= WIDTH:
        say("\ntrue class by row, answer by column\n" + "\n".join(rows))
    if confused := confusions(file):
        say("\n" + "\n".join(confused))
    for mistake in file.mistakes[:MOST_MISTAKES]:
        say(f"{mistake.picture}: {mistake.truth}, called {mistake.answer} with {100 * mistake.score:.1f} %")


def tables(evaluation: Evaluation) -> list[HtmlTable]:
    """Return the files, and the classes of the one that is told in full, for a notebook."""
    file = shown(evaluation)
    return [
        HtmlTable(_title(evaluation, file), HEAD, [_row(each) for each in evaluation.files]),
        HtmlTable(f"{file.file}, class by class", *classes(evaluation, file)),
    ]


def classes(evaluation: Evaluation, file: FileScore) -> tuple[list[str], list[list[str]]]:
    """Return (head, rows) of the table of a file's classes."""
    changes = {
        change.label: f"{change.recall_change_pp:+z.1f} [{change.low_pp:+.1f}, {change.high_pp:+.1f}]"
        for rounding in evaluation.roundings
        if rounding.int8_file == file.file
        for change in rounding.classes
    }
    head = ["class", "n", "recall % [95 %]", "precision % [95 %]", *(["int8 - float, pp"] if changes else [])]
    return head, [
        [
            scored.label,
            f"{scored.recall.n:,}" if scored.recall else "0",
            _percent(scored.recall),
            _percent(scored.precision),
            *([changes.get(scored.label, "")] if changes else []),
        ]
        for scored in file.classes
    ]


def balanced(evaluation: Evaluation) -> list[str]:
    """Return each file's balanced accuracy as lines, if the classes have test pictures in very different numbers."""
    lines = []
    for file in evaluation.files:
        apart = labels.uneven([scored.recall.n if scored.recall else 0 for scored in file.classes])
        if apart and file.balanced_percent is not None:
            interval = f"[{file.balanced_low_percent:.2f}, {file.balanced_high_percent:.2f}]"
            lines.append(f"{file.file}: balanced accuracy {file.balanced_percent:.2f} % {interval},")
            lines.append(f"  the mean recall of classes with {apart} test pictures")
    return lines


def matrix(file: FileScore) -> list[str]:
    """Return the confusions as lines, with a number for each cell; a dot is none."""
    names = [scored.label for scored in file.classes]
    cells = [["." if not count else str(count) for count in row] for row in file.confusion]
    room = max(map(len, names))
    width = max(3, *(len(cell) for row in cells for cell in row))
    head = " " * room + "".join(f"  {label[:width]:>{width}}" for label in names)
    body = [
        f"{label:<{room}}" + "".join(f"  {cell:>{width}}" for cell in row)
        for label, row in zip(names, cells, strict=True)
    ]
    return [head, *body]


def confusions(file: FileScore) -> list[str]:
    """Return the commonest confusions as lines, the largest shares of a class first."""
    names = [scored.label for scored in file.classes]
    pairs = [
        (count / sum(row), count, sum(row), names[truth], names[answer])
        for truth, row in enumerate(file.confusion)
        for answer, count in enumerate(row)
        if count and truth != answer
    ]
    worst = sorted(pairs, reverse=True)[:MOST_CONFUSIONS]
    return [
        f"{100 * share:.1f} % of {truth} is called {answer} ({count:,} of {n:,})"
        for share, count, n, truth, answer in worst
    ]


def _title(evaluation: Evaluation, file: FileScore) -> str:
    return f"{file.n:,} test pictures of {evaluation.data}, on {environment.machine_name(evaluation.environment)}"


def _row(file: FileScore) -> Sequence[str]:
    error = "-"
    if file.calibration_error_pp is not None:
        low, high = file.calibration_error_low_pp, file.calibration_error_high_pp
        error = f"{file.calibration_error_pp:.2f} [{low:.2f}, {high:.2f}]"
    return file.file, _percent(file.top1, 2), f"{file.top5.percent:.2f}" if file.top5 else "-", error


def _percent(share: Proportion | None, digits: int = 1) -> str:
    if share is None:
        return "-"
    return f"{share.percent:.{digits}f} [{share.low_percent:.{digits}f}, {share.high_percent:.{digits}f}]"
