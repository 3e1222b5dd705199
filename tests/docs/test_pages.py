"""README and the documentation: what is generated is up to date, and every command block is run, or says why not."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import blocks
import pytest
import typer.main
from checkout import ROOT

from edgecnn import cli
from edgecnn.records import plans
from edgecnn.records.recipe import Recipe

DOCS = ROOT / "docs" / "pages"
WRITE = [sys.executable, "docs/generate/write.py", "--check"]
PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
WITH_COMMANDS = [page for page in PAGES if blocks.blocks(page.read_text(encoding="utf-8"))]
RUN = [page for page in WITH_COMMANDS if any(not b.not_run for b in blocks.blocks(page.read_text(encoding="utf-8")))]
LINES = [
    (page.stem, line)
    for page in WITH_COMMANDS
    for block in blocks.blocks(page.read_text(encoding="utf-8"))
    for line in block.lines
]
MOST_BYTES_OF_README = 10_000


def test_generated_parts_are_up_to_date() -> None:
    done = subprocess.run(WRITE, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_readme_is_read_in_two_minutes() -> None:
    assert len((ROOT / "README.md").read_bytes()) <= MOST_BYTES_OF_README


def test_readme_leads_to_files_that_are_there() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    links = re.findall(r'(?:\]\(|src="|srcset=")([^)"#]+)', text)
    assert len(links) > 15
    for link in links:
        assert (ROOT / link).exists(), link


def test_every_machine_in_a_table_is_named_with_its_instruction_set() -> None:
    pages = [*PAGES, *ROOT.glob("bench/results/**/*.md"), *ROOT.glob("models/zoo/*/README.md")]
    machines = re.compile(r"AMD EPYC|(?<=On )Cortex-A\d+")
    named = [page.read_text()[match.end() :][:2] for page in pages for match in machines.finditer(page.read_text())]
    assert len(named) > 20
    assert set(named) == {" ("}


@pytest.mark.parametrize("page", RUN, ids=lambda page: page.stem)
def test_the_commands_of_a_page_work(page: Path, tmp_path: Path) -> None:
    variables = blocks.environment(tmp_path)
    for block in blocks.blocks(page.read_text(encoding="utf-8")):
        if not block.not_run:
            done = blocks.run(block, tmp_path, variables)
            assert done.returncode == 0, f"{block.commands}\n{done.stdout}"


@pytest.mark.parametrize(("page", "line"), [(page, line) for page, line in LINES if line.startswith("edgecnn")])
def test_every_command_parses_and_names_what_there_is(page: str, line: str) -> None:
    words = shlex.split(line.split(" > ")[0])[1:]
    group = typer.main.get_command(cli.app)
    command = group
    while words and (words[0].startswith("-") or words[0] in getattr(command, "commands", {})):
        word = words.pop(0)
        if word.startswith("-"):
            assert word in {option for parameter in command.params for option in parameter.opts}
        else:
            command = command.commands[word]  # type: ignore[attr-defined]
    parsed = command.make_context("edgecnn", words)
    for value in parsed.params.values():
        if isinstance(value, str) and value.startswith("dscnn"):
            assert value in plans.names(Recipe)


@pytest.mark.parametrize("line", [line for _, line in LINES if line.startswith("make ")])
def test_every_make_target_exists(line: str) -> None:
    target = shlex.split(line)[1]
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)


def test_no_page_shows_a_command_that_is_neither_run_nor_marked() -> None:
    for page in PAGES:
        fences = re.findall(r"^```(\w+)", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
        assert set(fences) <= {"sh", "text", "toml", "json", "yaml", "python", "pycon"}, page
