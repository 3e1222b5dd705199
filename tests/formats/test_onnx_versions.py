"""ONNX for old runtimes: the numbers of each release, the older opsets, and one old runtime that really loads them."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import venv
from pathlib import Path

import numpy as np
import onnx
import pytest
import small_runs

from edgecnn import formats
from edgecnn.errors import EnvironmentUnfit, PlanError
from edgecnn.formats.onnx import versions
from edgecnn.onboard import tensors
from edgecnn.pipeline.export import check
from edgecnn.records.plans import ExportPlan

OLDEST = "1.15.0"
"""The oldest ONNX Runtime with a wheel for Python 3.11."""
RUN = """
import json, sys
import numpy, onnxruntime
for job in json.load(sys.stdin):
    session = onnxruntime.InferenceSession(job["model"], providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    x = numpy.load(job["input"])
    outputs = numpy.concatenate([session.run(None, {name: x[i : i + 1]})[0] for i in range(len(x))])
    numpy.save(job["output"], outputs)
print(onnxruntime.__version__)
"""


def numbers(said: str) -> tuple[int, int]:
    """(opset, IR version) of a Description's format_version."""
    opset, version = said.removeprefix("opset ").split(", IR ")
    return int(opset), int(version)


@pytest.mark.parametrize("precision", ["fp32", "int8"])
@pytest.mark.parametrize(("release", "opset"), [("1.7", 13), ("1.11", 16)])
def test_a_file_for_an_older_runtime_is_within_what_it_reads_and_gives_the_same_bits(
    release: str, opset: int, precision: str
) -> None:
    images = small_runs.pictures(16, small_runs.SHAPES["dscnn"], seed=4).load_all()
    usual = small_runs.written("dscnn", "onnx", precision)
    old = small_runs.written("dscnn", "onnx", precision, onnx_for=release)
    most = versions.reads(release)
    assert numbers(old.description.format_version)[0] == opset == most[0]
    assert numbers(old.description.format_version)[1] <= most[1]
    assert np.array_equal(check.outputs(old, images), check.outputs(usual, images))
    assert (old.description.input, old.description.output) == (usual.description.input, usual.description.output)
    assert old.description.labels == usual.description.labels
    onnx.checker.check_model(onnx.load(old.path), full_check=True)


def test_for_a_runtime_that_reads_it_the_file_stays_as_it_is() -> None:
    usual, same = (small_runs.written("dscnn", "onnx", "int8", **plan) for plan in ({}, {"onnx_for": "1.16.3"}))
    assert same.path.read_bytes() == usual.path.read_bytes()


def test_a_net_with_operators_that_are_too_new_is_refused_by_their_name(tmp_path: Path) -> None:
    plan = ExportPlan(name="test", onnx_for="1.10")
    with pytest.raises(EnvironmentUnfit, match="LayerNormalization is newer"):
        formats.get("onnx").write(small_runs.exportable("vit"), "fp32", plan, tmp_path / "vit.onnx")
    assert numbers(small_runs.written("vit", "onnx", "fp32", onnx_for="1.13").description.format_version) == (17, 8)


def test_a_runtime_older_than_all_is_refused_before_any_work(tmp_path: Path) -> None:
    with pytest.raises(PlanError, match=r"ONNX Runtime 1\.5 is older than what files can be written for"):
        formats.get("onnx").write(
            small_runs.exportable("dscnn"), "int8", ExportPlan(name="test", onnx_for="1.5"), tmp_path / "a.onnx"
        )
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("word", ["latest", "1", "v1.10", "1.10.x"])
def test_what_is_no_version_is_refused_by_the_plan(word: str) -> None:
    with pytest.raises(ValueError, match="is not a version of ONNX Runtime"):
        ExportPlan(name="test", onnx_for=word)


def test_the_oldest_runtime_that_reads_a_file_reads_it_and_the_one_before_does_not() -> None:
    releases = list(versions.RELEASES)
    for before, release in itertools.pairwise(releases):
        opset, ir_version = versions.RELEASES[release]
        oldest = versions.needed(opset, ir_version)
        assert oldest is not None
        assert oldest <= release
        if versions.RELEASES[before] != (opset, ir_version):
            assert oldest == release
    assert versions.needed(99, 8) is None


def test_an_opset_keeps_the_oldest_ir_version_that_may_hold_it() -> None:
    for release, ir_version, opset, *_ in onnx.helper.VERSION_TABLE:
        if opset in versions.IR_VERSION:
            assert versions.IR_VERSION[opset] == ir_version, release


@pytest.mark.skipif(not os.environ.get("CI"), reason="installs an old ONNX Runtime in a venv of its own; CI=1 runs it")
def test_the_oldest_installable_runtime_loads_every_file_and_answers_the_same(tmp_path: Path) -> None:
    venv.create(tmp_path / "env", with_pip=False)
    python = tmp_path / "env" / "bin" / "python"
    install = [sys.executable, "-m", "pip", "--python", str(python), "install", "-q", f"onnxruntime=={OLDEST}"]
    subprocess.run([*install, "numpy<2"], check=True, capture_output=True)  # built for NumPy 1
    images = small_runs.pictures(16, small_runs.SHAPES["dscnn"], seed=4).load_all()
    plans = [{}, {"onnx_for": "1.7"}, {"io": "int8"}, {"io": "float32"}, {"target": "dotprod"}]
    files = [small_runs.written("dscnn", "onnx", "int8", **plan) for plan in plans]
    files += [small_runs.written(net, "onnx", kind) for net in ("dscnn", "vit") for kind in ("fp32", "fp16")]
    jobs = []
    for place, file in enumerate(files):
        names = {key: str(tmp_path / f"{place}-{key}.npy") for key in ("input", "output")}
        np.save(names["input"], tensors.encode(images, file.description.input, file.preprocessing))
        jobs.append({"model": str(file.path), **names})
    done = subprocess.run([python, "-c", RUN], input=json.dumps(jobs), capture_output=True, text=True, check=True)
    assert done.stdout.strip() == OLDEST
    for file, job in zip(files, jobs, strict=True):
        there, here = np.load(job["output"]), check.outputs(file, images)
        if here.dtype == np.float32 and file.description.precision != "int8-mixed":
            assert np.allclose(there, here, rtol=1e-5, atol=1e-5), file.name
        else:
            assert np.array_equal(there, here), file.name
