"""Decide, before a release becomes current, that it answers on the board as it did at its export."""

from __future__ import annotations

from typing import Any

from edgecnn.boards.ssh.link import CommandResult
from edgecnn.common import replies
from edgecnn.common.replies import NotAReply, last_line
from edgecnn.common.signals import ending_signal
from edgecnn.errors import EnvironmentUnfit, GateFailed
from edgecnn.pipeline.deploy import golden_inputs
from edgecnn.pipeline.deploy.bundle import Bundle
from edgecnn.pipeline.deploy.installed import Installed


def passed(result: CommandResult, made: Bundle, board: str, max_lsb: int) -> dict[str, Any]:
    """Return the selftest's JSON if the release passes.

    Args:
        result: The runner's selftest.
        made: The bundle of the release.
        board: The board's name.
        max_lsb: The largest difference that is accepted, in steps of an integer output.

    Raises:
        GateFailed: The release answers differently.
        EnvironmentUnfit: The selftest did not run.
    """
    try:
        table = replies.table(result.stdout)
    except NotAReply as error:
        raise _broken(result, "selftest", board) from error
    verdict, sentence, steps = table.get("verdict"), table.get("sentence"), table.get("max_lsb")
    if not (isinstance(verdict, str) and isinstance(sentence, str) and (steps is None or type(steps) is int)):
        raise _broken(result, "selftest", board)
    if result.returncode == 0 or (verdict == "within" and steps is not None and steps <= max_lsb):
        return table
    hint = "what was there before is untouched"
    if verdict == "within":
        hint += f"; --max-lsb {steps} lets it through"
    if table.get("cause"):  # runners of earlier versions give none
        hint += f". {replies.plain(str(table['cause']))}"
    raise GateFailed(f"{made.artifact.name} answers differently on {board}: {replies.plain(sentence)}.", hint)


def require_same_answer(releases: Installed, release: str, made: Bundle, board: str) -> None:
    """Classify one golden image or sound as a file; that also leaves Python's bytecode for the first user.

    Raises:
        GateFailed: The class is another one.
        EnvironmentUnfit: The runner did not classify it.
    """
    content, best = next(golden_inputs.inputs(made, 1), (None, []))
    if content is None:  # a model of sounds that was exported without one
        return
    result = releases.run(release, ["classify", "-"], content)
    try:
        label = replies.table(result.stdout, raw=True)["label"]
    except (NotAReply, KeyError) as error:
        raise _broken(result, "classify", board) from error
    if label not in best:
        called = replies.plain(repr(label))
        word = "picture" if made.artifact.sound is None else "sound"
        raise GateFailed(f"{made.artifact.name} calls a golden {word} {called} on {board}, not {best[0]!r}.")


def _broken(result: CommandResult, command: str, board: str) -> EnvironmentUnfit:
    """Explain why a command of the new release gave no answer."""
    if name := ending_signal(result.returncode):
        return EnvironmentUnfit(
            f"`{command}` of the new release was ended by {name} on {board}.", "what was there before is untouched"
        )
    lines = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    reason = (lines[0].removeprefix("error: ") if lines else last_line(result.stderr)).rstrip(".")
    reason = reason or f"exit code {result.returncode}"
    return EnvironmentUnfit(
        f"`{command}` of the new release failed on {board}: {reason}.", "what was there before is untouched"
    )
