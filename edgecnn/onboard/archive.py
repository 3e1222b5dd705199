"""What runs on a board, as one file each: zipapps of the floors that need no torch, for NumPy and one runtime.

The worker measures; the runner, `edgecnn.pyz`, is what a bundle brings its model with.
What goes into each is found out from its imports.
"""

from __future__ import annotations

import ast
import io
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from edgecnn.common import files

PACKAGE = Path(__file__).parents[1]
ENTRIES = ("edgecnn.onboard.worker",)
RUNNER_ENTRIES = ("edgecnn.onboard.runner.cli", "edgecnn.common.utf8")
PLUGINS = "edgecnn.onboard.runtimes"
"""Found by file name, so no import leads to them: carried whole."""

MAIN = """import sys

if sys.version_info < (3, 11):
    sys.exit("the worker needs Python 3.11 or newer, this is " + sys.version.split()[0])

from edgecnn.onboard.worker import main

sys.exit(main())
"""

RUNNER_MAIN = """import sys

if sys.version_info < (3, 11):
    print("error: edgecnn.pyz needs Python 3.11 or newer, this is " + sys.version.split()[0], file=sys.stderr)
    sys.exit(2)

from pathlib import Path

from edgecnn.common import utf8
from edgecnn.onboard.runner.cli import main

utf8.insist()
# The folder this release is in, though a link may have led here and change while we run.
sys.exit(main(Path(__file__).parent.resolve().parent))
"""

_EPOCH = (1980, 1, 1, 0, 0, 0)


def archive() -> bytes:
    """The worker. The same sources give the same bytes, so a board can keep it by its digest."""
    return _zipapp(ENTRIES, MAIN)


def runner() -> bytes:
    """The runner; the same sources give the same bytes."""
    return _zipapp(RUNNER_ENTRIES, RUNNER_MAIN)


def write(path: Path) -> None:
    """Write the worker to `path`, atomically. Raises OutputError."""
    files.write_bytes(path, archive())


def closure(entries: Sequence[str]) -> dict[str, Path]:
    """The modules of this package that `entries` import, inside functions too, and all plug-ins: {name: file}."""
    plugins = [f"{PLUGINS}.{path.stem}" for path in Path(__file__).with_name("runtimes").glob("*.py")]
    found: dict[str, Path] = {}
    waiting = [*entries, *plugins]
    while waiting:
        name = waiting.pop()
        path = _source(name)
        if path is None or name in found:
            continue
        found[name] = path
        waiting += [*_imports(path), name.rpartition(".")[0]]
    return found


def _source(name: str) -> Path | None:
    """The file of one of our modules; None for other names."""
    root, *parts = name.split(".")
    if root != "edgecnn":
        return None
    path = PACKAGE.joinpath(*parts)
    choices = (path / "__init__.py", path.with_suffix(".py"))
    return next((choice for choice in choices if choice.is_file()), None)


def _imports(path: Path) -> Iterator[str]:
    """The names a module imports, but for those that only a type checker needs."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    tests = [node for node in ast.walk(tree) if isinstance(node, ast.If)]
    unseen = {
        id(inner)
        for node in tests
        if isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
        for statement in node.body
        for inner in ast.walk(statement)
    }
    for node in ast.walk(tree):
        if id(node) in unseen:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _zipapp(entries: Sequence[str], main: str) -> bytes:
    texts = {"__main__.py": main} | {
        f"edgecnn/{path.relative_to(PACKAGE)}": path.read_text(encoding="utf-8") for path in closure(entries).values()
    }
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as bundle:
        for name, text in sorted(texts.items()):
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            bundle.writestr(entry, text)
    return stream.getvalue()
