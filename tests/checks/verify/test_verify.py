"""The matrix of answers: loose files and a run, here; gates, pictures, and what is written."""

from __future__ import annotations

import json
from pathlib import Path

import altered
import data_samples
import numpy as np
import pytest
import tiny_models
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from edgecnn import data
from edgecnn.checks.verify import matrix, sheet, show, verify
from edgecnn.common import files
from edgecnn.errors import DataError, EnvironmentUnfit, GateFailed, OutputError, PlanError, Undecided, UsageError
from edgecnn.formats import onnx as onnx_format
from edgecnn.pipeline.export import exportable as quantize
from edgecnn.records import artifact as artifacts
from edgecnn.records import environment
from edgecnn.records.artifact import Artifact
from edgecnn.records.plans import ExportPlan
from edgecnn.records.recipe import DataPlan
from edgecnn.records.run import Run

KERNEL = tiny_models.weights(8, 8, 1, 10)
DIGITS = DataPlan(name="digits")


@pytest.fixture(scope="module")
def exported_run(digits_run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the trained run with one file: fp32 ONNX."""
    folder = tmp_path_factory.mktemp("parity") / "digits"
    folder.mkdir()
    for path in digits_run.folder.iterdir():
        if path.is_file():
            files.write_bytes(folder / path.name, path.read_bytes())
    (folder / "artifacts").mkdir()
    exportable = quantize.prepare(digits_run, data.load(DIGITS), ExportPlan(name="test", precision=("fp32",)))
    path = folder / "artifacts" / "digits-fp32.onnx"
    onnx_format.write(exportable, "fp32", ExportPlan(name="test"), path)
    described = onnx_format.describe(path)
    artifacts.write_card(
        Artifact(path=path, description=described, preprocessing=exportable.preprocessing, labels=digits_run.labels)
    )
    return folder


def test_two_formats_of_one_net_give_one_answer(tmp_path: Path) -> None:
    paths = [
        tiny_models.linear_onnx(tmp_path / "net.onnx", KERNEL),
        tiny_models.linear_tflite(tmp_path / "net.tflite", KERNEL),
    ]
    result = verify.verify(paths, data=DIGITS)
    assert result.folder is None
    test = data.load(DIGITS).test
    correct = int((tiny_models.logits(KERNEL, test.load_all()).argmax(1) == test.labels).sum())
    assert [(answer.correct, answer.board, answer.degenerate) for answer in result.answers] == [
        (correct, "local", None)
    ] * 2
    (difference,) = result.differences
    assert difference.identical
    assert (difference.verdict.gained, difference.verdict.lost, difference.verdict.p_value) == (0, 0, 1.0)
    assert (difference.searched, difference.layer, difference.sheet) == (False, None, None)
    verify.judge(result, max_drop=0.0)


def test_a_changed_weight_is_found_and_the_flips_are_drawn(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = tiny_models.linear_tflite(tmp_path / "before.tflite", KERNEL)
    after = altered.change_weight(before, 0, 8 * 3 + 4, tmp_path / "after.tflite")
    result = verify.verify([before, after], data=DIGITS, output=tmp_path / "out")
    folder = result.folder
    assert folder == tmp_path / "out"
    (difference,) = result.differences
    layer = difference.layer
    assert layer is not None
    assert (layer.depth, layer.layers, layer.before_operator, layer.shape) == (1, 1, "FULLY_CONNECTED", (1, 10))
    assert layer.weights is not None
    assert (layer.weights.differing, layer.weights.values) == (1, KERNEL.size)
    assert difference.sheet is not None
    with Image.open(folder / difference.sheet) as drawn:
        assert drawn.width > 500
    assert matrix.read(folder / matrix.FILE) == result
    show.show(result)
    printed = capsys.readouterr().out
    assert "the files differ: 1 of its 640 weights" in printed
    assert f"\non {environment.machine_name(environment.here())}\n" in printed
    assert max(map(len, printed.splitlines())) <= 80
    verify.judge(result, max_drop=0.0)
    assert f"cannot tell with n {result.n}" in capsys.readouterr().err  # so few flips may be chance
    with pytest.raises(Undecided, match="drop"):
        verify.judge(result, max_drop=0.0, strict=True)


def test_a_run_is_held_against_its_own_net(exported_run: Path) -> None:
    result = verify.verify([exported_run])
    folder = result.folder
    assert folder == exported_run / "parity"
    net, file = result.answers
    assert (net.name, net.runtime, file.name) == ("PyTorch", "torch", "digits-fp32.onnx")
    assert net.correct == file.correct
    (difference,) = result.differences
    assert difference.verdict.agreement_percent == 100.0
    assert difference.verdict.max_logit_difference < 1e-3
    assert not difference.searched  # a net has no file to cut
    assert result.n == len(data.load(DIGITS).test)
    assert "torch" in result.environments["local"].packages


def test_swapped_labels_show_as_a_drop_of_all_that_was_right(exported_run: Path, tmp_path: Path) -> None:
    import onnx
    from onnx import helper, numpy_helper

    model = onnx.load(exported_run / "artifacts" / "digits-fp32.onnx")
    model.graph.node[-1].output[0] = "in order"
    model.graph.initializer.append(numpy_helper.from_array(np.roll(np.arange(10), 1), "order"))
    model.graph.node.append(helper.make_node("Gather", ["in order", "order"], ["logits"], axis=1))
    onnx.save(model, tmp_path / "swapped.onnx")
    result = verify.verify([exported_run, tmp_path / "swapped.onnx"], output=tmp_path / "out")
    swapped = next(
        difference
        for difference in result.differences
        if difference.after == "swapped.onnx" and difference.before == "PyTorch"
    )
    assert swapped.verdict.agreement_percent == 0.0
    assert swapped.verdict.lost == result.answers[0].correct
    assert swapped.verdict.p_value < 1e-6
    twin = next(difference for difference in result.differences if difference.before == "digits-fp32.onnx")
    assert twin.searched
    with pytest.raises(GateFailed, match=r"swapped.onnx: drop"):
        verify.judge(result, max_drop=1.0)


def test_a_degenerate_file_fails_without_being_asked(tmp_path: Path) -> None:
    good = tiny_models.linear_onnx(tmp_path / "good.onnx", KERNEL)
    flat = KERNEL.copy()
    flat[1:] = 0.0
    flat[0] = 1.0
    one_class = tiny_models.linear_onnx(tmp_path / "flat.onnx", flat)
    nothing = KERNEL.copy()
    nothing[0, 0, 0, 0] = np.nan
    no_numbers = tiny_models.linear_onnx(tmp_path / "nan.onnx", nothing)
    result = verify.verify([good, one_class, no_numbers], data=DIGITS, output=tmp_path / "out")
    folder = result.folder
    assert folder is not None
    json.dumps(matrix.to_table(result), allow_nan=False)
    with pytest.raises(GateFailed) as caught:
        verify.judge(result)
    assert "flat.onnx: every picture is called class 0" in caught.value.sentence
    assert "nan.onnx: the logits of 359 pictures are not numbers" in caught.value.sentence


def test_the_steps_of_two_int8_files_are_gated(tmp_path: Path) -> None:
    before = tiny_models.linear_tflite(tmp_path / "before.tflite", KERNEL, int8=True)
    after = altered.change_weight(before, 0, 100, tmp_path / "after.tflite")
    result = verify.verify([before, after], data=DIGITS)
    (difference,) = result.differences
    assert difference.parity is not None
    steps = difference.parity.max_lsb
    assert steps > 0
    verify.judge(result, max_lsb=steps)
    with pytest.raises(GateFailed, match=f"{steps} steps apart, at most {steps - 1} allowed"):
        verify.judge(result, max_lsb=steps - 1)


def test_another_output_scale_is_named_and_has_no_steps(tmp_path: Path) -> None:
    before = tiny_models.linear_tflite(tmp_path / "before.tflite", KERNEL, int8=True)
    altered.change_scale(before, 0, 2.0, tmp_path / "after.tflite")
    result = verify.verify([before, tmp_path / "after.tflite"], data=DIGITS)
    (difference,) = result.differences
    assert difference.parity is None
    assert difference.layer is not None
    assert difference.layer.max_lsb is None
    assert difference.layer.scales[1] == pytest.approx(2 * difference.layer.scales[0])
    assert "its scale is" in show.cause(difference.layer)
    with pytest.raises(EnvironmentUnfit, match="share an output scale"):
        verify.judge(result, max_lsb=0)


def test_a_limit_asks_fewer_pictures_and_stands_in_the_command(tmp_path: Path) -> None:
    path = tiny_models.linear_onnx(tmp_path / "net.onnx", KERNEL)
    result = verify.verify([path], data=DIGITS, limit=20)
    assert (result.n, result.differences) == (20, ())
    assert result.command == f"edgecnn verify {path} --data digits --limit 20"


def test_what_cannot_be_asked_is_said_before_anything_is_written(tmp_path: Path) -> None:
    path = tiny_models.linear_onnx(tmp_path / "net.onnx", KERNEL)
    with pytest.raises(UsageError, match="which pictures"):
        verify.verify([path])
    with pytest.raises(PlanError, match="limit"):
        verify.verify([path], data=DIGITS, limit=0)
    with pytest.raises(UsageError, match="no board named 'moon'"):
        verify.verify([path], ["moon"], data=DIGITS, output=tmp_path / "out")
    with pytest.raises(OutputError):
        verify.verify([path], data=DIGITS, output=path / "out")
    assert not (tmp_path / "out" / matrix.FILE).exists()


def test_an_earlier_matrix_leaves_no_pictures_behind(tmp_path: Path) -> None:
    before = tiny_models.linear_tflite(tmp_path / "before.tflite", KERNEL)
    after = altered.change_weight(before, 0, 8 * 3 + 4, tmp_path / "after.tflite")
    out = tmp_path / "out"
    verify.verify([before, after], data=DIGITS, output=out)
    assert len(list(out.glob("flips-*.png"))) == 1
    verify.verify([before], data=DIGITS, output=out)
    assert [path.name for path in out.iterdir()] == [matrix.FILE]


@given(rows=st.lists(st.tuples(*[st.integers(-5, 5)] * 6), min_size=1, max_size=40))
def test_the_surest_flips_come_first(rows: list[tuple[int, ...]]) -> None:
    before, after = np.array(rows, np.float32)[:, :3], np.array(rows, np.float32)[:, 3:]
    flips = sheet.worst(before, after)
    assert set(flips) == {i for i in range(len(rows)) if before[i].argmax() != after[i].argmax()}
    sureness = (sheet.margins(before) + sheet.margins(after))[flips]
    assert (np.diff(sureness) <= 0).all()


def test_two_files_with_their_classes_in_another_order_give_one_answer(tmp_path: Path) -> None:
    names = [str(digit) for digit in range(10)]
    order = np.random.default_rng(0).permutation(10)
    files = [
        tiny_models.linear_onnx(tmp_path / "a.onnx", KERNEL, notes={"labels": json.dumps(names)}),
        tiny_models.linear_onnx(
            tmp_path / "b.onnx", KERNEL[order], notes={"labels": json.dumps([names[i] for i in order])}
        ),
    ]
    for targets in (files, files[::-1]):
        result = verify.verify(targets, data=DIGITS, limit=50)
        (difference,) = result.differences
        assert difference.verdict.agreement_percent == 100.0
        assert difference.identical


def test_a_file_that_puts_out_the_class_itself_is_held_against_one_that_puts_out_scores(tmp_path: Path) -> None:
    tail = [("ArgMax", {"axis": 1, "keepdims": 0})]
    scores = tiny_models.linear_onnx(tmp_path / "scores.onnx", KERNEL)
    number = tiny_models.linear_onnx(tmp_path / "number.onnx", KERNEL, tail, [1])
    result = verify.verify([scores, number], data=DIGITS, limit=50)
    (difference,) = result.differences
    assert difference.verdict.agreement_percent == 100.0
    assert not difference.searched


def test_files_of_different_sizes_cannot_be_asked_the_same_pictures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    root = data_samples.class_folders(tmp_path / "pictures")
    plan = DataPlan(name="folder", options={"path": str(root)})
    files = [
        tiny_models.linear_onnx(tmp_path / f"{side}.onnx", tiny_models.weights(side, side, 3, 2)) for side in (8, 9)
    ]
    with pytest.raises(DataError, match="take pictures of different sizes"):
        verify.verify(files, data=plan)
