"""Several processes train what one would, one of them speaks, and if one dies all end and a resume goes on."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import torch
from checkout import SUPPORT
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file
from torch import nn
from torch.distributed import TCPStore  # type: ignore[attr-defined]

from edgecnn import cli
from edgecnn.errors import EXIT_USAGE, UsageError
from edgecnn.pipeline.train import distributed, sync_batch_norm
from edgecnn.pipeline.train.distributed import Team
from edgecnn.pipeline.train.sync_batch_norm import GlobalBatchNorm
from edgecnn.pipeline.train.train import train
from edgecnn.records import plans
from edgecnn.records.run import Run, open_run

# Without a kink: where an activation is 0 but for rounding, ReLU passes on what rounding chose.
SETTINGS = (
    *(
        "epochs=3",
        "num_threads=1",
        "precision=fp32",
        "net.width=8",
        "net.depth=1",
        "net.pool=average",
        "net.activation=none",
    ),
    *("optim.name=sgd", "optim.lr=0.02", "optim.ema=0.9", "augment.cutmix=1.0"),
)
CHANGES = tuple(itertools.chain.from_iterable(("-s", setting) for setting in SETTINGS))


def torchrun(*arguments: object) -> subprocess.Popen[str]:
    words = ("torch.distributed.run", "--standalone", "--nproc-per-node", "2", *arguments)
    return subprocess.Popen(
        [sys.executable, "-m", *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def told(err: str) -> list[str]:
    """Return edgecnn's lines about an error, apart from torchrun's own report."""
    return [line for line in err.splitlines() if line.startswith(("error:", "hint:"))]


def apart(first: Run, other: Run) -> float:
    """The largest difference of any weight or statistic."""
    a, b = load_file(first.weights), load_file(other.weights)
    assert a.keys() == b.keys()
    return max(float((a[name].double() - b[name].double()).abs().max()) for name in a)


def killed(folder: Path, rank: int) -> str:
    """Kill that process of a training into `folder` after its first checkpoint, and return the message."""
    process = torchrun(
        *("-m", "edgecnn", "train", "dscnn-digits", *CHANGES, "--output", folder.parent, "--name", folder.name)
    )
    while not (folder / "checkpoint.pt").exists():
        assert process.poll() is None
        time.sleep(0.001)
    workers = {child.environ().get("RANK"): child for child in psutil.Process(process.pid).children()}
    workers[str(rank)].send_signal(signal.SIGKILL)
    out, err = process.communicate()
    assert process.returncode != 0
    assert out == ""
    assert not (folder / "run.json").exists()
    return err


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The run of one process that nothing ended."""
    return train(plans.load_recipe("dscnn-digits", SETTINGS), tmp_path_factory.mktemp("whole") / "run")


def test_a_killed_process_ends_both_with_one_sentence_and_both_resume(tmp_path: Path, whole: Run) -> None:
    folder = tmp_path / "run"
    lines = told(killed(folder, rank=1))
    assert [line.split(":")[0] for line in lines] == ["error", "hint"]
    assert "one of its 2 processes failed" in lines[0]
    assert "--resume" in lines[1]
    assert not [path for path in folder.iterdir() if path.name.startswith(".")]

    resumed = torchrun("-m", "edgecnn", "train", folder, "--resume", "--json")
    out, err = resumed.communicate()
    assert resumed.returncode == 0, err
    assert json.loads(out)["processes"] == 2
    assert err.count(" processes\n") == 1
    assert err.count("epoch 3/3") == 1
    rows = (folder / "metrics.csv").read_text().splitlines()
    assert [row.split(",")[0] for row in rows] == ["epoch", "1", "2", "3"]
    assert apart(open_run(folder), whole) < sync_batch_norm.TOLERANCE


def test_what_two_began_one_ends_though_the_one_that_speaks_was_killed(tmp_path: Path, whole: Run) -> None:
    folder = tmp_path / "run"
    assert [line.split(":")[0] for line in told(killed(folder, rank=0))] == ["error", "hint"]
    resumed = train(plans.load_recipe(str(folder / "recipe.toml")), folder, resume=True)
    assert resumed.processes == 1
    assert apart(resumed, whole) < sync_batch_norm.TOLERANCE


def test_a_batch_that_cannot_be_shared_evenly_is_refused_once(tmp_path: Path) -> None:
    process = torchrun("-m", "edgecnn", "train", "dscnn-digits", "--batch-size", 63, "--output", tmp_path / "runs")
    out, err = process.communicate()
    assert process.returncode != 0
    assert out == ""
    lines = told(err)
    assert len(lines) == 2
    assert "A batch of 63 pictures cannot be shared evenly by 2 processes." in lines[0]
    assert "--batch-size" in lines[1]
    assert not (tmp_path / "runs").exists()


def test_processes_that_would_take_different_precisions_are_refused_once(tmp_path: Path) -> None:
    script = tmp_path / "mixed.py"
    script.write_text(
        "import os, sys\n"
        "from edgecnn import cli\n"
        "sys.argv += ['--precision', ('fp32', 'bf16')[int(os.environ['RANK'])]]\n"
        "cli.main()\n"
    )
    process = torchrun(script, "train", "dscnn-digits", *CHANGES, "--output", tmp_path / "runs")
    out, err = process.communicate()
    assert process.returncode != 0
    assert out == ""
    lines = told(err)
    assert len(lines) == 2
    assert "Of the 2 processes of this training 1 would take bf16, and the others fp32." in lines[0]
    assert "--precision fp32" in lines[1]
    assert not (tmp_path / "runs").exists()


