"""The help of each command: sections in one order, and examples that can be typed."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import Any

import pytest
import typer.main

from edgecnn import cli
from edgecnn.cli import sections
from edgecnn.cli.examples import EXAMPLES


def commands(group: Any = None, path: str = "edgecnn") -> Iterator[tuple[str, Any]]:
    """Yield every command with the words that call it."""
    for name, command in (group or typer.main.get_command(cli.app)).commands.items():
        yield from (
            commands(command, f"{path} {name}") if hasattr(command, "commands") else [(f"{path} {name}", command)]
        )


COMMANDS = dict(commands())


@pytest.mark.parametrize("path", COMMANDS)
def test_the_help_of_a_command_has_sections_and_examples_in_80_columns(path: str) -> None:
    context = COMMANDS[path].make_context(path, ["--help"], resilient_parsing=True, help_option_names=["-h", "--help"])
    context.terminal_width = context.max_content_width = 80
    lines = COMMANDS[path].get_help(context).splitlines()
    heads = [line.removesuffix(":") for line in lines if line.endswith(":") and line[0] != " "]
    order = [sections.ARGUMENTS, *sections.SECTIONS, "Example", "Examples"]
    assert heads == sorted(heads, key=order.index)
    assert heads[-2] == "Console"
    assert heads[-1].startswith("Example")
    assert max(map(len, lines)) <= 80


@pytest.mark.parametrize("path", COMMANDS)
def test_the_examples_of_a_command_can_be_typed(path: str) -> None:
    for _, line in EXAMPLES[path.removeprefix("edgecnn ")]:
        called = shlex.split(line)
        words = path.split()
        assert called[: len(words)] == words
        COMMANDS[path].make_context(path, called[len(words) :])  # an unknown option, a missing value: a usage error


def test_every_option_has_one_section() -> None:
    options = [p for command in COMMANDS.values() for p in command.params if p.param_type_name == "option"]
    own = {max(option.opts, key=len).removeprefix("--") for option in options}
    names = [name.rpartition(" ")[2] for listed in sections.SECTIONS.values() for name in listed]
    assert set(names) ^ own == {"help"}
    assert len(sections.TITLES) == len(names)
