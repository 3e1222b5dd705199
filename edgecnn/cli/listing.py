"""The command that lists what can be named: recipes, models of the zoo, nets, data sets, boards ..."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated

import typer

from edgecnn.cli import completion
from edgecnn.cli import options as o
from edgecnn.common import documents, plugins
from edgecnn.common.escapes import say
from edgecnn.errors import UsageError, nearest

WIDTH = 80
"""Columns of the printed text."""


def list_names(
    kind: Annotated[
        str | None,
        typer.Argument(
            help="recipes, zoo, nets, data, boards, formats, runtimes, plans, suites ...",
            autocompletion=completion.kinds,
        ),
    ] = None,
    as_json: o.JSON = False,
) -> None:
    """List what there is to name: recipes, the zoo, nets, data sets ..."""
    if kind is not None and kind not in KINDS:
        raise UsageError(f"There is no kind of things named {kind!r}.", nearest(kind, KINDS))
    listed = {name: KINDS[name]() for name in ((kind,) if kind else KINDS)}
    if as_json:
        say(documents.to_json(listed))
        return
    for title, lines in listed.items():
        if not kind:
            say(f"{title}:")
        _show(lines, is_alone=kind is not None)


def _show(lines: Mapping[str, str], is_alone: bool) -> None:
    """Print each name with its caption, which is cut off at the edge unless its kind stands alone."""
    room = max(map(len, lines), default=0)
    for name, caption in lines.items():
        head = f"{name:<{room}}  " if is_alone else f"  {name:<{room}}  "
        caption = re.sub(rf"^{re.escape(name)}: ", "", caption, flags=re.IGNORECASE)
        if is_alone:
            say(textwrap.fill(caption, WIDTH, initial_indent=head, subsequent_indent=" " * len(head)) or head.rstrip())
        else:
            say(_cut(head + caption))


def _cut(line: str) -> str:
    """Return a line of at most WIDTH columns, cut between two words."""
    if len(line) <= WIDTH:
        return line.rstrip()
    return f"{line[: WIDTH - 3].rpartition(' ')[0].rstrip(' ,;:')} ..."


def _recipes() -> dict[str, str]:
    from edgecnn.records.recipe import Recipe

    return _plans(Recipe)


def _plans(kind: type) -> dict[str, str]:
    from edgecnn.records import plans

    return {name: _comment(plans.find(kind, name)) for name in plans.names(kind)}


def _comment(path: Path) -> str:
    """Return what the comment at the head of a plan says, less the command in its first line."""
    head = path.read_text(encoding="utf-8").split("\n\n")[0].splitlines()
    return " ".join(line.lstrip("# ").rstrip() for line in head[1:] if line.startswith("#")).strip()


def _export_plans() -> dict[str, str]:
    from edgecnn.records import plans

    return _plans(plans.ExportPlan)


def _suites() -> dict[str, str]:
    from edgecnn.records import plans

    return _plans(plans.Suite)


def _zoo() -> dict[str, str]:
    """Return the models of the zoo as they are named, with what their cards say of the int8 file."""
    from edgecnn.records import plans, zoo
    from edgecnn.records.recipe import Recipe

    lines = {}
    for name in zoo.names():
        card = (plans.folder(Recipe) / "zoo" / name / zoo.CARD).read_text(encoding="utf-8").splitlines()
        facts = dict(line.removeprefix("- ").split(": ", 1) for line in card if line.startswith("- "))
        data = facts["data"].partition(",")[0].partition(" (")[0]
        top1, _, n = facts["int8 top-1"].partition(" of ")
        lines[f"{zoo.PREFIX}{name}"] = f"{data}: int8 {top1}, n {n.partition(' ')[0]}"
    return lines


def _boards() -> dict[str, str]:
    from edgecnn import boards

    named = {name: f"{board.address} {board.notes}".strip() for name, board in boards.named_boards().items()}
    return plugins.captions("edgecnn.boards", "edgecnn.boards") | named


def _plugins(package: str, group: str = "") -> Callable[[], dict[str, str]]:
    return lambda: plugins.captions(package, group)


KINDS: dict[str, Callable[[], dict[str, str]]] = {
    "recipes": _recipes,
    "zoo": _zoo,
    "nets": _plugins("edgecnn.nets.architectures", "edgecnn.nets"),
    "data": _plugins("edgecnn.data", "edgecnn.data"),
    "boards": _boards,
    "formats": _plugins("edgecnn.formats", "edgecnn.formats"),
    "runtimes": _plugins("edgecnn.onboard.runtimes", "edgecnn.runtimes"),
    "plans": _export_plans,
    "suites": _suites,
    "rungs": _plugins("edgecnn.pipeline.export.rungs", "edgecnn.rungs"),
    "trackers": _plugins("edgecnn.pipeline.train.trackers", "edgecnn.trackers"),
    "lessons": _plugins("edgecnn.studies.lessons.topics"),
}
"""What can be listed, and how its names and captions are found."""
