"""The verb: a run in, checked files out, and a folder that is never half-written."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from edgecnn import data
from edgecnn.common import files, locks
from edgecnn.errors import EXIT_GATE, GateFailed, OutputError, RunError, UsageError
from edgecnn.onboard import runtimes, tensors
from edgecnn.pipeline.bench import bench, candidates
from edgecnn.pipeline.export.export import GOLDEN, export, judge
from edgecnn.records import artifact as artifacts
from edgecnn.records.artifact import Artifact
from edgecnn.records.plans import ExportPlan, Suite
from edgecnn.records.run import EXPORT_LOCK, Run, open_run

ONNX_ONLY = ExportPlan(name="onnx", format=("onnx",), max_drop=100.0)
FLOAT_ONNX = dataclasses.replace(ONNX_ONLY, precision=("fp32",))


def copy_of(run: Run, folder: Path) -> Run:
    shutil.copytree(run.folder, folder / run.name)
    return open_run(folder / run.name)


def snapshot(folder: Path) -> dict[str, str]:
    return {path.name: files.sha256(path) for path in folder.iterdir() if path.is_file()}


def with_head(run: Run, change: str) -> Run:
    """A run that was trained to a head of such weights: "zero" or "nan"."""
    tensors = load_file(run.weights)
    for name in tensors:
        if "head" in name:
            tensors[name] = torch.full_like(tensors[name], float("nan") if change == "nan" else 0.0)
    save_file(tensors, run.weights)
    return dataclasses.replace(run, weights_sha256=None, validation_top1_percent=0.0)


@pytest.fixture(scope="module")
def exported(digits_run: Run, tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, list[Artifact]]:
    """The default plan on the digits: four files."""
    run = copy_of(digits_run, tmp_path_factory.mktemp("export"))
    return run, export(run, ExportPlan(name="default", max_drop=3.0))


def test_four_files_lie_in_the_run_each_with_its_card(exported: tuple[Run, list[Artifact]]) -> None:
    run, made = exported
    names = [f"dscnn-digits-{word}" for word in ("fp32.onnx", "fp32.tflite", "int8.onnx", "int8.tflite")]
    assert [file.name for file in made] == names
    companions = ["labels.txt", "calibration.json", "golden.npz"]
    assert sorted(path.name for path in run.artifacts.iterdir()) == sorted(
        [*names, *(f"{name}.json" for name in names), *companions]
    )
    for file in made:
        assert artifacts.read_card(file.path) == file
        assert file.labels == run.labels
        assert file.run_sha256 == files.sha256(run.weights)


def test_every_card_holds_a_verdict_on_the_whole_test_split(exported: tuple[Run, list[Artifact]]) -> None:
    run, made = exported
    n = len(data.load(run.recipe.data).test)
    for file in made:
        assert file.verdict is not None
        assert (file.verdict.passed, file.verdict.n) == (True, n)
        assert file.verdict.drop_low_pp <= file.verdict.drop_pp <= file.verdict.drop_high_pp
        if file.description.precision == "fp32":
            assert file.verdict.agreement_percent == 100.0
            assert file.verdict.max_logit_difference < 1e-3


def test_int8_files_are_compared_with_each_other(exported: tuple[Run, list[Artifact]]) -> None:
    _, made = exported
    parity = {file.name: file.parity for file in made}
    assert parity["dscnn-digits-fp32.onnx"] is None
    there, back = parity["dscnn-digits-int8.onnx"], parity["dscnn-digits-int8.tflite"]
    assert there is not None
    assert back is not None
    assert (there.against, back.against) == ("dscnn-digits-int8.tflite", "dscnn-digits-int8.onnx")
    assert there.max_lsb == back.max_lsb <= 1


def test_golden_outputs_are_replayed_to_the_bit(exported: tuple[Run, list[Artifact]]) -> None:
    run, made = exported
    with np.load(run.artifacts / "golden.npz", allow_pickle=False) as golden:
        images = golden["images"]
        assert len(images) == len(golden["labels"]) == GOLDEN
        for file in made:
            encoded = tensors.encode(images, file.description.input, file.preprocessing)
            session = runtimes.get(runtimes.for_format(file.description.format)[0]).open_session(
                file.path, num_threads=1
            )
            again = np.concatenate([session(encoded[i : i + 1]) for i in range(GOLDEN)])
            assert again.dtype == golden[file.name].dtype
            if file.description.precision == "int8":
                assert np.array_equal(again, golden[file.name])
            else:
                assert np.allclose(again, golden[file.name], rtol=1e-5, atol=1e-5)


def test_the_manifest_names_training_pictures_only(exported: tuple[Run, list[Artifact]]) -> None:
    run, _ = exported
    manifest = json.loads((run.artifacts / "calibration.json").read_text())
    splits = data.load(run.recipe.data)
    assert set(manifest["indices"]) <= set(splits.train_indices.tolist())
    assert len(manifest["sha256"]) == manifest["count"] == 300


def test_the_same_run_gives_the_same_bytes_twice(exported: tuple[Run, list[Artifact]], tmp_path: Path) -> None:
    run, _ = exported
    before = snapshot(run.artifacts)
    again = copy_of(run, tmp_path)
    shutil.rmtree(again.artifacts)
    export(again, ExportPlan(name="default", max_drop=3.0))
    assert snapshot(again.artifacts) == before


@pytest.mark.parametrize(("key", "value"), [("target", "dotprod"), ("weight_range", "full")])
def test_what_is_not_the_default_has_its_own_name_and_overwrites_nothing(
    exported: tuple[Run, list[Artifact]], key: str, value: str, tmp_path: Path
) -> None:
    run = copy_of(exported[0], tmp_path)
    before = snapshot(run.artifacts)
    plan = dataclasses.replace(ONNX_ONLY, precision=("int8",), **{key: value})  # type: ignore[arg-type]
    (made,) = export(run, plan)
    assert (made.name, made.target) == (f"dscnn-digits-int8-{value}.onnx", plan.target)
    after = snapshot(run.artifacts)
    assert {name: after[name] for name in before if name != "golden.npz"} == {
        name: digest for name, digest in before.items() if name != "golden.npz"
    }
    with np.load(run.artifacts / "golden.npz", allow_pickle=False) as golden:
        assert {made.name, "dscnn-digits-int8.tflite"} <= set(golden.files)


@pytest.mark.parametrize(("change", "reason"), [("zero", "every picture is called class"), ("nan", "are not numbers")])
def test_a_degenerate_model_fails_the_gate_and_its_card_says_so(
    change: str, reason: str, digits_run: Run, tmp_path: Path
) -> None:
    run = with_head(copy_of(digits_run, tmp_path), change)
    made = export(run, FLOAT_ONNX)
    with pytest.raises(GateFailed, match=reason) as caught:
        judge(made)
    assert caught.value.exit_code == EXIT_GATE
    card = artifacts.read_card(run.artifacts / "dscnn-digits-fp32.onnx")
    assert card is not None
    assert card.verdict is not None
    assert not card.verdict.passed
    assert reason in card.verdict.reason


def test_weights_of_another_net_are_refused_and_nothing_changes(
    exported: tuple[Run, list[Artifact]], tmp_path: Path
) -> None:
    run = copy_of(exported[0], tmp_path)
    before = snapshot(run.artifacts)
    save_file({"other": torch.zeros(3)}, run.weights)
    with pytest.raises(RunError, match="does not hold the weights"):
        export(dataclasses.replace(run, weights_sha256=None), FLOAT_ONNX)
    assert snapshot(run.artifacts) == before
    assert not list(run.folder.glob(".*"))


def test_weights_that_changed_since_the_training_are_refused_and_nothing_changes(
    exported: tuple[Run, list[Artifact]], tmp_path: Path
) -> None:
    run = copy_of(exported[0], tmp_path)
    before = snapshot(run.artifacts)
    content = bytearray(run.weights.read_bytes())
    content[-100] ^= 1
    run.weights.write_bytes(content)
    with pytest.raises(RunError, match="is not what the training of dscnn-digits wrote"):
        export(run, FLOAT_ONNX)
    assert snapshot(run.artifacts) == before
    assert not list(run.folder.glob(".*"))


def test_a_net_far_below_its_validation_accuracy_is_refused_where_its_weights_have_no_digest(
    exported: tuple[Run, list[Artifact]], tmp_path: Path
) -> None:
    """A run from before the digest was kept, whose weights have all become noise."""
    run = dataclasses.replace(copy_of(exported[0], tmp_path), weights_sha256=None)
    noise = torch.Generator().manual_seed(0)
    save_file(
        {
            name: torch.randn(value.shape, generator=noise).to(value.dtype) if value.is_floating_point() else value
            for name, value in load_file(run.weights).items()
        },
        run.weights,
    )
    with pytest.raises(RunError, match=r"was right on 9.* when it was trained, and is on .* now"):
        export(run, FLOAT_ONNX)


def test_a_second_export_into_a_run_is_told_who_is_at_work_there(digits_run: Run, tmp_path: Path) -> None:
    run = copy_of(digits_run, tmp_path)
    with (
        locks.held(run.folder / EXPORT_LOCK, "export"),
        pytest.raises(RunError, match=rf"Another export is at work in {run.folder}: .*process {os.getpid()} on"),
    ):
        export(run, FLOAT_ONNX)
    export(run, FLOAT_ONNX)
    assert not (run.folder / EXPORT_LOCK).exists()


def test_a_bench_and_an_export_of_one_run_do_not_meet(exported: tuple[Run, list[Artifact]], tmp_path: Path) -> None:
    run = copy_of(exported[0], tmp_path)
    with (
        locks.held(run.folder / EXPORT_LOCK, "export"),
        pytest.raises(RunError, match="An export is at work"),
    ):
        bench.bench([run.artifacts / exported[1][0].name], Suite(name="one"))


def test_hidden_files_are_no_exported_models(exported: tuple[Run, list[Artifact]], tmp_path: Path) -> None:
    run = copy_of(exported[0], tmp_path)
    (run.artifacts / ".dscnn-digits-fp32.onnx.x1y2z3a4.onnx").write_bytes(b"half")
    (run.artifacts / "._dscnn-digits-fp32.onnx").write_bytes(b"of a Mac")
    listed = candidates.find([run.folder], Suite(name="all"), None, None)
    assert {file.artifact.name for file in listed} == {file.name for file in exported[1]}


def test_data_with_other_classes_is_refused(digits_run: Run, tmp_path: Path) -> None:
    run = dataclasses.replace(copy_of(digits_run, tmp_path), labels=tuple("abcdefghij"))
    with pytest.raises(RunError, match="is not the one dscnn-digits was trained on"):
        export(run, FLOAT_ONNX)
    assert not run.artifacts.exists()


def test_an_unknown_format_is_refused_before_any_work(digits_run: Run, tmp_path: Path) -> None:
    run = copy_of(digits_run, tmp_path)
    with pytest.raises(UsageError, match="There is no format named 'tflight'"):
        export(run, dataclasses.replace(FLOAT_ONNX, format=("onnx", "tflight")))
    assert not run.artifacts.exists()


def test_an_artifacts_folder_that_cannot_be_is_one_sentence(digits_run: Run, tmp_path: Path) -> None:
    run = copy_of(digits_run, tmp_path)
    run.artifacts.write_text("in the way")
    with pytest.raises(OutputError, match="artifacts"):
        export(run, FLOAT_ONNX)


def test_an_export_that_is_killed_leaves_the_old_files_and_the_next_one_clears_up(
    exported: tuple[Run, list[Artifact]], tmp_path: Path
) -> None:
    run = copy_of(exported[0], tmp_path)
    before = snapshot(run.artifacts)
    script = (
        "import sys; from pathlib import Path; from edgecnn.pipeline.export.export import export;"
        "from edgecnn.records.plans import ExportPlan; from edgecnn.records.run import open_run;"
        "export(open_run(Path(sys.argv[1])), ExportPlan(name='k', format=('onnx',), calib_seed=5))"
    )
    child = subprocess.Popen([sys.executable, "-c", script, str(run.folder)], stderr=subprocess.DEVNULL)
    staging = run.folder / ".artifacts.new"
    while child.poll() is None and not any(staging.glob("*.onnx")):
        time.sleep(0.005)
    child.send_signal(signal.SIGKILL)
    assert child.wait() == -signal.SIGKILL
    assert staging.is_dir()
    assert snapshot(run.artifacts) == before
    export(run, FLOAT_ONNX)
    assert not staging.exists()
