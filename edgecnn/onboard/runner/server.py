"""The rules of the HTTP server: which client is heard, which one waits, and which one is cut off."""

from __future__ import annotations

import asyncio
import contextlib
import math
import socket
import sys
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http import HTTPStatus

from edgecnn.common.escapes import say
from edgecnn.errors import DataError, EdgecnnError
from edgecnn.onboard.runner.byte_budget import ByteBudget, Share
from edgecnn.onboard.runner.classify import Classifier
from edgecnn.onboard.runner.connection import BLOCK_BYTES, Connection, Waits
from edgecnn.onboard.runner.contents import Contents
from edgecnn.onboard.runner.http1 import Refused, Reply, Request, parse
from edgecnn.onboard.runner.json_replies import BUSY, RETRY_AFTER, busy, error_reply, json_reply, unexpected
from edgecnn.onboard.runner.metrics import Metrics

CONNECTIONS = 256
"""The most connections that are open at once, whatever they do."""
PIECE_BYTES, PIECE_S = 65_536, 4.0
"""A body must arrive at 16 kB a second: each piece within this time, or it is cut off."""
PATIENT_S = 1.0
"""A client that hangs up after a longer wait than this is not answered, so that no time is wasted on it."""
FAST_S = 0.01
"""A model that answers within this time may run in the thread of the event loop."""
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
ROUTES: Mapping[str, tuple[str, ...]] = {
    "/classify": ("POST",),
    "/healthz": ("GET", "HEAD"),
    "/metrics": ("GET", "HEAD"),
}


@dataclass(frozen=True, kw_only=True)
class Limits:
    """The limits on the work that one server accepts at once."""

    queue: int | None
    """Whole pictures that may wait while another is classified; None has as many as `waiting_bytes` hold."""
    waiting_bytes: int
    """The bytes of all bodies together, beyond the first PIECE_BYTES of each, until they are answered."""
    body_bytes: int
    timeout_s: float
    """The time from a request's first byte to its last, and how long a connection may be idle."""
    wait_s: float
    """How long a picture may wait for room and for the model."""


@dataclass(frozen=True)
class LoadedModel:
    """A bundle and its classifier, which are replaced together."""

    bundle: Contents
    classifier: Classifier


