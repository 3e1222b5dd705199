"""A server with more work than it can do at once: who waits, who is cut off, and what it holds meanwhile."""

import asyncio
import contextlib
import dataclasses
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import pytest
import small_bundles
from served import PICTURE, parsed, peak_kb, running

from edgecnn.onboard.runner import connection, contents, serve
from edgecnn.onboard.runner import server as rules
from edgecnn.onboard.runner.classify import Classification, Classifier
from edgecnn.onboard.runner.connection import Waits
from edgecnn.onboard.runner.server import CONNECTIONS, Limits, LoadedModel, Server

POST = b"POST /classify HTTP/1.1\r\nContent-Length: %d\r\n\r\n"
WHOLE = POST % len(PICTURE) + PICTURE
PATIENCE_S = 60.0


def wait_until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.002)


@dataclass
class Held(Classifier):
    """A model that answers when it is let."""

    classifier: Classifier
    goes_on: threading.Event = field(default_factory=threading.Event)
    asked: int = 0

    def __call__(self, picture: Path | bytes, top: int = 5) -> Classification:
        self.asked += 1
        assert self.goes_on.wait(PATIENCE_S)
        return self.classifier(picture, top)


@dataclass
class Here:
    """A server in this process, its model held."""

    port: int
    model: Held
    server: Server

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), PATIENCE_S)

    def send(self, stack: contextlib.ExitStack, request: bytes = WHOLE) -> socket.socket:
        connection = stack.enter_context(self.connect())
        connection.sendall(request)
        return connection

    def wait_until(self, count: int) -> None:
        """So many pictures have begun to arrive."""
        wait_until(lambda: f"edgecnn_queue_depth {count}\n" in self.server.metrics.text())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_bundles.unpacked(tmp_path_factory.mktemp("bounds"))


@contextlib.contextmanager
def here(folder: Path, **limits: Any) -> Iterator[Here]:
    chosen = {"queue": None, "waiting_bytes": 10**6, "body_bytes": 10**6, "timeout_s": PATIENCE_S, "wait_s": PATIENCE_S}
    bundle = contents.open_bundle(folder)
    model = Held(Classifier(bundle.artifact, bundle.manifest.runtime))
    started: Future[tuple[int, asyncio.AbstractEventLoop, asyncio.Event, Server]] = Future()

    async def main() -> None:
        stop = asyncio.Event()
        server = Server(lambda: LoadedModel(bundle, model), Limits(**(chosen | limits)))
        with serve.listen("127.0.0.1", 0) as listener:
            started.set_result((listener.getsockname()[1], asyncio.get_running_loop(), stop, server))
            await server.run(listener, stop)

    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(asyncio.run, main())
        port, loop, stop, server = started.result(PATIENCE_S)
        try:
            yield Here(port, model, server)
        finally:
            loop.call_soon_threadsafe(stop.set)
            wait_until(lambda: server._is_stopping)
            model.goes_on.set()
            done.result(PATIENCE_S)


def test_a_queue_is_not_counted(folder: Path) -> None:
    with here(folder) as server, contextlib.ExitStack() as stack:
        waiting = [server.send(stack) for _ in range(100)]
        server.wait_until(100)
        server.model.goes_on.set()
        assert {parsed(connection)[0] for connection in waiting} == {200}


def test_a_queue_can_be_counted(folder: Path) -> None:
    with here(folder, queue=1) as server, contextlib.ExitStack() as stack:
        waiting = [server.send(stack) for _ in range(2)]
        server.wait_until(2)
        assert parsed(server.send(stack))[0] == 503
        server.model.goes_on.set()
        assert {parsed(connection)[0] for connection in waiting} == {200}


def test_a_picture_that_waited_too_long_is_refused_when_its_turn_comes(folder: Path) -> None:
    with here(folder) as server, contextlib.ExitStack() as stack:
        first = server.send(stack)
        wait_until(lambda: server.model.asked == 1)
        patient = server.server.limits
        server.server.limits = dataclasses.replace(patient, wait_s=0.01)
        second = server.send(stack)
        server.wait_until(2)
        time.sleep(0.02)
        server.model.goes_on.set()
        assert parsed(first)[0] == 200
        answer = second.recv(65536)
        assert answer.startswith(b"HTTP/1.1 503 ")
        assert b"\r\nRetry-After: 1\r\n" in answer
        assert server.model.asked == 1
        server.server.limits = patient
        second.sendall(WHOLE)  # its connection is still good
        assert parsed(second)[0] == 200


