"""Whether a new release answers on the board as it did where it was exported; decided before it becomes current."""

from __future__ import annotations

import io
from typing import Any

import numpy as np

from edgecnn.boards.ssh.link import CommandResult
from edgecnn.common import replies
from edgecnn.common.replies import NotAReply, last_line
from edgecnn.common.signals import ending_signal
from edgecnn.errors import EnvironmentUnfit, GateFailed
from edgecnn.onboard import golden
from edgecnn.onboard.runner import contents
from edgecnn.pipeline.deploy.bundle import Bundle
from edgecnn.pipeline.deploy.installed import Installed
from edgecnn.records import artifact as artifacts


def passed(answer: CommandResult, made: Bundle, board: str, max_lsb: int) -> dict[str, Any]:
    """The selftest's JSON if it lets the release through."""
    try:
        table = replies.table(answer.stdout)
    except NotAReply as error:
        raise _broken(answer, "selftest", board) from error
    verdict, sentence, steps = table.get("verdict"), table.get("sentence"), table.get("max_lsb")
    if not (isinstance(verdict, str) and isinstance(sentence, str) and (steps is None or type(steps) is int)):
        raise _broken(answer, "selftest", board)
    if answer.returncode == 0 or (verdict == "within" and steps is not None and steps <= max_lsb):
        return table
    hint = "what was there before is untouched"
    if verdict == "within":
        hint += f"; --max-lsb {steps} lets it through"
    if table.get("cause"):  # an earlier release has an earlier runner
        hint += f". {replies.plain(str(table['cause']))}"
    raise GateFailed(f"{made.artifact.name} answers differently on {board}: {replies.plain(sentence)}.", hint)


def require_same_answer(there: Installed, release: str, made: Bundle, board: str) -> None:
    """One golden picture as a file through the whole way; it also leaves Python's bytecode for the first user."""
    from PIL import Image

    images, outputs = golden.read(made.files[contents.GOLDEN], contents.OUTPUTS, made.artifact)
    pixels, expected = images[0], outputs[:1]  # (H, W, C), (1, ...)
    stream = io.BytesIO()
    Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels).save(stream, "png")
    answer = there.run(release, ["classify", "-"], stream.getvalue())
    logits = artifacts.decode(expected, made.artifact.description.output)[0]  # (K,)
    best = {made.artifact.labels[i] for i in np.flatnonzero(logits == logits.max())}
    try:
        label = replies.table(answer.stdout, raw=True)["label"]
    except (NotAReply, KeyError) as error:
        raise _broken(answer, "classify", board) from error
    if label not in best:
        called = replies.plain(repr(label))
        raise GateFailed(f"{made.artifact.name} calls a golden picture {called} on {board}, not {sorted(best)[0]!r}.")


def _broken(answer: CommandResult, command: str, board: str) -> EnvironmentUnfit:
    if name := ending_signal(answer.returncode):
        return EnvironmentUnfit(
            f"`{command}` of the new release was ended by {name} on {board}.", "what was there before is untouched"
        )
    lines = [line for line in answer.stderr.splitlines() if line.startswith("error: ")]
    reason = (lines[0].removeprefix("error: ") if lines else last_line(answer.stderr)).rstrip(".")
    reason = reason or f"exit code {answer.returncode}"
    return EnvironmentUnfit(
        f"`{command}` of the new release failed on {board}: {reason}.", "what was there before is untouched"
    )
