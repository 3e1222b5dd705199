"""A sweep on a Ray of two workers: one that is killed is started again. `make ray-test` installs Ray."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest
import sweeps
import waiting

from edgecnn.common import config
from edgecnn.errors import EnvironmentUnfit, MissingPackage, UsageError
from edgecnn.records import plans
from edgecnn.studies.sweep import on_ray, sweep
from edgecnn.studies.sweep.plan import SweepPlan

has_ray = pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed: make ray-test")


@has_ray
def test_a_killed_worker_of_a_ray_loses_no_trial(tmp_path: Path) -> None:
    space = {"net.width": {"choice": (4, 8)}, "optim.lr": {"low": 1e-3, "high": 0.1, "log": True}}
    table = {"space": space, "trials": 4, "epochs": 8, "sampler": {"name": "RandomSampler"}}
    plan = config.build(SweepPlan, table, "sweep.toml")
    sweep.run(plans.load_recipe("dscnn-digits", sweeps.SMALL), plan, tmp_path / "calm" / "s", "edgecnn sweep")
    folder = tmp_path / "sweeps" / "s"
    with sweeps.command(tmp_path, "--on", "ray", "--jobs", "2") as process:
        waiting.wait_until(lambda: sweeps.kill_at_work(folder))
        _, stderr = process.communicate()
    assert process.returncode == 0, stderr
    assert "2 workers on ray" in stderr
    assert sweeps.weights(folder) == sweeps.weights(tmp_path / "calm" / "s")
    assert sweeps.told(folder) == [0, 1, 2, 3]


@has_ray
def test_a_cluster_that_does_not_answer_is_said_to() -> None:
    with (
        pytest.raises(EnvironmentUnfit, match=r"No Ray answers at .*: Connection refused"),
        on_ray.connected("[::1]:1", 1),
    ):
        pass


def test_what_is_no_address_is_refused() -> None:
    with pytest.raises(UsageError, match="no place to work"):
        on_ray.require("rya")


def test_without_ray_its_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(on_ray, "find_spec", lambda name: None)
    with pytest.raises(MissingPackage, match="needs the package 'ray'") as missing:
        on_ray.require("ray")
    assert "edgecnn[ray]" in (missing.value.hint or "")
