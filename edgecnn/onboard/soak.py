"""Asks the server of a release many times, as users would, and counts the answers that are wrong or do not come.

    python3 -I -S -X utf8 - RELEASE PICTURES REQUESTS SECONDS        this text on its stdin

RELEASE is the folder of a release, whose server is started for this alone, on a port that is free. PICTURES is a file
of JSON: [{"picture": base64, "labels": [the classes that are right]}, ...]. It ends after REQUESTS, or after SECONDS
where they are 0, and prints one line of JSON. Needs the standard library only.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

START_TIMEOUT_S = 120
REQUEST_TIMEOUT_S = 30
WAIT_AFTER_FAILURE_S = 0.02
LONGEST_WORDS = 300


def main(release: str, pictures: str, requests: str, seconds: str) -> int:
    """Ask, and print {"requests", "errors", "first_error", "seconds"}; a server that does not start answers nothing."""
    shown = json.loads(Path(pictures).read_text(encoding="utf-8"))
    Path(pictures).unlink()
    command = [f"{release}/run", "serve", "--port", "0"]
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, encoding="utf-8", errors="replace"
    ) as server:
        try:
            answer = _ask(server, shown, int(requests), float(seconds))
        finally:
            server.send_signal(signal.SIGTERM)
            try:
                server.wait(10)
            except subprocess.TimeoutExpired:
                server.kill()
    sys.stdout.write(json.dumps(answer) + "\n")
    return 0


def _ask(server: subprocess.Popen[str], shown: list[dict[str, Any]], requests: int, seconds: float) -> dict[str, Any]:
    assert server.stderr is not None
    said = server.stderr.readline()
    port = re.search(r"http://127\.0\.0\.1:(\d+)", said)
    if port is None:
        silence = f"the server does not start: {said.strip()[:LONGEST_WORDS] or 'it said nothing'}"
        return {"requests": requests or 1, "errors": requests or 1, "first_error": silence, "seconds": 0.0}
    bodies = [(base64.b64decode(entry["picture"]), entry["labels"]) for entry in shown]
    started, count, errors, first = time.monotonic(), 0, 0, None
    while count < requests if requests else time.monotonic() - started < seconds:
        picture, labels = bodies[count % len(bodies)]
        fault = _fault(int(port[1]), picture, labels)
        count += 1
        if fault:
            errors, first = errors + 1, first or fault
            time.sleep(WAIT_AFTER_FAILURE_S)
    elapsed = time.monotonic() - started
    return {"requests": count, "errors": errors, "first_error": first, "seconds": round(elapsed, 3)}


def _fault(port: int, picture: bytes, labels: list[str]) -> str | None:
    """Ask once; return what was wrong with the answer, None if it was right."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=REQUEST_TIMEOUT_S)
    try:
        with contextlib.closing(connection):
            connection.request("POST", "/classify", picture)
            answer = connection.getresponse()
            body = answer.read()
        if answer.status != http.HTTPStatus.OK:
            return f"status {answer.status}"
        label = json.loads(body)["label"]
    except (OSError, http.client.HTTPException, ValueError, LookupError, TypeError) as error:
        return f"{type(error).__name__}: {error}"[:LONGEST_WORDS]
    return None if label in labels else f"a golden picture is called {label!r}, not {labels[0]!r}"[:LONGEST_WORDS]
