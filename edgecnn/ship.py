"""What runs on a board, as one file each: zipapps of the floors that need no torch, for NumPy and one runtime.

The worker measures; the runner, `edgecnn.pyz`, is what a bundle brings its model with.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from pathlib import Path

from edgecnn import files

MODULES = (
    "__init__",
    "artifact",
    "c_array",
    "config",
    "counters",
    "environment",
    "errors",
    "files",
    "foreign_pictures",
    "gates",
    "isa",
    "magic",
    "measure",
    "model_files",
    "pictures",
    "pixel_types",
    "plugins",
    "report",
    "steps",
    "throttling",
    "wire",
    "worker",
)
PACKAGES = ("runtimes",)
"""Carried whole, so that a new runtime is on the board without a word here."""

RUNNER_MODULES = (*(name for name in MODULES if name != "worker"), "picture_files", "stats", "units", "utf8")
RUNNER_PACKAGES = (*PACKAGES, "runner")

MAIN = """import sys

if sys.version_info < (3, 11):
    sys.exit("the worker needs Python 3.11 or newer, this is " + sys.version.split()[0])

from edgecnn.worker import main

sys.exit(main())
"""

RUNNER_MAIN = """import sys

if sys.version_info < (3, 11):
    print("error: edgecnn.pyz needs Python 3.11 or newer, this is " + sys.version.split()[0], file=sys.stderr)
    sys.exit(2)

from pathlib import Path

from edgecnn import utf8
from edgecnn.runner.cli import main

utf8.insist()
# The folder this release is in, though a link may have led here and change while we run.
sys.exit(main(Path(__file__).parent.resolve().parent))
"""

_EPOCH = (1980, 1, 1, 0, 0, 0)


def archive() -> bytes:
    """The worker. The same sources give the same bytes, so a board can keep it by its digest."""
    return _zipapp(MODULES, PACKAGES, MAIN)


def runner() -> bytes:
    """The runner; the same sources give the same bytes."""
    return _zipapp(RUNNER_MODULES, RUNNER_PACKAGES, RUNNER_MAIN)


def write(path: Path) -> None:
    """Write the worker to `path`, atomically. Raises OutputError."""
    files.write_bytes(path, archive())


def _zipapp(modules: Sequence[str], packages: Sequence[str], main: str) -> bytes:
    root = Path(__file__).parent
    sources = [root / f"{name}.py" for name in modules]
    for package in packages:
        sources += sorted((root / package).glob("*.py"))
    texts = {"__main__.py": main} | {
        f"edgecnn/{path.relative_to(root)}": path.read_text(encoding="utf-8") for path in sources
    }
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as bundle:
        for name, text in sorted(texts.items()):
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            bundle.writestr(entry, text)
    return stream.getvalue()
