"""Many HTTP clients in one thread: enough of HTTP/1.1 to load a server without being what limits it."""

from __future__ import annotations

import contextlib
import selectors
import socket
import time
from collections import Counter
from dataclasses import dataclass, field

HOST = "127.0.0.1"
PATIENCE_S = 60.0


@dataclass(kw_only=True)
class Load:
    """The answers of a server under load, and the times that they took."""

    answers: Counter[int] = field(default_factory=Counter)
    """By status; 0 counts connections that ended without an answer."""
    bodies: Counter[bytes] = field(default_factory=Counter)
    """What the 200s said of the picture, less the time they took."""
    times_ms: list[float] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def per_second(self) -> float:
        return self.answers[200] / self.seconds


class Client:
    """One request on a connection at a time."""

    def __init__(self, port: int, request: bytes) -> None:
        self._port, self._request = port, request
        self.socket: socket.socket | None = None
        self.began = 0.0
        self._unsent = memoryview(b"")
        self._received = bytearray()

    def begin(self, selector: selectors.BaseSelector) -> None:
        """Send the request, on the connection that is there or on a new one."""
        if self.socket is None:
            self.socket = socket.socket()
            self.socket.setblocking(False)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.socket.connect_ex((HOST, self._port))
            selector.register(self.socket, selectors.EVENT_READ | selectors.EVENT_WRITE, self)
        else:
            selector.modify(self.socket, selectors.EVENT_READ | selectors.EVENT_WRITE, self)
        self.began = time.perf_counter()
        self._unsent, self._received = memoryview(self._request), bytearray()

    def go_on(self, selector: selectors.BaseSelector, mask: int) -> tuple[int, bytes] | None:
        """(status, body) when the answer is whole; (0, b"") when the connection ended before."""
        assert self.socket is not None
        try:
            if mask & selectors.EVENT_WRITE and self._unsent:
                self._unsent = self._unsent[self.socket.send(self._unsent) :]
                if not self._unsent:
                    selector.modify(self.socket, selectors.EVENT_READ, self)
            if not mask & selectors.EVENT_READ:
                return None
            block = self.socket.recv(65536)
        except BlockingIOError:
            return None
        except OSError:
            block = b""
        if not block:
            self.close(selector)
            return 0, b""
        self._received += block
        end = self._received.find(b"\r\n\r\n")
        if end < 0:
            return None
        head, body = bytes(self._received[:end]).lower(), bytes(self._received[end + 4 :])
        length = int(head.partition(b"content-length:")[2].split(b"\r\n")[0])
        if len(body) < length:
            return None
        if b"connection: close" in head or self._unsent:
            self.close(selector)
        return int(head.split()[1]), body

    def close(self, selector: selectors.BaseSelector) -> None:
        if self.socket is not None:
            with contextlib.suppress(KeyError):
                selector.unregister(self.socket)
            self.socket.close()
            self.socket = None


def post(picture: bytes) -> bytes:
    """The request that asks for a picture's class."""
    return b"POST /classify HTTP/1.1\r\nHost: board\r\nContent-Length: %d\r\n\r\n" % len(picture) + picture


def closed_loop(port: int, request: bytes, clients: int, seconds: float, *, kept: bool = True) -> Load:
    """Let so many clients ask again as soon as they are answered; then wait for the last answers.

    kept: Whether a client stays on its connection.
    """
    load = Load()
    with selectors.DefaultSelector() as selector:
        everybody = [Client(port, request) for _ in range(clients)]
        began = time.perf_counter()
        for client in everybody:
            client.begin(selector)
        asking = clients
        while asking and time.perf_counter() - began < seconds + PATIENCE_S:
            for key, mask in selector.select(1.0):
                client = key.data
                if (answer := client.go_on(selector, mask)) is None:
                    continue
                now = time.perf_counter()
                note(load, answer, now - client.began)
                if now - began < seconds:
                    if not kept:
                        client.close(selector)
                    client.begin(selector)
                else:
                    load.seconds = now - began
                    client.close(selector)
                    asking -= 1
        load.answers[0] += asking
        load.seconds = load.seconds or time.perf_counter() - began
        for client in everybody:
            client.close(selector)
    return load


def open_loop(port: int, request: bytes, per_second: float, seconds: float, at_most: int) -> Load:
    """Begin so many requests a second, each on a new connection, whatever becomes of those before.

    at_most: How many may be unanswered; beyond that the one asked first gives up.
    """
    load = Load()
    asking: dict[Client, None] = {}
    with selectors.DefaultSelector() as selector:
        began = time.perf_counter()
        begun = 0
        while (elapsed := time.perf_counter() - began) < seconds:
            while begun < elapsed * per_second:
                begun += 1
                if len(asking) >= at_most:
                    oldest = next(iter(asking))
                    del asking[oldest]
                    oldest.close(selector)
                    load.answers[-1] += 1
                client = Client(port, request)
                client.begin(selector)
                asking[client] = None
            for key, mask in selector.select(0.002):
                client = key.data
                if (answer := client.go_on(selector, mask)) is not None:
                    note(load, answer, time.perf_counter() - client.began)
                    client.close(selector)
                    asking.pop(client, None)
        load.seconds = time.perf_counter() - began
        for client in asking:
            client.close(selector)
    return load


def note(load: Load, answer: tuple[int, bytes], seconds: float) -> None:
    status, body = answer
    load.answers[status] += 1
    if status == 200:
        load.bodies[body.partition(b', "ms"')[0]] += 1
        load.times_ms.append(seconds * 1e3)
