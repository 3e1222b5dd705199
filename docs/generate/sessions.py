"""Recorded sessions: the commands of a page and what they printed, with the machine and the day.

`python docs/generate/record.py tutorials/first-model` records one; `<!-- output tutorials/first-model 2 -->` shows what
the second block of that page printed, and `<!-- recorded tutorials/first-model -->` says where and when.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import record
import screen

from edgecnn.records import environment

FOLDER = record.RESULTS / "sessions"


def path_of(page: str) -> Path:
    """Return the file of a page's session."""
    return FOLDER / f"{page.replace('/', '-')}.json"


def read(page: str) -> dict[str, Any]:
    """Return a page's session."""
    session: dict[str, Any] = json.loads(path_of(page).read_text(encoding="utf-8"))
    return session


def output(page: str, number: str, lines: str = "") -> str:
    """Return what the `number`th block printed, from 1; `lines` takes so many of its last."""
    printed = [screen.plain(line) for line in read(page)["blocks"][int(number) - 1]["output"]]
    kept = printed[-int(lines) :] if lines else printed
    return "```text\n" + "\n".join([*(["..."] if len(kept) < len(printed) else []), *kept]) + "\n```\n"


def recorded(page: str) -> str:
    """Return when and where a session was recorded."""
    session = read(page)
    machine = record.machine(environment.from_table(session["environment"]))
    return f"*What is shown was printed on {session['date'][:10]} by {machine}; yours will differ in its times.*\n"
