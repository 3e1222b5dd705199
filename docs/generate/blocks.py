"""The command blocks of a page: which are run, in which order, and which are not, with the reason.

A fenced block of `sh` is run, in a folder that the blocks of its page share. A comment in the line before it says
otherwise, or prepares what a reader has and a fresh machine has not:

    <!-- not run: takes half an hour -->
    <!-- before: python -c 'make the photographs of the example' -->
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
BLOCK = re.compile(
    r"(?:^<!-- (?P<mark>not run|before): (?P<words>[^\n]*?) -->\n)?^```sh\n(?P<commands>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Block:
    """A block of commands, as a reader copies it."""

    commands: str
    not_run: str = ""
    """Why no test runs it; "" if one does."""
    before: str = ""
    """Commands that are run before it and not shown."""

    @property
    def lines(self) -> list[str]:
        """The commands without their comments, one a line; a line that ends in a backslash goes on."""
        joined = self.commands.replace("\\\n", " ")
        return [line for text in joined.splitlines() if (line := re.sub(r"(^|\s)#.*", "", text).strip())]


def blocks(page: str) -> list[Block]:
    """Return the command blocks of a page's Markdown, in order."""
    parsed = []
    for match in BLOCK.finditer(page):
        words, mark = match["words"] or "", match["mark"]
        parsed.append(Block(match["commands"], words if mark == "not run" else "", words if mark == "before" else ""))
    return parsed


def environment(folder: Path, terminal: Path | None = None) -> Mapping[str, str]:
    """Return the variables under which commands run: this Python's programs first, caches and settings in `folder`."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("EDGECNN", "XDG", "COLUMNS"))}
    programs = [str(Path(sys.executable).parent), kept.get("PATH", "")]
    if terminal is not None:
        programs.insert(0, str(terminal))
    return {
        **kept,
        "PATH": os.pathsep.join(programs),
        "COLUMNS": "80",
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": os.pathsep.join([str(HERE), str(HERE.parents[1])]),
        "XDG_CACHE_HOME": str(folder / ".cache"),
        "XDG_CONFIG_HOME": str(folder / ".config"),
    }


def run(block: Block, folder: Path, variables: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Run a block in a folder, each command of it a success; stdout and stderr together."""
    script = "set -eu\n" + "\n".join([block.before, block.commands])
    return subprocess.run(
        ["bash", "-c", script], cwd=folder, env=dict(variables), text=True, encoding="utf-8", check=False,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=900,
    )  # fmt: skip
