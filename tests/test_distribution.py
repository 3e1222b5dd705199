"""Linters for files that other machines run (workflows, containers, the action), which cannot be run here."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from checkout import ROOT

import edgecnn

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
DOCKERFILES = sorted((ROOT / "containers").glob("*.Dockerfile"))
FORMS = sorted(path for path in (ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml") if path.stem != "config")
SCHEMAS = {
    "github-workflows": WORKFLOWS,
    "github-actions": [ROOT / "action.yml"],
    "github-issue-forms": FORMS,
    "github-issue-config": [ROOT / ".github" / "ISSUE_TEMPLATE" / "config.yml"],
    "dependabot": [ROOT / ".github" / "dependabot.yml"],
    "citation-file-format": [ROOT / "CITATION.cff"],
}


def tool(name: str) -> str:
    """A linter's program; not every one has a build for every machine."""
    path = shutil.which(name, path=str(Path(sys.executable).parent))
    if path is None:
        pytest.skip(f"{name} is not installed")
    return path


def passes(*command: object, text: str | None = None) -> None:
    done = subprocess.run([*map(str, command)], cwd=ROOT, input=text, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def scripts() -> dict[str, str]:
    """The shell scripts in workflows and in the action, by where they stand."""
    texts: dict[str, str] = {}
    for path in (*WORKFLOWS, ROOT / "action.yml"):
        table = yaml.safe_load(path.read_text(encoding="utf-8"))
        jobs = {**table.get("jobs", {}), "action": table.get("runs", {})}
        for job, steps in ((name, part.get("steps", [])) for name, part in jobs.items()):
            texts |= {f"{path.name}-{job}-{n}": step["run"] for n, step in enumerate(steps) if "run" in step}
    return texts


SCRIPTS = scripts()


@pytest.mark.parametrize("schema", SCHEMAS)
def test_every_file_is_what_its_reader_expects(schema: str) -> None:
    assert SCHEMAS[schema]
    passes(tool("check-jsonschema"), "--builtin-schema", f"vendor.{schema}", *SCHEMAS[schema])


def test_workflows_and_the_action_give_no_stranger_a_hold() -> None:
    passes(tool("zizmor"), "--offline", "--no-progress", "--pedantic", ".github", "action.yml")


@pytest.mark.parametrize("name", SCRIPTS)
def test_scripts_are_sound(name: str) -> None:
    passes(tool("shellcheck"), "--shell=bash", "-", text=f"set -eo pipefail\n{SCRIPTS[name]}")


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.name)
def test_containers_are_sound(path: Path) -> None:
    passes(tool("hadolint"), path)
    text = path.read_text(encoding="utf-8")
    assert re.findall(r"^USER (.+)$", text, re.M) == ["10001:10001"]
    copied = [word for line in re.findall(r"^COPY (?!--)(.+)$", text, re.M) for word in line.split()[:-1]]
    assert all((ROOT / name).exists() for name in copied)


def test_the_servers_container_asks_for_its_health() -> None:
    text = (ROOT / "containers" / "runner.Dockerfile").read_text(encoding="utf-8")
    assert "HEALTHCHECK" in text
    assert "/healthz" in text


def test_one_version_is_told_everywhere() -> None:
    citation: dict[str, Any] = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    newest = re.findall(r"^## (\S+) - (\d{4}-\d\d-\d\d)$", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.M)[0]
    assert newest == (edgecnn.__version__, citation["date-released"])
    assert citation["version"] == edgecnn.__version__


def test_the_changelog_has_the_groups_of_its_book() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    groups = re.findall(r"^### (.+)$", text, re.M)
    assert groups
    assert set(groups) <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


def test_no_action_is_used_that_is_not_known() -> None:
    used = {
        step["uses"].partition("@")[0]
        for path in (*WORKFLOWS, ROOT / "action.yml")
        for part in [yaml.safe_load(path.read_text(encoding="utf-8"))]
        for job in {**part.get("jobs", {}), "action": part.get("runs", {})}.values()
        for step in job.get("steps", [])
        if "uses" in step
    }
    assert {name for name in used if not name.startswith("actions/")} == {"pypa/gh-action-pypi-publish"}
