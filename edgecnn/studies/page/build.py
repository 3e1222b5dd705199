"""`edgecnn report`: gather, draw, and write one self-contained HTML file."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from edgecnn.common import files
from edgecnn.studies.page import render, view
from edgecnn.studies.page.gather import Gathered, gather


def build(
    runs: Sequence[Path],
    output: Path,
    duel: Path | None = None,
    lessons: Path | None = None,
    benches: Sequence[Path] = (),
    evaluations: Sequence[Path] = (),
    sweep: Path | None = None,
) -> Path:
    """Write the page to `output` and return its path; the same input gives the same bytes.

    Args:
        runs: run folders; their exported files, and bench reports beside them, are shown too.
        output: path of the HTML file.
        duel: a duel's folder or JSON file.
        lessons: folder of lessons' JSON files.
        benches: further bench reports.
        evaluations: folders of `edgecnn eval -o`, of files whose runs hold no evaluation of their own.
        sweep: a sweep's folder or JSON file.

    Raises:
        RunError, ModelFileError, UsageError: an input cannot be read.
        MissingPackage: a package that draws the page is missing.
        OutputError: `output` cannot be written.
    """
    gathered = gather(runs, duel, lessons, benches, evaluations, sweep)
    files.make_folder(output.parent)
    command_words = ["edgecnn", "report", *map(str, runs)]
    command_words += ["--duel", str(duel)] if duel else []
    command_words += ["--sweep", str(sweep)] if sweep else []
    command_words += ["--lessons", str(lessons)] if lessons else []
    command_words += [word for path in benches for word in ("--bench", str(path))]
    command_words += [word for path in evaluations for word in ("--evaluation", str(path))]
    files.write_text(output, html(gathered, shlex.join([*command_words, "-o", str(output)])))
    return output


def html(gathered: Gathered, command: str) -> str:
    """Render the page as text; `command` is the command line that repeats it."""
    return render.page("template.html.j2", command=command, **view.view(gathered))
