"""The command line, called in the process of the test, which is quicker than a process of its own."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest

from edgecnn import cli

Command = Callable[..., tuple[int, str, str]]
"""Takes the words behind `edgecnn`; returns (exit code, stdout, stderr)."""


def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["edgecnn", *map(str, arguments)])
        capsys.readouterr()
        code = 0
        try:
            cli.main()
        except SystemExit as stop:
            code = int(stop.code or 0)
        return code, *capsys.readouterr()

    return call
