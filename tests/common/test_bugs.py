"""An exception that nobody expected has an exit code of its own, one sentence, and its traceback in a file."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from edgecnn.boards import _reply
from edgecnn.common import bugs
from edgecnn.errors import Bug

BROKEN = """
import sys
from edgecnn.{package} import {module} as broken
def fail(*_, **__):
    raise ZeroDivisionError("seven by\\nnought.")
broken.{function} = fail
{call}
"""


def run(code: str, home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "XDG_CACHE_HOME": str(home), "TMPDIR": str(home)}
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env=environment,
        cwd=home,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_bug_of_a_command_is_one_sentence_and_exit_code_70(tmp_path: Path) -> None:
    code = BROKEN.format(
        package="checks", module="inspect", function="inspect", call="from edgecnn import cli; cli.main()"
    )
    done = run(code, tmp_path, "inspect", "nothing.onnx")
    assert done.returncode == 70
    assert done.stderr.startswith(
        "error: This is a bug of edgecnn: ZeroDivisionError: seven by nought (<string>, line "
    )
    assert "Traceback" not in done.stderr
    report = tmp_path / "edgecnn" / bugs.FILE
    assert str(report) in done.stderr
    assert "Traceback (most recent call last)" in report.read_text()
    assert "['inspect', 'nothing.onnx']" in report.read_text()
    assert stat.S_IMODE(report.stat().st_mode) == 0o600


def test_a_bug_of_the_worker_reaches_the_host_as_one(tmp_path: Path) -> None:
    code = BROKEN.format(
        package="records",
        module="environment",
        function="here",
        call="from edgecnn.onboard import worker; sys.exit(worker.main())",
    )
    done = run(code, tmp_path, "facts")
    assert done.returncode == 70
    with pytest.raises(Bug, match="ZeroDivisionError: seven by nought"):
        _reply.facts(done.returncode, done.stdout, done.stderr)


@pytest.mark.parametrize("obstacle", ["link", "folder"])
def test_a_report_never_follows_what_lies_in_its_place(
    tmp_path: Path, obstacle: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    place, precious = tmp_path / "edgecnn" / bugs.FILE, tmp_path / "precious"
    place.parent.mkdir()
    precious.write_text("kept")
    place.symlink_to(precious) if obstacle == "link" else place.mkdir()
    bug = bugs.as_bug(ValueError("odd"))
    assert precious.read_text() == "kept"
    assert bug.hint is not None
    assert bugs.FILE in bug.hint
