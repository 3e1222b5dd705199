"""A soak: the server of a new release is asked many times on the board, and its wrong answers are counted."""

from __future__ import annotations

import base64
import re
import uuid
from dataclasses import dataclass

from edgecnn.boards.ssh import preflight
from edgecnn.boards.ssh.link import Link
from edgecnn.common import config, documents, replies
from edgecnn.common.replies import NotAReply, last_line
from edgecnn.errors import EnvironmentUnfit, PlanError, UsageError
from edgecnn.onboard import archive
from edgecnn.onboard import soak as program
from edgecnn.pipeline.deploy import golden_inputs
from edgecnn.pipeline.deploy.bundle import Bundle
from edgecnn.pipeline.deploy.installed import Installed

PICTURES = 8
"""How many golden inputs take turns."""
LONGEST_S = 3600.0
SECONDS_A_REQUEST = 30.0
"""What the slowest board may take for one answer, before the link is taken to be cut."""


@dataclass(frozen=True, kw_only=True)
class SoakPlan:
    """The length of a soak: a number of requests, or a number of seconds if that is 0."""

    requests: int = 0
    seconds: float = 0.0

    @classmethod
    def parse(cls, text: str) -> SoakPlan:
        """Parse "200" or "30s". Raises UsageError."""
        match = re.fullmatch(r"([0-9]{1,7})(s?)", text.strip())
        if match is None or int(match[1]) < 1 or (match[2] and int(match[1]) > LONGEST_S):
            raise UsageError(f"--soak {text!r} is no number of requests or seconds.", "--soak 200, or --soak 30s")
        return cls(seconds=float(match[1])) if match[2] else cls(requests=int(match[1]))


@dataclass(frozen=True, kw_only=True)
class Soak:
    """The results of the requests to one release on one board."""

    requests: int
    errors: int
    """Answers that did not come, were no success, or named another class than where the model was exported."""
    first_error: str | None
    seconds: float

    def __post_init__(self) -> None:
        if not 0 <= self.errors <= self.requests:
            raise ValueError(f"{self.errors} of {self.requests} requests failed")


def soak(link: Link, releases: Installed, release: str, made: Bundle, plan: SoakPlan) -> Soak:
    """Ask a server of a release, started for this alone; the servers that run there are left in peace.

    Args:
        link: The link to the board.
        releases: The model's releases there.
        release: The release to ask.
        made: Its bundle, whose golden images are asked.
        plan: How long.

    Raises:
        EnvironmentUnfit: The requests could not be made there.
        LinkError: The link is cut.
    """
    shown = [
        {"picture": base64.b64encode(picture).decode(), "labels": labels}
        for picture, labels in golden_inputs.inputs(made, PICTURES)
    ]
    if not shown:
        raise EnvironmentUnfit(f"{made.artifact.name} has no golden inputs to ask with.", "export it again")
    pictures = f"{releases.path}/.soak-{uuid.uuid4().hex}.json"
    link.push(documents.to_json(shown, None).encode(), pictures)
    argv = [releases.python, *preflight.STANDARD_LIBRARY_ONLY, "-", f"{releases.path}/releases/{release}", pictures]
    argv += [str(plan.requests), str(plan.seconds)]
    timeout_s = program.START_TIMEOUT_S + plan.requests * SECONDS_A_REQUEST + plan.seconds + SECONDS_A_REQUEST
    answer = link.run(argv, archive.program(program.__name__), timeout_s)
    try:
        table = replies.table(answer.stdout)
        return config.build(Soak, table, "the answer")
    except (NotAReply, PlanError) as error:
        reason = last_line(answer.stderr) or f"exit code {answer.returncode}"
        raise EnvironmentUnfit(f"The soak on {link.destination} gave no answer: {reason}.") from error
