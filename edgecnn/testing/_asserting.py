"""Assertions that say what is wrong without a test framework's help."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from edgecnn.errors import EdgecnnError


def require(holds: bool, sentence: str) -> None:
    """Raise AssertionError with the sentence if it does not hold, also under python -O."""
    if not holds:
        raise AssertionError(sentence)


@contextlib.contextmanager
def refused(kind: type[EdgecnnError], words: str, subject: str) -> Iterator[None]:
    """Raise AssertionError unless the block raises an error of that kind, in one line that has the words."""
    try:
        yield
    except kind as error:
        require(words in error.sentence, f"{subject} is refused without saying {words!r}: {error.sentence}")
        require("\n" not in error.sentence, f"{subject} is refused in more than one line: {error.sentence}")
        return
    raise AssertionError(f"{subject} is not refused with a {kind.__name__}")
