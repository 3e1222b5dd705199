"""The text format of Prometheus (version 0.0.4), line by line."""

from __future__ import annotations

from collections.abc import Mapping


def head(name: str, kind: str, help: str) -> list[str]:
    """Return the lines that stand before the samples of a metric."""
    return [f"# HELP {name} {help}", f"# TYPE {name} {kind}"]


def labels(values: Mapping[str, str]) -> str:
    """Return what stands in the braces of a sample."""
    return ",".join(f'{name}="{_escaped(value)}"' for name, value in values.items())


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
