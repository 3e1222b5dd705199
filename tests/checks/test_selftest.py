"""Golden vectors replayed: of a run, a bundle, a file; and recorded for a file of another maker."""

from __future__ import annotations

import shutil
from pathlib import Path

import altered
import numpy as np
import pytest
import small_bundles
import tiny_models

from edgecnn.checks import selftest
from edgecnn.cli import checks
from edgecnn.errors import EnvironmentUnfit, GateFailed, ModelFileError, RunError, UsageError
from edgecnn.records import environment
from edgecnn.records.recipe import DataPlan

KERNEL = tiny_models.weights(8, 8, 1, 10)


def change_golden(folder: Path, name: str, by: int) -> None:
    """One output of one file, changed by so many steps."""
    held = dict(np.load(folder / "golden.npz"))
    held[name] = held[name].copy()
    held[name].flat[3] += by if held[name].flat[3] < 100 else -by
    np.savez(folder / "golden.npz", **held)


def test_a_run_replays_every_file_on_every_runtime(tmp_path: Path) -> None:
    result = selftest.selftest(small_bundles.run_folder(tmp_path / "animals"))
    said = [(replay.file, replay.comparison.verdict, replay.comparison.pictures) for replay in result.replayed]
    expected = ["animals-fp32.onnx", "animals-fp32.tflite", "animals-int8.tflite"]
    assert sorted(set(said)) == [(name, "identical", 32) for name in expected]
    assert result.board == "local"
    selftest.judge(result)


def test_the_machine_stands_above_the_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    checks.selftest(small_bundles.exported(tmp_path / "artifacts").path)
    name = environment.machine_name(environment.here())
    assert capsys.readouterr().out.startswith(f"golden vectors, local\non {name}\n")


def test_a_bundle_is_checked_and_replayed(tmp_path: Path) -> None:
    bundle = small_bundles.unpacked(tmp_path)
    assert {replay.comparison.verdict for replay in selftest.selftest(bundle).replayed} == {"identical"}
    (bundle / "labels.txt").write_text("other\n")
    with pytest.raises(ModelFileError, match=r"labels.txt is not the file its manifest describes"):
        selftest.selftest(bundle)


@pytest.mark.parametrize(("steps", "words", "failure"), [(1, "within 1 LSB", EnvironmentUnfit),
    (9, "different", GateFailed)])  # fmt: skip
def test_how_far_an_integer_output_is_off_decides(
    steps: int, words: str, failure: type[Exception], tmp_path: Path
) -> None:
    file = small_bundles.exported(tmp_path / "artifacts")
    change_golden(file.path.parent, file.name, steps)
    result = selftest.selftest(file.path)
    _, rows = selftest.rows(result)
    assert {(row[2], row[3]) for row in rows} == {(words, "1")}
    with pytest.raises(failure, match=r"animals-int8.tflite: 1 of 96 values differ"):
        selftest.judge(result)


def test_a_file_whose_weights_changed_is_another_model(tmp_path: Path) -> None:
    path = tiny_models.linear_tflite(tmp_path / "net.tflite", KERNEL)
    selftest.record(path, tmp_path / "golden.npz")
    altered.change_weight(path, 0, 7, path)
    with pytest.raises(GateFailed):
        selftest.judge(selftest.selftest(path))


@pytest.mark.parametrize("data", [None, DataPlan(name="digits")])
@pytest.mark.parametrize("format_name", ["onnx", "tflite"])
def test_a_file_of_another_maker_is_recorded_and_then_replayed(
    format_name: str, data: DataPlan | None, tmp_path: Path
) -> None:
    write = tiny_models.linear_onnx if format_name == "onnx" else tiny_models.linear_tflite
    path, golden = write(tmp_path / f"net.{format_name}", KERNEL), tmp_path / "elsewhere.npz"
    assert selftest.record(path, golden, data) == 32
    with np.load(golden) as held:
        assert np.allclose(held[path.name], tiny_models.logits(KERNEL, held["images"]))
    result = selftest.selftest(path, golden=golden)
    assert {replay.comparison.verdict for replay in result.replayed} == {"identical"}
    with pytest.raises(UsageError, match="exists already"):
        selftest.record(path, golden, data)


def test_without_vectors_it_says_how_to_make_them(tmp_path: Path) -> None:
    path = tiny_models.linear_tflite(tmp_path / "net.tflite", KERNEL)
    with pytest.raises(UsageError, match="has no golden vectors") as caught:
        selftest.selftest(path)
    assert f"edgecnn selftest {path} --record" in (caught.value.hint or "")
    run = small_bundles.run_folder(tmp_path / "animals")
    (run / "artifacts" / "golden.npz").unlink()
    with pytest.raises(RunError, match="has no golden vectors") as caught_too:
        selftest.selftest(run)
    assert caught_too.value.hint == "export it again"


def test_what_brings_its_vectors_is_not_recorded_again(tmp_path: Path) -> None:
    file = small_bundles.exported(tmp_path / "artifacts")
    with pytest.raises(UsageError, match="brings its golden vectors along"):
        selftest.record(file.path, tmp_path / "new.npz")
    loose = shutil.copy(file.path, tmp_path / "loose.tflite")
    assert selftest.record(Path(loose), tmp_path / "new.npz") == 32
