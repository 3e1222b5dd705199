"""The rules of the house that no linter knows."""

import ast
import builtins
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from checkout import ROOT

FILES = sorted((ROOT / "edgecnn").rglob("*.py"))
LINES = 300
OPENINGS = (
    *("As ", "At ", "By ", "For ", "From ", "How ", "In ", "Of ", "On ", "To ", "What ", "When ", "Where ", "Whether "),
    *("Which ", "Who ", "Why ", "With "),
)
"""Words that a docstring does not begin with, for its subject or its verb would be left to the reader."""

PREPOSITIONS = (
    *("about", "above", "across", "after", "against", "along", "around", "at", "before", "behind", "below", "beside"),
    *("between", "by", "from", "inside", "into", "of", "off", "on", "out", "outside", "over", "through", "to", "under"),
    *("until", "up", "with", "within", "without"),
)


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def room(path: Path) -> tuple[str, ...]:
    """The dotted name of a module, in parts."""
    return path.relative_to(ROOT).with_suffix("").parts


def private_imports(path: Path) -> Iterator[str]:
    """Yield the private names that a module imports of another package: with one underscore in front, outside of it."""
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "edgecnn":
            for alias in node.names:
                parts = (*str(node.module).split("."), alias.name)
                owners = [parts[:place] for place, part in enumerate(parts) if part[0] == "_" and part[:2] != "__"]
                if any(room(path)[: len(owner)] != owner for owner in owners):
                    yield f"{path.relative_to(ROOT)} imports {'.'.join(parts)}"


def test_no_private_name_is_imported_from_another_package() -> None:
    assert [name for path in FILES for name in private_imports(path)] == []


def test_no_class_has_a_name_that_another_has() -> None:
    places = defaultdict(list)
    for path in FILES:
        for node in parsed(path).body:
            if isinstance(node, ast.ClassDef):
                places[node.name].append(str(path.relative_to(ROOT)))
    assert {name: paths for name, paths in places.items() if len(paths) > 1} == {}


def test_no_name_of_a_module_hides_a_builtin() -> None:
    names = {name for name in dir(builtins) if name[:2] != "__"}
    hidden = [
        f"{path.relative_to(ROOT)}: {node.name}"
        for path in FILES
        for node in parsed(path).body
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name in names
    ]
    assert hidden == []


def docstrings(path: Path) -> Iterator[tuple[str, str]]:
    """Yield (name, docstring) of a module and of the classes and functions in it."""
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield getattr(node, "name", "the module"), ast.get_docstring(node) or ""


def test_every_docstring_begins_with_a_noun_or_a_verb() -> None:
    questions = [
        f"{path.relative_to(ROOT)}: {name}: {text.splitlines()[0]}"
        for path in FILES
        for name, text in docstrings(path)
        if text.startswith(OPENINGS)
    ]
    assert questions == []


def test_no_function_has_a_preposition_for_a_name() -> None:
    names = [
        f"{path.relative_to(ROOT)}: {node.name}"
        for path in FILES
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.strip("_") in PREPOSITIONS
    ]
    assert names == []


def test_no_file_is_long() -> None:
    lengths = {str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines()) for path in FILES}
    assert {path: length for path, length in lengths.items() if length > LINES} == {}
