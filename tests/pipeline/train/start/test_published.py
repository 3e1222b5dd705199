"""Nets that others published: under our names, computing what they were published for, and read from real hubs."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator, Mapping
from pathlib import Path

import hub as hubs
import hub_commands
import published_nets
import pytest
import torch
import torch.nn.functional as F
from data_samples import class_folders
from hub import Handler, Hub, Repository
from torch import Tensor, nn

from edgecnn import nets
from edgecnn.common import config
from edgecnn.errors import EnvironmentUnfit, ModelFileError, UsageError
from edgecnn.pipeline.train.start import NewNet, Start, _published, timm, torchvision
from edgecnn.pipeline.train.start._published import Published
from edgecnn.records.recipe import NetPlan
from edgecnn.records.run import open_run

MEAN, STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
NAME = "mobilenetv2_050.lamb_in1k"
SHORT = ("epochs=1", "data.size=33", "num_threads=1", "batch_size=4")
NET = ("net.name=mobilenet-v2", "net.width=16", "net.multiple=8")


def net_of(needs: str) -> tuple[nn.Module, NewNet]:
    """The net that a recipe with this [net] has, and what a start is told of it."""
    options = config.parse(needs.replace(", ", "\n"))
    net = nets.build(NetPlan(name=options.pop("name"), options=options), (3, 65, 97), 1000).eval()
    classes = [str(label) for label in range(1000)]
    return net, NewNet(own=net.state_dict(), of_classes=frozenset(), classes=classes, input_shape=(3, 65, 97))


def published(tensors: Mapping[str, Tensor], needs: str, epsilon: float = 1e-5) -> Published:
    return Published(
        name="it", needs=needs, tensors=tensors, sha256="", mean=MEAN, std=STD, epsilon=epsilon, same_padding=False
    )


def seen_as_published(net: nn.Module, stem: nn.Conv2d, start: Start, pixels: Tensor) -> Tensor:
    """Logits of a net that sees pixels as it was trained to, around which lies the grey that our padding is."""
    assert start.normalisation is not None
    mean, std = (torch.tensor(values).reshape(-1, 1, 1) for values in (MEAN, STD))
    grey = (start.normalisation[0] - mean) / std

    def padded(_: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        images = inputs[0]
        around = grey.expand(len(images), 3, images.shape[2] + 2, images.shape[3] + 2).clone()
        around[:, :, 1:-1, 1:-1] = images
        return F.conv2d(around, stem.weight, None, stem.stride)

    with stem.register_forward_hook(padded), torch.inference_mode():
        logits: Tensor = net((pixels - mean) / std)
    return logits


def ours(net: nn.Module, start: Start, pixels: Tensor) -> Tensor:
    assert start.normalisation is not None
    net.load_state_dict(dict(start.weights))
    with torch.inference_mode():
        logits: Tensor = net((pixels - start.normalisation[0]) / start.normalisation[1])
    return logits


def pixels() -> Tensor:
    return torch.randint(0, 256, (2, 3, 65, 97), generator=torch.Generator().manual_seed(1)).float()


@pytest.mark.parametrize("name", ["mobilenetv1_100", "mobilenetv2_050", "tf_efficientnet_lite0"])
def test_every_weight_of_timms_nets_has_a_place_in_ours(name: str) -> None:
    net, new = net_of(timm.ARCHITECTURES[name].needs)
    tensors = timm.renamed(published_nets.weights(name))
    assert set(tensors) == set(new.own)
    net.load_state_dict(dict(_published.begin(published(tensors, ""), new).weights))


def test_every_weight_of_torchvisions_net_has_a_place_in_ours() -> None:
    _, new = net_of(torchvision.FILES["mobilenet_v2"].needs)
    tensors = {torchvision.renamed(key): value for key, value in published_nets.weights("mobilenet_v2").items()}
    assert {name: value.shape for name, value in tensors.items()} == {k: v.shape for k, v in new.own.items()}


def test_another_epsilon_and_normalisation_are_folded_into_the_weights() -> None:
    needs = 'name = "mobilenet", width = 32'
    tensors = timm.renamed(published_nets.weights("mobilenetv1_100"))
    theirs, _ = net_of(needs)
    theirs.load_state_dict(tensors)
    for module in theirs.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eps = 1e-5
    net, new = net_of(needs)
    start = _published.begin(published(tensors, needs), new)
    assert start.normalisation == (114.0, 57.63)
    stem = theirs.get_submodule("stem.conv")
    assert isinstance(stem, nn.Conv2d)
    expected = seen_as_published(theirs, stem, start, pixels())
    torch.testing.assert_close(ours(net, start, pixels()), expected, rtol=1e-4, atol=1e-4 * expected.std().item())


@pytest.mark.parametrize("name", sorted(timm.ARCHITECTURES))
def test_where_timm_is_installed_its_nets_answer_as_ours_do(name: str) -> None:
    library, known = pytest.importorskip("timm"), timm.ARCHITECTURES[name]
    assert library.models.get_pretrained_cfg(name).tag == known.tag
    theirs = library.create_model(name).eval()
    drawn = torch.Generator().manual_seed(0)
    for module in theirs.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.3, generator=drawn)
            module.running_var.uniform_(0.5, 1.5, generator=drawn)
    net, new = net_of(known.needs)
    start = _published.begin(published(timm.renamed(theirs.state_dict()), known.needs, theirs.bn1.eps), new)
    expected = seen_as_published(theirs, theirs.conv_stem, start, pixels())
    torch.testing.assert_close(ours(net, start, pixels()), expected, rtol=1e-4, atol=1e-3 * expected.std().item())


@pytest.fixture(scope="module")
def birds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return class_folders(tmp_path_factory.mktemp("data") / "birds", ("hen", "owl"), count=10)


@pytest.fixture(scope="module")
def filled() -> Iterator[Hub]:
    """A hub with one of timm's models."""
    with hubs.running() as hub:
        repository = hub.repositories[f"timm/{NAME}"] = Repository(private=False)
        repository.add(published_nets.repository("mobilenetv2_050"))
        yield hub


