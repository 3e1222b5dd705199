"""`-o` is where the result is written, in every command, and what cannot be is refused before any work."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer.main

from edgecnn import cli
from edgecnn.cli import outputs
from edgecnn.errors import EXIT_UNFIT, EXIT_USAGE, UsageError

Cli = Callable[..., tuple[int, str, str]]

FOLDERS = {
    "train": ("train", "dscnn-digits"),
    "run": ("run", "dscnn-digits"),
    "import": ("import", "dscnn", "--weights", "none.pt", "--data", "digits"),
    "pull": ("pull", "hf://user/name"),
    "deploy": ("deploy", "zoo:fashion-10k"),
    "bench": ("bench", "zoo:fashion-10k"),
    "eval": ("eval", "zoo:fashion-10k"),
    "verify": ("verify", "zoo:fashion-10k"),
    "plan": ("plan", "dscnn-digits"),
    "sweep": ("sweep", "dscnn-digits", "sweep.toml"),
    "duel": ("duel", "dscnn-digits"),
    "lesson": ("lesson", "filters"),
}
"""A call of each command that writes into a folder."""


def test_the_help_says_in_every_command_what_is_written_there() -> None:
    group: Any = typer.main.get_command(cli.app)
    options = {
        name: parameter
        for name, command in group.commands.items()
        for parameter in command.params
        if "-o" in parameter.opts
    }
    assert options.keys() == {*FOLDERS, "init", "report"}
    for option in options.values():
        assert option.opts == ["--output", "-o"]
        kind = {"FOLDER": ("Folder to ", "Run folder to "), "FILE": ("File ",), "PATH": ("File (.json) or folder ",)}
        assert option.help.startswith(kind[option.metavar])


@pytest.mark.parametrize("verb", FOLDERS)
def test_a_file_where_a_folder_is_meant_is_refused_before_any_work(verb: str, edgecnn: Cli) -> None:
    Path("notes").write_text("mine")
    code, out, err = edgecnn(*FOLDERS[verb], "-o", "notes")
    assert (code, out) == (EXIT_USAGE, "")
    assert err.splitlines()[0] == "error: notes is a file, and --output is a folder here."
    code, out, err = edgecnn(*FOLDERS[verb], "-o", "notes/below")
    assert (code, out) == (EXIT_UNFIT, "")
    assert "is no folder" in err.splitlines()[0]
    assert Path("notes").read_text() == "mine"
    assert [str(path) for path in Path().iterdir()] == ["notes"]


def test_a_file_that_the_command_has_not_written_is_never_overwritten(edgecnn: Cli) -> None:
    Path("package.json").write_text('{"command": "npm"}')
    Path("index.html").write_text("<h1>mine</h1>")
    Path("notes.md").write_text("mine")
    Path("site").mkdir()
    before = {path: path.read_text() for path in Path().iterdir() if path.is_file()}
    for words, sentence in (
        (("bench", "zoo:fashion-10k", "-o", "package.json"), "package.json is there"),
        (("report", "zoo:fashion-10k", "-o", "index.html"), "index.html is there"),
        (("report", "zoo:fashion-10k", "-o", "notes.md"), "does not say .html"),
        (("report", "zoo:fashion-10k", "-o", "site"), "site is a folder"),
    ):
        code, out, err = edgecnn(*words)
        assert (code, out) == (EXIT_USAGE, ""), words
        assert sentence in err
    assert {path: path.read_text() for path in Path().iterdir() if path.is_file()} == before


def test_a_report_takes_the_place_of_an_earlier_one(own_folder: Path) -> None:
    bench = outputs.is_report_of("bench")
    Path("bench.json").write_text(json.dumps({"command": "edgecnn bench runs/a"}))
    Path("broken.json").write_text('{"command"')
    outputs.file(Path("bench.json"), bench, (".json",))
    outputs.file(Path("new/bench.json"), bench, (".json",))
    with pytest.raises(UsageError, match="has not written it"):
        outputs.file(Path("broken.json"), bench, (".json",))
    assert not Path("new").exists()


def test_runs_lie_under_their_names_in_the_output(edgecnn: Cli) -> None:
    short = ("train", "dscnn-digits", "-s", "net.width=8", "--epochs", 1, "--num-threads", 1, "-q")
    assert edgecnn(*short, "-o", "runs", "--name", "x")[1].startswith("runs/x  ")
    assert edgecnn(*short, "-o", "elsewhere/runs")[1].startswith("elsewhere/runs/dscnn-digits  ")


@pytest.mark.parametrize("words", [("picture.jpg",), ("classify", "picture.jpg"), ("serve",)])
def test_run_here_tells_the_program_run_on_a_board_apart(words: tuple[str, ...], edgecnn: Cli) -> None:
    code, out, err = edgecnn("run", *words)
    assert (code, out) == (EXIT_USAGE, "")
    assert "on its board" in err
    assert "edgecnn predict RUN PICTURE" in err
