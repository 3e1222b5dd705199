"""Examples that the help of each command ends with: (a command line, what it does)."""

from __future__ import annotations

EXAMPLES: dict[str, tuple[tuple[str, str], ...]] = {}
