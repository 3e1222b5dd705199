"""The README: its tables, map and help are generated, and its commands are real."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys

import pytest
from checkout import ROOT

from edgecnn import cli
from edgecnn.records import plans
from edgecnn.records.recipe import Recipe

TEXT = (ROOT / "README.md").read_text()
WRITTEN = re.sub(r"<!-- (\w+) -->.*?<!-- /\1 -->", "", TEXT, flags=re.DOTALL)
COMMANDS = [line.split("#")[0].strip() for line in WRITTEN.splitlines() if re.match(r" {4}(edgecnn|make) ", line)]


def test_generated_parts_are_up_to_date() -> None:
    done = subprocess.run([sys.executable, "bench/readme.py", "--check"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_every_machine_in_a_table_is_named_with_its_instruction_set() -> None:
    pages = [ROOT / "README.md", *ROOT.glob("bench/results/**/*.md"), *ROOT.glob("models/zoo/*/README.md")]
    machines = re.compile(r"AMD EPYC|(?<=On )Cortex-A\d+")
    named = [page.read_text()[match.end() :][:2] for page in pages for match in machines.finditer(page.read_text())]
    assert len(named) > len(pages)
    assert set(named) == {" ("}


def test_there_are_commands_to_check() -> None:
    assert len(COMMANDS) > 8


@pytest.mark.parametrize("command", [c for c in COMMANDS if c.startswith("edgecnn")])
def test_every_command_parses_and_names_what_there_is(command: str) -> None:
    import typer.main

    verb, *arguments = shlex.split(command)[1:]
    group = typer.main.get_command(cli.app)
    if verb.startswith("-"):
        assert verb in {option for parameter in group.params for option in parameter.opts}
        return
    parsed = group.commands[verb].make_context(verb, arguments)  # type: ignore[attr-defined]
    for value in parsed.params.values():
        if isinstance(value, str) and value.startswith("dscnn"):
            assert value in plans.names(Recipe)


@pytest.mark.parametrize("command", [c for c in COMMANDS if c.startswith("make")])
def test_every_make_target_exists(command: str) -> None:
    target = shlex.split(command)[1]
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)


def test_the_project_names_no_machine_of_its_makers() -> None:
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    names = [name for name in tracked.stdout.split("\0") if name.endswith((".py", ".md", ".toml", ".json", ".txt"))]
    private = re.compile("/" + "work/|" + r"\.\./shared|py" + r"pi\.org")
    for name in names:
        if (ROOT / name).is_file():
            assert not private.search((ROOT / name).read_text()), name
