"""Error messages of ssh and of a board's own tools, each turned into one sentence with a hint."""

from __future__ import annotations

from edgecnn.common.replies import last_line
from edgecnn.errors import BoardUnfit, LinkError

LONGEST_WORDS = 200
"""How much of what a login script printed is repeated, in characters."""


def refused(destination: str, notes: str) -> LinkError:
    """Explain why ssh did not log in, from its stderr."""
    if "IDENTIFICATION HAS CHANGED" in notes:
        return LinkError(
            f"The host key of {destination} is not the one it had before, so the connection was refused.",
            f"if you set the board up anew, `ssh-keygen -R` its old key and log in once with `ssh`; "
            f"if not, somebody may stand between you and {destination}",
        )
    if "Host key verification failed" in notes:
        return LinkError(
            f"The host key of {destination} is not known here.",
            "log in once with `ssh` and compare the fingerprint it shows",
        )
    if "Permission denied" in notes or "Too many authentication failures" in notes:
        return LinkError(
            f"{destination} does not let us in: {last_line(notes).rpartition(': ')[2]}.",
            "`ssh-copy-id` puts your key there; one with a passphrase needs `ssh-add` first",
        )
    reason = last_line(notes) or "no answer"
    return LinkError(
        f"{destination} cannot be reached: {reason.removeprefix('ssh: ')}.",
        "is the board on and on the network, is its name or address right, does sshd run there?",
    )


def shut(destination: str, event: str, output: str) -> LinkError:
    """Explain a login shell that ran no command: `event` says what it did instead, `output` is what it printed."""
    words = last_line(output)[:LONGEST_WORDS]
    return LinkError(
        f"{destination} let us in, but its login shell {event}{f': {words}' if words else ''}.",
        "the board must be a Linux that gives us a shell, and a login script there (~/.bashrc) must not end or wait "
        "where nobody types: `case $- in *i*) ;; *) return ;; esac` as its first line",
    )


def unwritten(destination: str, target: str, returncode: int, stderr: str, size_bytes: int | None = None) -> BoardUnfit:
    """Explain why a file could not be written, from the stderr of the script that writes it."""
    reason = last_line(stderr)
    is_full = any(words in reason for words in ("No space left", "quota exceeded", "File too large", "File size limit"))
    if is_full or returncode == 153:  # 128 + SIGXFSZ
        need = "" if size_bytes is None else f": it takes {size_bytes / 1e6:.1f} MB"
        return BoardUnfit(
            f"{destination} has no room for {target}{need}.", "`edgecnn board clean` empties what we keep there"
        )
    return BoardUnfit(f"Cannot write {target} on {destination}: {reason}.", "its folder must be ours to write")
