"""The reference of the command line: the help of every command as `--help` prints it."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from typing import Any

import typer.main
from reading import table

from edgecnn import cli, errors
from edgecnn.cli.groups import GROUPS

WIDTH = 80


def page() -> str:
    """Return the page of all commands."""
    group: Any = typer.main.get_command(cli.app)
    parts = [
        "# Commands\n",
        "What `--help` prints, command by command. Data goes to stdout and everything else to stderr; `--json` makes the "
        "data JSON. `-s KEY=VALUE` changes any key of a [recipe, plan or suite](recipes.md).\n\n"
        "`-o`, `--output` is always where a command writes its result: that file, or that folder, and folders above it "
        "are made. A result that has a name of its own, a run or a duel (`--name`, or else the recipe's), becomes a folder "
        "of that name in it, so that several stand side by side: `train`, `run`, `duel`. What cannot be written there, or "
        "would overwrite a file of yours, is refused before any work.\n\n"
        "`-q` and `-v` stand before the command or behind it. `-v` tells on stderr what was decided and why, how long "
        "each stage took, what converters print, and where an error arose.\n",
        f"## edgecnn\n\n{_help(group, 'edgecnn')}\n",
        f"## Exit codes\n\n{exit_codes()}",
    ]
    for title, names in GROUPS.items():
        parts.append(f"## {title}\n")
        for name in names:
            parts += [
                f"### edgecnn {path}\n\n{_help(command, f'edgecnn {path}')}\n" for path, command in _tree(group, name)
            ]
    return "\n".join(parts)


def exit_codes() -> str:
    """Return the table of exit codes."""
    rows = [
        (str(errors.EXIT_PASS), "It worked, and every gate passed."),
        (str(errors.EXIT_GATE), "A gate failed: `--max-drop`, `--max-ms`, `--min-acc`, a check of a file."),
        (str(errors.EXIT_UNFIT), "It cannot be told (`--strict`), or this machine or board cannot do it."),
        (str(errors.EXIT_FLEET), "Of a group of boards (`--board @NAME`), at least one did not; the record says why."),
        (str(errors.EXIT_USAGE), "The command, a recipe, a picture or a file is not what it should be."),
        (str(errors.EXIT_BUG), "A bug of edgecnn; the message says where the traceback lies."),
    ]
    return table(("code", "meaning"), rows)


def _tree(group: Any, name: str) -> Iterator[tuple[str, Any]]:
    command = group.commands[name]
    yield name, command
    for inner in getattr(command, "commands", ()):
        yield from ((f"{name} {path}", below) for path, below in _tree(command, inner))


def _help(command: Any, path: str) -> str:
    """Return what `--help` prints, as a block."""
    context = command.make_context(path, ["--help"], resilient_parsing=True, help_option_names=["-h", "--help"])
    context.terminal_width = context.max_content_width = WIDTH
    text = inspect.cleandoc(command.get_help(context))
    return f"```text\n{re.sub(r'[ ]+$', '', text, flags=re.MULTILINE).strip()}\n```"
