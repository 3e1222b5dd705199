"""The commands that move models to and from a hub: push and pull."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

import typer

from edgecnn.cli import options as o
from edgecnn.cli import outputs
from edgecnn.common import console
from edgecnn.common.escapes import say


def push(
    run: o.RUN,
    place: Annotated[str, typer.Argument(help="Where to push it: hf://user/name", metavar="HF")],
    public: Annotated[bool, typer.Option("--public", help="Make a new repository one that everybody sees.")] = False,
    licence: Annotated[
        str | None, typer.Option("--license", help="The model's licence for its card, as in apache-2.0.")
    ] = None,
    strict: o.STRICT = False,
    as_json: o.JSON = False,
) -> None:
    """Push a run's files, recipe and model card to a hub, in one commit."""
    from edgecnn.common import documents
    from edgecnn.common import hub_place as places
    from edgecnn.pipeline.hub import push as verb

    pushed = verb.push(run, places.parse(place), public, licence, strict)
    if as_json:
        say(documents.to_json(dataclasses.asdict(pushed)))
    else:
        say(f"{pushed.url}  {'private' if pushed.private else 'public'}  {pushed.files} files")
    console.note(f"`edgecnn pull {pushed.address}` has it again")


def pull(
    place: Annotated[str, typer.Argument(help="What to pull: hf://user/name, hf://user/name@revision", metavar="HF")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FOLDER", help="Run folder to write; runs/NAME by default.")
    ] = None,
    as_json: o.JSON = False,
) -> None:
    """Pull a run from a hub, checked file by file, into a run folder."""
    from edgecnn.common import hub_place as places
    from edgecnn.pipeline.hub import pull as verb
    from edgecnn.records import resolve

    parsed = places.parse(place)
    outputs.folder(output)
    run = verb.pull(parsed, output or resolve.RUNS / parsed.name)
    if as_json:
        say((run.folder / "run.json").read_text(encoding="utf-8"), end="")
    else:
        from edgecnn.pipeline.train.show import show

        show(run)
