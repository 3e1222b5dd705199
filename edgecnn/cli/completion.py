"""Completions of a shell's arguments: recipes, runs, models of the zoo, boards, data sets."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

MODEL_FILES = (".onnx", ".tflite")
ASKED = "_EDGECNN_COMPLETE"
"""Set by a shell that wants completions."""


def recipes(incomplete: str) -> list[str]:
    """Return the recipes that begin so: shipped ones, and .toml files and runs below what was typed."""
    from edgecnn.records import plans
    from edgecnn.records.recipe import Recipe

    return _matching([*plans.names(Recipe), *_paths(incomplete, (".toml",))], incomplete)


def targets(incomplete: str) -> list[str]:
    """Return what can be measured and begins so: runs, models of the zoo, model files."""
    from edgecnn.records import zoo

    named = [f"{zoo.PREFIX}{name}" for name in zoo.names()]
    return _matching([*_runs(), *named, *_paths(incomplete, MODEL_FILES)], incomplete)


def boards(incomplete: str) -> list[str]:
    """Return the boards that begin so: this machine, emulated ones, and those and the groups that a file names."""
    from edgecnn import boards as kinds
    from edgecnn.boards.emulated import machine, user_mode

    emulated = [f"emulated:{name}" for name in (*machine.BOARDS, *user_mode.CORES)]
    return _matching(["local", *emulated, "ssh://", *kinds.named_boards(), *kinds.groups()], incomplete)


def data_sets(incomplete: str) -> list[str]:
    """Return the data sets that begin so, and folders and files of pictures below what was typed."""
    from edgecnn.common import plugins

    return _matching([*plugins.captions("edgecnn.data"), *pictures(incomplete)], incomplete)


def pictures(incomplete: str) -> list[str]:
    """Return the folders and files of pictures below what was typed."""
    from edgecnn.records import data_paths

    return _matching(_paths(incomplete, tuple(kind.suffix for kind in data_paths.KINDS)), incomplete)


def trackers(incomplete: str) -> list[str]:
    """Return the trackers that begin so."""
    from edgecnn.common import plugins

    return _matching(plugins.captions("edgecnn.pipeline.train.trackers", "edgecnn.trackers"), incomplete)


def kinds(incomplete: str) -> list[str]:
    """Return the kinds of things that `edgecnn list` knows and that begin so."""
    from edgecnn.cli import listing

    return _matching(listing.KINDS, incomplete)


def _runs() -> list[str]:
    """Return the run folders in runs/."""
    return sorted(str(path.parent) for path in Path("runs").glob("*/recipe.toml"))


def _paths(incomplete: str, suffixes: tuple[str, ...]) -> list[str]:
    """Return the folders, with a slash, and the files of these kinds that lie where the typed path leads."""
    folder, _, start = incomplete.rpartition("/")
    place = Path(f"{folder}/" if folder or incomplete.startswith("/") else ".")
    try:
        entries = sorted(place.iterdir())
    except OSError:
        return []
    begun = f"{folder}/" if "/" in incomplete else ""
    shown = [path for path in entries if start.startswith(".") or not path.name.startswith(".")]
    return [
        f"{begun}{path.name}{'/' * (path.is_dir() and not (path / 'recipe.toml').is_file())}"  # a run is a whole word
        for path in shown
        if path.is_dir() or path.suffix in suffixes
    ]


def _matching(words: Iterable[str], incomplete: str) -> list[str]:
    """Return the words that begin with what was typed, each once."""
    return [word for word in dict.fromkeys(words) if word.startswith(incomplete)]


def answer(command: Callable[[], None]) -> None:
    """Let `command` answer a shell that asks for completions.

    Bash parts words at colons: it hands "zoo:fash" over as three words, and puts the answer behind the colon. So they
    are joined again before they are parsed, and of the answers only what follows the colon is printed.
    """
    begun, stdout = _join_words(), sys.stdout
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        try:
            command()
        finally:
            lines = printed.getvalue().splitlines(keepends=True)
            stdout.write("".join(line.removeprefix(begun) for line in lines))


def _join_words() -> str:
    """Join the words that bash has parted, and return what of the last one it does not want to hear again."""
    typed, place = os.environ.get("COMP_WORDS", "").split("\n"), os.environ.get("COMP_CWORD", "")
    if not place.isdecimal():
        return ""
    words: list[str] = []
    for word in typed[: int(place) + 1]:
        if words and (word == ":" or words[-1].endswith(":")):
            words[-1] += word
        else:
            words.append(word)
    os.environ["COMP_WORDS"], os.environ["COMP_CWORD"] = "\n".join(words), str(len(words) - 1)
    return words[-1][: words[-1].rfind(":") + 1]
