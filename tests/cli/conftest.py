"""Shared by the tests of the command line: the command, run in this process."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edgecnn import cli
from edgecnn.common import console

Cli = Callable[..., tuple[int, str, str]]


@pytest.fixture
def edgecnn(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], own_folder: Path) -> Iterator[Cli]:
    """Run the command in this process, in an empty folder: (exit code, stdout, stderr)."""

    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["edgecnn", *map(str, arguments)])
        capsys.readouterr()
        code = 0
        try:
            cli.main()
        except SystemExit as stop:
            code = int(stop.code or 0)
        out, err = capsys.readouterr()
        return code, out, err

    yield call
    console.be_quiet(False)
    console.be_verbose(False)
