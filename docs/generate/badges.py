"""README's badges, drawn from the project's own files: they need no service and tell nobody who reads them."""

from __future__ import annotations

import tomllib
from html import escape
from pathlib import Path

import edgecnn

ROOT = Path(__file__).resolve().parents[2]
HEIGHT, LETTER, PADDING = 20, 6.6, 12


def pictures() -> dict[str, str]:
    """Return the file name and the text of each badge."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    python = project["requires-python"].removeprefix(">=")
    told = {
        "version": (edgecnn.__version__, "#0969da"),
        "python": (f"{python} or newer", "#1a7f37"),
        "licence": (project["license"], "#59636e"),
        "typed": ("mypy strict", "#59636e"),
    }
    return {f"badge-{name}.svg": _drawn(name, value, colour) for name, (value, colour) in told.items()}


def _drawn(name: str, value: str, colour: str) -> str:
    left, right = (LETTER * len(text) + PADDING for text in (name, value))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + right:.0f}" height="{HEIGHT}" role="img" '
        f'aria-label="{escape(name)}: {escape(value)}">\n'
        f'<clipPath id="round"><rect width="{left + right:.0f}" height="{HEIGHT}" rx="4"/></clipPath>\n'
        f'<g clip-path="url(#round)"><path fill="#424a53" d="M0 0h{left:.0f}v{HEIGHT}H0z"/>'
        f'<path fill="{colour}" d="M{left:.0f} 0h{right:.0f}v{HEIGHT}H{left:.0f}z"/></g>\n'
        '<g fill="#fff" font-family="Verdana, DejaVu Sans, sans-serif" font-size="11" text-anchor="middle">'
        f'<text x="{left / 2:.1f}" y="14">{escape(name)}</text>'
        f'<text x="{left + right / 2:.1f}" y="14">{escape(value)}</text></g>\n'
        "</svg>\n"
    )
