"""HTTP around one model: POST /classify with a picture as the body, GET /healthz, GET /metrics.

The server is made for a small machine among strangers. One thread receives, another decodes and runs the model. The
memory of all requests together is bounded (connections, heads, bodies, declared pixels), and so are every wait for a
client and a picture's wait for the model. Nothing in a request ever names a file.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import signal
import socket
import sys
from collections.abc import Callable
from typing import Literal

from edgecnn.common.escapes import say
from edgecnn.errors import EnvironmentUnfit
from edgecnn.onboard.runner import classify
from edgecnn.onboard.runner.server import Limits, LoadedModel, Server

BACKLOG = 128
RECEIVE_BUFFER_BYTES = 65_536
"""The kernel's buffer of each connection, which counts as this process's memory too."""
KEPT_BLOCKS = 4
"""Blocks of 16 MB that Pillow keeps: getting them from the kernel anew is a seventh of a 12-megapixel JPEG's time."""


Next = Literal["stay", "hand over", "end"]
"""What a server does about a SIGHUP (`runner.running`)."""


def serve(
    load: Callable[[], LoadedModel],
    host: str,
    port: int,
    limits: Limits,
    listening: socket.socket | None = None,
    hangup: Callable[[], Next] | None = None,
) -> socket.socket | None:
    """Answer until SIGTERM or SIGINT, then finish what was begun.

    Args:
        load: Loads the model; it is called again at SIGHUP if there is no `hangup`.
        host: The address to listen on.
        port: The port to listen on; 0 takes a free one.
        limits: How much is accepted at once.
        listening: A socket to go on with, in place of `host` and `port`.
        hangup: Called at SIGHUP, in a thread of its own.

    Returns:
        The listening socket if `hangup` said "hand over", for the program that goes on.

    Raises:
        EnvironmentUnfit: The port is taken.
        EdgecnnError: What the first `load` raised.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})  # held back until the model can be loaded anew
    _bound_memory()
    classify.preload()
    server = Server(load, limits)
    with listening or listen(host, port) as listener:
        listener.setblocking(False)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # each connection inherits it
        asyncio.run(_until_asked_to_end(server, listener, hangup))
        return listener.dup() if server.hands_over else None


async def _until_asked_to_end(server: Server, listener: socket.socket, hangup: Callable[[], Next] | None) -> None:
    loop, stop, heard = asyncio.get_running_loop(), asyncio.Event(), asyncio.Event()

    async def heed() -> None:
        while hangup is not None:
            await heard.wait()
            heard.clear()
            following = await loop.run_in_executor(None, hangup)
            if following != "stay":
                server.hands_over = following == "hand over"
                stop.set()
                return

    for ending in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(ending, stop.set)
    loop.add_signal_handler(signal.SIGHUP, heard.set if hangup else server.reload)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})
    heeding = asyncio.create_task(heed())
    say(f"serving {server.model.bundle.artifact.name} on {_url(listener)}", file=sys.stderr, flush=True)
    await server.run(listener, stop)
    heeding.cancel()


def _bound_memory() -> None:
    """Keep the memory of one camera picture for the next, but have glibc hold no more than that (mallopt(3))."""
    from PIL import Image

    Image.core.set_blocks_max(KEPT_BLOCKS)  # type: ignore[attr-defined]
    trim_threshold, mmap_threshold, arena_max = -1, -3, -8
    with contextlib.suppress(AttributeError):  # another C library
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(mmap_threshold, 1 << 20)  # fixed, for by itself it grows with what was freed
        mallopt(trim_threshold, 1 << 20)
        mallopt(arena_max, 1)


def listen(host: str, port: int) -> socket.socket:
    """Open a socket that waits for connections. Raises EnvironmentUnfit if the port is taken."""
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
