import ast
import io
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from edgecnn import plugins, ship
from edgecnn.errors import OutputError


def test_the_same_sources_give_the_same_bytes() -> None:
    assert ship.archive() == ship.archive()


def test_it_holds_every_runtime_and_no_verb() -> None:
    names = set(zipfile.ZipFile(io.BytesIO(ship.archive())).namelist())
    for runtime in plugins.names("runtimes"):
        assert f"edgecnn/runtimes/{runtime.replace('-', '_')}.py" in names
    assert not names & {"edgecnn/bench.py", "edgecnn/cli.py", "edgecnn/train.py", "edgecnn/plans.py"}


def test_it_holds_all_it_imports() -> None:
    """Imports inside functions too: none of edgecnn's own may be missing on the board."""
    bundle = zipfile.ZipFile(io.BytesIO(ship.archive()))
    names = set(bundle.namelist())
    for name in names:
        for node in ast.walk(ast.parse(bundle.read(name))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("edgecnn"):
                parts = [f"{node.module}.{alias.name}" for alias in node.names] if node.module == "edgecnn" else []
                for module in [node.module, *parts]:
                    path = (module or "").replace(".", "/")
                    is_module = Path(__file__).parent.parent.joinpath(f"{path}.py").is_file()
                    assert not is_module or f"{path}.py" in names, f"{name} imports {module}"


def test_it_runs_from_anywhere_and_is_not_the_checkout(tmp_path: Path) -> None:
    """A package of the same name on PYTHONPATH or in the current folder must not stand in for it."""
    worker = tmp_path / "worker.pyz"
    ship.write(worker)
    impostor = tmp_path / "elsewhere" / "edgecnn"
    impostor.mkdir(parents=True)
    (impostor / "__init__.py").write_text("raise SystemExit('the impostor ran')")
    done = subprocess.run(
        [sys.executable, str(worker), "facts"],
        cwd=impostor.parent,
        env={**os.environ, "PYTHONPATH": str(impostor.parent)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith('{"facts"')


def test_it_is_not_half_written(tmp_path: Path) -> None:
    with pytest.raises(OutputError):
        ship.write(tmp_path / "nowhere" / "worker.pyz")
    assert list(tmp_path.iterdir()) == []
