"""The commands that are about pictures of one's own: `data` with check."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edgecnn.cli import completion, groups, outputs
from edgecnn.cli import options as o
from edgecnn.common import console, documents
from edgecnn.common.escapes import say

data = typer.Typer(cls=groups.CommandGroup, no_args_is_help=True, help="Look for faults in pictures of one's own.")


@data.callback()
def _group() -> None:
    """Stand for the group, so that its one command keeps its name."""


@data.command(cls=groups.Command)
def check(
    pictures: Annotated[
        str,
        typer.Argument(help="Pictures by class: a folder, .csv, .parquet, .tar.", autocompletion=completion.pictures),
    ],
    page: Annotated[
        Path | None, typer.Option("--page", metavar="FILE", help="File (.html) to write a page with pictures into.")
    ] = None,
    fix: Annotated[
        Path | None,
        typer.Option("--fix", metavar="FILE", help="File (.csv) to list what to leave out: data.leave_out."),
    ] = None,
    as_json: o.JSON = False,
) -> None:
    """Say what is wrong with pictures: copies, labels, light, backgrounds; change none."""
    from edgecnn.checks.data import check as verb
    from edgecnn.checks.data import show
    from edgecnn.records import data_check, leave_out

    if page is not None:
        from edgecnn.studies.page import render

        outputs.file(page, outputs.is_page, (".html", ".htm"), "--page")
        render.require_jinja()
    if fix is not None:
        outputs.file(fix, leave_out.is_list, (".csv",), "--fix")
    result, own = verb.check(pictures)
    if as_json:
        say(documents.to_json(data_check.to_table(result)))
    else:
        show.show(result)
    if fix is not None:
        entries = data_check.entries(result)
        leave_out.write(fix, entries)
        left = len({entry.file for entry in entries if entry.action == leave_out.LEAVE_OUT})
        use = f": -s data.leave_out={fix}" if left else ""
        console.note(f"{fix} has {len(entries):,} lines, and {left:,} pictures to leave out{use}")
    if page is not None:
        from edgecnn.studies.page import data_check as pages

        pages.build(result, verb.thumbnails(own, pages.places(result)), page)
        console.note(f"{page} shows the pictures, {page.stat().st_size / 1e6:.2f} MB")
    verb.judge(result)
