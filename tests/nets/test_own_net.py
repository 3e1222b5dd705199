"""A net of the user's own code: trained, opened, exported and checked as ours are, and refused if nobody named it."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from edgecnn import nets
from edgecnn.cli import app
from edgecnn.common import files
from edgecnn.errors import PlanError, RunError, UsageError
from edgecnn.nets import anatomy, code, counts
from edgecnn.pipeline.export.export import export
from edgecnn.pipeline.train.train import train
from edgecnn.records.plans import ExportPlan
from edgecnn.records.recipe import DataPlan, NetPlan, Recipe
from edgecnn.records.run import Run, open_run

SOURCE = """
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self, input_shape, classes, width=8):
        super().__init__()
        self.stem = nn.Conv2d(input_shape[0], width, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(width)
        self.act = nn.GELU()
        self.last = nn.Conv2d(width, 2 * width, 3, stride=2, padding=1)
        self.head = nn.Linear(2 * width, classes)

    def forward(self, x):
        if x.shape[1] > 3:  # torch.fx cannot follow this, and torch.export can
            raise ValueError("too many channels")
        x = self.act(self.norm(self.stem(x)))
        return self.head(torch.relu(self.last(x)).mean((2, 3)))


class Branch(nn.Module):
    def forward(self, x):
        return x if x.sum() > 0 else -x


class Branching(Net):
    def __init__(self, input_shape, classes):
        super().__init__(input_shape, classes)
        self.act = nn.Sequential(nn.ReLU(), Branch())


class Counting(nn.Module):
    def __init__(self, depth):
        super().__init__()
        self.depth = 1 // depth


class Deaf(nn.Module):
    def forward(self, x):
        return x @ torch.zeros(3, 3, 3)


class NoLogits(nn.Module):
    def forward(self, x):
        return x


class Plain:
    pass


def made(classes):
    return Net((1, 8, 8), classes)


def nothing():
    return None
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the user's code in it, and a cache folder of its own."""
    folder = tmp_path_factory.mktemp("own")
    (folder / "own.py").write_text(SOURCE)
    return folder


@pytest.fixture(autouse=True)
def _here(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(home)
    monkeypatch.setenv("XDG_CACHE_HOME", str(home / "cache"))


@pytest.fixture(scope="module")
def run(home: Path) -> Run:
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(home)
        patched.setenv("XDG_CACHE_HOME", str(home / "cache"))
        return train(recipe("own.py:Net", width=6), home / "runs" / "own")


def recipe(name: str, **options: object) -> Recipe:
    net = NetPlan(name=name, options=options)
    return Recipe(name="own", data=DataPlan(name="digits"), net=net, epochs=1, num_threads=1, precision="fp32")


def build(name: str, **options: object) -> torch.nn.Module:
    code.allow(name)
    return nets.build(NetPlan(name=name, options=options), (1, 8, 8), 10)


def as_strangers(run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the run with other code in it, on a machine that has trained neither."""
    shutil.copytree(run.folder, folder)
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder.parent / "other-cache"))
    source = (folder / "net.py").read_text()
    (folder / "net.py").write_text(f"{source}\nopen({str(folder.parent / 'executed')!r}, 'w').close()\n")
    facts = (folder / "run.json").read_text()
    assert run.code_sha256 is not None
    (folder / "run.json").write_text(facts.replace(run.code_sha256, files.sha256(folder / "net.py")))
    return folder


def test_a_run_keeps_the_code_of_its_net_and_opens_without_the_file(run: Run, home: Path, tmp_path: Path) -> None:
    assert (run.folder / "net.py").read_text() == SOURCE
    assert 'name = "own.py:Net"' in (run.folder / "recipe.toml").read_text()
    moved = tmp_path / "elsewhere"
    shutil.copytree(run.folder, moved)
    shutil.move(home / "own.py", home / "away.py")
    try:
        net = nets.restore(open_run(moved))
    finally:
        shutil.move(home / "away.py", home / "own.py")
    assert net(torch.zeros(3, 1, 8, 8)).shape == (3, 10)


def test_its_weights_and_macs_are_counted_as_ours_are(run: Run) -> None:
    convolutions = 6 * 9 * 64 + 12 * 6 * 9 * 16
    assert run.macs == convolutions + 12 * 10
    assert run.params == (6 * 9 + 6) + (12 * 6 * 9 + 12) + (12 * 10 + 10)
    ours = nets.build(NetPlan(name="dscnn", options={"width": 4}), (1, 8, 8), 10)
    assert counts._graph_size(ours, (1, 8, 8)) == anatomy.size(ours, (1, 8, 8))


def test_it_is_exported_and_checked_and_what_stays_in_float_is_named(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "own"
    shutil.copytree(run.folder, folder)
    made = export(open_run(folder), ExportPlan(name="test", format=("onnx",), max_drop=100.0))
    assert [file.description.precision for file in made] == ["fp32", "int8-mixed"]
    assert all(file.verdict is not None for file in made)
    said = capsys.readouterr().err
    assert "act (GELU)" in said
    assert "ReLU" in said


def test_a_file_of_a_run_that_nobody_named_is_not_run(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = as_strangers(run, tmp_path / "runs", monkeypatch)
    with pytest.raises(UsageError, match=r"net\.py would run code that you have trained nothing with") as caught:
        nets.restore(open_run(folder))
    assert "--trust-code" in (caught.value.hint or "")
    assert not (tmp_path / "executed").exists()
    monkeypatch.setattr(code, "_trusts_all", False)
    with pytest.raises(UsageError):
        app(["inspect", str(folder)], standalone_mode=False)
    assert not (tmp_path / "executed").exists()
    code.trust_all()
    nets.restore(open_run(folder))
    assert (tmp_path / "executed").exists()


def test_a_resumed_training_of_a_stranger_runs_no_code(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = as_strangers(run, tmp_path / "runs", monkeypatch)
    (folder / "run.json").unlink()
    with pytest.raises(UsageError, match="would run code"):
        train(recipe("own.py:Net", width=6), folder, resume=True)
    assert not (tmp_path / "executed").exists()


def test_its_last_layer_alone_learns_and_resumes_with_the_code_that_the_run_keeps(
    run: Run, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    head = replace(recipe("own.py:Net", width=6), start=str(run.folder), learn="head", epochs=2)
    whole = train(head, tmp_path / "whole")

    def kill(epoch: int, net: torch.nn.Module) -> None:
        if epoch == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(head, tmp_path / "killed", watch=kill)
    monkeypatch.chdir(tmp_path)  # where there is no own.py
    shutil.copytree(home / "runs", tmp_path / "runs")
    resumed = train(head, tmp_path / "killed", resume=True)
    assert resumed.weights.read_bytes() == whole.weights.read_bytes()


def test_code_that_has_changed_since_the_training_is_refused(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "changed"
    shutil.copytree(run.folder, folder)
    (folder / "net.py").write_text("")
    with pytest.raises(RunError, match="is not the code that changed was trained with"):
        nets.restore(open_run(folder))
    (folder / "net.py").unlink()
    with pytest.raises(RunError, match="has lost the code of its net"):
        nets.restore(open_run(folder))


def test_a_class_of_an_installed_package_is_a_net(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "their_nets.py").write_text(SOURCE)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(UsageError, match="would run code"):
        nets.build(NetPlan(name="their_nets:Net"), (1, 8, 8), 10)
    assert build("their_nets:Net", width=2).state_dict()["stem.weight"].shape == (2, 1, 3, 3)
    with pytest.raises(PlanError, match=r"their_nets:made is no torch\.nn\.Module"):
        build("their_nets:made")


def test_a_function_of_a_file_may_make_the_net() -> None:
    assert build("own.py:made")(torch.zeros(1, 1, 8, 8)).shape == (1, 10)


@pytest.mark.parametrize(
    ("name", "options", "sentence"),
    [
        ("nowhere.py:Net", {}, r"there is no file nowhere\.py"),
        ("own.py:Nett", {}, r"own\.py has no class Nett"),
        ("own.py:Plain", {}, r"own\.py:Plain is no torch\.nn\.Module"),
        ("own.py:nothing", {}, r"gives a NoneType, and no torch\.nn\.Module"),
        ("own.py:", {}, "names no class"),
        ("no_such_package.nets:Net", {}, r"cannot import no_such_package\.nets: ModuleNotFoundError"),
        ("subprocess:Popen", {"args": "true"}, r"subprocess:Popen is no torch\.nn\.Module"),
        ("own.py:Net", {"widht": 3}, "unknown key 'widht'"),
        ("own.py:Net", {"width": "3"}, "should be of type int"),
        ("own.py:Counting", {}, "cannot be made: TypeError: .*depth"),
        ("own.py:Counting", {"depth": 0}, r"cannot be made: ZeroDivisionError: .*, in line \d+"),
        ("own.py:Deaf", {}, r"cannot take pictures of 1 x 8 x 8 .*, in line \d+"),
        ("own.py:NoLogits", {}, r"gives \(2, 1, 8, 8\) for two pictures, and their float32 logits would be \(2, 10\)"),
    ],
)
def test_what_is_wrong_with_it_is_one_sentence(name: str, options: dict[str, object], sentence: str) -> None:
    with pytest.raises(PlanError, match=sentence) as caught:
        build(name, **options)
    assert "\n" not in caught.value.sentence


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("import nothing_beside", r"ModuleNotFoundError: No module named 'nothing_beside', in line 1"),
        ("x = 1\nclass Net(:", "SyntaxError in line 2"),
        ("raise SystemError('no')", "SystemError: no, in line 1"),
    ],
)
def test_a_file_that_cannot_be_imported_is_one_sentence(text: str, sentence: str, tmp_path: Path) -> None:
    path = tmp_path / "broken.py"
    path.write_text(text)
    with pytest.raises(PlanError, match=rf"cannot import .*broken\.py: {sentence}"):
        build(f"{path}:Net")


def test_a_layer_that_no_export_can_follow_is_named_before_anything_is_trained(tmp_path: Path) -> None:
    with pytest.raises(PlanError, match=r"cannot follow the layer act\.1 \(Branch\)"):
        train(recipe("own.py:Branching"), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_budget_cannot_scale_it() -> None:
    from edgecnn.nets import budget

    code.allow("own.py:Net")
    with pytest.raises(PlanError, match="has no knob"):
        budget.solve(NetPlan(name="own.py:Net"), (1, 8, 8), 10, 1000)
