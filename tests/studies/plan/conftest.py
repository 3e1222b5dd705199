"""A profile of this machine in which every operator costs the same, and few nets to draw."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgecnn.records import cost_profile, environment
from edgecnn.records.cost_profile import CostModel, CostProfile, HeldOut, KindCost
from edgecnn.studies.plan import proposals

KINDS = (
    "conv", "pointwise", "dense", "depthwise 3x3", "depthwise 5x5", "add", "add with activation", "mean", "reshape",
    "max pool", "average pool", "pad",
)  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def made_up_profile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Put a profile of this machine where plans look for it, in which every operator takes 2 µs."""
    cache = tmp_path_factory.mktemp("cache")
    known = KindCost(tile=(4, 16, 4), terms={"layer": 0.002})
    model = CostModel(
        precision="int8",
        runtime="litert",
        runtime_version="1",
        num_threads=1,
        call=0.001,
        operators=dict.fromkeys(KINDS, known),
        fitted_files=1,
        fitted_median_percent=1.0,
        held_out=HeldOut(median_percent=1.0, p95_percent=2.0, largest_percent=3.0, nets=()),
    )
    machine = environment.here()
    profile = CostProfile(
        board="local",
        unit="ms",
        date="2026-11-29",
        environment=machine,
        fingerprint=environment.fingerprint(machine),
        models=(model,),
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(cache))
        cost_profile.write(profile, cost_profile.user_path("local"))
    return cache


@pytest.fixture(autouse=True)
def few_nets(made_up_profile: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(made_up_profile))
    monkeypatch.setattr(proposals, "DRAWN", 2)
