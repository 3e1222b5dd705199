"""Completion in the shells themselves: bash, zsh and fish are asked what Tab would offer."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from checkout import ROOT

BIN = Path(sys.executable).parent
BASH = """
eval "$(edgecnn --show-completion bash)"
COMP_WORDS=({words}); COMP_CWORD=$(( ${{#COMP_WORDS[@]}} - 1 ))
_edgecnn_completion edgecnn
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
ZSH = """
compdef() {{ }}
_files() {{ }}
_arguments() {{ print -r -- "$*" }}
eval "$(edgecnn --show-completion zsh)"
words=({words}); CURRENT=$#words
_edgecnn_completion
"""
FISH = """
edgecnn --show-completion fish | source
complete -C '{words}'
"""


def ask(shell: str, script: str, folder: Path = ROOT) -> list[str]:
    """Run a script in a shell that has edgecnn on its path, and return what it prints, a line each."""
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    environment = {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(
        [shell, "-c", script], cwd=folder, env=environment, capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    return done.stdout.splitlines()


def bash(*words: str) -> list[str]:
    quoted = " ".join(f"'{word}'" for word in words)
    return ask("bash", BASH.format(words=quoted))


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (("edgecnn", "tra"), ["train"]),
        (("edgecnn", "bench", "--boa"), ["--board"]),
        (("edgecnn", "train", "dscnn-"), ["dscnn-colour", "dscnn-digits", "dscnn-fashion"]),
        (("edgecnn", "train", "x", "--data", "fash"), ["fashion-mnist"]),
        (("edgecnn", "init", "models/zoo/fashion-1"), ["models/zoo/fashion-10k"]),
        (("edgecnn", "bench", "models/zoo/fashion-10k/art"), ["models/zoo/fashion-10k/artifacts/"]),
        (("edgecnn", "list", "n"), ["nets"]),
        (("edgecnn", "board", "info", "loc"), ["local"]),
    ],
)
def test_bash_offers_what_begins_so(words: tuple[str, ...], offered: list[str]) -> None:
    assert bash(*words) == offered


def test_bash_parts_words_at_a_colon_and_gets_what_follows_it() -> None:
    assert bash("edgecnn", "selftest", "zoo", ":", "fashion-1") == ["fashion-10k"]
    assert bash("edgecnn", "bench", "x", "--board", "emulated", ":", "pi5") == ["pi5", "pi5-bookworm"]
    assert "colour-10k" in bash("edgecnn", "bench", "zoo", ":")


def test_runs_of_the_folder_are_offered(tmp_path: Path) -> None:
    (tmp_path / "runs" / "mine").mkdir(parents=True)
    (tmp_path / "runs" / "mine" / "recipe.toml").write_text("")
    assert ask("bash", BASH.format(words="edgecnn export runs/m"), tmp_path) == ["runs/mine"]


def test_lists_and_archives_of_pictures_are_offered_as_data(tmp_path: Path) -> None:
    for name in ("pets.csv", "pets.tar", "pets.zip"):
        (tmp_path / name).touch()
    (tmp_path / "pets-photos").mkdir()
    offered = ask("bash", BASH.format(words="edgecnn train x --data pet"), tmp_path)
    assert offered == ["pets-photos/", "pets.csv", "pets.tar"]


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("edgecnn train dscnn-c", ['*: :(("dscnn-colour"))']),
        ("edgecnn bench zoo:fashion-1", [r'*: :(("zoo\\:fashion-10k"))']),
    ],
)
def test_zsh_offers_it_too(words: str, offered: list[str]) -> None:
    assert ask("zsh", ZSH.format(words=words)) == offered


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("edgecnn train dscnn-c", ["dscnn-colour"]),
        ("edgecnn bench zoo:fashion-1", ["zoo:fashion-10k"]),
        ("edgecnn bench x --board emulated:pi5", ["emulated:pi5", "emulated:pi5-bookworm"]),
    ],
)
def test_fish_offers_it_too(words: str, offered: list[str]) -> None:
    assert ask("fish", FISH.format(words=words)) == offered
