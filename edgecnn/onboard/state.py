"""The state of a board: each model's current release, and the counts of its servers.

    python3 -I -S -X utf8 - HOME        this text on its stdin

HOME is ~/edgecnn. It prints one line of JSON, and needs the standard library only.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import sys
from pathlib import Path
from typing import Any

from edgecnn.onboard import json_files, serving, signatures

MOST_METRICS_BYTES = 1 << 20
TIMEOUT_S = 10
LISTENING = "0A"
"""The state of a socket in /proc/net/tcp that waits for connections."""
DEFAULT_PORT = 8080


def main(home: str) -> int:
    """Print {"models": [...], "trusts": ...} for all models below `home`."""
    folder = Path(home)
    roots = sorted(path for path in folder.glob("*") if (path / "current").is_symlink() and path.name.isprintable())
    trusts = (folder / signatures.ALLOWED).is_file()
    sys.stdout.write(json.dumps({"models": [_model(root) for root in roots], "trusts": trusts}) + "\n")
    return 0


def _model(root: Path) -> dict[str, Any]:
    """Say what is current in the folder of one model, and who answers with what."""
    release = root / "current"
    answering = {pid: name for pid, (name, _) in serving.servers(root).items()}
    answering = serving.programs(root, "serve") | answering
    manifest = json_files.table(release / "manifest.json")
    description = json_files.table(release / f"{manifest.get('model')}.json").get("description")
    digest = description.get("sha256") if isinstance(description, dict) else None
    servers = [{"pid": pid, "release": name, **_counts(pid)} for pid, name in sorted(answering.items())]
    return {
        "name": root.name,
        "release": release.readlink().name,
        "model": manifest.get("model"),
        "sha256": digest,
        "signed": (release / signatures.SIGNATURE).is_file(),
        "servers": servers,
    }


def _counts(pid: int) -> dict[str, Any]:
    """Read /metrics of a server: its requests by status, its pictures, and how many of them it knew no class for."""
    text = None
    for port in _ports(pid):
        with contextlib.suppress(OSError, http.client.HTTPException):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S)
            with contextlib.closing(connection):
                connection.request("GET", "/metrics")
                answer = connection.getresponse()
                body = answer.read(MOST_METRICS_BYTES).decode(errors="replace")
            if answer.status == http.HTTPStatus.OK and "edgecnn_model_info" in body:
                text = body
                break
    if text is None:
        return {"requests": None, "pictures": None, "unknown": None}
    requests = {
        code: int(count) for code, count in re.findall(r'^edgecnn_requests_total\{code="(\d+)"\} (\d+)', text, re.M)
    }
    return {
        "requests": requests,
        "pictures": _number(text, "edgecnn_inference_seconds_count"),
        "unknown": _number(text, "edgecnn_unknown_total"),
    }


def _number(text: str, name: str) -> int | None:
    match = re.search(rf"^{name} ([0-9]{{1,15}})(?:\.0)?$", text, re.M)
    return int(match[1]) if match else None


def _ports(pid: int) -> list[int]:
    """List the ports that a process waits on; the one it was started with where the kernel does not tell."""
    inodes = set()
    with contextlib.suppress(OSError):
        for path in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                if match := re.fullmatch(r"socket:\[(\d+)\]", str(path.readlink())):
                    inodes.add(match[1])
    ports = []
    for table in ("tcp", "tcp6"):
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{pid}/net/{table}").read_text(encoding="ascii").splitlines()[1:]:
                words = line.split()
                if words[3] == LISTENING and words[9] in inodes:
                    ports.append(int(words[1].rpartition(":")[2], 16))
    return ports or [_started_with(pid)]


def _started_with(pid: int) -> int:
    """Return the port that a server's command line names, or the one it takes by itself."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
        return int(words[words.index("--port") + 1])
    return DEFAULT_PORT
