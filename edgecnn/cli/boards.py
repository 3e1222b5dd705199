"""The commands that reach boards: deploy, and `board` with list, info, status, doctor, trust, clean, make, profile."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgecnn.cli import completion, fleets, groups, outputs
from edgecnn.cli import options as o
from edgecnn.errors import UsageError

if TYPE_CHECKING:
    from edgecnn.pipeline.deploy.bundle import Bundle

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
NAME_OR_GROUP = Annotated[
    str, typer.Argument(help="A board as `edgecnn board list` shows it, or @GROUP.", autocompletion=completion.boards)
]


def deploy(
    target: o.DEPLOYED,
    board: Annotated[
        str | None,
        typer.Option("--board", help="ssh://user@host, a board's name, or @GROUP.", autocompletion=completion.boards),
    ] = None,
    format: Annotated[str, typer.Option("--format", help="tflite or onnx")] = "tflite",
    precision: Annotated[str, typer.Option("--precision", help="int8 or fp32")] = "int8",
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FOLDER", help="Folder to write the bundle into.")
    ] = None,
    service: Annotated[bool, typer.Option("--service", help="Serve over HTTP as a systemd unit.")] = False,
    serve_options: Annotated[
        str, typer.Option("--serve-options", metavar="WORDS", help="Of the service: '--port 8081 --unknown off'.")
    ] = "",
    max_lsb: Annotated[int, typer.Option("--max-lsb", help="Largest difference from the golden vectors.")] = 0,
    strict: Annotated[bool, typer.Option("--strict", help="Refuse a file whose check cannot tell.")] = False,
    across_runs: Annotated[
        bool, typer.Option("--across-runs", help="It may take the place of another run's model.")
    ] = False,
    sign: Annotated[
        Path | None, typer.Option("--sign", metavar="KEY", help="Sign the bundle with this ssh key.")
    ] = None,
    canary: Annotated[
        int | None, typer.Option("--canary", min=1, help="Of a group: boards that come first, and are soaked.")
    ] = None,
    soak: Annotated[
        str | None, typer.Option("--soak", metavar="N|Ns", help="Of a group: requests, or seconds, on each board.")
    ] = None,
    max_error_rate: Annotated[
        float, typer.Option("--max-error-rate", help="Of wrong answers in %; beyond it all boards go back.")
    ] = 1.0,
    jobs: fleets.JOBS = None,
    resume: fleets.RESUME = False,
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
    words = verb.words_of_serve(serve_options, service)
    outputs.folder(output)
    if board is not None and fleets.is_group(board):
        made = verb.make(target, format=format, precision=precision, output=output, strict=strict, sign=sign)
        how: dict[str, Any] = {
            "canary": canary or 0,
            "max_error_rate": max_error_rate,
            "strict": strict,
            "max_lsb": max_lsb,
            "with_service": service,
            "serve_options": words,
            "across_runs": across_runs,
        }
        _roll_out(made, board, soak or ("200" if canary else None), how, jobs, resume, as_json)
        return
    fleets.refuse_without_group(canary=canary, soak=soak, jobs=jobs, resume=resume)
    done = verb.deploy(
        target,
        board,
        format=format,
        precision=precision,
        output=output,
        service=service,
        serve_options=words,
        max_lsb=max_lsb,
        strict=strict,
        across_runs=across_runs,
        sign=sign,
    )
    if done:
        show.show_deployment(done, zoo.named(target), as_json)


def _roll_out(
    made: Bundle, group: str, soak: str | None, how: dict[str, Any], jobs: int | None, resume: bool, as_json: bool
) -> None:
    """Bring one bundle to every board of a group, print what came of it, and judge it."""
    import hashlib

    from edgecnn.common import config, documents
    from edgecnn.fleets import fleet, rollout
    from edgecnn.pipeline.deploy.soak import SoakPlan

    plan = rollout.Rollout(**how, soak=SoakPlan.parse(soak) if soak else None)
    digest = hashlib.sha256(made.archive(signed=False)).hexdigest()
    subject = documents.canonical({"name": made.name, "sha256": digest, **config.table_of(plan)})
    boards, folder = fleets.plan_of("deploy", [group], subject), fleets.place(None, "deploy", [group])
    fleets.tell(rollout.roll_out(made, boards, plan, folder, jobs=jobs or fleet.JOBS, resume=resume), as_json)


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
def status(
    name: NAME_OR_GROUP,
    output: fleets.RECORD = None,
    jobs: fleets.JOBS = None,
    as_json: o.JSON = False,
) -> None:
    """Say what runs on a board: releases, selftests, throttling, requests and what was unknown."""
    from edgecnn.checks.board import show
    from edgecnn.checks.board import status as verb

    if fleets.is_group(name):
        from edgecnn.fleets import measuring

        fleets.ask("board status", name, measuring.status(), measuring.STATUS_HEAD, output, jobs, as_json)
        return
    fleets.refuse_without_group(jobs=jobs, output=output)
    show.show_status(verb.status(name), as_json)


@board.command(cls=groups.Command)
def doctor(
    name: NAME_OR_GROUP,
    output: fleets.RECORD = None,
    jobs: fleets.JOBS = None,
    resume: fleets.RESUME = False,
) -> None:
    """Check a board for all that a bench needs, and say how to mend what is missing."""
    from edgecnn.checks.board import board as verb
    from edgecnn.checks.board import show

    if fleets.is_group(name):
        from edgecnn.fleets import measuring

        fleets.run(
            "board doctor", [name], measuring.doctor(), measuring.DOCTOR_HEAD, "",
            output=output, jobs=jobs, resume=resume,
        )  # fmt: skip
        return
    fleets.refuse_without_group(jobs=jobs, resume=resume, output=output)
    show.show_checks(verb.doctor(name))


@board.command(cls=groups.Command)
def trust(
    name: NAME_OR_GROUP,
    key: Annotated[Path | None, typer.Argument(help="A public key of ssh, KEY.pub; none lists whom it trusts.")] = None,
    forget: Annotated[
        bool, typer.Option("--forget", help="Trust the key no longer; without one take every bundle.")
    ] = False,
    newest_only: Annotated[
        bool | None, typer.Option("--newest-only/--any-age", help="Refuse what was signed before the newest release.")
    ] = None,
) -> None:
    """Have a board refuse bundles that are not signed by somebody it trusts."""
    from edgecnn.checks.board import show
    from edgecnn.checks.board import trust as verb

    if fleets.is_group(name):
        from edgecnn.fleets import measuring

        task = measuring.trust(key, forget, newest_only)
        fleets.ask("board trust", name, task, measuring.TRUST_HEAD, None, None, False)
        return
    show.show_trust(verb.trust(name, key, forget=forget, newest_only=newest_only))


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


@board.command(cls=groups.Command)
def profile(
    name: NAME,
    precision: Annotated[str, typer.Option("--precision", help="int8,fp32")] = "int8,fp32",
    num_threads: Annotated[str, typer.Option("--num-threads", help="Threads of the runtime: 1, or 1,2,4")] = "1",
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="File (.json) to write instead of your own.")
    ] = None,
    as_json: o.JSON = False,
) -> None:
    """Measure what operators cost on a board, so that the cost of any net is predicted."""
    from edgecnn.pipeline.costs import profile as verb
    from edgecnn.pipeline.costs import show

    words = num_threads.split(",")
    if not all(word.strip().isdecimal() for word in words):
        raise UsageError(f"--num-threads {num_threads!r} is no number of threads.", "--num-threads 1,2,4")
    done = verb.profile(name, precision.split(","), [int(word) for word in words], output=output)
    show.show(done, as_json)
