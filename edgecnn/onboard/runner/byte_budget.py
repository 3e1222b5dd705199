"""A bound for the bytes that all requests of a server hold together: large ones wait instead of filling memory."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(eq=False)
class Share:
    """The part of a budget that one request holds."""

    held_bytes: int = 0
    wanted_bytes: int = 0
    turn: asyncio.Future[None] | None = None
    """Done when the request has the bytes that it wants; None while it waits for none."""


class ByteBudget:
    """A number of bytes that requests take piece by piece, in one event loop.

    While no request is whole, none will give back what it holds. The one that began first may then take its next piece
    beyond the budget. So one request always becomes whole, and all together hold at most the budget and one request.
    """

    def __init__(self, size_bytes: int) -> None:
        self._left_bytes = size_bytes
        self._receiving: dict[Share, None] = {}  # in the order they began
        self._whole: set[Share] = set()

    @contextlib.contextmanager
    def share(self) -> Iterator[Share]:
        """Begin a request that holds nothing yet; what it takes is given back at the end."""
        share = Share()
        self._receiving[share] = None
        try:
            yield share
        finally:
            self._left_bytes += share.held_bytes
            self._receiving.pop(share, None)
            self._whole.discard(share)
            self._go_on()

    async def take(self, share: Share, count: int, timeout_s: float) -> None:
        """Wait for `count` more bytes, behind all waiting requests that began before. Raises TimeoutError."""
        share.wanted_bytes, share.turn = count, asyncio.get_running_loop().create_future()
        try:
            self._go_on()
            if not share.turn.done():
                async with asyncio.timeout(timeout_s):
                    await share.turn
        finally:
            share.turn = None

    def whole(self, share: Share) -> None:
        """Say that a request wants no more bytes; it keeps those that it has."""
        del self._receiving[share]
        self._whole.add(share)
        self._go_on()

    def _go_on(self) -> None:
        """Give the waiting requests what they want, the oldest first, until one does not fit."""
        for position, share in enumerate(self._receiving):
            if share.turn is None or share.turn.done():
                continue
            may_exceed = position == 0 and not self._whole
            if share.wanted_bytes > self._left_bytes and not may_exceed:
                return
            self._left_bytes -= share.wanted_bytes
            share.held_bytes += share.wanted_bytes
            share.turn.set_result(None)
