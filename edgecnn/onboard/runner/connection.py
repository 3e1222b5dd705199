"""One client's socket: what it sends and takes, within bounds of bytes and time."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator

from edgecnn.onboard.runner import http1

LINGER_S = 1.0
LINGER_BYTES = 1_000_000
GRACE_S = 0.5
"""How long a new connection's first request may take to come once the server is asked to end."""
BLOCK_BYTES = 65_536


class Waits:
    """The clients that the server waits for; the one that it has waited for longest makes way for a new one."""

    def __init__(self) -> None:
        self._clocks: dict[Connection, asyncio.Timeout] = {}  # in the order the waits began
        self.are_ending = False
        """Whether the server waits only for requests that are on their way."""

    @contextlib.asynccontextmanager
    async def limit(self, connection: Connection, timeout_s: float) -> AsyncIterator[None]:
        """Limit the time in which the client has to send or to take something. Raises TimeoutError."""
        async with asyncio.timeout(timeout_s) as clock:
            self._clocks[connection] = clock
            try:
                yield
            finally:
                self._clocks.pop(connection, None)

    def end_longest(self) -> bool:
        """Let the longest wait time out now; False if the server waits for no client."""
        for connection in self._clocks:
            self._end(connection)
            return True
        return False

    def end_idle(self) -> None:
        """Let clients that have sent nothing of a request time out, after GRACE_S if it would be their first."""
        self.are_ending = True
        for connection in [connection for connection in self._clocks if connection.is_idle]:
            self._end(connection, GRACE_S if connection.is_new else 0.0)

    def _end(self, connection: Connection, after_s: float = 0.0) -> None:
        connection.makes_way = True
        clock = self._clocks.pop(connection)
        if not clock.expired():
            clock.reschedule(asyncio.get_running_loop().time() + after_s)


class Connection:
    """A connected socket, and the bytes from it that no request has used yet."""

    def __init__(self, client: socket.socket, waits: Waits) -> None:
        self._client = client
        self._waits = waits
        self._loop = asyncio.get_running_loop()
        self._unread = bytearray()
        self.is_idle = True
        """Whether nothing of the next request has arrived."""
        self.is_new = True
        """Whether no request has come yet."""
        self.makes_way = False
        """Whether it is closed to make way for another."""
        self.has_closed = False
        """Whether the client has closed its side."""
        self.began_s = self._loop.time()
        """When the request began to arrive, by the loop's clock."""

    async def head(self, timeout_s: float) -> bytes | None:
        """Receive the next request's head without the empty line that ends it; None if the client has closed.

        Raises:
            TimeoutError: The head did not come in time.
            Refused: The head is longer than `http1.HEAD_BYTES`.
        """
        if not self._unread and not self._take_what_is_here():
            self.is_idle = True
            if not await self._begin(GRACE_S if self._waits.are_ending else timeout_s):
                return None
        self.is_idle, self.is_new, self.began_s = False, False, self._loop.time()
        end = self._unread.find(http1.END)
        if end < 0:
            async with self._waits.limit(self, timeout_s):
                while end < 0:
                    searched = max(0, len(self._unread) - len(http1.END))
                    if not await self._receive():
                        return None
                    end = self._unread.find(http1.END, searched)
        head = bytes(self._unread[:end])
        del self._unread[: end + len(http1.END)]
        return head

    async def _begin(self, timeout_s: float) -> bool:
        """Wait for a request to begin; False if the client has closed. Raises TimeoutError."""
        try:
            async with self._waits.limit(self, timeout_s):
                return await self._receive()
        except TimeoutError:
            if not (self._waits.are_ending and self._take_what_is_here()):  # it may have come since
                raise
            return True

    def _take_what_is_here(self) -> bool:
        """Take what has arrived of a head without waiting, which on a new connection is usually all of it."""
        with contextlib.suppress(BlockingIOError):
            self._unread += self._client.recv(http1.HEAD_BYTES)
        return bool(self._unread)

    async def _receive(self) -> bool:
        """Receive more of a head; False if the client has closed."""
        room = http1.HEAD_BYTES - len(self._unread)
        if room <= 0:
            raise http1.too_long(self._unread)
        block = await self._loop.sock_recv(self._client, room)
        self._unread += block
        self.has_closed = not block
        return bool(block)

    async def body(self, body: bytearray, count: int, timeout_s: float) -> bool:
        """Append the next `count` bytes to `body`; False if the client closed before that. Raises TimeoutError."""
        body += self._unread[:count]
        left = count - len(self._unread)
        del self._unread[:count]
        if left > 0:
            async with self._waits.limit(self, timeout_s):
                while left > 0:
                    block = await self._loop.sock_recv(self._client, min(left, BLOCK_BYTES))
                    if not block:
                        return False
                    body += block
                    left -= len(block)
        return True

    def has_sent_more(self) -> bool:
        """Return whether bytes have come that no request has used yet."""
        return bool(self._unread)

    async def send(self, data: bytes, timeout_s: float) -> None:
        """Send all of `data`. Raises TimeoutError or OSError."""
        try:
            sent = self._client.send(data)
        except BlockingIOError:
            sent = 0
        if sent < len(data):
            async with self._waits.limit(self, timeout_s):
                await self._loop.sock_sendall(self._client, data[sent:])

    def is_gone(self) -> bool:
        """Return whether the client has closed its side; any thread may ask."""
        try:
            return not self._client.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return False
        except OSError:
            return True

    async def linger(self) -> None:
        """Read a little more before closing, for a client that still sends would lose the answer to a reset."""
        with contextlib.suppress(OSError):  # a TimeoutError is one
            self._client.shutdown(socket.SHUT_WR)
            async with self._waits.limit(self, LINGER_S):
                left = LINGER_BYTES
                while left > 0 and (block := await self._loop.sock_recv(self._client, BLOCK_BYTES)):
                    left -= len(block)
