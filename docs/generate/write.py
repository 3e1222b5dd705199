"""Write what is generated of README.md and of the documentation: tables, references, pictures. `make docs` runs it.

    python docs/generate/write.py             rewrite what is out of date
    python docs/generate/write.py --check     exit 1 if something is

A page says where a part goes by a pair of comments, `<!-- zoo -->` and `<!-- /zoo -->`; what stands between them is
replaced. Pages that consist of nothing else (the references, the lessons) are written whole.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench"))  # the readers of recorded results stand beside their writers

import attacks
import badges
import benches
import chart
import code_map
import commands
import contracts
import cost_table
import documents
import fault_table
import fleets
import keys
import lesson_pages
import photo_table
import python_page
import sessions
import speed
import terminal
import tiny_table
import unknown_table
import zoo_costs

from edgecnn.common import files

PAGES = ROOT / "docs" / "pages"
MADE = "<!-- Written by `make docs`: change what it is made from. -->\n\n"

PARTS: Mapping[str, Callable[..., str]] = {
    "ablation": benches.ablation,
    "attack": attacks.attack,
    "benches": benches.benches,
    "boards": benches.boards,
    "chart": chart.caption,
    "duel": benches.duel,
    "data-faults": fault_table.table,
    "exit-codes": commands.exit_codes,
    "fleet": fleets.fleet,
    "lessons": lesson_pages.verdicts,
    "map": code_map.code_map,
    "output": sessions.output,
    "expected": photo_table.expected,
    "photographs": photo_table.table,
    "photographs-cost": photo_table.costs,
    "photographs-96": lambda: photo_table.table("photographs-96.json"),
    "photographs-96-cost": lambda: photo_table.costs("photographs-96.json"),
    "cost-model": cost_table.table,
    "cost-by-net": cost_table.by_net,
    "planned": cost_table.planned,
    "recorded": sessions.recorded,
    "rescue": benches.rescue,
    "result": documents.result,
    "tiny": tiny_table.table,
    "training": speed.training,
    "unknown": unknown_table.table,
    "unknown-calibration": unknown_table.calibration,
    "unknown-risks": unknown_table.risks,
    "zoo": benches.zoo_table,
    "zoo-in-short": benches.zoo_in_short,
    "zoo-cards": benches.zoo_cards,
    "zoo-costs": zoo_costs.zoo_costs,
}
"""Name of a part -> what makes it; words after the name in the comment are its arguments."""


def whole_pages() -> dict[Path, str]:
    """Return the text of every page that is generated from top to bottom."""
    reference = PAGES / "reference"
    return {
        reference / "commands.md": MADE + commands.page(),
        reference / "recipes.md": MADE + keys.page(),
        reference / "files.md": MADE + documents.page(),
        reference / "python.md": MADE + python_page.page(),
        reference / "plugins.md": MADE + contracts.page(),
        **{PAGES / "explanation" / name: MADE + text for name, text in lesson_pages.pages().items()},
    }


def pictures() -> dict[Path, bytes]:
    """Return the content of every picture that is made or copied."""
    folder = PAGES / "images"
    svgs = terminal.pictures() | chart.pictures() | badges.pictures()
    drawn = {folder / name: svg.encode() for name, svg in svgs.items()}
    return drawn | {folder / path.name: path.read_bytes() for path in [*lesson_pages.pictures(), *benches.pictures()]}


def rendered(text: str) -> str:
    """Return a page with every generated part made anew."""

    def made(match: re.Match[str]) -> str:
        name, *arguments = match["words"].split()
        part = PARTS[name](*arguments)
        return f"<!-- {match['words']} -->\n{part.rstrip()}\n<!-- /{name} -->"

    names = "|".join(PARTS)
    return re.sub(rf"<!-- (?P<words>({names})(?: [^<>]+?)?) -->\n.*?<!-- /\2 -->", made, text, flags=re.DOTALL)


def wanted() -> dict[Path, bytes]:
    """Return the content that every generated file should have."""
    whole = whole_pages()
    mixed = [path for path in (ROOT / "README.md", *sorted(PAGES.rglob("*.md"))) if path not in whole]
    texts = whole | {path: rendered(path.read_text(encoding="utf-8")) for path in mixed}
    return {path: text.encode() for path, text in texts.items()} | pictures()


def main() -> int:
    """Write or check all of it; return the exit code."""
    stale = {path: data for path, data in wanted().items() if not path.is_file() or path.read_bytes() != data}
    left_over = set((PAGES / "images").glob("*")) - set(pictures())
    if "--check" in sys.argv:
        for path in [*stale, *sorted(left_over)]:
            print(f"{path.relative_to(ROOT)} is out of date: make docs", file=sys.stderr)
        return int(bool(stale or left_over))
    for path, data in stale.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        files.write_bytes(path, data)
    for path in left_over:
        path.unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main())
