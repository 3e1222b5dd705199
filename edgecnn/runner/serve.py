"""HTTP around one model: POST /classify with a picture as the body, GET /healthz, GET /metrics.

Made for a small machine among strangers. One thread receives, another decodes and runs the model. The memory of all
requests together is bounded (connections, heads, bodies, declared pixels), every wait for a client is bounded and so
is a picture's wait for the model, and nothing of a request ever names a file.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import json
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from edgecnn.errors import DataError, EdgecnnError, EnvironmentUnfit
from edgecnn.runner import classify
from edgecnn.runner.byte_budget import ByteBudget
from edgecnn.runner.classify import Classifier
from edgecnn.runner.connection import Connection, Waits
from edgecnn.runner.contents import Contents
from edgecnn.runner.http1 import Refused, Reply, Request, parse
from edgecnn.runner.metrics import Metrics

CONNECTIONS = 256
"""Open at once, whatever they are at."""
BACKLOG = 128
RECEIVE_BUFFER_BYTES = 65_536
"""The kernel's for each connection: what is not read yet counts as this process's memory too."""
PIECE_BYTES, PIECE_S = 65_536, 4.0
"""A body has to arrive at 16 kB a second: each piece of it within this time, or it is cut off."""
PATIENT_S = 1.0
"""A client that hangs up after a longer wait is not answered, so that no time goes to what nobody waits for."""
BUSY = "too many pictures are waiting"
RETRY_AFTER = {"Retry-After": "1"}
ROUTES: Mapping[str, tuple[str, ...]] = {
    "/classify": ("POST",),
    "/healthz": ("GET", "HEAD"),
    "/metrics": ("GET", "HEAD"),
}


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What one server takes at once."""

    queue: int | None
    """Whole pictures that wait while another is classified; None: as many as `waiting_bytes` hold."""
    waiting_bytes: int
    """Of all bodies together, from their first byte to their answer."""
    body_bytes: int
    timeout_s: float
    """From a request's first byte to its last, and how long a connection may be idle."""
    wait_s: float
    """How long a picture may wait for room and for the model."""


@dataclass(frozen=True)
class Model:
    """What answers: a bundle and its classifier are replaced together."""

    bundle: Contents
    classifier: Classifier


