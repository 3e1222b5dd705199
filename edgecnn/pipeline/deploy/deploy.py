"""The verb: put a model on a board so that one command classifies a picture there, or go back to the one before.

A release is sent whole, tested there with its golden vectors, and only then becomes the current one
(`edgecnn.onboard.releases`). Whatever fails on the way, the model that worked goes on working.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from edgecnn import boards, formats
from edgecnn.boards.ssh.link import Link
from edgecnn.common import console
from edgecnn.errors import UsageError
from edgecnn.onboard.runner import cli as serving
from edgecnn.pipeline.deploy import bundle, delivery, service, signing
from edgecnn.pipeline.deploy.bundle import Bundle
from edgecnn.pipeline.deploy.delivery import Deployment
from edgecnn.pipeline.deploy.installed import Installed, ReleasedModel, Status
from edgecnn.records.run import reads_exports


@dataclass(frozen=True, kw_only=True)
class Rollback:
    """The release that is current again."""

    name: str
    board: str
    before: str
    """The release that was current."""
    current: str
    model: ReleasedModel
    """What the current release holds."""


@dataclass(frozen=True, kw_only=True)
class Installation:
    """The model that is installed on a board under one name."""

    name: str
    board: str
    status: Status
    service: str | None
    """What systemd says of the unit; None without systemd or without a unit."""


@reads_exports
def deploy(
    target: Path,
    board: str | None = None,
    *,
    format: str = "tflite",
    precision: str = "int8",
    output: Path | None = None,
    service: bool = False,
    serve_options: Sequence[str] = (),
    max_lsb: int = 0,
    strict: bool = False,
    across_runs: bool = False,
    sign: Path | None = None,
) -> Deployment | None:
    """Write the bundle of a model file into a folder, put it on a board, or both.

    Args:
        target: A run, or an exported model file.
        board: The board's name; None writes to `output` only.
        format: Which of a run's files to take.
        precision: Which of a run's files to take; a run without a pure int8 file gives its `int8-mixed` one.
        output: The folder to write the bundle into.
        service: Whether to run `serve` on the board as a systemd unit.
        serve_options: The unit's options of `serve`, as `words_of_serve` gives them.
        max_lsb: The largest difference from the golden vectors that is accepted, in steps of an integer output.
        strict: Whether a file whose check cannot tell is refused.
        across_runs: Whether the release may take the place of another run's model.
        sign: The ssh key to sign the bundle with.

    Returns:
        What is on the board now; None without a board.

    Raises:
        UsageError: There is no such file, nowhere to deploy to, or another run's model in its place.
        GateFailed: The file failed its check, or answers differently on the board.
        Undecided: The file's check cannot tell, and `strict` is set.
        LinkError: The board cannot be reached, or the link was cut.
        BoardUnfit: The board cannot run the model.

    None of these errors touches the release that works.
    """
    if board is None and output is None:
        raise UsageError("There is nowhere to deploy to.", "--board ssh://user@host, or --output FOLDER")
    made = make(target, format=format, precision=precision, output=output, strict=strict, sign=sign)
    if board is None:
        return None
    with reach(board) as link:
        return delivery.deliver(
            link,
            made,
            board,
            max_lsb=max_lsb,
            with_service=service,
            serve_options=serve_options,
            across_runs=across_runs,
        )


def words_of_serve(text: str, service: bool) -> tuple[str, ...]:
    """Return the words of the options that a service's `serve` has, such as "--port 8081 --unknown off".

    Raises:
        UsageError: `serve` would refuse them, or there is no service to have them.
    """
    if text and not service:
        raise UsageError("--serve-options are those of a service.", f"--service --serve-options {text!r}")
    return serving.serve_options(text)


def make(
    target: Path,
    *,
    format: str = "tflite",
    precision: str = "int8",
    output: Path | None = None,
    strict: bool = False,
    sign: Path | None = None,
) -> Bundle:
    """Make the bundle of a model file, sign it and write it into a folder, as far as that is asked for.

    The arguments are those of `deploy`, which raises the same errors.
    """
    made = bundle.make(formats.choose(target, format, precision), strict)
    if sign is not None:
        made = signing.sign(made, sign)
    if output is not None:
        made.write(output)
        console.note(f"{output}: {len(made.files)} files, {sum(map(len, made.files.values())) / 1000:.1f} kB")
    return made


def rollback(target: str, board: str, across_runs: bool = False) -> Rollback:
    """Go back to the release before the current one.

    Args:
        target: A run, a model file, or the name of a bundle.
        board: The board's name.
        across_runs: Whether the earlier release may be another run's.

    Raises:
        UsageError: There is no earlier release, or it is another run's and nobody has said that it may be.
    """
    name = bundle.name_of(target)
    with reach(board) as link:
        facts = delivery.require_fit(link, board)
        releases = Installed(link, facts, name)
        status = releases.status() if _exists(link, releases) else None
        if status is None or status.previous is None:
            raise UsageError(f"There is no earlier release of {name} on {board}.", "`--status` says what is there")
        now, earlier = status.model(status.current), status.model(status.previous)
        if earlier.is_of_another_run(now) and earlier.run_sha256 and not across_runs:
            raise UsageError(
                f"{name} on {board} is {now}; the release before is {earlier}: another run's.",
                "--across-runs goes back to it all the same; `edgecnn deploy` puts any model there",
            )
        current, before = delivery.go_back(link, facts, releases, status.previous, name, board)
    return Rollback(name=name, board=board, before=before, current=current, model=earlier)


def status(target: str, board: str) -> Installation:
    """Say which release is current, which ones could be, and whether the service runs.

    Args:
        target: A run, a model file, or the name of a bundle.
        board: The board's name.

    Raises:
        UsageError: Nothing of that name is on the board.
    """
    name = bundle.name_of(target)
    with reach(board) as link:
        releases = Installed(link, delivery.require_fit(link, board), name)
        if not _exists(link, releases):
            raise UsageError(f"There is no {name!r} on {board}.", "`edgecnn deploy` puts it there")
        return Installation(name=name, board=board, status=releases.status(), service=service.state(link, name))


def reach(board: str) -> AbstractContextManager[Link]:
    """Open a link to a board by its name. Raises UsageError for a kind of board that has none."""
    link = boards.connect(board)
    if link is None:
        raise UsageError(f"Nothing can be deployed to {board!r}.", "--board ssh://user@host, or --output FOLDER")
    return link


def _exists(link: Link, releases: Installed) -> bool:
    """Return whether anything of that name has been deployed to the board."""
    return link.run(["test", "-d", releases.path], timeout_s=60).returncode == 0
