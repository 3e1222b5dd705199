"""A systemd unit for the runner's `serve`: the user's own, so that nothing here needs root.

`DynamicUser=` is for the system's manager alone; a unit of the user's manager runs as that user.
"""

from __future__ import annotations

from edgecnn.errors import BoardUnfit
from edgecnn.link import Link, last_line
from edgecnn.preflight import BoardFacts

MEMORY_MAX = "384M"
"""Sixteen transparent PNGs of 12.3 megapixels in 8 MB each, sent at once, took the runner to 285 MB (x86-64)."""

UNIT = """[Unit]
Description=edgecnn: {name}

[Service]
ExecStart=%h/edgecnn/{name}/run serve
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
set -eu
: "${XDG_RUNTIME_DIR:=/run/user/$(id -u)}"
export XDG_RUNTIME_DIR
command -v systemctl >/dev/null || { echo 'it has no systemd' >&2; exit 1; }
"""
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
RESTART = SYSTEMCTL + 'systemctl --user try-restart "$1"\n'
STATE = SYSTEMCTL + 'systemctl --user is-active "$1" || true\n'


def unit_name(name: str) -> str:
    return f"edgecnn-{name}.service"


def unit(name: str) -> str:
    """The unit's text."""
    return UNIT.format(name=name, memory_max=MEMORY_MAX)


def start(link: Link, facts: BoardFacts, name: str) -> bool:
    """Install the unit, enable and start it; False when it will end with the user's last session.

    Raises BoardUnfit where that cannot be.
    """
    link.push(unit(name).encode(), f"{facts.home}/.config/systemd/user/{unit_name(name)}")
    answer = link.script(START, [unit_name(name)], timeout_s=120)
    if answer.returncode:
        raise BoardUnfit(
            f"The service does not run on {link.destination}: {last_line(answer.stderr) or 'systemd gave no reason'}.",
            f"the model itself is deployed: `edgecnn/{name}/run serve` there",
        )
    return b"no linger" not in answer.stdout


def restart(link: Link, facts: BoardFacts, name: str) -> bool:
    """Restart the service if there is one; True if there is. Raises BoardUnfit if it does not come up again."""
    place = f"{facts.home}/.config/systemd/user/{unit_name(name)}"
    if link.run(["test", "-f", place]).returncode:
        return False
    answer = link.script(RESTART, [unit_name(name)], timeout_s=120)
    if answer.returncode:
        raise BoardUnfit(f"The service on {link.destination} did not restart: {last_line(answer.stderr)}.")
    return True


def state(link: Link, name: str) -> str | None:
    """What systemd says: "active", "inactive", "failed" …; None without systemd or without such a unit."""
    answer = link.script(STATE, [unit_name(name)], timeout_s=60)
    return answer.stdout.decode(errors="replace").strip() or None
