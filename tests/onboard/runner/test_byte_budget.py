"""Requests share a number of bytes, the oldest first."""

import asyncio
import contextlib
import random
from collections.abc import Coroutine
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecnn.onboard.runner.byte_budget import ByteBudget

FOR_EVER_S = 60.0


def in_a_loop(scene: Coroutine[Any, Any, None]) -> None:
    asyncio.run(scene)


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def test_what_fits_is_taken_at_once_and_the_rest_waits_for_room() -> None:
    async def scene() -> None:
        budget = ByteBudget(100)
        with budget.share() as other:
            with budget.share() as first:
                await budget.take(first, 60, FOR_EVER_S)
                budget.whole(first)
                waits = asyncio.create_task(budget.take(other, 60, FOR_EVER_S))
                await settle()
                assert not waits.done()
                assert other.held_bytes == 0
            await waits
            assert other.held_bytes == 60

    in_a_loop(scene())


def test_the_oldest_may_go_beyond_so_that_it_becomes_whole_and_no_other_until_it_is_gone() -> None:
    async def scene() -> None:
        budget = ByteBudget(100)
        with contextlib.ExitStack() as stack:
            oldest, other = (stack.enter_context(budget.share()) for _ in range(2))
            await budget.take(oldest, 50, FOR_EVER_S)
            await budget.take(other, 50, FOR_EVER_S)
            await budget.take(oldest, 50, FOR_EVER_S)
            budget.whole(oldest)
            with pytest.raises(TimeoutError):
                await budget.take(other, 1, 0.0)

    in_a_loop(scene())


def test_nobody_overtakes_one_that_waits() -> None:
    async def scene() -> None:
        budget = ByteBudget(100)
        with budget.share() as large, budget.share() as small:
            with budget.share() as first:
                await budget.take(first, 60, FOR_EVER_S)
                budget.whole(first)
                large_waits = asyncio.create_task(budget.take(large, 50, FOR_EVER_S))
                await settle()
                small_waits = asyncio.create_task(budget.take(small, 1, FOR_EVER_S))
                await settle()
                assert not small_waits.done()
            await asyncio.gather(large_waits, small_waits)

    in_a_loop(scene())


@given(st.lists(st.integers(1, 40), min_size=1, max_size=12), st.randoms(use_true_random=False))
def test_all_become_whole_and_hold_at_most_the_budget_and_one(sizes: list[int], order: random.Random) -> None:
    async def request(budget: ByteBudget, size: int) -> None:
        with budget.share() as share:
            while share.held_bytes < size:
                await budget.take(share, min(7, size - share.held_bytes), FOR_EVER_S)
                assert budget._left_bytes >= -max(sizes)
                for _ in range(order.randrange(3)):
                    await asyncio.sleep(0)
            budget.whole(share)
            await asyncio.sleep(0)

    async def scene() -> None:
        budget = ByteBudget(30)
        await asyncio.gather(*(request(budget, size) for size in sizes))
        assert budget._left_bytes == 30

    in_a_loop(scene())


def test_who_waits_too_long_is_told_and_holds_nothing() -> None:
    async def scene() -> None:
        budget = ByteBudget(10)
        with budget.share() as oldest:
            await budget.take(oldest, 10, FOR_EVER_S)
            budget.whole(oldest)
            with budget.share() as other:
                with pytest.raises(TimeoutError):
                    await budget.take(other, 5, 0.0)
                assert other.held_bytes == 0
        assert budget._left_bytes == 10

    in_a_loop(scene())
