"""The action for other people's CI: its script, run as GitHub runs it, against a real model file."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from checkout import ROOT

ACTION = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
MODEL = ROOT / "models" / "zoo" / "fashion-10k" / "artifacts" / "fashion-10k-int8.tflite"
BRIEF = "--limit=60 --rounds=1 --num-runs=5 --min-secs=0"


@dataclass(frozen=True)
class Job:
    """The result of a step as GitHub sees it."""

    code: int
    outputs: dict[str, str]
    summary: str
    log: str


def measure(folder: Path, **inputs: str) -> Job:
    """Run the action's step that measures, in a folder of a project."""
    (step,) = (step for step in ACTION["runs"]["steps"] if step.get("id") == "bench")
    arguments = {name: part.get("default", "") for name, part in ACTION["inputs"].items()}
    arguments |= {name.replace("_", "-"): value for name, value in inputs.items()}
    assert arguments.keys() == ACTION["inputs"].keys()
    runner = folder / "runner"
    program = runner / "edgecnn" / "bin" / "edgecnn"
    program.parent.mkdir(parents=True, exist_ok=True)
    program.write_text(f"#!/bin/sh\nPYTHONPATH='{ROOT}' exec '{sys.executable}' -m edgecnn \"$@\"\n")
    program.chmod(0o755)
    files = {name: runner / name for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")}
    for path in files.values():
        path.write_text("")
    named = {name: arguments[value[len("${{ inputs.") : -len(" }}")]] for name, value in step["env"].items()}
    environment = {**os.environ, **{k: str(v) for k, v in files.items()}, **named, "RUNNER_TEMP": str(runner)}
    command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    lines = files["GITHUB_OUTPUT"].read_text().splitlines()
    outputs = dict(line.split("=", 1) for line in lines)
    return Job(done.returncode, outputs, files["GITHUB_STEP_SUMMARY"].read_text(), done.stdout + done.stderr)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with a model file and its card, whose name is not a plain one."""
    for path in (MODEL, MODEL.with_name(f"{MODEL.name}.json")):
        shutil.copy(path, tmp_path / path.name.replace("fashion", "my fashion"))
    return tmp_path


def bench(project: Path, **inputs: str) -> Job:
    files = "\n  my fashion-10k-int8.tflite \n\n"
    return measure(project, **{"files": files, "data": "fashion-mnist", "options": BRIEF, **inputs})


def test_a_model_within_its_limits_passes(project: Path) -> None:
    job = bench(project, min_acc="50", max_ms="60000")
    assert (job.code, job.outputs["outcome"]) == (0, "pass"), job.log
    assert Path(job.outputs["report"]).is_file()
    assert job.summary.startswith("## edgecnn bench: pass\n")
    assert "| my fashion-10k-int8.tflite |" in job.summary


def test_a_model_that_misses_a_limit_fails_the_job_and_says_why(project: Path) -> None:
    job = bench(project, max_ms="0.000001", options=BRIEF.replace("rounds=1", "rounds=6"))
    assert (job.code, job.outputs["outcome"]) == (1, "fail"), job.log
    assert job.summary.startswith("## edgecnn bench: fail\n\n- ")
    assert "| my fashion-10k-int8.tflite |" in job.summary
    assert "error: " in job.log


def test_a_limit_that_cannot_be_told_to_be_kept_fails_if_it_is_strict(project: Path) -> None:
    assert bench(project, min_acc="93").code == 0
    job = bench(project, min_acc="93", strict="true")
    assert (job.code, job.outputs["outcome"]) == (2, "inconclusive"), job.log


@pytest.mark.parametrize("files", ["nothing.tflite", "--help", "$(touch pwned)", "`touch pwned`; touch pwned", ""])
def test_what_is_no_model_is_an_error_and_never_a_command(project: Path, files: str) -> None:
    job = bench(project, files=files)
    assert (job.code, job.outputs) == (64, {"outcome": "error"}), job.log
    assert job.summary.startswith("## edgecnn bench: error\n\n- ")
    assert not (project / "pwned").exists()


def test_every_input_is_used_and_every_output_is_set() -> None:
    steps = str(ACTION["runs"])
    assert all(f"inputs.{name} " in steps for name in ACTION["inputs"])
    (step,) = (step for step in ACTION["runs"]["steps"] if step.get("id") == "bench")
    assert all(f"{name}=" in step["run"] for name in ACTION["outputs"])
    assert not [step["run"] for step in ACTION["runs"]["steps"] if "${{" in step.get("run", "")]
