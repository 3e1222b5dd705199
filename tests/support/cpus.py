"""Other CPUs than this machine's: by what it says of itself, and emulated."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgecnn.boards.emulated import user_mode
from edgecnn.errors import EnvironmentUnfit
from edgecnn.records import environment
from edgecnn.records.environment import CPUINFO, Environment

AVX2 = "flags : avx2\n"


VNNI = "flags : avx2 avx512f avx512_vnni\n"


def machine(monkeypatch: pytest.MonkeyPatch, folder: Path, flags: str) -> Environment:
    """This machine, as it would call itself with other CPU flags."""
    (folder / "cpuinfo").write_text(f"model name : Some CPU\n{flags}")
    monkeypatch.setenv(CPUINFO, str(folder / "cpuinfo"))
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    return environment.here()


def _unfit() -> str | None:
    """Return the reason why nothing can be emulated here; None if it can."""
    try:
        user_mode.require()
    except EnvironmentUnfit as error:
        return error.sentence
    return None


UNFIT = _unfit()


needed = pytest.mark.skipif(UNFIT is not None, reason=str(UNFIT))
