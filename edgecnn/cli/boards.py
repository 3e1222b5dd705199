"""The commands that reach boards: deploy, and `board` with list, info, doctor, clean and make."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edgecnn.cli import completion, groups, outputs
from edgecnn.cli import options as o
from edgecnn.errors import UsageError

board = typer.Typer(
    cls=groups.CommandGroup, no_args_is_help=True, help="See, check and clean the boards that can be reached."
)

NAME = Annotated[
    str,
    typer.Argument(
        help="ssh://user@host, emulated:pi4, or a name that `edgecnn board list` shows.",
        autocompletion=completion.boards,
    ),
]


def deploy(
    target: o.DEPLOYED,
    board: Annotated[
        str | None,
        typer.Option("--board", help="ssh://user@host, or a board's name.", autocompletion=completion.boards),
    ] = None,
    format: Annotated[str, typer.Option("--format", help="tflite or onnx")] = "tflite",
    precision: Annotated[str, typer.Option("--precision", help="int8 or fp32")] = "int8",
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FOLDER", help="Folder to write the bundle into.")
    ] = None,
    service: Annotated[bool, typer.Option("--service", help="Serve over HTTP as a systemd unit.")] = False,
    max_lsb: Annotated[int, typer.Option("--max-lsb", help="Largest difference from the golden vectors.")] = 0,
    strict: Annotated[bool, typer.Option("--strict", help="Refuse a file whose check cannot tell.")] = False,
    across_runs: Annotated[
        bool, typer.Option("--across-runs", help="It may take the place of another run's model.")
    ] = False,
    rollback: Annotated[bool, typer.Option("--rollback", help="Go back to the release before.")] = False,
    status: Annotated[bool, typer.Option("--status", help="Say what is on the board.")] = False,
    as_json: o.JSON = False,
) -> None:
    """Put a model on a board, tested there, so that one command classifies a picture."""
    from edgecnn.pipeline.deploy import deploy as verb
    from edgecnn.pipeline.deploy import show
    from edgecnn.records import zoo

    if rollback or status:
        if board is None or (rollback and status):
            raise UsageError("One of --rollback and --status, and a --board.", "edgecnn deploy RUN --board B --status")
        if rollback:
            show.show_rollback(verb.rollback(str(target), board, across_runs), as_json)
        else:
            show.show_status(verb.status(str(target), board), as_json)
        return
    outputs.folder(output)
    done = verb.deploy(
        target,
        board,
        format=format,
        precision=precision,
        output=output,
        service=service,
        max_lsb=max_lsb,
        strict=strict,
        across_runs=across_runs,
    )
    if done:
        show.show_deployment(done, zoo.named(target), as_json)


@board.command(name="list", cls=groups.Command)
def list_boards(as_json: o.JSON = False) -> None:
    """List every kind of board and every named one."""
    from edgecnn.checks.board import board as verb
    from edgecnn.checks.board import show

    show.show_list(verb.list_boards(), as_json)


@board.command(cls=groups.Command)
def info(name: NAME, as_json: o.JSON = False) -> None:
    """Say what a board is: CPU, memory, Python, clock, temperature, throttling."""
    from edgecnn.checks.board import board as verb
    from edgecnn.checks.board import show

    show.show_info(verb.info(name), as_json)


@board.command(cls=groups.Command)
def doctor(name: NAME) -> None:
    """Check a board for all that a bench needs, and say how to mend what is missing."""
    from edgecnn.checks.board import board as verb
    from edgecnn.checks.board import show

    show.show_checks(verb.doctor(name))


@board.command(cls=groups.Command)
def clean(name: NAME) -> None:
    """Remove what benches left on a board."""
    from edgecnn.checks.board import board as verb
    from edgecnn.checks.board import show

    show.show_cleaned(verb.clean(name))


@board.command(cls=groups.Command)
def make(
    release: Annotated[
        str | None, typer.Option("--release", help="Of Debian: trixie, which is the default, or bookworm.")
    ] = None,
    again: Annotated[bool, typer.Option("--again", help="Make it anew from today's packages.")] = False,
) -> None:
    """Make the disk image of the emulated ARM boards now, not at their first use."""
    from edgecnn.checks.board import board as verb
    from edgecnn.checks.board import show

    show.show_made(verb.make(release, again))
