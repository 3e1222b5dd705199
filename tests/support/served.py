"""A bundle's server in a process of its own."""

import contextlib
import http.client
import json
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import small_bundles

PATIENCE_S = 60


PICTURE = small_bundles.picture(small_bundles.images()[0])


@dataclass
class Running:
    """A server in a process of its own."""

    process: subprocess.Popen[str]
    port: int

    def ask(
        self, method: str, path: str, body: bytes | None = None, **headers: str
    ) -> tuple[int, dict[str, str], bytes]:
        """(status, headers, body) of one request."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        with contextlib.closing(connection):
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return answer.status, dict(answer.headers), answer.read()

    def classify(self, picture: bytes = PICTURE) -> tuple[int, dict[str, Any]]:
        status, _, body = self.ask("POST", "/classify", picture)
        return status, json.loads(body)

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), PATIENCE_S)

    def raw(self, request: bytes) -> tuple[int, bytes]:
        """(status, body) of bytes as they are."""
        with self.connect() as connection:
            connection.sendall(request)
            return parsed(connection)

    def metric(self, name: str) -> float:
        text = self.ask("GET", "/metrics")[2].decode()
        match = re.search(rf"^{re.escape(name)} (\S+)$", text, re.M)
        return float(match[1]) if match else 0.0

    def wait_until(self, name: str, value: float) -> None:
        end = time.monotonic() + PATIENCE_S
        while self.metric(name) != value:
            assert time.monotonic() < end, f"{name} did not become {value}"
            time.sleep(0.01)


def parsed(connection: socket.socket) -> tuple[int, bytes]:
    """(status, body) of the next answer."""
    answer = http.client.HTTPResponse(connection)
    answer.begin()
    return answer.status, answer.read()


@contextlib.contextmanager
def running(folder: Path, *options: str) -> Iterator[Running]:
    words = [sys.executable, str(folder / "edgecnn.pyz"), "serve", "--port", "0", *options]
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            line = process.stderr.readline()
            match = re.search(r"on http://127\.0\.0\.1:(\d+)$", line.strip())
            assert match, line
            yield Running(process, int(match[1]))
        finally:
            process.kill()


def peak_kb(server: Running) -> int:
    text = Path(f"/proc/{server.process.pid}/status").read_text()
    match = re.search(r"VmHWM:\s+(\d+) kB", text)
    assert match
    return int(match[1])
