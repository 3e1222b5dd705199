import ast
import io
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import edgecnn
from edgecnn.common import plugins
from edgecnn.errors import OutputError
from edgecnn.onboard import archive as ship

ROOT = Path(edgecnn.__file__).parents[1]


def test_the_same_sources_give_the_same_bytes() -> None:
    assert ship.worker() == ship.worker()


def names_in(archive: bytes) -> set[str]:
    return set(zipfile.ZipFile(io.BytesIO(archive)).namelist())


WRITERS = {"worker": ship.worker, "runner": ship.runner}


@pytest.mark.parametrize("name", WRITERS)
def test_it_holds_every_runtime_and_no_verb(name: str) -> None:
    names = names_in(WRITERS[name]())
    for runtime in plugins.own_names("edgecnn.onboard.runtimes"):
        assert f"edgecnn/onboard/runtimes/{runtime.replace('-', '_')}.py" in names
    assert not names & {
        "edgecnn/pipeline/bench/bench.py",
        "edgecnn/cli/__init__.py",
        "edgecnn/pipeline/train/train.py",
        "edgecnn/records/plans.py",
    }


@pytest.mark.parametrize("name", WRITERS)
def test_it_holds_all_it_imports(name: str) -> None:
    """Imports inside functions too: no module and no package of edgecnn's own may be missing on the board."""
    archive = zipfile.ZipFile(io.BytesIO(WRITERS[name]()))
    names = set(archive.namelist())
    for file in names:
        for module in imported(ast.parse(archive.read(file))):
            path = ROOT.joinpath(*module.split("."))
            for source in (path.with_suffix(".py"), path / "__init__.py"):
                held = source.relative_to(ROOT).as_posix()
                assert not source.is_file() or held in names, f"{file} imports {module}"


def imported(tree: ast.Module) -> Iterator[str]:
    """The names of modules of edgecnn that a module may import, and of all packages above them."""
    unseen = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if node in unseen:
            continue
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "edgecnn":
            parts = str(node.module).split(".")
            yield from (".".join(parts[:count]) for count in range(1, len(parts) + 1))
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.partition(".")[0] == "edgecnn")


def test_what_a_board_is_sent_grows_only_where_it_is_seen() -> None:
    """Each module costs every board's disk and start: a new one here is meant to be there."""
    listed = Path(__file__).with_name("on_boards.txt").read_text(encoding="utf-8").split()
    assert sorted(names_in(ship.worker()) | names_in(ship.runner())) == listed


def test_it_runs_from_anywhere_and_is_not_the_checkout(tmp_path: Path) -> None:
    """A package of the same name on PYTHONPATH or in the current folder must not stand in for it."""
    worker = tmp_path / "worker.pyz"
    ship.write_worker(worker)
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
        ship.write_worker(tmp_path / "nowhere" / "worker.pyz")
    assert list(tmp_path.iterdir()) == []
