"""The address of a model on a hub: hf://user/name, and @revision for a branch, a tag or a commit."""

from __future__ import annotations

import re
from dataclasses import dataclass

from edgecnn.errors import UsageError

_NAME = r"[A-Za-z0-9][\w.-]{0,95}"
_ADDRESS = re.compile(rf"hf://(?P<owner>{_NAME})/(?P<name>{_NAME})(?:@(?P<revision>[\w./-]{{1,200}}))?", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class HubPlace:
    """A repository of models, and which state of it."""

    owner: str
    """A user or an organization."""
    name: str
    revision: str | None = None
    """None is the newest state of the main branch."""

    @property
    def repository(self) -> str:
        """The repository as the hub's client names it."""
        return f"{self.owner}/{self.name}"

    def __str__(self) -> str:
        return f"hf://{self.repository}" + (f"@{self.revision}" if self.revision else "")


def parse(address: str) -> HubPlace:
    """Parse an address such as hf://user/name@revision.

    Raises:
        UsageError: It is none.
    """
    match = _ADDRESS.fullmatch(address)
    if match is None:
        raise UsageError(f"{address!r} is no address on a hub.", "hf://USER/NAME, or hf://USER/NAME@REVISION to pull")
    return HubPlace(**match.groupdict())
