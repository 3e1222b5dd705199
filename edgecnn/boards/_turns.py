"""Whose turn it is when several candidates are measured against each other on a machine that drifts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


def in_turns(candidates: Sequence[T], round_index: int) -> list[T]:
    """Order the candidates for one round of a comparison.

    Every second round is the reverse of the one before, so that over such a pair all candidates stand at the same mean
    place and a steady drift favours none. Each pair of rounds begins one candidate further on.

    Args:
        candidates: What is measured once in every round.
        round_index: The number of the round, from 0 on.
    """
    if not candidates:
        return []
    shift = round_index // 2 % len(candidates)
    order = [*candidates[shift:], *candidates[:shift]]
    return order if round_index % 2 == 0 else order[::-1]
