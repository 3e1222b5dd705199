"""The program that asks a release's server many times, run here as it runs on a board."""

import base64
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from edgecnn.onboard import archive, soak

PROGRAM = archive.program(soak.__name__)
SERVER = """#!{python}
import http.server, json, sys

class Handler(http.server.BaseHTTPRequestHandler):
    asked = 0
    def do_POST(self):
        Handler.asked += 1
        picture = self.rfile.read(int(self.headers["Content-Length"])).decode()
        {act}
        body = json.dumps({{"label": picture}}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *words):
        pass

with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
    print(f"serving it on http://127.0.0.1:{{server.server_port}}", file=sys.stderr, flush=True)
    server.serve_forever()
"""


def soaked(folder: Path, run: str, requests: int, seconds: float = 0.0) -> dict[str, Any]:
    """Soak a release whose `run` is this; its two pictures are the names of their classes."""
    (folder / "run").write_text(run)
    (folder / "run").chmod(0o755)
    pictures = folder / "pictures.json"
    shown = [{"picture": base64.b64encode(name.encode()).decode(), "labels": [name]} for name in ("cat", "owl")]
    pictures.write_text(json.dumps(shown))
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-", str(folder), str(pictures), str(requests), str(seconds)],
        input=PROGRAM,
        capture_output=True,
        check=True,
    )
    assert not pictures.exists()
    table: dict[str, Any] = json.loads(done.stdout)
    return table


def server(act: str) -> str:
    return SERVER.format(python=sys.executable, act=act)


def test_every_request_is_counted(tmp_path: Path) -> None:
    table = soaked(tmp_path, server("pass"), 9)
    assert (table["requests"], table["errors"], table["first_error"]) == (9, 0, None)


def test_it_may_last_for_a_time_instead(tmp_path: Path) -> None:
    table = soaked(tmp_path, server("pass"), 0, 0.3)
    assert table["requests"] > 1
    assert table["seconds"] >= 0.3


@pytest.mark.parametrize(
    ("act", "errors", "words"),
    [
        ("if Handler.asked % 3 == 0: return self.send_error(500)", 3, "status 500"),
        ("if picture == 'owl': picture = 'cat'", 4, "called 'cat', not 'owl'"),
        ("if Handler.asked > 4: import os; os._exit(1)", 5, "RemoteDisconnected"),
        ("if Handler.asked == 2: return self.connection.close()", 1, "RemoteDisconnected"),
    ],
)
def test_what_is_wrong_is_counted_and_the_first_is_told(tmp_path: Path, act: str, errors: int, words: str) -> None:
    table = soaked(tmp_path, server(act), 9)
    assert (table["requests"], table["errors"]) == (9, errors)
    assert words in table["first_error"]


def test_a_server_that_does_not_start_answers_nothing(tmp_path: Path) -> None:
    table = soaked(tmp_path, "#!/bin/sh\necho 'error: no runtime' >&2\nexit 2\n", 9)
    assert (table["requests"], table["errors"]) == (9, 9)
    assert "does not start: error: no runtime" in table["first_error"]
