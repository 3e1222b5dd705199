"""Consequences of gates: an error with its exit code, or a warning."""

from __future__ import annotations

from collections.abc import Sequence

from edgecnn.common import console
from edgecnn.errors import GateFailed, Undecided
from edgecnn.records.gates import Gate


def settle(gates: Sequence[Gate], strict: bool, fail_hint: str | None, doubt_hint: str) -> None:
    """Raise an error or warn if gates failed or cannot tell.

    Args:
        gates: The gates with their outcomes.
        strict: Treat a gate that cannot tell as an error instead of a warning.
        fail_hint: What to do about a failure.
        doubt_hint: What to do about a gate that cannot tell.

    Raises:
        GateFailed: A gate failed.
        Undecided: None failed, but with `strict` a gate cannot tell.
    """
    failed = "; ".join(gate.sentence for gate in gates if gate.outcome == "fail")
    doubted = "; ".join(gate.sentence for gate in gates if gate.outcome == "cannot tell")
    if failed or not strict:
        if doubted:
            console.warn(f"{doubted}; {doubt_hint}.")
        if failed:
            raise GateFailed(f"{failed}.", fail_hint)
    elif doubted:
        raise Undecided(f"{doubted}.", doubt_hint)
