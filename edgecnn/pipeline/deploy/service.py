"""A systemd unit for the runner's `serve`, of the user's own manager, so that nothing needs root.

`DynamicUser=` works with the system's manager only; a unit of the user's manager runs as that user.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

from edgecnn.boards.ssh.board_facts import BoardFacts
from edgecnn.boards.ssh.failures import unwritten
from edgecnn.boards.ssh.link import CommandResult, Link
from edgecnn.common.replies import last_line
from edgecnn.errors import BoardUnfit, EnvironmentUnfit

MEMORY_MAX = "384M"
"""The memory of the unit: 16 transparent PNGs of 12.3 megapixels and 8 MB, sent at once, took 285 MB (x86-64)."""

UNIT = """[Unit]
Description=edgecnn: {name}

[Service]
ExecStart=%h/edgecnn/{path}/run serve{options}
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

# An ssh session without PAM does not say where the user's manager listens.
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
# $1 is the unit, and $2 is its file.
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
    """Return the name of the unit of a bundle."""
    return f"edgecnn-{name}.service"


def unit(name: str, options: Sequence[str] = ()) -> str:
    """Return the text of the unit, in which no letter of `name` or of serve's options has a meaning to systemd."""
    described = "".join(letter if letter.isprintable() and letter != "\\" else " " for letter in name)
    words = "".join(f" {_word(word)}" for word in options)
    return UNIT.format(name=described.replace("%", "%%"), path=_word(name), options=words, memory_max=MEMORY_MAX)


def check(link: Link, name: str) -> None:
    """Raise BoardUnfit if no systemd there would run a unit of this user."""
    answer = link.script(SYSTEMCTL, timeout_s=60)
    if answer.returncode:
        raise BoardUnfit(
            f"{link.destination} runs no services of this user: {_reason(answer)}.",
            f"nothing there was changed; deploy without --service, then `edgecnn/{name}/run serve` there",
        )


@contextlib.contextmanager
def undone_after_failure(link: Link, facts: BoardFacts, name: str) -> Iterator[None]:
    """Restore the unit as it was, or remove it, if the block raises."""
    words = [unit_name(name), _path(facts, name)]
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


def start(link: Link, facts: BoardFacts, name: str, options: Sequence[str]) -> bool:
    """Install the unit, enable and start it; returns False if it will end with the user's last session.

    Raises BoardUnfit if it does not run.
    """
    link.push(unit(name, options).encode(), _path(facts, name))
    answer = link.script(START, [unit_name(name)], timeout_s=120)
    if answer.returncode:
        raise BoardUnfit(
            f"The service does not run on {link.destination}: {_reason(answer)}.",
            "what was there before is untouched; `journalctl --user` there may say more",
        )
    return b"no linger" not in answer.stdout


def restart(link: Link, facts: BoardFacts, name: str) -> bool:
    """Restart the service, and return whether there is one. Raises BoardUnfit if it does not come up again.

    A unit that no manager can run is not a service, and is left as it is.
    """
    if link.run(["test", "-f", _path(facts, name)], timeout_s=60).returncode:
        return False
    answer = link.script(RESTART, [unit_name(name)], timeout_s=120)
    if answer.returncode == NO_MANAGER:
        return False
    if answer.returncode:
        raise BoardUnfit(f"The service on {link.destination} did not restart: {_reason(answer)}.")
    return True


def remove(link: Link, facts: BoardFacts, name: str) -> None:
    """Stop and remove the unit, if there is one."""
    if link.run(["test", "-f", _path(facts, name)], timeout_s=60).returncode == 0:
        link.script(f"{FORGET}\n{UNDO}", [unit_name(name), _path(facts, name)], timeout_s=120)


def state(link: Link, name: str) -> str | None:
    """Return what systemd says, as in "active" or "failed"; None without systemd or without the unit."""
    answer = link.script(STATE, [unit_name(name)], timeout_s=60)
    return last_line(answer.stdout.decode(errors="replace")) or None


def _path(facts: BoardFacts, name: str) -> str:
    """Return the path of the unit's file there."""
    return f"{facts.home}/.config/systemd/user/{unit_name(name)}"


def _reason(answer: CommandResult) -> str:
    return last_line(answer.stderr) or "systemd gave no reason"


def _word(text: str) -> str:
    """Escape a text as a part of one word of ExecStart (systemd.syntax(7))."""

    def escaped(letter: str) -> str:
        if letter.isalnum() or letter in "._-":
            return letter
        return "%%" if letter == "%" else "".join(f"\\x{byte:02x}" for byte in letter.encode())

    return "".join(map(escaped, text))
