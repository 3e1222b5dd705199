"""The command line of the system's `ssh`: the options that are always set, and a destination as arguments."""

from __future__ import annotations

import contextlib
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

from edgecnn.common import scratch
from edgecnn.errors import UsageError

CONNECT_TIMEOUT_S = 15
ALIVE_INTERVAL_S = 10
ALIVE_COUNT = 3
"""A link that is silent for ALIVE_COUNT intervals is taken to be cut."""
FAILED = 255
"""The exit code of ssh itself; any other one is the board's."""
LONGEST_SOCKET_FOLDER = 40
"""A Unix socket's path has 108 bytes (unix(7)), of which ssh itself needs some 20 and `scratch` some 40."""

# These come first on the command line, and ssh takes the first of two settings.
FIRM = (
    "-T", "-a", "-x",
    "-o", "BatchMode=yes",
    "-o", f"ConnectTimeout={CONNECT_TIMEOUT_S}",
    "-o", f"ServerAliveInterval={ALIVE_INTERVAL_S}",
    "-o", f"ServerAliveCountMax={ALIVE_COUNT}",
    "-o", "ClearAllForwardings=yes",
    "-o", "PermitLocalCommand=no",
    "-o", "RemoteCommand=none",
    "-o", "LogLevel=ERROR",
)  # fmt: skip

# A second, unshared connection must not be opened behind our back when the master is gone.
THROUGH_MASTER = ("-o", "ControlMaster=no", "-o", "ProxyCommand=false")


def arguments(destination: str) -> list[str]:
    """Turn "user@host:port" into arguments of ssh.

    Raises UsageError for anything else, also for what could be read as an option or by a shell.
    """
    match = re.fullmatch(
        r"(?:(?P<user>[\w.+-]+)@)?(?P<host>\[[0-9A-Fa-f:.%\w]+\]|[\w.-]+)(?::(?P<port>\d{1,5}))?", destination
    )
    if not match or destination.startswith("-") or match["host"].startswith("-"):
        raise UsageError(f"{destination!r} is not the address of a board.", "--board ssh://user@host[:port]")
    port = ["-p", match["port"]] if match["port"] else []
    host = match["host"].strip("[]")
    return [*port, "--", f"{match['user']}@{host}" if match["user"] else host]


@contextlib.contextmanager
def socket_folder() -> Iterator[str]:
    """Make a private folder whose path is short enough for a socket."""
    is_short = len(tempfile.gettempdir()) <= LONGEST_SOCKET_FOLDER
    with scratch.folder(None if is_short else Path("/tmp")) as short:
        yield str(short)
