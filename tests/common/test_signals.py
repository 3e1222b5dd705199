"""The name of the signal that ended a process, told by its return code."""

import signal
import subprocess
import sys

import pytest

from edgecnn.common.signals import ending_signal


def test_a_signal_is_named_by_the_code_of_python_and_by_that_of_a_shell() -> None:
    code = "import os, signal; os.kill(os.getpid(), signal.SIGTERM)"
    done = subprocess.run([sys.executable, "-c", code], check=False)
    assert ending_signal(done.returncode) == "SIGTERM"
    shell = subprocess.run(["sh", "-c", f'"{sys.executable}" -c "{code}"; exit $?'], check=False)
    assert ending_signal(shell.returncode) == "SIGTERM"
    assert ending_signal(128 + signal.SIGKILL) == "SIGKILL"


@pytest.mark.parametrize("returncode", [0, 1, 127, 128, 255])
def test_a_process_that_ended_by_itself_has_no_signal(returncode: int) -> None:
    assert ending_signal(returncode) is None