def test_no_time_goes_to_a_picture_whose_client_hung_up(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "PATIENT_S", 0.0)
    with here(folder) as server, contextlib.ExitStack() as stack:
        first = server.send(stack)
        server.send(stack).close()
        last = server.send(stack)
        server.wait_until(3)
        server.model.goes_on.set()
        assert parsed(first)[0] == parsed(last)[0] == 200
        assert server.model.asked == 2


def test_bodies_wait_outside_for_room_and_all_are_answered(folder: Path) -> None:
    body = PICTURE + bytes(100_000)  # Pillow reads what comes before
    request = POST % len(body) + body
    with here(folder, waiting_bytes=50_000) as server, contextlib.ExitStack() as stack:
        with ThreadPoolExecutor(8) as pool:
            senders = [server.connect() for _ in range(8)]
            sent = [pool.submit(connection.sendall, request) for connection in senders]
            server.wait_until(8)
            assert server.server._budget._left_bytes > -len(body)
            server.model.goes_on.set()
            for connection, done in zip(senders, sent, strict=True):
                done.result(PATIENCE_S)
                assert parsed(stack.enter_context(connection))[0] == 200
        assert server.server._budget._left_bytes == 50_000


def test_large_bodies_that_fill_the_budget_do_not_keep_small_ones_waiting(folder: Path) -> None:
    with here(folder, waiting_bytes=50_000) as server, contextlib.ExitStack() as stack:
        server.model.goes_on.set()
        for _ in range(3):
            server.send(stack, POST % 500_000 + bytes(120_000))
        server.wait_until(3)
        assert parsed(server.send(stack))[0] == 200


@pytest.mark.parametrize("count", [9, CONNECTIONS + 40])
def test_slow_bodies_hold_nobody_up(count: int, folder: Path) -> None:
    with running(folder, "--timeout", "60") as server, contextlib.ExitStack() as stack:
        for _ in range(count):
            stack.enter_context(server.connect()).sendall(POST % 8_000_000 + PICTURE[:10])
        for _ in range(5):
            assert server.classify()[0] == 200


def test_a_client_that_asks_without_a_pause_holds_nobody_up(folder: Path) -> None:
    with running(folder) as server, server.connect() as flooding, ThreadPoolExecutor(2) as pool:

        def send() -> None:
            with contextlib.suppress(OSError):
                while True:
                    flooding.sendall(b"GET /healthz HTTP/1.1\r\n\r\n" * 500)

        def take() -> None:
            while flooding.recv(1 << 20):
                pass

        pool.submit(send)
        pool.submit(take)
        try:
            assert server.classify()[0] == 200
        finally:
            flooding.shutdown(socket.SHUT_RDWR)


def test_the_client_waited_for_longest_makes_way(folder: Path) -> None:
    with running(folder, "--timeout", "60") as server, contextlib.ExitStack() as stack:
        first = stack.enter_context(server.connect())
        first.sendall(POST % 10)
        server.wait_until("edgecnn_queue_depth", 1)
        silent = [stack.enter_context(server.connect()) for _ in range(CONNECTIONS)]
        assert parsed(first)[0] == 408
        silent[-1].sendall(b"GET /healthz HTTP/1.1\r\n\r\n")
        assert parsed(silent[-1])[0] == 200
        assert server.classify()[0] == 200


def test_when_all_wait_for_the_model_a_new_client_is_told_to_come_back(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rules, "CONNECTIONS", 4)
    with here(folder) as server, contextlib.ExitStack() as stack:
        waiting = [server.send(stack) for _ in range(4)]
        server.wait_until(4)
        assert parsed(server.send(stack))[0] == 503
        server.model.goes_on.set()
        assert {parsed(connection)[0] for connection in waiting} == {200}


def test_heads_are_bounded_in_all(folder: Path) -> None:
    head = b"GET /healthz HTTP/1.1\r\n" + b"X: %s\r\n" % (b"y" * 65_000) * 98
    with running(folder) as server, contextlib.ExitStack() as stack:
        assert server.classify()[0] == 200
        before_kb = peak_kb(server)
        for _ in range(60):
            connection = stack.enter_context(server.connect())
            with contextlib.suppress(OSError):  # the server does not read all of it
                connection.settimeout(0.1)
                connection.sendall(head)
        assert server.classify()[0] == 200
        assert peak_kb(server) < before_kb + 20_000


