"""Text is UTF-8, whatever the locale: nothing is read, written or piped in the encoding a machine happens to have."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from checkout import ROOT

SOURCES = sorted(path for part in ("edgecnn", "bench") for path in (ROOT / part).rglob("*.py"))


def unspecified(source: str) -> Iterator[ast.Call]:
    """Every call that takes its encoding from the locale, as far as its words tell."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        keywords = {keyword.arg: keyword.value for keyword in node.keywords}
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if "encoding" not in keywords and (_is_text(name, node, keywords) or _is_piped(keywords)):
            yield node


def _is_text(name: str, call: ast.Call, keywords: dict[str | None, ast.expr]) -> bool:
    """Return whether a file is read or written as text."""
    if name == "read_text":
        return not call.args
    if name == "write_text":  # `files.write_text` takes the path, and says UTF-8 itself
        return len(call.args) == 1
    if name not in ("open", "fdopen", "TemporaryFile", "NamedTemporaryFile", "TextIOWrapper"):
        return False
    if name == "TextIOWrapper":
        return True
    is_method = name == "open" and isinstance(call.func, ast.Attribute)
    place = 0 if is_method or "Temporary" in name else 1
    mode = keywords.get("mode", call.args[place] if len(call.args) > place else None)
    if mode is None:
        return not call.args if is_method else "Temporary" not in name
    text = mode.value if isinstance(mode, ast.Constant) else None
    return isinstance(text, str) and bool(re.fullmatch(r"[rwax+t]+", text))


def _is_piped(keywords: dict[str | None, ast.expr]) -> bool:
    """Return whether a program's output is read as text."""
    flags = (keywords.get("text"), keywords.get("universal_newlines"))
    return any(isinstance(flag, ast.Constant) and flag.value is True for flag in flags)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_text_has_an_encoding(path: Path) -> None:
    calls = [f"{path}:{call.lineno}: {ast.unparse(call)}" for call in unspecified(path.read_text(encoding="utf-8"))]
    assert not calls, "\n".join([*calls, 'encoding="utf-8" is missing'])


@pytest.mark.parametrize(
    "source",
    [
        "path.read_text()",
        "path.read_text(errors='replace')",
        "path.write_text(x)",
        "path.open()",
        "path.open('w', newline='')",
        "open(path)",
        "open(path, 'a+')",
        "os.fdopen(fd, 'w')",
        "subprocess.run(x, text=True)",
        "tempfile.TemporaryFile('w+')",
        "io.TextIOWrapper(x)",
    ],
)
def test_a_text_without_one_is_seen(source: str) -> None:
    assert list(unspecified(source))


@pytest.mark.parametrize(
    "source",
    [
        "path.read_text(encoding='utf-8')",
        "path.open('rb')",
        "open(path, 'wb')",
        "boards.open(name)",
        "boards.open('local')",
        "os.open(path, os.O_RDONLY)",
        "tempfile.TemporaryFile()",
        "files.write_text(path, text)",
        "subprocess.run(x, encoding='utf-8')",
    ],
)
def test_what_is_no_text_or_says_its_encoding_is_let_through(source: str) -> None:
    assert not list(unspecified(source))
