"""Six real sshds as a group: one refuses, one dies on the way, one has no room; the others get what one alone gets."""

import contextlib
import dataclasses
import json
import shlex
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import forks
import psutil
import pytest
import small_bundles
import sshd
import sshd_fleet
import wrong_server
from sshd_fleet import PATIENCE_S, SshdFleet

from edgecnn.boards.ssh import link
from edgecnn.checks.board import trust
from edgecnn.errors import EXIT_FLEET, BoardUnfit, GateFailed
from edgecnn.fleets import fleet, rollout
from edgecnn.fleets.journal import FleetPlan
from edgecnn.pipeline.deploy import delivery, deploy, signing
from edgecnn.pipeline.deploy.bundle import Bundle
from edgecnn.pipeline.deploy.soak import SoakPlan

pytestmark = [sshd.needed, forks.ALLOWED]
MODEL = "animals"
REFUSING, DYING, FULL = "pi-4", "pi-5", "pi-6"
HEALTHY = ("pi-1", "pi-2", "pi-3")
REPAIRED = {REFUSING, DYING, FULL}


@pytest.fixture(scope="module")
def boards(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SshdFleet]:
    with sshd_fleet.running(tmp_path_factory.mktemp("fleet"), 6) as fleet:
        fleet.group("shop", fleet.names)
        fleet.group("two", HEALTHY[:2])
        yield fleet


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with an int8 TFLite file."""
    return small_bundles.run_folder(tmp_path_factory.mktemp("runs") / MODEL, ["int8"])


@contextlib.contextmanager
def in_trouble(boards: SshdFleet) -> Iterator[None]:
    """One board refuses, one is cut off when it checks what it got, and one takes no file beyond 4 kB."""
    boards[REFUSING].stop()
    reached = boards.folder / "reached"
    hook = f"touch {shlex.quote(str(reached))}; sleep 5"
    boards[DYING].put_program("sha256sum", hook)
    boards[FULL].limits.write_text("ulimit -f 8\n")
    over = threading.Event()

    def die() -> None:
        while not reached.exists() and not over.wait(0.02):
            pass
        boards[DYING].stop()

    thread = threading.Thread(target=die)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        (boards[DYING].bin / "sha256sum").unlink()
        boards[FULL].limits.write_text("")
        for name in (REFUSING, DYING):
            boards[name].stop()
            boards[name].start()
        reached.unlink(missing_ok=True)


def outcomes(text: str) -> dict[str, Any]:
    return {outcome["board"]: outcome for outcome in json.loads(text)["outcomes"]}


def test_a_deployment_tells_of_every_board_and_resumes_with_those_that_are_left(
    boards: SshdFleet, run: Path, tmp_path: Path
) -> None:
    words: list[str | Path] = ["deploy", run, "--board", "@shop", "--canary", "1"]
    words += ["--soak", "20", "--max-error-rate", "5"]
    with in_trouble(boards):
        done = boards.edgecnn(*words, "--json", folder=tmp_path)
    assert done.returncode == EXIT_FLEET, done.stderr
    first = outcomes(done.stdout)
    assert {name: first[name]["exit_code"] for name in boards.names} == {
        **dict.fromkeys(HEALTHY, 0), **dict.fromkeys(REPAIRED, 2),
    }  # fmt: skip
    assert "cannot be reached" in first[REFUSING]["sentence"]
    assert "cut" in first[DYING]["sentence"]
    assert "no room" in first[FULL]["sentence"]
    assert "3 of 6 boards did not pass `deploy`: pi-4, pi-5, pi-6" in done.stderr
    assert all(f"\n{name} " in f"\n{done.stderr}" for name in boards.names)  # a line a board, also in a pipe
    assert {boards.current(name, MODEL) for name in REPAIRED} == {None}
    release = boards.current("pi-1", MODEL)
    folder = tmp_path / "fleets" / "deploy-shop"
    record = json.loads((folder / "pi-1.json").read_text())
    assert (record["release"], record["soak"]["requests"], record["soak"]["errors"]) == (release, 20, 0)
    stamps = {name: (folder / f"{name}.json").stat().st_mtime_ns for name in HEALTHY}
    again = boards.edgecnn(*words, "--resume", folder=tmp_path)
    assert again.returncode == 0, again.stderr
    assert stamps == {name: (folder / f"{name}.json").stat().st_mtime_ns for name in HEALTHY}
    assert {boards.current(name, MODEL) for name in boards.names} == {release}
    assert "0 of 120 requests answered wrongly, 0.00 % [0.00, 3.10]" in again.stdout
    assert "6 of 6 boards passed `deploy`" in again.stdout


def test_bench_verify_and_status_go_on_where_boards_are_in_trouble(
    boards: SshdFleet, run: Path, tmp_path: Path
) -> None:
    file = run / "artifacts" / f"{MODEL}-int8.tflite"
    pictures = tmp_path / "pictures"
    for number, label in enumerate(small_bundles.LABELS * 4):
        path = pictures / label / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(small_bundles.picture(small_bundles.images()[number]))
    boards[REFUSING].stop()
    boards[FULL].limits.write_text("ulimit -f 1\n")
    try:
        quick: list[str | Path] = ["--rounds", "1", "--num-runs", "5", "--min-secs", "0"]
        bench = boards.edgecnn("bench", file, "--board", "@shop", *quick, "-o", tmp_path / "b", "--json")
        verify = boards.edgecnn("verify", file, "--board", "@shop", "--data", pictures, "-o", tmp_path / "v", "--json")
        status = boards.edgecnn("board", "status", "@shop")
    finally:
        boards[FULL].limits.write_text("")
        boards[REFUSING].start()
    for done, passed in ((bench, 0), (verify, 1)):  # the model calls every picture alike, which no verification passes
        assert done.returncode == EXIT_FLEET, done.stderr
        codes = {name: outcome["exit_code"] for name, outcome in outcomes(done.stdout).items()}
        assert codes == {**dict.fromkeys((*HEALTHY, DYING), passed), REFUSING: 2, FULL: 2}
    assert json.loads((tmp_path / "b" / "pi-1.json").read_text())["board"] == "pi-1"
    assert [row[2] for row in outcomes(verify.stdout)["pi-2"]["rows"]] == ["identical"]
    assert json.loads((tmp_path / "v" / "pi-2.json").read_text())["n"] > 0
    assert status.returncode == EXIT_FLEET
    lines = status.stdout.splitlines()
    assert all(len(line) <= 80 for line in lines[: lines.index(next(line for line in lines if "not done" in line))])
    assert sum("identical" in line for line in lines) == 5
    assert any(line.startswith(f"{REFUSING}: not done (2): ") for line in lines)


def made(folder: Path, seed: int = 0, name: str = MODEL) -> Bundle:
    return dataclasses.replace(small_bundles.made(folder / f"{name}-{seed}", seed=seed), name=name)


def test_a_canary_that_answers_wrongly_goes_back_and_the_others_are_not_touched(
    boards: SshdFleet, tmp_path: Path
) -> None:
    name = "cautious"
    with deploy.reach("pi-1") as there:
        earlier = delivery.deliver(there, made(tmp_path, name=name), "pi-1").release
    plan = FleetPlan(verb="deploy", boards=HEALTHY, subject="")
    how = rollout.Rollout(canary=2, soak=SoakPlan(requests=12))
    bad = wrong_server.in_bundle(made(tmp_path, 3, name))
    record = rollout.roll_out(bad, plan, how, tmp_path / "record", jobs=2, resume=False)
    assert record.failure is not None
    assert "8 of 24 requests answered wrongly, 33.33 %" in record.failure
    with pytest.raises(GateFailed, match="goes back"):
        fleet.judge(record)
    assert [boards.current(board, name) for board in HEALTHY] == [earlier, None, None]
    assert [outcome.sentence for outcome in record.outcomes] == [
        f"back to {earlier}.", "back to no release.", "It was not tried.",
    ]  # fmt: skip
    again = rollout.roll_out(bad, plan, how, tmp_path / "record", jobs=2, resume=True)
    assert again.failure == record.failure
    assert [boards.current(board, name) for board in HEALTHY] == [earlier, None, None]


def test_a_killed_deployment_leaves_whole_releases_and_goes_on(boards: SshdFleet, run: Path, tmp_path: Path) -> None:
    log = tmp_path / "reached"
    words: list[str | Path] = ["deploy", run / "artifacts" / f"{MODEL}-int8.tflite", "--board", "@two"]
    forget(boards)
    with reached(boards, log):
        process = subprocess.Popen(
            boards.command(*words), cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        family = await_push(process, log)
        process.send_signal(signal.SIGKILL)
        process.wait()
    for child in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            child.wait(PATIENCE_S)
    for board in HEALTHY[:2]:
        if boards.current(board, MODEL) is not None:
            with link.connect("board", boards[board].options) as there:
                assert there.run([f"edgecnn/{MODEL}/run", "selftest"]).returncode == 0
    assert boards.current("pi-2", MODEL) is None
    done = boards.edgecnn(*words, "--resume", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert len({boards.current(board, MODEL) for board in HEALTHY[:2]} - {None}) == 1


@contextlib.contextmanager
def reached(boards: SshdFleet, log: Path) -> Iterator[None]:
    """The second board touches a file when it is to check what it got, takes long, and never finds it right."""
    boards["pi-2"].put_program("sha256sum", f"touch {shlex.quote(str(log))}; sleep 5")
    try:
        yield
    finally:
        (boards["pi-2"].bin / "sha256sum").unlink()


def await_push(process: subprocess.Popen[Any], log: Path) -> list[psutil.Process]:
    """Wait until the second board has got its bundle; returns the processes that work on the group."""
    end = time.monotonic() + PATIENCE_S
    while not log.exists() and process.poll() is None and time.monotonic() < end:
        time.sleep(0.01)
    assert log.exists()
    return list(psutil.Process(process.pid).children(recursive=True))


def forget(boards: SshdFleet) -> None:
    """Take the model off the first two boards."""
    for board in HEALTHY[:2]:
        shutil.rmtree(boards[board].home / "edgecnn" / MODEL, ignore_errors=True)


def test_ctrl_c_ends_every_board_s_work_and_says_how_to_go_on(boards: SshdFleet, run: Path, tmp_path: Path) -> None:
    forget(boards)
    with reached(boards, tmp_path / "reached"):
        process = subprocess.Popen(
            boards.command("deploy", run, "--board", "@two"), cwd=tmp_path, stderr=subprocess.PIPE, text=True
        )
        children = await_push(process, tmp_path / "reached")
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 130
    assert "with --resume the rest follows" in said
    assert not [child for child in children if child.is_running() and child.status() != psutil.STATUS_ZOMBIE]


def test_one_mistake_of_the_command_is_told_once_and_options_of_groups_are_refused_without_one(
    boards: SshdFleet, run: Path, tmp_path: Path
) -> None:
    missing = boards.edgecnn("bench", "no-such-run", "--board", "@two", "-o", tmp_path / "b")
    assert missing.returncode == 64
    assert "2 of 2" not in missing.stderr
    alone = boards.edgecnn("bench", run, "--resume")
    assert (alone.returncode, "about a group of boards" in alone.stderr) == (64, True)


def test_the_status_counts_what_a_server_was_asked(boards: SshdFleet, tmp_path: Path) -> None:
    with deploy.reach("pi-3") as there:
        done = delivery.deliver(there, made(tmp_path, name="served"), "pi-3")
    run = boards["pi-3"].home / "edgecnn" / "served" / "run"
    with subprocess.Popen([run, "serve", "--port", "0"], stderr=subprocess.PIPE, text=True) as server:
        try:
            assert server.stderr is not None
            url = server.stderr.readline().split()[-1]
            curl = ["curl", "-s", "--data-binary", "@-", f"{url}/classify"]
            for _ in range(3):
                subprocess.run(curl, input=small_bundles.picture(small_bundles.images()[0]), check=True)
            status = json.loads(boards.edgecnn("board", "status", "pi-3", "--json").stdout)
        finally:
            server.terminate()
    (model,) = [entry for entry in status["models"] if entry["name"] == "served"]
    assert (model["release"], model["verdict"]) == (done.release, "identical")
    assert model["servers"][0]["requests"] == {"200": 3}
    assert model["servers"][0]["pictures"] == 3


def test_a_board_that_trusts_a_signer_takes_what_is_signed(boards: SshdFleet, tmp_path: Path) -> None:
    sshd.key(tmp_path / "key")
    bundle = made(tmp_path, name="signed")
    told = boards.edgecnn("board", "trust", "@two", tmp_path / "key.pub", "--newest-only")
    assert (told.returncode, told.stdout.count("the newest only")) == (0, 2), told.stderr
    try:
        with deploy.reach("pi-1") as there:
            with pytest.raises(BoardUnfit, match="pi-1 refuses the bundle: the bundle has no signature"):
                delivery.deliver(there, bundle, "pi-1")
            assert boards.current("pi-1", "signed") is None
            release = delivery.deliver(there, signing.sign(bundle, tmp_path / "key", 2_000), "pi-1").release
            assert boards.current("pi-1", "signed") == release
            with pytest.raises(BoardUnfit, match="1000 s before the newest"):
                delivery.deliver(there, signing.sign(bundle, tmp_path / "key", 1_000), "pi-1")
    finally:
        for board in HEALTHY[:2]:
            trust.trust(board, forget=True, newest_only=False)
    assert trust.trust("pi-1") == trust.Trust(board="pi-1", signers=(), newest_only=False)