def words(birds: Path, start: str, *more: str) -> list[str]:
    settings = [word for setting in (*SHORT, *NET, f"start={start}") for word in ("-s", setting)]
    return ["train", "photos-lite0", "--data", str(birds), *settings, *more]


def test_a_training_starts_from_timms_hub_and_later_from_the_cache(filled: Hub, birds: Path, tmp_path: Path) -> None:
    home = {"HF_HOME": str(tmp_path / "hf")}
    done = hub_commands.edgecnn(filled, tmp_path, *words(birds, "timm:mobilenetv2_050", "--name", "first"), **home)
    assert done.returncode == 0, done.stderr
    run = open_run(tmp_path / "runs" / "first")
    assert (run.mean, run.std) == (114, 57.63)
    assert run.start_sha256 == hashlib.sha256(filled.files(f"timm/{NAME}")["model.safetensors"]).hexdigest()
    nowhere = {**home, "HF_ENDPOINT": "http://127.0.0.1:9"}
    done = hub_commands.edgecnn(filled, tmp_path, *words(birds, f"timm:{NAME}", "--name", "second"), **nowhere)
    assert done.returncode == 0, done.stderr
    assert open_run(tmp_path / "runs" / "second").weights_sha256 == run.weights_sha256


def test_without_a_network_and_a_cache_it_is_one_sentence(filled: Hub, birds: Path, tmp_path: Path) -> None:
    settings = {"HF_HOME": str(tmp_path / "hf"), "HF_ENDPOINT": "http://127.0.0.1:9"}
    done = hub_commands.edgecnn(filled, tmp_path, *words(birds, "timm:mobilenetv2_050"), **settings)
    assert done.returncode == 2
    sentence, hint = hub_commands.sentences(done)
    assert sentence.startswith("error: Cannot reach http://127.0.0.1:9")
    assert "is the network there?" in hint
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("named", "sentence"),
    [
        ("timm:mobilenetv2_05", "No net here loads the weights of 'timm:mobilenetv2_05'"),
        ("timm:mobilenetv2_050.a/b", "is no name on a hub"),
        ("torchvision:resnet18", "No net here loads the weights of 'torchvision:resnet18'"),
    ],
)
def test_a_name_that_no_net_here_can_load_is_answered_with_those_that_can(named: str, sentence: str) -> None:
    _, new = net_of(torchvision.FILES["mobilenet_v2"].needs)
    kind = timm if named.startswith("timm") else torchvision
    with pytest.raises(UsageError, match=sentence) as error:
        kind.load(named, new)
    assert "mobilenet" in str(error.value.hint)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"architecture": "resnet50"}', "of the architecture 'resnet50'"),
        ('{"architecture": "mobilenetv2_050"}', "does not say how"),
        ('{"architecture": "mobilenetv2_050", "pretrained_cfg": {"mean": [0.5], "std": [0]}}', "is none"),
        ('{"architecture": "mobilenetv2_050", "pretrained_cfg": {"mean": "half", "std": [1]}}', "no numbers"),
        ('{"architecture": "mobilenetv2_050", "pretrained_cfg": {"mean": [116], "std": [57]}}', "from 0 to 1"),
        ("[]", "does not say how"),
    ],
)
def test_a_config_that_does_not_say_how_pixels_are_seen_is_refused(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "config.json"
    path.write_text(text)
    with pytest.raises(ModelFileError, match=reason):
        timm.normalisation(path, "mobilenetv2_050")


@pytest.fixture
def torch_home(filled: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of torchvision's file, with an address that has one of its names."""
    stream = io.BytesIO()
    torch.save(published_nets.weights("mobilenet_v2"), stream)
    content = stream.getvalue()
    name = f"mobilenet_v2-{hashlib.sha256(content).hexdigest()[:8]}.pth"

    def send(request: Handler) -> None:
        request.send(content)

    monkeypatch.setitem(filled.answers, rf"GET /models/{name}", send)
    monkeypatch.setattr(torchvision, "ADDRESS", f"{filled.address}/models/")
    monkeypatch.setitem(torchvision.FILES, "mobilenet_v2", torchvision.PublishedFile(name))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    return tmp_path


def test_torchvisions_weights_are_downloaded_once_and_checked_each_time(torch_home: Path, filled: Hub) -> None:
    net, new = net_of(torchvision.FILES["mobilenet_v2"].needs)
    filled.requests.clear()
    first, again = (torchvision.load("torchvision:mobilenet_v2", new) for _ in range(2))
    assert len(filled.requests) == 1
    assert first.sha256 == again.sha256
    net.load_state_dict(dict(first.weights))
    (path,) = torch_home.rglob("*.pth")
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ModelFileError, match="its sha256 differs"):
        torchvision.load("torchvision:mobilenet_v2", new)


def test_what_is_not_what_was_published_is_never_kept(torch_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, new = net_of(torchvision.FILES["mobilenet_v2"].needs)
    content = b"a page that asks to log in"
    name = torchvision.FILES["mobilenet_v2"].name

    def send(request: Handler) -> None:
        request.send(content)

    with hubs.running() as hub:
        hub.answers[rf"GET /models/{name}"] = send
        monkeypatch.setattr(torchvision, "ADDRESS", f"{hub.address}/models/")
        with pytest.raises(EnvironmentUnfit, match="its sha256 differs"):
            torchvision.load("torchvision:mobilenet_v2", new)
    with pytest.raises(EnvironmentUnfit, match="Cannot download") as error:
        torchvision.load("torchvision:mobilenet_v2", new)
    assert name in str(error.value.hint)
    assert not list(torch_home.rglob("*.pth*"))
