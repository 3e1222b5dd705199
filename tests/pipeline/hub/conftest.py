"""A hub for each test, and a run of the zoo that is pushed to it."""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Iterator
from pathlib import Path

import hub as hubs
import hub_commands
import pytest
from hub import Hub, Repository

RUN = "zoo:fashion-10k"


@functools.cache
def _pushed() -> dict[str, bytes]:
    """Push the run to a hub, once a session, and return the hub's files."""
    with hubs.running() as hub, tempfile.TemporaryDirectory() as folder:
        done = hub_commands.edgecnn(hub, Path(folder), "push", RUN, hub_commands.PLACE)
        assert done.returncode == 0, done.stderr
        return hub.files(hub_commands.REPOSITORY)


@pytest.fixture
def hub() -> Iterator[Hub]:
    """A hub without models."""
    with hubs.running() as running:
        yield running


@pytest.fixture
def filled(hub: Hub) -> Hub:
    """A hub on which the run stands."""
    repository = hub.repositories[hub_commands.REPOSITORY] = Repository(private=True)
    repository.add(dict(_pushed()))
    return hub
