"""The bytes that all requests of a server may hold together, so that many large ones wait instead of filling memory."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(eq=False)
class Share:
    """What one request holds of a budget."""

    held_bytes: int = 0
    wanted_bytes: int = 0
    turn: asyncio.Future[None] | None = None
    """Done when the bytes it wants are its own; None while it waits for none."""


class ByteBudget:
    """A number of bytes that requests take piece by piece. For one event loop.

    While no request is whole, so that none will give back what it holds, the one that began first may take its next
    piece beyond the budget: so one always becomes whole, and all together hold at most the budget and one request.
    """

    def __init__(self, size_bytes: int) -> None:
        self._left_bytes = size_bytes
        self._receiving: dict[Share, None] = {}  # in the order they began
        self._whole: set[Share] = set()

    @contextlib.contextmanager
    def share(self) -> Iterator[Share]:
        """Hold nothing yet, and give back at the end what was taken."""
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
        """Wait for `count` more bytes, behind all that began before and wait too. Raises TimeoutError."""
        share.wanted_bytes, share.turn = count, asyncio.get_running_loop().create_future()
        try:
            self._go_on()
            if not share.turn.done():
                async with asyncio.timeout(timeout_s):
                    await share.turn
        finally:
            share.turn = None

    def whole(self, share: Share) -> None:
        """The request wants no more bytes; it keeps those it has."""
        del self._receiving[share]
        self._whole.add(share)
        self._go_on()

    def _go_on(self) -> None:
        """Give those that wait what they want, the oldest first, until one does not fit."""
        for number, share in enumerate(self._receiving):
            if share.turn is None or share.turn.done():
                continue
            may_exceed = number == 0 and not self._whole
            if share.wanted_bytes > self._left_bytes and not may_exceed:
                return
            self._left_bytes -= share.wanted_bytes
            share.held_bytes += share.wanted_bytes
            share.turn.set_result(None)
