"""A board that is this machine borrows this machine's packages, so that most tests need not send a hundred megabytes.

What is sent is a real site archive, at the place of this machine's cache where the real one would be. Its
`numpy` leads the worker to the installed one, and the others are then found beside it; their versions
are read from the metadata, which is sent whole.
"""

from __future__ import annotations

import importlib.metadata
import sys
import sysconfig
import tempfile
from pathlib import Path

import pytest
import sshd
from sshd import Sshd

from edgecnn.boards.ssh import board_cache, board_facts, link, provision, remote

LEADER = """
import sys
sys.path.insert(0, {site!r})
del sys.modules["numpy"]
import numpy
"""


def lend(board: Sshd, folder: Path) -> None:
    """Put the archive into the cache that XDG_CACHE_HOME names now; the board's Python is this one's base."""
    (board.bin / "python3").symlink_to(Path(sys.executable).resolve())
    with link.connect(board.destination, board.options) as opened:
        facts = board_facts.read(opened)
    assert facts.python is not None
    assert facts.python.version == sys.version_info[:2]
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        site = Path(scratch, "site")
        (site / "numpy").mkdir(parents=True)
        (site / "numpy" / "__init__.py").write_text(LEADER.format(site=sysconfig.get_paths()["platlib"]))
        for name in remote.packages():
            distribution = importlib.metadata.distribution(name)
            metadata = site / f"{name.replace('-', '_')}-{distribution.version}.dist-info" / "METADATA"
            metadata.parent.mkdir()
            metadata.write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {distribution.version}\n")
        board_cache.pack(site, provision.archive_path(facts, remote.packages()))


@pytest.fixture
def lending(board: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sshd:
    """The board of the test, which then gets its packages from here; `ssh` knows it as `board`."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "our-cache"))
    programs = tmp_path / "programs"
    programs.mkdir()
    wrapper = programs / "ssh"
    wrapper.write_text(f'#!/bin/sh\nexec {sshd.CLIENT} {" ".join(board.options)} "$@"\n')
    wrapper.chmod(0o755)
    lend(board, tmp_path)
    monkeypatch.setenv("PATH", f"{programs}", prepend=":")
    return board
