"""A systemd unit for the runner's `serve`: the user's own, so that nothing here needs root.

`DynamicUser=` is for the system's manager alone; a unit of the user's manager runs as that user.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from edgecnn.boards.ssh.board_facts import BoardFacts
from edgecnn.boards.ssh.failures import unwritten
from edgecnn.boards.ssh.link import CommandResult, Link
from edgecnn.common.replies import last_line
from edgecnn.errors import BoardUnfit, EnvironmentUnfit

MEMORY_MAX = "384M"
"""Sixteen transparent PNGs of 12.3 megapixels in 8 MB each, sent at once, took the runner to 285 MB (x86-64)."""

UNIT = """[Unit]
Description=edgecnn: {name}

[Service]
ExecStart=%h/edgecnn/{path}/run serve
Restart=on-failure
RestartSec=2
NoNewPrivileges=yes
PrivateUsers=yes
PrivateTmp=yes
ProtectSystem=strict
ProtectHome=read-only
ProtectKernelTunables=yes
ProtectControlGroups=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
SystemCallArchitectures=native
UMask=0077
MemoryMax={memory_max}
TasksMax=128

[Install]
WantedBy=default.target
"""

# An ssh session without PAM does not know where the user's manager listens.
SYSTEMCTL = """
set -u
: "${XDG_RUNTIME_DIR:=/run/user/$(id -u)}"
export XDG_RUNTIME_DIR
command -v systemctl >/dev/null || { echo 'it has no systemd' >&2; exit 75; }
systemctl --user show --property=Version >/dev/null || exit 75
set -e
"""
NO_MANAGER = 75
START = (
    SYSTEMCTL
    + """
systemctl --user daemon-reload
systemctl --user enable --quiet "$1"
systemctl --user restart "$1"
sleep 1
systemctl --user is-active --quiet "$1" || { systemctl --user --no-pager status "$1" >&2; exit 1; }
loginctl enable-linger >/dev/null 2>&1 || echo 'no linger'
"""
)
# $1 is the unit, $2 its file.
KEEP = 'rm -f -- "$2.before"; [ ! -f "$2" ] || cp -p -- "$2" "$2.before"'
UNDO = """
: "${XDG_RUNTIME_DIR:=/run/user/$(id -u)}"
export XDG_RUNTIME_DIR
if [ -f "$2.before" ]; then
  mv -f -- "$2.before" "$2"
  systemctl --user daemon-reload
  systemctl --user restart "$1"
else
  systemctl --user disable --now --quiet "$1"
  rm -f -- "$2"
  systemctl --user daemon-reload
fi
exit 0
"""
FORGET = 'rm -f -- "$2.before"'
RESTART = SYSTEMCTL + 'systemctl --user try-restart "$1"\n'
STATE = SYSTEMCTL + 'systemctl --user is-active "$1" || true\n'


def unit_name(name: str) -> str:
    return f"edgecnn-{name}.service"


def unit(name: str) -> str:
    """The unit's text; no letter of `name` means anything to systemd there."""
    described = "".join(letter if letter.isprintable() and letter != "\\" else " " for letter in name)
    return UNIT.format(name=described.replace("%", "%%"), path=_word(name), memory_max=MEMORY_MAX)


def check(link: Link, name: str) -> None:
    """Raises BoardUnfit where no systemd would run a unit of this user."""
    answer = link.script(SYSTEMCTL, timeout_s=60)
    if answer.returncode:
        raise BoardUnfit(
            f"{link.destination} runs no services of this user: {_reason(answer)}.",
            f"nothing there was changed; deploy without --service, then `edgecnn/{name}/run serve` there",
        )


@contextlib.contextmanager
def undone_after_failure(link: Link, facts: BoardFacts, name: str) -> Iterator[None]:
    """Have the unit as it was before, or none, if what is done inside raises."""
    words = [unit_name(name), _place(facts, name)]
    answer = link.script(KEEP, words, timeout_s=60)
    if answer.returncode:
        raise unwritten(link.destination, f"{words[1]}.before", answer.returncode, answer.stderr)
    try:
        yield
    except BaseException:
        with contextlib.suppress(EnvironmentUnfit):  # the link may be cut; the next deployment writes the unit anew
            link.script(UNDO, words, timeout_s=120)
        raise
    link.script(FORGET, words, timeout_s=60)


def start(link: Link, facts: BoardFacts, name: str) -> bool:
    """Install the unit, enable and start it; False when it will end with the user's last session.

    Raises BoardUnfit where that cannot be.
    """
    link.push(unit(name).encode(), _place(facts, name))
    answer = link.script(START, [unit_name(name)], timeout_s=120)
    if answer.returncode:
        raise BoardUnfit(
            f"The service does not run on {link.destination}: {_reason(answer)}.",
            "what was there before is untouched; `journalctl --user` there may say more",
        )
    return b"no linger" not in answer.stdout


def restart(link: Link, facts: BoardFacts, name: str) -> bool:
    """Restart the service if there is one; True if there is. Raises BoardUnfit if it does not come up again.

    A unit that no manager could run is no service, and is left as it is.
    """
    if link.run(["test", "-f", _place(facts, name)], timeout_s=60).returncode:
        return False
    answer = link.script(RESTART, [unit_name(name)], timeout_s=120)
    if answer.returncode == NO_MANAGER:
        return False
    if answer.returncode:
        raise BoardUnfit(f"The service on {link.destination} did not restart: {_reason(answer)}.")
    return True


def state(link: Link, name: str) -> str | None:
    """What systemd says: "active", "inactive", "failed" …; None without systemd or without such a unit."""
    answer = link.script(STATE, [unit_name(name)], timeout_s=60)
    return last_line(answer.stdout.decode(errors="replace")) or None


def _place(facts: BoardFacts, name: str) -> str:
    return f"{facts.home}/.config/systemd/user/{unit_name(name)}"


def _reason(answer: CommandResult) -> str:
    return last_line(answer.stderr) or "systemd gave no reason"


def _word(text: str) -> str:
    """The text as a part of one word of ExecStart, in which no letter is anything but itself (systemd.syntax(7))."""

    def escaped(letter: str) -> str:
        if letter.isalnum() or letter in "._-":
            return letter
        return "%%" if letter == "%" else "".join(f"\\x{byte:02x}" for byte in letter.encode())

    return "".join(map(escaped, text))
