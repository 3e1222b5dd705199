"""learn = "head": the last layer alone is trained, on features that are computed once."""

from pathlib import Path

import pytest
import torch
from data_samples import class_folders
from safetensors.torch import load_file
from torch import nn

from edgecnn import data, nets
from edgecnn.errors import PlanError, RunError
from edgecnn.nets import inference
from edgecnn.pipeline.train.train import train
from edgecnn.records import plans
from edgecnn.records.recipe import Recipe
from edgecnn.records.run import Run, open_run

SHORT = ("epochs=3", "num_threads=1", "precision=fp32", "batch_size=4", "learn=head", "augment.shift=0")
HEAD = {"head.linear.weight", "head.linear.bias"}


@pytest.fixture(scope="module")
def birds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return class_folders(tmp_path_factory.mktemp("data") / "birds", ("hen", "owl", "wren"), count=12)


def probe(start: Run, pictures: Path, *overrides: str) -> Recipe:
    told = (*SHORT, f"start={str(start.folder)!r}", "data.size=8", "data.channels=1", *overrides)
    return plans.load_recipe(str(start.folder / "recipe.toml"), told, str(pictures))


def test_only_the_last_layer_is_another_after_training(digits_run: Run, birds: Path, tmp_path: Path) -> None:
    run = train(probe(digits_run, birds), tmp_path / "run")
    before, after = load_file(digits_run.weights), load_file(run.weights)
    assert {name for name in after if after[name].shape != before[name].shape} == HEAD
    assert all(torch.equal(after[name], before[name]) for name in after if name not in HEAD)
    assert (run.mean, run.std) == (digits_run.mean, digits_run.std)


def test_the_accuracy_it_records_is_that_of_the_whole_net(digits_run: Run, birds: Path, tmp_path: Path) -> None:
    run = train(probe(digits_run, birds, "epochs=20", "optim.lr=0.05"), tmp_path / "run")
    validation = data.load(run.recipe.data).validation
    logits = inference.logits(nets.restore(run), validation.images, run.mean, run.std)
    correct = (logits.argmax(1) == torch.from_numpy(validation.labels)).sum().item()
    assert run.validation_top1_percent == pytest.approx(100 * correct / len(validation))


def test_with_flip_it_learns_from_every_picture_and_its_mirror_image(
    digits_run: Run, birds: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[int] = []
    from edgecnn.pipeline.train import loop

    epoch = loop.train_epoch

    def counted(state, net, ctx, *rest):  # type: ignore[no-untyped-def]
        shown.append(len(ctx.training))
        return epoch(state, net, ctx, *rest)

    monkeypatch.setattr(loop, "train_epoch", counted)
    for flip in ("false", "true"):
        train(probe(digits_run, birds, f"augment.flip={flip}", "epochs=1"), tmp_path / flip)
    assert shown[1] == 2 * shown[0]


def test_a_probe_that_was_killed_resumes_to_the_same_bits(digits_run: Run, birds: Path, tmp_path: Path) -> None:
    whole = train(probe(digits_run, birds), tmp_path / "whole")

    class Killed(BaseException):
        pass

    def kill(epoch: int, net: nn.Module) -> None:
        if epoch == 2:
            raise Killed

    with pytest.raises(Killed):
        train(probe(digits_run, birds), tmp_path / "killed", watch=kill)
    resumed = train(probe(digits_run, birds), tmp_path / "killed", resume=True)
    assert resumed.weights.read_bytes() == whole.weights.read_bytes()


def test_it_never_resumes_on_another_body(digits_run: Run, birds: Path, tmp_path: Path) -> None:
    start = train(probe(digits_run, birds, "learn=all", "epochs=1"), tmp_path / "start")
    other = train(probe(digits_run, birds, "learn=all", "epochs=2"), tmp_path / "other")

    class Killed(BaseException):
        pass

    def kill(epoch: int, net: nn.Module) -> None:
        if epoch == 1:
            raise Killed

    with pytest.raises(Killed):
        train(probe(start, birds, "data.only_unseen=true"), tmp_path / "killed", watch=kill)
    for name in ("run.json", "model.safetensors"):
        (start.folder / name).write_bytes((other.folder / name).read_bytes())
    with pytest.raises(RunError, match="have changed"):
        train(probe(open_run(start.folder), birds, "data.only_unseen=true"), tmp_path / "killed", resume=True)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("start=''", "needs weights to start from"),
        ("augment.shift=2", "no place for shift"),
        ("qat_epochs=1", "no place for qat_epochs"),
    ],
)
def test_what_a_head_cannot_do_is_refused(digits_run: Run, birds: Path, change: str, reason: str) -> None:
    with pytest.raises(PlanError, match=reason):
        probe(digits_run, birds, change)


def test_the_body_may_learn_more_slowly_than_the_head(digits_run: Run, birds: Path, tmp_path: Path) -> None:
    def moved(body_lr: float) -> tuple[float, float]:
        told = ("learn=all", "epochs=1", "optim.name=sgd", f"optim.body_lr={body_lr}", "optim.ema=0")
        begun: dict[str, torch.Tensor] = {}

        def watch(epoch: int, net: nn.Module) -> None:
            if epoch == 0:
                begun.update({name: value.clone() for name, value in net.state_dict().items()})

        run = train(probe(digits_run, birds, *told), tmp_path / str(body_lr), watch=watch)
        after = load_file(run.weights)
        names = ("stem.conv.weight", "head.linear.weight")
        body, head = ((after[name] - begun[name]).abs().mean().item() for name in names)
        return body, head

    (fast, head), (slow, same_head) = moved(1.0), moved(0.01)
    assert slow < fast / 10
    assert same_head > head / 3
