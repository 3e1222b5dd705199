"""Write the generated parts of README.md: results, map of the code, help. `make readme`, checked by a test.

python bench/readme.py            rewrite README.md
python bench/readme.py --check    exit 1 if it is out of date
"""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import readme_attack
import readme_results
import readme_training

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
LESSONS = ROOT / "bench" / "results" / "lessons" / "README.md"

FLOORS = (
    "testing",
    "cli",
    "checks",
    "studies",
    "pipeline",
    "formats",
    "nets",
    "boards",
    "data",
    "onboard",
    "records",
    "common",
)


def code_map() -> str:
    """One line a package, its caption the first sentence of its docstring; what imports others stands above them."""
    lines = ["edgecnn/".ljust(28) + caption(ROOT / "edgecnn" / "__init__.py")]
    for floor in FLOORS:
        for init in sorted((ROOT / "edgecnn" / floor).rglob("__init__.py")):
            depth = len(init.parent.relative_to(ROOT).parts) - 1
            lines.append(f"{'    ' * depth}{init.parent.name}/".ljust(28) + caption(init))
    lines.append("    errors.py".ljust(28) + caption(ROOT / "edgecnn" / "errors.py"))
    for name, words in (
        ("models/", "recipes, one a file, and the zoo: trained models with their cards"),
        ("export/", "export plans"),
        ("bench/", "suites, results, the report's schema, peers' harnesses"),
        ("tests/", "the same rooms again; one conformance test for each kind of plug-in"),
    ):
        lines.append(name.ljust(28) + words)
    return "```text\n" + "\n".join(lines) + "\n```\n"


def caption(path: Path) -> str:
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    first = docstring.split("\n\n")[0].replace("\n", " ")
    sentence = re.split(r"(?<![ (][A-Z])\. ", first)[0].rstrip(".")  # an initial ends no sentence
    return sentence if len(sentence) <= 100 else sentence[:97].rsplit(" ", 1)[0] + " ..."


def help_texts() -> str:
    parts = []
    for arguments in ([], ["train"], ["export"], ["bench"]):
        command = [sys.executable, "-m", "edgecnn", *arguments, "--help"]
        environment = {**os.environ, "COLUMNS": "80"}
        text = subprocess.run(command, capture_output=True, encoding="utf-8", check=True, env=environment).stdout
        shown = " ".join(["edgecnn", *arguments, "--help"])
        parts.append(f"```text\n$ {shown}\n{text.replace('python -m edgecnn', 'edgecnn').strip()}\n```\n")
    return "\n".join(parts)


def rendered(text: str) -> str:
    parts = {
        "results": readme_results.benches,
        "rescue": readme_results.rescue,
        "boards": readme_results.boards,
        "duel": readme_results.duel,
        "lessons": readme_results.lessons,
        "zoo": readme_results.zoo_models,
        "training": readme_training.training,
        "ablation": readme_results.ablation,
        "attack": readme_attack.attack,
        "map": code_map,
        "help": help_texts,
    }
    for name, make in parts.items():
        start, end = f"<!-- {name} -->", f"<!-- /{name} -->"
        before, rest = text.split(start)
        after = rest.split(end)[1]
        text = f"{before}{start}\n{make()}{end}{after}"
    return text


def main() -> int:
    wanted = {README: rendered(README.read_text(encoding="utf-8")), LESSONS: readme_results.lessons_in_full()}
    stale = [path for path, text in wanted.items() if not path.is_file() or path.read_text(encoding="utf-8") != text]
    if "--check" in sys.argv:
        for path in stale:
            print(f"{path.relative_to(ROOT)} is out of date: make readme", file=sys.stderr)
        return int(bool(stale))
    for path in stale:
        path.write_text(wanted[path], encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
