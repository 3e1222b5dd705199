"""Shared by all tests: one real run on the digits, trained once a session."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from hypothesis import settings

# Two threads of tiny kernels cost more than they bring, and collapse beside another process.
os.environ.setdefault("OMP_NUM_THREADS", "1")

from edgecnn.records import plans
from edgecnn.records.run import Run

# A shell that starts the suite in the background has it, and all it starts, ignore Ctrl-C, which some tests press.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # and one that starts it under nohup, the end of a terminal

# A test is never judged by a clock, so not by hypothesis' deadline for one example either.
settings.register_profile("edgecnn", deadline=None)
settings.load_profile("edgecnn")


@pytest.fixture(scope="session")
def digits_run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A depthwise CNN trained on the digits; tests must not change its folder."""
    from small_runs import QUICK

    from edgecnn.pipeline.train.train import train

    recipe = plans.load_recipe("dscnn-digits", QUICK)
    return train(recipe, tmp_path_factory.mktemp("runs") / "dscnn-digits")


@pytest.fixture
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder for one test, empty."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="session")
def textures_run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A small depthwise CNN trained on generated textures; tests must not change its folder."""
    import broken_nets

    from edgecnn.pipeline.train.train import train

    return train(broken_nets.RECIPE, tmp_path_factory.mktemp("runs") / "textures")
