"""Run the commands of pages in a terminal and keep what they printed, for `sessions`.

    python docs/generate/recording.py tutorials/first-model terminal

A page is named as its file under docs/pages, without the ending; `terminal` are the commands of README's picture.
"""

from __future__ import annotations

import datetime
import os
import pty
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "bench"))

import blocks
import screen
import sessions
import terminal

from edgecnn.common import files
from edgecnn.records import environment

PAGES = Path(__file__).resolve().parents[1] / "pages"


def record(page: str) -> None:
    """Run the blocks of a page in a fresh folder and write its session."""
    if page == terminal.SESSION:
        todo = [blocks.Block(command) for command in terminal.COMMANDS]
    else:
        todo = blocks.blocks((PAGES / f"{page}.md").read_text(encoding="utf-8"))
    kept: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as name:
        for block in todo:
            lines = [] if block.not_run else screen.shown(_written(block, Path(name)))
            kept.append({"commands": block.commands, "output": lines})
            print(f"{page}: {len(kept)} of {len(todo)}", file=sys.stderr)
    files.write_json(
        sessions.path_of(page),
        {
            "command": f"python docs/generate/recording.py {page}",
            "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "environment": environment.to_table(environment.here()),
            "blocks": kept,
        },
    )


def _written(block: blocks.Block, folder: Path) -> str:
    """Return all that a block writes to a terminal of 80 columns."""
    script = "set -eu\nstty cols 80\n" + "\n".join([f"{block.before or ':'} >/dev/null 2>&1", block.commands])
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        ["bash", "-c", script], cwd=folder, env={**blocks.environment(folder), "TERM": "xterm-256color"},
        stdin=theirs, stdout=theirs, stderr=theirs,
    )  # fmt: skip
    os.close(theirs)
    written = b""
    while block_read := _read(ours):
        written += block_read
    os.close(ours)
    text = written.decode()
    if process.wait():
        raise SystemExit(f"exit code {process.returncode}: {block.commands}\n{text}")
    return text


def _read(descriptor: int) -> bytes:
    """Return what is there; nothing once the other side of the terminal is closed."""
    try:
        return os.read(descriptor, 1 << 16)
    except OSError:
        return b""


if __name__ == "__main__":
    for name in sys.argv[1:]:
        record(name)
