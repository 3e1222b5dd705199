"""The manifest of a run on a hub names files of a run, within bounds, and nothing else."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecnn.common.documents import Unreadable
from edgecnn.errors import PlanError
from edgecnn.pipeline.hub import manifest
from edgecnn.pipeline.hub.manifest import HubFile, HubManifest

FILE = {"sha256": "0" * 64, "bytes": 10}
FILES = dict.fromkeys(("recipe.toml", "run.json", "model.safetensors", "artifacts/a-int8.tflite"), FILE)
TABLE = {"manifest_version": 1, "edgecnn": "0.2.0", "files": FILES, "readme_sha256": "1" * 64}


def parsed(**changes: Any) -> HubManifest:
    return manifest.parse(json.dumps({**TABLE, **changes}).encode())


def test_what_is_written_is_read_again() -> None:
    whole = parsed()
    assert manifest.parse(manifest.dump(whole)) == whole
    assert whole.files["run.json"] == HubFile(sha256="0" * 64, bytes=10)
    assert whole.bytes == 40


@pytest.mark.parametrize(
    "name",
    [
        "../run.json", "/etc/passwd", "artifacts/../../x.json", "artifacts/.hidden.json", "artifacts/a/b.onnx",
        "model.pkl", "artifacts/run.py", "artifacts/a.so", "checkpoint.pt", "artifacts/a\n.json",
        "artifacts/\u202ea.json", "bench/a.json", "artifacts\\a.json", "artifacts/a.json/", "RUN.JSON", ".git/config",
        "tracking/a.txt", "artifacts/" + "a" * 300 + ".txt",
    ],
)  # fmt: skip
def test_a_file_that_no_run_has_is_refused(name: str) -> None:
    with pytest.raises((Unreadable, PlanError), match=r"no file of a run"):
        parsed(files={**FILES, name: FILE})


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"manifest_version": 2}, "has the manifest version 2, and 1 is known"),
        ({"files": {"run.json": FILE}}, r"recipe\.toml is missing"),
        ({"files": {**FILES, "run.json": {**FILE, "bytes": -1}}}, r"run\.json has -1 bytes"),
        ({"files": {**FILES, "run.json": {**FILE, "bytes": 1 << 40}}}, r"run\.json has 1,099,511,627,776 bytes"),
        ({"files": {**FILES, "model.safetensors": {**FILE, "bytes": 4_000_000_000}}}, "bytes are more than"),
        ({"files": {**FILES, "run.json": {**FILE, "sha256": "0"}}}, r"run\.json has no sha256"),
        ({"files": {**FILES, "run.json": {**FILE, "mode": 511}}}, "unknown key 'mode'"),
        ({"files": {**FILES, **{f"artifacts/{n}.txt": FILE for n in range(300)}}}, "304 files are more than 200"),
        ({"run": "rm -r"}, "unknown key 'run'"),
        ({"files": []}, "should be a table"),
    ],
)
def test_what_is_out_of_bounds_is_refused(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises((Unreadable, PlanError), match=sentence):
        parsed(**changes)


@given(st.text(max_size=60))
def test_no_name_leaves_the_folder(name: str) -> None:
    if manifest.is_of_a_run(name):
        parts = name.split("/")
        assert name in manifest.OF_A_RUN or (parts[0] == "artifacts" and len(parts) == 2)
        assert not any(part.startswith(".") for part in parts)
