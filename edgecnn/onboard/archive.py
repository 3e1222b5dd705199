"""The programs that are sent to a board, each as one file that needs NumPy, Pillow and one runtime.

The worker measures. The runner, `edgecnn.pyz`, runs the model of a bundle. Each archive holds the modules that its
entry imports, which are found by reading the sources.
"""

from __future__ import annotations

import ast
import functools
import io
from collections.abc import Iterator, Sequence
from pathlib import Path

from edgecnn.common import files

PACKAGE = Path(__file__).parents[1]
ENTRIES = ("edgecnn.onboard.worker",)
RUNNER_ENTRIES = ("edgecnn.onboard.runner.cli", "edgecnn.common.utf8")
PLUGINS = "edgecnn.onboard.runtimes"
"""The folder of the runtimes, which goes in whole: they are found by file name, so no import leads to them."""

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
# The folder of this release: a link may have led here, and may change while this runs.
sys.exit(main(Path(__file__).parent.resolve().parent))
"""

PROGRAM = """import sys, types

def load(name, source):
    module = sys.modules[name] = types.ModuleType(name)
    module.__path__ = []
    exec(compile(source, name, "exec"), module.__dict__)

sources = {sources!r}
for name in sources:
    package = name.rpartition(".")[0]
    while package and package not in sys.modules:
        load(package, "")
        package = package.rpartition(".")[0]
    load(name, sources[name])
sys.exit(sys.modules[{module!r}].main(*sys.argv[1:]))
"""
"""The program of `program`, where each source comes after those that it imports."""


def worker() -> bytes:
    """Pack the worker; the same sources give the same bytes, so a board can keep it by its digest."""
    return _zipapp(ENTRIES, MAIN)


def runner() -> bytes:
    """Pack the runner; the same sources give the same bytes."""
    return _zipapp(RUNNER_ENTRIES, RUNNER_MAIN)


def write_worker(path: Path) -> None:
    """Write the worker's archive, atomically. Raises OutputError."""
    files.write_bytes(path, worker())


@functools.cache
def program(module: str) -> bytes:
    """Put a module with a `main` and all modules of ours that it imports into the text of one program.

    The program is for `python3 -`, which reads it from standard input, so nothing is written to the board's disk. The
    modules need the standard library only; the packages that they lie in are empty there.
    """
    sources: dict[str, str] = {}

    def add(name: str) -> None:
        """Add a module after all that it imports."""
        path = _source(name)
        if path is None or path.name == "__init__.py" or name in sources:
            return
        for imported in _imports(path):
            add(imported)
        sources[name] = path.read_text(encoding="utf-8")

    add(module)
    return PROGRAM.format(sources=sources, module=module).encode()


def closure(entries: Sequence[str]) -> dict[str, Path]:
    """Find the modules of this package that `entries` import, inside functions too, and all runtimes: {name: file}."""
    plugins = [f"{PLUGINS}.{path.stem}" for path in Path(__file__).with_name("runtimes").glob("*.py")]
    modules: dict[str, Path] = {}
    waiting = [*entries, *plugins]
    while waiting:
        name = waiting.pop()
        path = _source(name)
        if path is None or name in modules:
            continue
        modules[name] = path
        waiting += [*_imports(path), name.rpartition(".")[0]]
    return modules


def _source(name: str) -> Path | None:
    """Return the file of a module of this package; None for another name."""
    root, *parts = name.split(".")
    if root != "edgecnn":
        return None
    path = PACKAGE.joinpath(*parts)
    choices = (path / "__init__.py", path.with_suffix(".py"))
    return next((choice for choice in choices if choice.is_file()), None)


def _imports(path: Path) -> Iterator[str]:
    """Yield the names that a module imports, without those that only a type checker needs."""
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
    """Pack the closure of `entries` with `main` as its `__main__.py`."""
    texts = {"__main__.py": main} | {
        f"edgecnn/{path.relative_to(PACKAGE)}": path.read_text(encoding="utf-8") for path in closure(entries).values()
    }
    stream = io.BytesIO()
    files.reproducible_zip(stream, [(name, text.encode()) for name, text in sorted(texts.items())])
    return stream.getvalue()
