"""Weights that were trained elsewhere become a run: read without running anything, matched strictly, and measured."""

from __future__ import annotations

import json
import pickle
import shlex
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from edgecnn import data, nets
from edgecnn.cli import app
from edgecnn.errors import DataError, ModelFileError, PlanError, RunError, UsageError
from edgecnn.nets import inference
from edgecnn.pipeline.export.export import export
from edgecnn.pipeline.train.import_weights import TrainedWeights, import_weights, show
from edgecnn.records.plans import ExportPlan
from edgecnn.records.recipe import DataPlan, NetPlan, Recipe
from edgecnn.records.run import Run, open_run

DIGITS = tuple("0123456789")


@pytest.fixture
def weights(digits_run: Run) -> dict[str, torch.Tensor]:
    return dict(nets.restore(digits_run).state_dict())


def recipe(run: Run, **changed: Any) -> Recipe:
    return Recipe(name="mine", data=run.recipe.data, net=changed.get("net", run.recipe.net))


def imported(run: Run, weights: Path, folder: Path, **trained: Any) -> Run:
    """The digits' weights from a file, normalised as they were unless it is said otherwise."""
    return import_weights(
        recipe(run), TrainedWeights(weights=weights, **{"mean": run.mean, "std": run.std} | trained), folder
    )


def saved(path: Path, value: object) -> Path:
    torch.save(value, path)
    return path


def test_imported_weights_are_a_run_as_good_as_the_one_they_come_from(digits_run: Run, tmp_path: Path) -> None:
    run = imported(digits_run, digits_run.weights, tmp_path / "mine")
    assert open_run(tmp_path / "mine") == run
    assert run.validation_top1_percent == pytest.approx(digits_run.validation_top1_percent)
    assert (run.params, run.macs, run.labels) == (digits_run.params, digits_run.macs, digits_run.labels)
    test = data.load(run.recipe.data).test
    correct = inference.logits(nets.restore(run), test.images, run.mean, run.std).argmax(1).numpy() == test.labels
    assert run.imported is not None
    assert run.imported.test_top1_percent == pytest.approx(100 * correct.mean())
    assert run.imported.test_n == len(test)


def test_every_command_takes_it(digits_run: Run, tmp_path: Path) -> None:
    run = imported(digits_run, digits_run.weights, tmp_path / "mine")
    made = export(run, ExportPlan(name="test", format=("onnx",)))
    assert all(file.verdict is not None and file.verdict.check != "fail" for file in made)
    for command in (f"inspect {run.folder}", f"selftest {made[0].path}", f"verify {run.folder} {made[0].path}"):
        assert not app(shlex.split(command), standalone_mode=False), command


