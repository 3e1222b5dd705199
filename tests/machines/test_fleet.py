"""Two emulated Raspberry Pis as a group: a release reaches both by way of a canary, and a wrong one goes back."""

from __future__ import annotations

import contextlib
import dataclasses
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

import forks
import pytest
import small_bundles
import wrong_server

from edgecnn.boards.emulated import debian, image, machine, provisioned
from edgecnn.boards.ssh import remote
from edgecnn.checks.board import status
from edgecnn.fleets import fleet, rollout
from edgecnn.fleets.journal import FleetPlan
from edgecnn.fleets.rollout import Rollout
from edgecnn.pipeline.deploy.bundle import Bundle
from edgecnn.pipeline.deploy.soak import SoakPlan

pytestmark = forks.ALLOWED
CORES = ("pi4", "pi5")
NAME = "animals"


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A Pi 4 and a Pi 5, which `ssh` and edgecnn know as pi4 and pi5."""
    folder = tmp_path_factory.mktemp("pair")
    boards, programs = folder / "config" / "edgecnn" / "boards", folder / "programs"
    boards.mkdir(parents=True)
    programs.mkdir()
    made = image.make(debian.RELEASES[0])
    disk, hosts = provisioned.make(made, remote.packages()), []
    with contextlib.ExitStack() as stack, pytest.MonkeyPatch.context() as patch:
        for core in CORES:
            guest = stack.enter_context(machine.boot(made, disk, core))
            config = Path(guest.ssh_options[1]).read_text()
            hosts.append(config.replace(f"Host {machine.HOST}", f"Host {core}", 1))
            (boards / f"{core}.toml").write_text(f'address = "{core}"\n')
        (folder / "hosts").write_text("\n".join(hosts))
        options = shlex.join(["-F", str(folder / "hosts")])
        (programs / "ssh").write_text(f'#!/bin/sh\nexec {shutil.which("ssh")} {options} "$@"\n')
        (programs / "ssh").chmod(0o755)
        patch.setenv("XDG_CONFIG_HOME", str(folder / "config"))
        patch.setenv("PATH", str(programs), prepend=":")
        yield


def made(folder: Path, seed: int) -> Bundle:
    return dataclasses.replace(small_bundles.made(folder / str(seed), seed=seed), name=NAME)


def test_a_release_reaches_both_and_a_wrong_one_goes_back(pair: None, tmp_path: Path) -> None:
    plan = FleetPlan(verb="deploy", boards=CORES, subject="")
    how = Rollout(canary=1, soak=SoakPlan(requests=9), max_error_rate=5.0)
    first = rollout.roll_out(made(tmp_path, 0), plan, how, tmp_path / "first", jobs=2, resume=False)
    fleet.judge(first)
    (release,) = {outcome.rows[0][0] for outcome in first.outcomes}
    second = wrong_server.in_bundle(made(tmp_path, 3))
    back = rollout.roll_out(second, plan, how, tmp_path / "second", jobs=2, resume=False)
    assert back.failure is not None
    assert "3 of 9 requests answered wrongly" in back.failure
    for core in CORES:
        (model,) = status.status(core).models
        assert (model.name, model.release, model.verdict) == (NAME, release, "identical")
