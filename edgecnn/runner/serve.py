"""HTTP around one model: POST /classify with a picture as the body, GET /healthz, GET /metrics.

Made for a small machine among strangers: the memory of all requests together is bounded (connections,
queue, body, declared pixels), the time of each is bounded as a whole, so that one who sends a byte a
second gets no further than another, and nothing of a request ever names a file.
"""

from __future__ import annotations

import contextlib
import ctypes
import io
import json
import queue
import signal
import socket
import socketserver
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import Any, ClassVar, Literal

from edgecnn import __version__
from edgecnn.errors import DataError, EdgecnnError, EnvironmentUnfit
from edgecnn.runner.classify import Classifier
from edgecnn.runner.contents import Contents
from edgecnn.runner.metrics import Metrics

CONNECTIONS = 64
"""Open at once, whatever they are at: a thread each."""
RETRY_AFTER_S = 1
LINGER_S = 1.0
LINGER_BYTES = 1_000_000
Next = Literal["stay", "hand over", "end"]
"""What a server does about a SIGHUP (`runner.running`)."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What one server takes at once."""

    queue: int
    """Pictures that wait while another is classified."""
    body_bytes: int
    timeout_s: float
    """From the connection to the last byte of its request."""


def serve(
    bundle: Contents,
    classifier: Classifier,
    host: str,
    port: int,
    limits: Limits,
    listening: socket.socket | None = None,
    hangup: Callable[[], Next] = lambda: "end",
) -> socket.socket | None:
    """Answer until SIGTERM or SIGINT, then finish what was accepted. Raises EnvironmentUnfit for a taken port.

    listening: a socket to go on with, in place of `host` and `port`. hangup: called on SIGHUP; where it says
    "hand over", what was accepted is finished and the socket returned, still open for the program that goes on.
    """
    _give_memory_back()
    signals: queue.SimpleQueue[int] = queue.SimpleQueue()
    handed_over = None
    with Server(bundle, classifier, host, port, limits, listening) as server:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, lambda number, _: signals.put(number))
        acceptor = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1})
        acceptor.start()
        print(f"serving {bundle.artifact.name} on {server.url}", file=sys.stderr, flush=True)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})
        following: Next = "stay"
        while following == "stay":
            following = hangup() if signals.get() == signal.SIGHUP else "end"
        if following == "hand over":
            handed_over = server.socket.dup()
        server.shutdown()
        acceptor.join()
    # Leaving the block closed the socket and joined every handler.
    return handed_over


def _give_memory_back() -> None:
    """Keep glibc from holding what a large picture took, once for every thread that had one (mallopt(3))."""
    trim_threshold, mmap_threshold, arena_max = -1, -3, -8
    with contextlib.suppress(AttributeError):  # another C library
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(mmap_threshold, 1 << 20)  # as a fixed one: by itself it grows with what was freed
        mallopt(trim_threshold, 1 << 20)
        mallopt(arena_max, 1)


