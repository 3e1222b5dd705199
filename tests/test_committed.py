"""Committed files speak of the project alone."""

from __future__ import annotations

import re
import subprocess

from checkout import ROOT


def test_the_project_names_no_machine_of_its_makers() -> None:
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    names = [name for name in tracked.stdout.split("\0") if name.endswith((".py", ".md", ".toml", ".json", ".txt"))]
    private = re.compile("/" + "work/|" + r"\.\./shared|py" + r"pi\.org")
    for name in names:
        if (ROOT / name).is_file():
            assert not private.search((ROOT / name).read_text()), name