def serve(load: Callable[[], Model], host: str, port: int, limits: Limits) -> None:
    """Answer until SIGTERM or SIGINT, then finish what was begun; at SIGHUP go on with what `load` returns then.

    Raises EnvironmentUnfit for a taken port, and what `load` raises at first.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})  # kept until there is something to load anew
    _give_memory_back()
    classify.preload()
    server = Server(load, limits)
    with listen(host, port) as listener:
        asyncio.run(_until_asked_to_end(server, listener))


async def _until_asked_to_end(server: Server, listener: socket.socket) -> None:
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    loop.add_signal_handler(signal.SIGHUP, server.reload)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})
    print(f"serving {server.model.bundle.artifact.name} on {_url(listener)}", file=sys.stderr, flush=True)
    await server.run(listener, stop)


def _give_memory_back() -> None:
    """Keep glibc from holding what a large picture took, once for every thread that had one (mallopt(3))."""
    trim_threshold, mmap_threshold, arena_max = -1, -3, -8
    with contextlib.suppress(AttributeError):  # another C library
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(mmap_threshold, 1 << 20)  # as a fixed one: by itself it grows with what was freed
        mallopt(trim_threshold, 1 << 20)
        mallopt(arena_max, 1)


def listen(host: str, port: int) -> socket.socket:
    """A socket that waits for connections. Raises EnvironmentUnfit."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)  # each connection inherits it
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        reason = error.strerror or str(error)
        raise EnvironmentUnfit(f"Cannot listen on {host}:{port}: {reason}.", "choose another --port") from error
    listener.setblocking(False)
    return listener


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class Server:
    """One event loop for at most CONNECTIONS connections, and one picture at a time in the model."""

    def __init__(self, load: Callable[[], Model], limits: Limits) -> None:
        self.model = load()
        self.limits = limits
        self.metrics = Metrics(self.model.bundle)
        self._load = load
        self._budget = ByteBudget(limits.waiting_bytes)
        self._waits = Waits()
        self._connections: set[asyncio.Task[None]] = set()
        self._is_stale = False
        self._reloading: asyncio.Task[None] | None = None
        self._worker = ThreadPoolExecutor(1, "model")
        self._queued = 0
        self._is_stopping = False

    async def run(self, listener: socket.socket, stop: asyncio.Event) -> None:
        """Accept until `stop`, then finish every request that has begun to arrive."""
        accepting = asyncio.create_task(self._accept(listener))
        await stop.wait()
        accepting.cancel()
        listener.close()
        self._is_stopping = True
        self._waits.end_idle()
        await asyncio.gather(*self._connections, return_exceptions=True)
        self._worker.shutdown()

    def reload(self) -> None:
        """Go on with another model as soon as it is loaded, from one picture to the next."""
        self._is_stale = True
        if self._reloading is None or self._reloading.done():
            self._reloading = asyncio.create_task(self._reload())

    async def _reload(self) -> None:
        while self._is_stale:  # told again while it loads, it loads once more
            self._is_stale = False
            try:
                self.model = await asyncio.get_running_loop().run_in_executor(None, self._load)
            except Exception as error:  # whatever it is, the model that is here still answers
                reason = error.sentence if isinstance(error, EdgecnnError) else f"{type(error).__name__}: {error}"
                hint = f"{self.model.bundle.artifact.name} as it was loaded before still answers"
                print(f"error: {reason}\nhint: {hint}", file=sys.stderr, flush=True)
            else:
                self.metrics.describe(self.model.bundle)
                print(f"serving {self.model.bundle.artifact.name}, loaded anew", file=sys.stderr, flush=True)

    async def _accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                client, _ = await loop.sock_accept(listener)
            except OSError:  # the connection is gone already, or there is no descriptor for it
                await asyncio.sleep(0.05)
                continue
            if len(self._connections) < CONNECTIONS or self._waits.end_longest():
                task = asyncio.create_task(self._converse(client))
                self._connections.add(task)
                task.add_done_callback(self._connections.discard)
            else:
                self._refuse(client)
            await asyncio.sleep(0)  # those that are here come before the next

    def _refuse(self, client: socket.socket) -> None:
        refusal = _sentence(HTTPStatus.SERVICE_UNAVAILABLE, "too many connections", RETRY_AFTER)
        self.metrics.count(refusal.status)
        with client, contextlib.suppress(OSError):
            client.setblocking(False)
            client.send(refusal.encode(closes=True))
            client.recv(RECEIVE_BUFFER_BYTES)  # what is unread when a socket is closed resets it

    async def _converse(self, client: socket.socket) -> None:
        """Answer one request after the other until one side closes."""
        connection = Connection(client, self._waits)
        with client:
            try:
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                while await self._exchange(connection):
                    pass
            except OSError:  # a client that is slow or went away is no error of ours
                pass
            if not connection.makes_way:
                await connection.linger()

    async def _exchange(self, connection: Connection) -> bool:
        """Answer one request; False if it was the connection's last."""
        request, closes = None, True
        try:
            head = await connection.head(self.limits.timeout_s)
            if head is None:
                return False
            request = parse(head)
            reply = await self._reply(request, connection)
            closes = request.is_last or (request.has_body and request.path != "/classify") or self._is_stopping
        except Refused as refused:
            reply = _sentence(refused.status, refused.sentence, refused.headers)
        except OSError:
            raise
        except Exception as error:
            reply = _unexpected(error)
        self.metrics.count(reply.status)
        is_head = request is not None and request.method == "HEAD"
        await connection.send(reply.encode(closes=closes, bodiless=is_head), self.limits.timeout_s)
        return not closes

    async def _reply(self, request: Request, connection: Connection) -> Reply:
        methods = ROUTES.get(request.path)
        if methods is None:
            raise Refused(HTTPStatus.NOT_FOUND, f"known: {', '.join(ROUTES)}")
        if request.method not in methods:
            sentence = f"{request.path} takes {' and '.join(methods)}"
            raise Refused(HTTPStatus.METHOD_NOT_ALLOWED, sentence, {"Allow": ", ".join(methods)})
        if request.path == "/healthz":
            artifact = self.model.bundle.artifact
            health = {"status": "ok", "model": artifact.name, "sha256": artifact.description.sha256}
            return _json(HTTPStatus.OK, health)
        if request.path == "/metrics":
            kind = "text/plain; version=0.0.4; charset=utf-8"
            return Reply(status=HTTPStatus.OK, body=self.metrics.text().encode(), kind=kind)
        length = self._length(request)
        self.metrics.enter()
        try:
            return await self._classify(connection, length, request.expects_continue)
        finally:
            self.metrics.leave()

    def _length(self, request: Request) -> int:
        most = self.limits.body_bytes
        if request.length is None or request.is_coded:
            raise Refused(HTTPStatus.LENGTH_REQUIRED, "Content-Length is needed")
        if request.length > most:
            raise Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"at most {most} bytes are taken")
        return request.length

    async def _classify(self, connection: Connection, length: int, expects_continue: bool) -> Reply:
        """Receive a picture as there is room for it, wait for the model, and classify."""
        loop = asyncio.get_running_loop()
        body, waited_s = bytearray(), 0.0
        with self._budget.share() as share:
            while len(body) < length:
                before_s = loop.time()
                count = min(PIECE_BYTES, length - len(body))
                try:
                    await self._budget.take(share, count, self.limits.wait_s - waited_s)
                except TimeoutError:
                    raise Refused(HTTPStatus.SERVICE_UNAVAILABLE, BUSY, RETRY_AFTER) from None
                waited_s += loop.time() - before_s
                if expects_continue and not body and not connection.has_sent_more():
                    await connection.send(b"HTTP/1.1 100 Continue\r\n\r\n", self.limits.timeout_s)
                left_s = connection.began_s + self.limits.timeout_s + waited_s - loop.time()
                try:
                    is_here = await connection.body(body, count, min(PIECE_S, left_s))
                except TimeoutError:
                    raise Refused(HTTPStatus.REQUEST_TIMEOUT, "the picture did not arrive in time") from None
                if not is_here:
                    raise Refused(HTTPStatus.BAD_REQUEST, "the picture ended early")
            self._budget.whole(share)
            if self.limits.queue is not None and self._queued > self.limits.queue:
                raise Refused(HTTPStatus.SERVICE_UNAVAILABLE, BUSY, RETRY_AFTER)
            self._queued += 1
            try:
                waiting_since_s = time.monotonic() - waited_s
                return await loop.run_in_executor(self._worker, self._answer, connection, body, waiting_since_s)
            finally:
                self._queued -= 1

    def _answer(self, connection: Connection, body: bytearray, waiting_since_s: float) -> Reply:
        """What the model says once the picture's turn has come, in the model's thread."""
        waited_s = time.monotonic() - waiting_since_s
        if waited_s > self.limits.wait_s:
            return _sentence(HTTPStatus.SERVICE_UNAVAILABLE, BUSY, RETRY_AFTER)
        if waited_s > PATIENT_S and connection.is_gone():
            raise ConnectionAbortedError
        model = self.model
        try:
            picture = bytes(body)
            body.clear()
            answer = model.classifier(picture)
        except DataError as error:
            return _sentence(HTTPStatus.UNPROCESSABLE_ENTITY, error.sentence)
        except EdgecnnError as error:
            return _sentence(HTTPStatus.INTERNAL_SERVER_ERROR, error.sentence)
        except MemoryError:
            return _sentence(HTTPStatus.INSUFFICIENT_STORAGE, "the picture does not fit the memory")
        except Exception as error:
            return _unexpected(error)
        self.metrics.observe(answer.inference_ms / 1e3)
        return _json(HTTPStatus.OK, answer.table() | {"sha256": model.bundle.artifact.description.sha256})


def _unexpected(error: Exception) -> Reply:
    """The answer to an error of ours, which is said in one line."""
    print(f"error: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
    return _sentence(HTTPStatus.INTERNAL_SERVER_ERROR, "an error of the server")


def _sentence(status: HTTPStatus, sentence: str, headers: Mapping[str, str] | None = None) -> Reply:
    return _json(status, {"error": sentence}, headers)


def _json(status: HTTPStatus, table: dict[str, Any], headers: Mapping[str, str] | None = None) -> Reply:
    return Reply(status=status, body=json.dumps(table).encode() + b"\n", kind="application/json", headers=headers or {})
