"""A model deployed to an emulated Raspberry Pi's core: it answers as here, within what it may cost."""

from __future__ import annotations

import dataclasses
import functools
import io
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import small_bundles
import small_runs

from edgecnn.boards.emulated import debian, image, machine, provisioned
from edgecnn.boards.ssh import link, remote
from edgecnn.boards.ssh.link import Link
from edgecnn.errors import GateFailed
from edgecnn.onboard import counters
from edgecnn.onboard.runner import classify, contents
from edgecnn.pipeline.deploy import bundle, delivery
from edgecnn.pipeline.deploy.bundle import Bundle
from edgecnn.records import artifact

MOST_PEAK_RSS_BYTES = 100_000_000
MOST_INSTRUCTIONS = 3_000_000_000

# Starts the server, asks it once each, and ends it.
SERVE = """
import json, signal, subprocess, sys, urllib.request
server = subprocess.Popen([sys.argv[1], "serve", "--port", "0"], stderr=subprocess.PIPE, text=True)
url = server.stderr.readline().split()[-1]
def ask(path, body=None):
    with urllib.request.urlopen(url + path, body, timeout=300) as answer:
        return answer.read().decode()
found = {"classify": ask("/classify", open(sys.argv[2], "rb").read())}
found |= {"health": ask("/healthz"), "metrics": ask("/metrics")}
server.send_signal(signal.SIGTERM)
print(json.dumps({**found, "returncode": server.wait(60)}))
"""


@functools.cache
def resnet() -> Bundle:
    """ResNet-8 with random weights: 77,706 parameters, int8."""
    file = small_runs.written("resnet", "tflite", "int8")
    artifact.write_card(file)
    shown = small_runs.pictures(32, small_runs.SHAPES["resnet"], 4).load_all()
    np.savez(file.path.with_name(contents.GOLDEN), images=shown, **{file.name: small_bundles.outputs(file, shown)})  # type: ignore[arg-type]
    return bundle.make(file)


def photograph() -> bytes:
    from PIL import Image

    pixels = small_runs.pictures(1, small_runs.SHAPES["resnet"], 5).images[0]
    stream = io.BytesIO()
    Image.fromarray(pixels).resize((640, 480), Image.Resampling.BICUBIC).save(stream, "jpeg", quality=90)
    return stream.getvalue()


def answer_here(made: Bundle, picture: bytes) -> Any:
    """The classes and scores of a picture by the bundle on this machine."""
    with tempfile.TemporaryDirectory() as folder:
        made.write(Path(folder))
        bundle = contents.open_bundle(Path(folder))
        return classify.Classifier(bundle.artifact, bundle.manifest.runtime)(picture).table()["top"]


@pytest.fixture(scope="module", params=["pi4", "pi5"])
def board(request: pytest.FixtureRequest) -> Iterator[tuple[str, Link]]:
    """(its name, a link to it): booted, with the packages a bench would have sent."""
    made = image.make(debian.RELEASES[0])
    disk = provisioned.make(made, remote.packages())
    with (
        machine.boot(made, disk, request.param) as guest,
        link.connect(machine.HOST, guest.ssh_options) as opened,
    ):
        yield f"emulated:{request.param}", opened


def test_it_answers_there_as_here_within_its_memory_and_instructions(board: tuple[str, Link]) -> None:
    name, there = board
    made, picture = resnet(), photograph()
    done = delivery.deliver(there, made, name)
    assert done.selftest["verdict"] == "identical"
    there.push(picture, "/tmp/picture.jpg")
    run = f"edgecnn/{made.name}/run"
    there.push(Path(counters.__file__), "/tmp/counters.py")
    said = there.run(["python3", "/tmp/counters.py", run, "classify", "/tmp/picture.jpg"])
    line, spent = (json.loads(text) for text in said.stdout.splitlines())
    print(f"\n{name}: {spent['instructions'] / 1e9:.3f}e9 instructions, {spent['peak_rss_bytes'] / 1e6:.1f} MB")
    assert line["top"] == answer_here(made, picture), said.stderr
    assert 1_000_000 < spent["instructions"] < MOST_INSTRUCTIONS
    assert spent["peak_rss_bytes"] < MOST_PEAK_RSS_BYTES
    served = json.loads(there.run(["python3", "-c", SERVE, run, "/tmp/picture.jpg"]).stdout)
    assert json.loads(served["classify"])["top"] == answer_here(made, picture)
    assert json.loads(served["health"])["sha256"] == made.artifact.description.sha256
    assert 'edgecnn_requests_total{code="200"} 2' in served["metrics"]
    assert served["returncode"] == 0
    timed = there.run([run, "bench"])
    assert (timed.returncode, timed.stdout) == (2, b"")
    assert "no time of its own" in timed.stderr


def test_a_model_that_answers_differently_replaces_nothing_and_a_release_can_be_undone(
    board: tuple[str, Link], tmp_path: Path
) -> None:
    name, there = board
    if name != "emulated:pi5":
        pytest.skip("what it tests does not depend on the core")
    second = dataclasses.replace(small_bundles.made(tmp_path, seed=1), name=resnet().name)
    first = delivery.deliver(there, resnet(), name)
    off = dict(second.files)
    with np.load(io.BytesIO(off[contents.GOLDEN])) as golden:
        images, outputs = golden["images"], golden["outputs"].copy()
    outputs += 9
    stream = io.BytesIO()
    np.savez(stream, images=images, outputs=outputs)
    off[contents.GOLDEN] = stream.getvalue()
    manifest = json.loads(off[contents.MANIFEST])
    del manifest["files"][contents.GOLDEN]
    off[contents.MANIFEST] = json.dumps(manifest).encode()
    with pytest.raises(GateFailed, match="9 LSB"):
        delivery.deliver(there, dataclasses.replace(second, files=off), name)
    root = f"edgecnn/{resnet().name}"
    assert there.run(["readlink", f"{root}/current"]).stdout.decode().strip() == f"releases/{first.release}"
    done = delivery.deliver(there, second, name)
    assert done.before == first.release
    assert there.run(["readlink", f"{root}/current"]).stdout.decode().strip() == f"releases/{done.release}"
