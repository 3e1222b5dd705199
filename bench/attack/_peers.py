"""The same bundle behind waitress or uvicorn: python _peers.py waitress|uvicorn FOLDER PORT."""

from __future__ import annotations

import asyncio
import json
import sys
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from edgecnn.errors import EdgecnnError
from edgecnn.onboard.runner import contents
from edgecnn.onboard.runner.classify import Classifier

Answer = Callable[[bytes], tuple[int, bytes]]


def answer_of(folder: Path) -> Answer:
    """(status, JSON) of a picture, with the runner's own classifier."""
    bundle = contents.open_bundle(folder)
    classifier = Classifier(bundle.artifact, bundle.manifest.runtime)

    def answer(picture: bytes) -> tuple[int, bytes]:
        try:
            return 200, json.dumps(classifier(picture).table()).encode()
        except EdgecnnError as error:
            return 422, json.dumps({"error": error.sentence}).encode()

    return answer


def with_waitress(answer: Answer, port: int) -> None:
    """Serve with waitress as it comes: four threads, which take turns with the model."""
    import waitress

    turn = threading.Lock()

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        picture = environ["wsgi.input"].read()
        with turn:
            status, body = answer(picture)
        headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
        start_response(f"{status} {'OK' if status == 200 else 'Unprocessable Content'}", headers)
        return [body]

    waitress.serve(application, host="127.0.0.1", port=port)


def with_uvicorn(answer: Answer, port: int) -> None:
    """Serve with uvicorn as it comes, without its log of accesses: one thread for the model."""
    import uvicorn

    worker = ThreadPoolExecutor(1)

    async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
        parts, more = [], True
        while more:
            message = await receive()
            parts.append(message.get("body", b""))
            more = message.get("more_body", False)
        loop = asyncio.get_running_loop()
        status, body = await loop.run_in_executor(worker, answer, b"".join(parts))
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    uvicorn.run(
        application,
        host="127.0.0.1",
        port=port,
        access_log=False,
        log_level="critical",
        lifespan="off",
        interface="asgi3",
    )


if __name__ == "__main__":
    name, folder, port = sys.argv[1:]
    {"waitress": with_waitress, "uvicorn": with_uvicorn}[name](answer_of(Path(folder)), int(port))