def test_steps_of_two_processes_are_those_of_one_but_for_rounding() -> None:
    process = torchrun(SUPPORT / "shared_steps.py")
    out, err = process.communicate()
    assert process.returncode == 0, err
    result = json.loads(out)
    assert result["moved"] > 1e-3
    assert result["sgd float64"] < 1e-12
    assert result["adamw float64"] < 1e-9
    assert result["sgd float32"] < 1e-6


@given(st.integers(1, 16), st.integers(1, 64))
def test_every_picture_of_a_batch_is_one_processs(count: int, each: int) -> None:
    batch = range(count * each)
    dealt = [Team(rank, count).rows(len(batch)) for rank in range(count)]
    assert [picture for rows in dealt for picture in batch[rows]] == list(batch)


@given(st.integers(1, 64), st.integers(2, 64))
def test_a_remainder_is_refused_and_more_processes_than_pictures_too(batch: int, count: int) -> None:
    if batch % count:
        with pytest.raises(UsageError, match=f"A batch of {batch} pictures cannot be shared evenly by {count}"):
            Team(0, count).check(batch)
    else:
        Team(0, count).check(batch)


def test_without_torchrun_nothing_is_joined_and_nothing_changed() -> None:
    handler = signal.getsignal(signal.SIGTERM)
    net = nn.BatchNorm2d(3)
    with distributed.joined("cpu") as team:
        assert not torch.distributed.is_initialized()
        assert team.is_leader
        assert team.all_reduce_sum(1, 2.5) == [1, 2.5]
        assert sync_batch_norm.distribute(net, team) is net
    assert signal.getsignal(signal.SIGTERM) is handler
    assert distributed.first_to_tell()
    assert distributed.first_to_tell()


@pytest.fixture
def second_of_two(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """This process as torchrun would have started it, with the store that torchrun keeps."""
    store = TCPStore("localhost", 0, is_master=True, wait_for_workers=False)
    environment = {
        **{"RANK": "1", "WORLD_SIZE": "2", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "2"},
        **{"MASTER_ADDR": "localhost", "MASTER_PORT": str(store.port), "TORCHELASTIC_USE_AGENT_STORE": "True"},
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    handler = signal.getsignal(signal.SIGTERM)
    distributed._store.cache_clear()
    yield
    distributed._store.cache_clear()
    signal.signal(signal.SIGTERM, handler)


@pytest.mark.usefixtures("second_of_two")
def test_of_all_processes_the_first_to_find_an_error_tells_it() -> None:
    assert distributed.here() == Team(1, 2, 1, 2)
    assert distributed.first_to_tell()
    assert not distributed.first_to_tell()


@pytest.mark.usefixtures("second_of_two")
def test_commands_that_share_no_work_refuse_torchrun(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["edgecnn", "bench", "nothing"])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert stop.value.code == EXIT_USAGE
    lines = told(capsys.readouterr().err)
    assert lines[0] == "error: `edgecnn bench` runs in one process, and torchrun has started 2."
    assert "without torchrun" in lines[1]


@pytest.fixture(scope="module")
def a_group_of_one() -> Iterator[None]:
    torch.distributed.init_process_group("gloo", store=torch.distributed.HashStore(), rank=0, world_size=1)  # type: ignore[attr-defined]
    yield
    torch.distributed.destroy_process_group()


@pytest.mark.usefixtures("a_group_of_one")
@given(
    st.integers(2, 6), st.integers(1, 5), st.integers(1, 4), st.floats(-1e3, 1e3), st.floats(0.1, 50), st.integers(0)
)
def test_global_batch_norm_is_torchs_with_its_gradients(
    n: int, channels: int, side: int, offset: float, spread: float, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed % 2**63)
    shape = (n, channels, side, side)
    x = torch.randn(shape, generator=generator, dtype=torch.float64) * spread + offset
    pull = torch.randn(shape, generator=generator, dtype=torch.float64)
    layer = nn.BatchNorm2d(channels, eps=1e-3).double()
    nn.init.normal_(layer.weight, generator=generator)
    ours = GlobalBatchNorm(layer)
    results = []
    for norm in (layer, ours):
        layer.zero_grad()
        inputs = x.clone().requires_grad_()
        outputs = norm(inputs)
        (outputs * pull).sum().backward()
        assert layer.weight.grad is not None
        assert layer.bias.grad is not None
        results.append((outputs, inputs.grad, layer.weight.grad.clone(), layer.bias.grad.clone()))
    for theirs, own in zip(*results, strict=True):
        torch.testing.assert_close(own, theirs, rtol=1e-8, atol=1e-8)


def test_a_process_that_another_speaks_for_prints_nothing_but_errors(tmp_path: Path) -> None:
    script = (
        "from edgecnn.common import console\n"
        "console.be_silent()\n"
        "print('data'); console.note('a note'); console.warn('a warning'); console.table(['a'], [['b']])\n"
        "console.error('It broke.', 'mend it')"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, env=os.environ)
    assert done.stdout == ""
    assert done.stderr == "error: It broke.\nhint: mend it\n"
