"""The machines of a page: each has a number, by which sections refer to it."""

from __future__ import annotations

from edgecnn.records.environment import Environment


class Machines:
    """The machines of a page, in order of first use, and what was done on each."""

    def __init__(self) -> None:
        self.environments: list[Environment] = []
        self.used: list[list[str]] = []

    def number(self, environment: Environment, use: str) -> int:
        """Return the machine's number, from 1, and record what it was used for."""
        if environment not in self.environments:
            self.environments.append(environment)
            self.used.append([])
        index = self.environments.index(environment)
        self.used[index].append(use)
        return index + 1
