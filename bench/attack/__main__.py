"""`make attack`: everything that could break edgecnn, tried; the counts go to bench/results/attack.json.

    python bench/attack                 all of it
    python bench/attack of_tflite kills     these parts; the other parts' counts stay
    python bench/attack --list

Every part is a module beside this file with `attack(scratch) -> dict`: `tried`, `held`, `not_held` and what else it
counts. Bounded in count and time, on 127.0.0.1 alone, and nothing outside a scratch folder is touched.
"""

from __future__ import annotations

import argparse
import datetime
import importlib
import json
import multiprocessing
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from edgecnn.common import files
from edgecnn.records import environment

HERE = Path(__file__).parent
RESULT = HERE.parent / "results" / "attack.json"
HELP = ("__main__", "fuzz", "mutate")


def main() -> int:
    parts = [path.stem for path in sorted(HERE.glob("*.py")) if path.stem not in HELP and path.stem[0] != "_"]
    parser = argparse.ArgumentParser(prog="bench/attack", description="Try to break edgecnn, and count.")
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(parts)}; all by default")
    parser.add_argument("--list", action="store_true", help="name the parts")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="work in this folder, and leave it")
    options = parser.parse_args()
    if options.list:
        print("\n".join(parts))
        return 0
    if unknown := sorted(set(options.parts) - set(parts)):
        parser.error(f"no part {', '.join(unknown)}; known: {', '.join(parts)}")
    here = environment.here()
    failed = 0
    with tempfile.TemporaryDirectory(prefix="attack-") as temporary:
        for part in options.parts or parts:
            print(f"{part} ...", end=" ", flush=True)
            began = time.monotonic()
            counts = _apart(part, (options.keep or Path(temporary)) / part)
            seconds = round(time.monotonic() - began)
            failed += len(counts["not_held"])
            print(f"{counts['held']:,} of {counts['tried']:,} held, {seconds} s", flush=True)
            for failure in counts["not_held"][:5]:
                print(f"    {json.dumps(failure)}", flush=True)
            table = _table()  # another part may have been run meanwhile
            table["parts"][part] = {
                "command": f"python bench/attack {part}",
                "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
                "machine": environment.machine_name(here),
                "python": here.python,
                "packages": dict(here.packages),
                "seconds": seconds,
                **counts,
            }
            table["parts"] = dict(sorted(table["parts"].items()))
            files.write_json(RESULT, table)
    table = _table()
    tried, held = (sum(counts[key] for counts in table["parts"].values()) for key in ("tried", "held"))
    print(f"in all {held:,} of {tried:,} held; {RESULT.relative_to(HERE.parents[1])}")
    return 1 if failed else 0


def _apart(part: str, scratch: Path) -> dict[str, Any]:
    """One part in a process of its own: a fork of one that has run a converter may hang."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        counts: dict[str, Any] = pool.submit(importlib.import_module(part).attack, scratch).result()
        return counts


def _table() -> dict[str, Any]:
    table: dict[str, Any] = json.loads(RESULT.read_text(encoding="utf-8")) if RESULT.is_file() else {"parts": {}}
    return table


if __name__ == "__main__":
    sys.exit(main())
