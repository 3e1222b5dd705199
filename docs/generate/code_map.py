"""The folders of the code, a line each, captioned by the first sentence of their docstrings."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

BESIDE = (
    ("models/", "recipes, one a file, and the zoo: trained models with their cards"),
    ("export/", "export plans"),
    ("bench/", "suites, recorded results, and the scripts that made them"),
    ("docs/", "this documentation, and what generates parts of it"),
    ("tests/", "the same rooms again; one conformance test for each kind of plug-in"),
)


def code_map() -> str:
    """Return the map: what imports others stands above them."""
    lines = ["edgecnn/".ljust(28) + caption(ROOT / "edgecnn" / "__init__.py")]
    for floor in floors():
        for init in sorted((ROOT / "edgecnn" / floor).rglob("__init__.py")):
            depth = len(init.parent.relative_to(ROOT).parts) - 1
            lines.append(f"{'    ' * depth}{init.parent.name}/".ljust(28) + caption(init))
    lines.append("    errors.py".ljust(28) + caption(ROOT / "edgecnn" / "errors.py"))
    lines += [name.ljust(28) + words for name, words in BESIDE]
    return "```text\n" + "\n".join(lines) + "\n```\n"


def floors() -> list[str]:
    """Return the rooms of the package from top to bottom, as the import contract names them."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    layers = project["tool"]["importlinter"]["contracts"][0]["layers"]
    return [name for layer in layers for name in layer.split(" | ") if name != "errors"]


def caption(path: Path) -> str:
    """Return the first sentence of a file's docstring, cut at 100 characters."""
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    first = text.split("\n\n")[0].replace("\n", " ")
    sentence = re.split(r"(?<![ (][A-Z])\. ", first)[0].rstrip(".")  # an initial ends no sentence
    return sentence if len(sentence) <= 100 else sentence[:97].rsplit(" ", 1)[0] + " ..."