class Server:
    """An event loop for at most CONNECTIONS connections, with one picture at a time in the model."""

    def __init__(self, load: Callable[[], LoadedModel], limits: Limits) -> None:
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
        self._answer_s = math.inf
        """How long the model took for the last picture."""
        self._is_stopping = False
        self.hands_over = False
        """Whether another program goes on with the listening socket, which then stays open."""

    async def run(self, listener: socket.socket, stop: asyncio.Event) -> None:
        """Accept until `stop`, then finish every request that has begun to arrive."""
        self._listen(listener)
        await stop.wait()
        self._is_stopping = True
        asyncio.get_running_loop().remove_reader(listener)
        if not self.hands_over:
            listener.close()
        self._waits.end_idle()
        await asyncio.gather(*self._connections, return_exceptions=True)
        self._worker.shutdown()

    def reload(self) -> None:
        """Go on with another model as soon as it is loaded, from one picture to the next."""
        self._is_stale = True
        if self._reloading is None or self._reloading.done():
            self._reloading = asyncio.create_task(self._reload())

    async def _reload(self) -> None:
        while self._is_stale:  # it may be told again while it loads
            self._is_stale = False
            try:
                self.model = await asyncio.get_running_loop().run_in_executor(None, self._load)
            except Exception as error:  # the model that is here still answers
                reason = error.sentence if isinstance(error, EdgecnnError) else f"{type(error).__name__}: {error}"
                hint = f"{self.model.bundle.artifact.name} as it was loaded before still answers"
                say(f"error: {reason}\nhint: {hint}", file=sys.stderr, flush=True)
            else:
                self._answer_s = math.inf
                self.metrics.describe(self.model.bundle)
                say(f"serving {self.model.bundle.artifact.name}, loaded anew", file=sys.stderr, flush=True)

    def _listen(self, listener: socket.socket) -> None:
        if not self._is_stopping:
            asyncio.get_running_loop().add_reader(listener, self._accept, listener)

    def _accept(self, listener: socket.socket) -> None:
        """Accept one connection in each turn of the loop, so that those that are here come first."""
        loop = asyncio.get_running_loop()
        try:
            client, _ = listener.accept()
        except BlockingIOError:
            return
        except OSError:  # the connection is gone, or there is no descriptor for it
            loop.remove_reader(listener)
            loop.call_later(0.05, self._listen, listener)
            return
        client.setblocking(False)
        if len(self._connections) < CONNECTIONS or self._waits.end_longest():
            task = loop.create_task(self._converse(client))
            self._connections.add(task)
            task.add_done_callback(self._connections.discard)
        else:
            self._refuse(client)

    def _refuse(self, client: socket.socket) -> None:
        refusal = error_reply(HTTPStatus.SERVICE_UNAVAILABLE, "too many connections", RETRY_AFTER)
        self.metrics.count(refusal.status)
        with client, contextlib.suppress(OSError):
            client.send(refusal.encode(closes=True))
            client.recv(BLOCK_BYTES)  # what is unread when a socket is closed resets it

    async def _converse(self, client: socket.socket) -> None:
        """Answer one request after the other until one side closes."""
        connection = Connection(client, self._waits)
        with client:
            try:
                while await self._exchange(connection):
                    await asyncio.sleep(0)  # the other clients come before its next request
            except OSError:  # a client that is slow or went away is no error of ours
                pass
            if not (connection.makes_way or connection.has_closed):
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
            reply = error_reply(refused.status, refused.sentence, refused.headers)
        except OSError:
            raise
        except Exception as error:
            reply = unexpected(error)
        self.metrics.count(reply.status)
        is_head = request is not None and request.method == "HEAD"
        await connection.send(reply.encode(closes=closes, bodiless=is_head), self.limits.timeout_s)
        return not (closes or self._is_stopping)

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
            return json_reply(HTTPStatus.OK, health)
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
        """Receive a picture, wait for the model, and classify."""
        with self._budget.share() as share:
            body, waited_s = await self._receive(connection, length, expects_continue, share)
            self._budget.whole(share)
            if self.limits.queue is not None and self._queued > self.limits.queue:
                raise busy()
            since_s = time.monotonic() - waited_s
            self._queued += 1
            try:
                if self._is_alone_and_fast(length):
                    return self._answer(connection, body, since_s)
                loop = asyncio.get_running_loop()
                return await loop.run_in_executor(self._worker, self._answer, connection, body, since_s)
            finally:
                self._queued -= 1

    def _is_alone_and_fast(self, length: int) -> bool:
        """Return whether the model may run in this thread, for there is no other client to be heard."""
        return len(self._connections) == 1 and length <= PIECE_BYTES and self._answer_s < FAST_S

    async def _receive(
        self, connection: Connection, length: int, expects_continue: bool, share: Share
    ) -> tuple[bytearray, float]:
        """Receive a body piece by piece as there is room: (body, seconds it waited for room). Raises Refused."""
        loop, limits = asyncio.get_running_loop(), self.limits
        body, waited_s = bytearray(), 0.0
        while len(body) < length:
            count = min(PIECE_BYTES, length - len(body))
            if body:  # the first piece needs no room, so that large bodies do not keep small ones waiting
                before_s = loop.time()
                try:
                    await self._budget.take(share, count, limits.wait_s - waited_s)
                except TimeoutError:
                    raise busy() from None
                waited_s += loop.time() - before_s
            if expects_continue and not body and not connection.has_sent_more():
                await connection.send(CONTINUE, limits.timeout_s)
            left_s = connection.began_s + limits.timeout_s + waited_s - loop.time()
            try:
                is_here = await connection.body(body, count, min(PIECE_S, left_s))
            except TimeoutError:
                raise Refused(HTTPStatus.REQUEST_TIMEOUT, "the picture did not arrive in time") from None
            if not is_here:
                raise Refused(HTTPStatus.BAD_REQUEST, "the picture ended early")
        return body, waited_s

    def _answer(self, connection: Connection, body: bytearray, since_s: float) -> Reply:
        """Classify a picture, which has waited since `since_s` (monotonic)."""
        waited_s = time.monotonic() - since_s
        if waited_s > self.limits.wait_s:
            return error_reply(HTTPStatus.SERVICE_UNAVAILABLE, BUSY, RETRY_AFTER)
        if waited_s > PATIENT_S and connection.is_gone():
            raise ConnectionAbortedError
        model = self.model
        try:
            picture = bytes(body)
            body.clear()
            begin_s = time.monotonic()
            answer = model.classifier(picture)
            self._answer_s = time.monotonic() - begin_s
        except DataError as error:
            return error_reply(HTTPStatus.UNPROCESSABLE_ENTITY, error.sentence)
        except EdgecnnError as error:
            return error_reply(HTTPStatus.INTERNAL_SERVER_ERROR, error.sentence)
        except MemoryError:
            return error_reply(HTTPStatus.INSUFFICIENT_STORAGE, "the picture does not fit the memory")
        except Exception as error:
            return unexpected(error)
        self.metrics.observe(answer)
        return json_reply(HTTPStatus.OK, answer.table() | {"sha256": model.bundle.artifact.description.sha256})
