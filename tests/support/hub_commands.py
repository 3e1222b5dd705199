"""push and pull as commands of their own process, which ask a hub of this machine in the name of a user."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import hub as hubs
from checkout import ROOT
from hub import Hub

OWNER = "alice"
PLACE = "hf://alice/digits"
REPOSITORY = "alice/digits"


def command(*words: object) -> list[str]:
    return [sys.executable, "-m", "edgecnn", *map(str, words)]


def environment(hub: Hub, token: str = OWNER, **changes: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), **hubs.settings(hub, token), **changes}


def edgecnn(
    hub: Hub, folder: Path, *words: object, token: str = OWNER, **changes: str
) -> subprocess.CompletedProcess[str]:
    """Run a command in a folder."""
    env = environment(hub, token, **changes)
    return subprocess.run(command(*words), cwd=folder, env=env, capture_output=True, text=True)


def sentences(done: subprocess.CompletedProcess[str]) -> list[str]:
    """The lines of an error, of which there is one with at most one hint, and nothing on stdout."""
    lines = done.stderr.splitlines()
    begin = next(place for place, line in enumerate(lines) if line.startswith("error: "))
    assert done.stdout == ""
    assert [line.split(":")[0] for line in lines[begin:]] in (["error"], ["error", "hint"]), done.stderr
    return lines[begin:]