class Server(socketserver.ThreadingMixIn, socketserver.TCPServer):
    """A thread for each of at most CONNECTIONS connections, one picture at a time in the model."""

    allow_reuse_address = True
    request_queue_size = 128
    daemon_threads = False  # so that closing waits for them

    def __init__(
        self,
        bundle: Contents,
        classifier: Classifier,
        host: str,
        port: int,
        limits: Limits,
        listening: socket.socket | None = None,
    ) -> None:
        self.limits = limits
        self.metrics = Metrics(bundle)
        self.name = bundle.artifact.name
        self.sha256 = bundle.artifact.description.sha256
        self._classifier = classifier
        self._model_is_free = threading.Lock()
        self._places = threading.BoundedSemaphore(limits.queue + 1)  # those that wait, and the one that runs
        self._connections = threading.BoundedSemaphore(CONNECTIONS)
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        if listening is not None:
            super().__init__((host, port), Handler, bind_and_activate=False)
            self.socket.close()
            self.socket, self.server_address = listening, listening.getsockname()
            return
        try:
            super().__init__((host, port), Handler)
        except OSError as error:
            reason = error.strerror or str(error)
            raise EnvironmentUnfit(f"Cannot listen on {host}:{port}: {reason}.", "choose another --port") from error

    @property
    def url(self) -> str:
        host, port = self.server_address[:2]
        name = host if isinstance(host, str) else host.decode()
        return f"http://[{name}]:{port}" if ":" in name else f"http://{name}:{port}"

    def classify(self, picture: bytes) -> dict[str, Any]:
        """Wait for the model, then classify. Raises DataError for what is no picture."""
        with self._model_is_free:
            answer = self._classifier(picture)
        self.metrics.observe(answer.inference_ms / 1e3)
        return answer.table()

    @contextlib.contextmanager
    def place(self) -> Iterator[bool]:
        """Hold a place in the queue; False when there is none."""
        if not self._places.acquire(blocking=False):
            yield False
            return
        self.metrics.enter()
        try:
            yield True
        finally:
            self.metrics.leave()
            self._places.release()

    def process_request(self, request: Any, client_address: Any) -> None:
        if self._connections.acquire(blocking=False):
            try:
                super().process_request(request, client_address)
            except BaseException:  # the thread did not start, so it will not give its place back
                self._connections.release()
                raise
            return
        self.metrics.count(HTTPStatus.SERVICE_UNAVAILABLE)
        request.settimeout(0)
        with contextlib.suppress(OSError):
            request.send(
                f"HTTP/1.1 503 Service Unavailable\r\nRetry-After: {RETRY_AFTER_S}\r\n"
                "Content-Length: 0\r\nConnection: close\r\n\r\n".encode()
            )
        self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._connections.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no error of ours; anything else is said in one line."""
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            print(f"error: {type(error).__name__}: {error}", file=sys.stderr, flush=True)


class Handler(BaseHTTPRequestHandler):
    """One request, then the connection is closed."""

    server: Server
    protocol_version = "HTTP/1.1"
    default_request_version = "HTTP/1.0"  # of a request that says none: its error still gets a status line
    server_version = f"edgecnn/{__version__}"
    sys_version = ""
    routes: ClassVar[dict[str, tuple[str, str]]] = {
        "/classify": ("POST", "_classify"),
        "/healthz": ("GET", "_healthz"),
        "/metrics": ("GET", "_metrics"),
    }

    def setup(self) -> None:
        super().setup()
        self.rfile.close()
        deadline = time.monotonic() + self.server.limits.timeout_s
        self.rfile = io.BufferedReader(_DeadlineReader(self.connection, deadline))

    def finish(self) -> None:
        """A client that still sends would lose our answer to a reset: read a little of it before closing."""
        super().finish()
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_WR)
            linger = _DeadlineReader(self.connection, time.monotonic() + LINGER_S)
            left, block = LINGER_BYTES, bytearray(65536)
            while left > 0 and (count := linger.readinto(block)):
                left -= count

    def do_GET(self) -> None:
        self._route()

    do_POST = do_PUT = do_DELETE = do_PATCH = do_OPTIONS = do_HEAD = do_GET  # noqa: N815

    def handle_expect_100(self) -> bool:
        """A client that asks before it sends is told at once what its body would meet."""
        if self.path.partition("?")[0] == "/classify" and self.command == "POST" and self._length() is None:
            return False
        return super().handle_expect_100()

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """What http.server finds wrong with a request, in our words' form."""
        self.close_connection = True
        self._answer(HTTPStatus(code), {"error": message or HTTPStatus(code).phrase})

    def log_message(self, format: str, *args: Any) -> None:
        """The metrics count requests; a line each would fill a small card."""

    def _route(self) -> None:
        self.close_connection = True
        path = self.path.partition("?")[0]
        if path not in self.routes:
            return self._answer(HTTPStatus.NOT_FOUND, {"error": f"known: {', '.join(self.routes)}"})
        method, name = self.routes[path]
        if self.command != method:
            sentence = {"error": f"{path} takes {method}"}
            return self._answer(HTTPStatus.METHOD_NOT_ALLOWED, sentence, {"Allow": method})
        getattr(self, name)()

    def _classify(self) -> None:
        if (length := self._length()) is None:
            return
        with self.server.place() as placed:
            if not placed:
                busy = {"error": "too many pictures are waiting"}
                return self._answer(HTTPStatus.SERVICE_UNAVAILABLE, busy, {"Retry-After": str(RETRY_AFTER_S)})
            try:
                body = self.rfile.read(length)
            except TimeoutError:
                return self._answer(HTTPStatus.REQUEST_TIMEOUT, {"error": "the picture did not arrive in time"})
            if len(body) < length:
                return self._answer(HTTPStatus.BAD_REQUEST, {"error": "the picture ended early"})
            try:
                answer = self.server.classify(body)
            except DataError as error:
                return self._answer(HTTPStatus.UNPROCESSABLE_ENTITY, {"error": error.sentence})
            except EdgecnnError as error:
                return self._answer(HTTPStatus.INTERNAL_SERVER_ERROR, {"error": error.sentence})
            except MemoryError:
                return self._answer(HTTPStatus.INSUFFICIENT_STORAGE, {"error": "the picture does not fit the memory"})
        self._answer(HTTPStatus.OK, answer)

    def _healthz(self) -> None:
        self._answer(HTTPStatus.OK, {"status": "ok", "model": self.server.name, "sha256": self.server.sha256})

    def _metrics(self) -> None:
        self._send(HTTPStatus.OK, self.server.metrics.text().encode(), "text/plain; version=0.0.4; charset=utf-8", {})

    def _length(self) -> int | None:
        """The body's length by its header, or None when that was answered with an error."""
        given, most = self.headers.get_all("Content-Length") or [], self.server.limits.body_bytes
        if not given or "Transfer-Encoding" in self.headers:
            self._answer(HTTPStatus.LENGTH_REQUIRED, {"error": "Content-Length is needed"})
        elif len(given) > 1 or not (given[0].isascii() and given[0].isdecimal()):
            self._answer(HTTPStatus.BAD_REQUEST, {"error": "Content-Length is not one number"})
        elif len(given[0]) > 18 or int(given[0]) > most:  # int() of a long line takes long
            self._answer(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, {"error": f"at most {most} bytes are taken"})
        else:
            return int(given[0])
        self.close_connection = True
        return None

    def _answer(self, code: HTTPStatus, table: dict[str, Any], headers: dict[str, str] | None = None) -> None:
        self._send(code, json.dumps(table).encode() + b"\n", "application/json", headers or {})

    def _send(self, code: HTTPStatus, body: bytes, kind: str, headers: dict[str, str]) -> None:
        self.server.metrics.count(code)
        self.connection.settimeout(self.server.limits.timeout_s)
        self.send_response(code)
        for name, value in {
            "Content-Type": kind,
            "Content-Length": str(len(body)),
            "Connection": "close",
            **headers,
        }.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


class _DeadlineReader(io.RawIOBase):
    """A socket that can be read until a moment; a timeout for each read alone would never end a slow client."""

    def __init__(self, connection: socket.socket, deadline: float) -> None:
        self._connection = connection
        self._deadline = deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        left_s = self._deadline - time.monotonic()
        if left_s <= 0:
            raise TimeoutError("the request did not arrive in time")
        self._connection.settimeout(left_s)
        return self._connection.recv_into(buffer)