def test_the_command_line_makes_the_same_run(
    digits_run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    net = " ".join(f"-s net.{key}={value}" for key, value in digits_run.recipe.net.options.items())
    command = (
        f"import {digits_run.recipe.net.name} {net} --weights {digits_run.weights} --data digits "
        f"--mean {digits_run.mean} --std {digits_run.std} -o {tmp_path / 'mine'}"
    )
    app(shlex.split(command), standalone_mode=False)
    out = capsys.readouterr().out
    assert out.startswith(f"{tmp_path / 'mine'}  validation top-1 ")
    assert "test top-1 " in out
    assert json.loads((tmp_path / "mine" / "run.json").read_text())["imported"]["file"] == "model.safetensors"


@pytest.mark.parametrize(
    ("wrap", "said"),
    [
        (lambda held: held, ""),
        (lambda held: {"epoch": 3, "state_dict": held}, "under the key 'state_dict'"),
        (lambda held: {f"module.{key}": value for key, value in held.items()}, "'module.' was taken off"),
        (lambda held: {"model": {f"_orig_mod.module.{k}": v for k, v in held.items()}}, "'_orig_mod.module.'"),
        (lambda held: {key: value.half() if value.ndim else value for key, value in held.items()}, "float16"),
        (lambda held: {key: value for key, value in held.items() if "num_batches" not in key}, ""),
    ],
    ids=["plain", "wrapped", "parallel", "compiled", "half", "old"],
)  # fmt: skip
def test_files_of_other_scripts_are_understood_and_what_was_done_is_said(
    wrap: Any, said: str, digits_run: Run, weights: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    run = imported(digits_run, saved(tmp_path / "w.pt", wrap(weights)), tmp_path / "mine")
    assert run.imported is not None
    assert said in " ".join(run.imported.said)
    assert bool(run.imported.said) is bool(said)
    assert run.validation_top1_percent == pytest.approx(digits_run.validation_top1_percent, abs=1)


class Payload:
    """An object that runs code if it is unpickled as it asks to be."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return open, (str(self.path), "w")


def test_nothing_in_a_file_of_weights_is_run(digits_run: Run, tmp_path: Path) -> None:
    torch.save({"state_dict": Payload(tmp_path / "executed")}, tmp_path / "evil.pt")
    (tmp_path / "evil.pkl").write_bytes(pickle.dumps(Payload(tmp_path / "executed")))
    for name in ("evil.pt", "evil.pkl"):
        with pytest.raises(ModelFileError, match="holds more than tensors"):
            imported(digits_run, tmp_path / name, tmp_path / "mine")
    assert not (tmp_path / "executed").exists()
    assert not (tmp_path / "mine").exists()


def test_what_does_not_match_is_listed(digits_run: Run, weights: dict[str, torch.Tensor], tmp_path: Path) -> None:
    first, *_, last = [key for key in weights if key.endswith("weight")]
    broken = {key: value for key, value in weights.items() if key != first}
    broken |= {last: weights[last][:4], "extra": torch.zeros(1)}
    with pytest.raises(ModelFileError) as caught:
        imported(digits_run, saved(tmp_path / "w.pt", broken), tmp_path / "mine")
    assert f"it lacks {first}" in caught.value.sentence
    assert "the net has no extra" in caught.value.sentence
    assert f"{last} is (4, " in caught.value.sentence


@pytest.mark.parametrize(
    ("content", "sentence"),
    [(b"", "is no file of weights|holds more than"), (b"nothing", "is no file of weights|holds more than")],
)
def test_a_file_that_is_none_of_weights_is_refused(
    content: bytes, sentence: str, digits_run: Run, tmp_path: Path
) -> None:
    (tmp_path / "w.pt").write_bytes(content)
    with pytest.raises(ModelFileError, match=sentence):
        imported(digits_run, tmp_path / "w.pt", tmp_path / "mine")
    (tmp_path / "w.safetensors").write_bytes(content)
    with pytest.raises(ModelFileError, match="is no safetensors file"):
        imported(digits_run, tmp_path / "w.safetensors", tmp_path / "mine")
    with pytest.raises(ModelFileError, match="there is no such file"):
        imported(digits_run, tmp_path / "nowhere.pt", tmp_path / "mine")


def test_weights_that_are_not_finite_are_refused(
    digits_run: Run, weights: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    weights["head.linear.bias"][0] = float("nan")
    save_file(weights, tmp_path / "w.safetensors")
    with pytest.raises(ModelFileError, match=r"head\.linear\.bias holds numbers that are not finite"):
        imported(digits_run, tmp_path / "w.safetensors", tmp_path / "mine")


def test_outputs_in_another_order_are_put_into_that_of_the_folders(
    digits_run: Run, weights: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    order = [3, 1, 4, 0, 5, 9, 2, 6, 8, 7]
    for key in ("head.linear.weight", "head.linear.bias"):
        weights[key] = weights[key][order]
    path = saved(tmp_path / "w.pt", weights)
    wrong = imported(digits_run, path, tmp_path / "wrong")
    run = imported(digits_run, path, tmp_path / "mine", classes=[DIGITS[place] for place in order])
    assert wrong.validation_top1_percent < 50
    assert run.validation_top1_percent == pytest.approx(digits_run.validation_top1_percent)
    assert run.labels == DIGITS
    with pytest.raises(DataError, match="--classes names 2 classes, and the data set has 10"):
        imported(digits_run, path, tmp_path / "other", classes=["a", "b"])
    with pytest.raises(DataError, match="knows no class '9'"):
        imported(digits_run, path, tmp_path / "other", classes=["x", *DIGITS[:9]])


def test_a_normalisation_of_any_numbers_gives_the_same_net(digits_run: Run, tmp_path: Path) -> None:
    mean, std = digits_run.mean + 0.25, digits_run.std * 1.5
    run = imported(digits_run, digits_run.weights, tmp_path / "mine", mean=mean, std=std)
    assert (run.mean, run.std) == (digits_run.mean, std)
    images = data.load(run.recipe.data).test.images[:50]
    ours = inference.logits(nets.restore(run), images, run.mean, run.std)
    theirs = inference.logits(nets.restore(digits_run), images, mean, std)
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)
    made = export(run, ExportPlan(name="test", format=("onnx",), max_drop=100.0))
    assert [file.description.float_operators for file in made][1] == 0


def test_numbers_of_pixels_from_0_to_1_are_refused_with_those_of_0_to_255(digits_run: Run, tmp_path: Path) -> None:
    with pytest.raises(PlanError, match="of pixels from 0 to 1") as caught:
        imported(digits_run, digits_run.weights, tmp_path / "mine", mean=0.5, std=0.25)
    assert caught.value.hint == "as --mean 127.5 --std 63.75"
    with pytest.raises(UsageError, match="--mean has 3 numbers, and a picture 1 channels"):
        imported(digits_run, digits_run.weights, tmp_path / "mine", mean=(1.0, 2.0, 3.0))


def test_a_folder_that_is_not_empty_is_left_as_it_is(digits_run: Run, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("kept")
    with pytest.raises(RunError, match="is not empty"):
        imported(digits_run, digits_run.weights, tmp_path / "mine")
    assert [path.name for path in tmp_path.rglob("*")] == ["mine", "notes.txt"]


def test_a_net_that_is_right_no_more_often_than_chance_is_said_to_be(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.manual_seed(0)
    plan = NetPlan(name="mlp", options={"hidden": 4, "last": 4})
    drawn = nets.build(plan, (1, 8, 8), 10).state_dict()
    path = saved(tmp_path / "w.pt", {key: torch.zeros_like(value) for key, value in drawn.items()})
    mine = Recipe(name="mine", data=DataPlan(name="digits"), net=plan)
    show(import_weights(mine, TrainedWeights(weights=path), tmp_path / "mine"))
    assert "no more often than chance, 10.0 %" in capsys.readouterr().err