def ask(connection: socket.socket, stream: BinaryIO, count: int, request: bytes) -> list[int]:
    connection.sendall(request * count)
    statuses = []
    for _ in range(count):
        statuses.append(int(stream.readline().split()[1]))
        length = 0
        while (line := stream.readline().lower()) != b"\r\n":
            length = int(line.split(b":")[1]) if line.startswith(b"content-length") else length
        stream.read(length)
    return statuses


def test_a_connection_takes_one_request_after_the_other(folder: Path) -> None:
    with here(folder) as server, contextlib.ExitStack() as stack:
        server.model.goes_on.set()
        connection = server.send(stack, b"")
        stream = stack.enter_context(connection.makefile("rb"))
        for request in (WHOLE, b"GET /metrics HTTP/1.1\r\n\r\n", POST % 4 + b"junk", WHOLE):
            assert ask(connection, stream, 1, request) == [422 if b"junk" in request else 200]
        assert ask(connection, stream, 5, WHOLE) == [200] * 5  # all sent before the first answer


@pytest.mark.parametrize(
    "request_",
    [
        b"GET /healthz HTTP/1.0\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nContent-Length: 5\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST /classify HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n",
        b"GET /nowhere HTTP/1.1\r\n\r\n",
    ],
)
def test_what_follows_an_unread_body_or_an_error_is_no_request(request_: bytes, folder: Path) -> None:
    smuggled = b"POST /classify HTTP/1.1\r\nContent-Length: 0\r\n\r\n"
    with here(folder) as server, contextlib.ExitStack() as stack:
        server.model.goes_on.set()
        connection = server.send(stack, request_ + smuggled)
        received = b""
        while block := connection.recv(65536):
            received += block
        assert received.count(b"HTTP/1.1 ") == 1
        assert b"\r\nConnection: close\r\n" in received


def test_a_client_that_asks_first_is_told_to_go_on(folder: Path) -> None:
    head = b"POST /classify HTTP/1.1\r\nContent-Length: %d\r\nExpect: 100-continue\r\n\r\n" % len(PICTURE)
    with here(folder) as server, contextlib.ExitStack() as stack:
        server.model.goes_on.set()
        connection = server.send(stack, head)
        assert connection.recv(65536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(PICTURE)
        assert parsed(connection)[0] == 200


def test_asked_to_end_idle_connections_are_closed_and_begun_requests_are_not(folder: Path) -> None:
    with contextlib.ExitStack() as stack:
        with here(folder) as server:
            idle = server.send(stack, b"")
            begun = server.send(stack)
            server.wait_until(1)
        assert idle.recv(1) == b""
        answer = begun.recv(65536)
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert b"\r\nConnection: close\r\n" in answer


def test_asked_to_end_a_new_connection_still_brings_its_first_request(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "GRACE_S", PATIENCE_S)
    with contextlib.ExitStack() as stack:
        with here(folder) as server:
            new = server.send(stack, b"")
            wait_until(lambda: len(server.server._connections) == 1)
            asked = server.send(stack, b"")
            asked.sendall(WHOLE)
            server.wait_until(1)
            late = threading.Thread(target=lambda: (wait_until(lambda: server.server._is_stopping), new.sendall(WHOLE)))  # type: ignore[func-returns-value]
            late.start()
        late.join()
        for client in (new, asked):
            answer = client.recv(65536)
            assert answer.startswith(b"HTTP/1.1 200 ")
            assert b"\r\nConnection: close\r\n" in answer


def test_a_connection_that_was_just_accepted_is_waited_for_briefly_when_all_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connection, "GRACE_S", 0.01)

    async def scene() -> None:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            ours.setblocking(False)
            waits = Waits()
            waits.end_idle()  # before the connection's own task has begun
            with pytest.raises(TimeoutError):
                await connection.Connection(ours, waits).head(PATIENCE_S)
            theirs.sendall(b"GET / HTTP/1.1\r\n\r\n")
            assert await connection.Connection(ours, waits).head(PATIENCE_S) == b"GET / HTTP/1.1"

    asyncio.run(scene())


def test_only_a_wait_that_lasts_can_be_ended() -> None:
    async def scene() -> None:
        assert not Waits().end_longest()

    asyncio.run(scene())
