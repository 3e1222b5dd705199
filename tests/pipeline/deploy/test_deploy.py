"""Deploying to a real sshd on this machine, which borrows this machine's packages."""

import dataclasses
import getpass
import io
import json
import shlex
import shutil
import subprocess
import sys
import threading
import time
import urllib.request
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import lent
import numpy as np
import pytest
import small_bundles
import sshd
from small_bundles import LABELS
from sshd import Sshd

from edgecnn.boards.ssh import board_cache, board_facts, link, provision, remote
from edgecnn.boards.ssh.board_facts import BoardFacts
from edgecnn.boards.ssh.link import Link
from edgecnn.errors import BoardUnfit, EnvironmentUnfit, GateFailed, LinkError, UsageError
from edgecnn.pipeline.deploy import bundle, delivery, deploy, service, show
from edgecnn.pipeline.deploy.bundle import Bundle
from edgecnn.pipeline.deploy.installed import Installed, Status

pytestmark = sshd.needed
PATIENCE_S = 60
BOARD = f"ssh://{getpass.getuser()}@board"
LEAN = ("numpy", "pillow", "ai-edge-litert")


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    """One board for all tests, each of which deploys under a name of its own; `ssh` knows it as `board`."""
    server = Sshd(tmp_path_factory.mktemp("deploy") / "board")
    programs = tmp_path_factory.mktemp("programs")
    (programs / "ssh").write_text(f'#!/bin/sh\nexec {sshd.CLIENT} {shlex.join(server.options)} "$@"\n')
    (programs / "ssh").chmod(0o755)
    server.start()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        lent.lend(server, programs)
        facts = facts_of(server)
        provision.archive_path(facts, remote.packages()).rename(provision.archive_path(facts, LEAN))
        patch.setenv("PATH", str(programs), prepend=":")
        try:
            yield server
        finally:
            server.stop()


def facts_of(board: Sshd) -> BoardFacts:
    with link.connect(board.destination, board.options) as opened:
        return board_facts.read(opened)


@pytest.fixture
def there(board: Sshd) -> Iterator[Link]:
    with link.connect(board.destination, board.options) as opened:
        yield opened


def made(folder: Path, name: str, seed: int = 0) -> Bundle:
    return dataclasses.replace(small_bundles.made(folder / f"{name}-{seed}", seed=seed), name=name)


def with_golden(bundle: Bundle, steps: int) -> Bundle:
    """The bundle with golden vectors that are `steps` off in one value."""
    import hashlib

    with np.load(io.BytesIO(bundle.files["golden.npz"])) as golden:
        images, outputs = golden["images"], golden["outputs"].copy()
    outputs[5, 1] += steps
    stream = io.BytesIO()
    np.savez(stream, images=images, outputs=outputs)
    held = dict(bundle.files) | {"golden.npz": stream.getvalue()}
    manifest = json.loads(held["manifest.json"])
    manifest["files"]["golden.npz"] = hashlib.sha256(stream.getvalue()).hexdigest()
    held["manifest.json"] = json.dumps(manifest).encode()
    return dataclasses.replace(bundle, files=held)


def put(there: Link, bundle: Bundle, **options: Any) -> delivery.Deployment:
    return delivery.deliver(there, bundle, BOARD, **options)


def classify(there: Link, name: str) -> str:
    """The label of one picture, by the command a user would type."""
    answer = there.run([f"edgecnn/{name}/run", "classify", "-"], small_bundles.picture(small_bundles.images()[0]))
    assert answer.returncode == 0, answer.stderr
    return str(json.loads(answer.stdout)["label"])


def current(board: Sshd, name: str) -> str:
    return (board.home / "edgecnn" / name / "current").readlink().name


def status_of(there: Link, name: str) -> Status:
    return Installed(there, board_facts.read(there), name).status()


def releases(board: Sshd, name: str) -> set[str]:
    return {path.name for path in (board.home / "edgecnn" / name / "releases").iterdir()}


def test_one_command_classifies_a_picture_there(board: Sshd, there: Link, tmp_path: Path) -> None:
    done = put(there, made(tmp_path, "first"))
    assert done.selftest["verdict"] == "identical"
    assert done.before is None
    assert current(board, "first") == done.release
    assert classify(there, "first") in small_bundles.LABELS
    assert not list((board.home / "edgecnn" / "first").glob("*.zip*"))
    # It ran on what was sent: Python left its bytecode there.
    assert (board.home / "edgecnn" / "first" / "current" / "packages" / "numpy" / "__pycache__").is_dir()


def test_deploying_again_switches_and_rolling_back_returns(board: Sshd, there: Link, tmp_path: Path) -> None:
    first, second = put(there, made(tmp_path, "pair", 0)), put(there, made(tmp_path, "pair", 3))
    assert (second.before, current(board, "pair")) == (first.release, second.release)
    deploy.rollback("pair", BOARD)
    assert current(board, "pair") == first.release
    assert classify(there, "pair") in small_bundles.LABELS
    with pytest.raises(UsageError, match="no earlier release"):
        deploy.rollback("pair", BOARD)
    assert current(board, "pair") == first.release


def test_the_same_model_is_not_sent_twice(board: Sshd, there: Link, tmp_path: Path) -> None:
    first = put(there, made(tmp_path, "same"))
    stamp = (board.home / "edgecnn" / "same" / "current" / "edgecnn.pyz").stat().st_ino
    again = put(there, made(tmp_path, "same"))
    assert (again.release, again.before) == (first.release, None)
    assert (board.home / "edgecnn" / "same" / "current" / "edgecnn.pyz").stat().st_ino == stamp


def test_a_model_that_answers_differently_there_does_not_replace_the_one_that_works(
    board: Sshd, there: Link, tmp_path: Path
) -> None:
    first = put(there, made(tmp_path, "gate"))
    with pytest.raises(GateFailed, match="1 of 96 values differ, by up to 9 LSB"):
        put(there, with_golden(made(tmp_path, "gate", 3), 9))
    assert releases(board, "gate") == {first.release}
    assert classify(there, "gate") in small_bundles.LABELS


def test_a_step_off_is_let_through_only_when_asked_for(board: Sshd, there: Link, tmp_path: Path) -> None:
    off = with_golden(made(tmp_path, "step"), 1)
    with pytest.raises(GateFailed, match="1 LSB") as caught:
        put(there, off)
    assert "--max-lsb 1" in (caught.value.hint or "")
    assert put(there, off, max_lsb=1).selftest["max_lsb"] == 1


def test_a_release_that_was_damaged_on_the_board_is_made_anew(board: Sshd, there: Link, tmp_path: Path) -> None:
    first = put(there, made(tmp_path, "rot"))
    (board.home / "edgecnn" / "rot" / "current" / "labels.txt").write_text("rot\n")
    assert there.run(["edgecnn/rot/run", "selftest"]).returncode == 64
    assert put(there, made(tmp_path, "rot")).release == first.release
    assert there.run(["edgecnn/rot/run", "selftest"]).returncode == 0


def test_a_board_without_room_keeps_what_it_has(board: Sshd, there: Link, tmp_path: Path) -> None:
    first = put(there, made(tmp_path, "full"))
    board.limits.write_text("ulimit -f 8\n")  # blocks of 512 bytes: no file beyond 4 kB
    try:
        with pytest.raises(BoardUnfit, match="no room for"):
            put(there, made(tmp_path, "full", 3))
    finally:
        board.limits.write_text("")
    assert releases(board, "full") == {first.release}
    assert classify(there, "full") in small_bundles.LABELS


@pytest.mark.parametrize("free_kb", [0, 4, 16, 64, 120, 200])
def test_a_disk_that_is_full_at_any_size_keeps_what_it_has(
    free_kb: int, board: Sshd, there: Link, tmp_path: Path
) -> None:
    """The model's folder is on a small disk of its own, with so much left beside what works."""
    name = f"small-{free_kb}"
    root = board.home / "edgecnn" / name
    root.mkdir(parents=True)
    mount = ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(root)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("cannot mount a small file system here")
    try:
        first = put(there, made(tmp_path, name))
        used_kb = -(-(shutil.disk_usage(root).used) // 1024)
        resize = ["mount", "-o", f"remount,size={used_kb + free_kb}k", str(root)]
        subprocess.run(resize, check=True, capture_output=True)
        with pytest.raises(BoardUnfit, match=f"no room (in|for) {root}") as caught:
            put(there, made(tmp_path, name, 3))
        assert "MB" in caught.value.sentence
        assert current(board, name) == first.release
        assert releases(board, name) == {first.release}
        assert classify(there, name) in small_bundles.LABELS
        assert {path.name for path in root.iterdir()} == {"current", "history", "lock", "releases", "run"}
        subprocess.run(["mount", "-o", "remount,size=16m", str(root)], check=True, capture_output=True)
        second = put(there, made(tmp_path, name, 3))
        assert current(board, name) == second.release
    finally:
        subprocess.run(["umount", "-l", str(root)], check=True)


def test_a_link_that_is_cut_in_the_middle_leaves_what_worked(board: Sshd, there: Link, tmp_path: Path) -> None:
    first = put(there, made(tmp_path, "cut"))
    reached = board.folder / "reached"
    # The push has sent its bytes and waits for their digest when the link goes.
    board.put_program("sha256sum", f"touch {shlex.quote(str(reached))}; sleep 5; exec /usr/bin/env -i sha256sum")

    def cut() -> None:
        end = time.monotonic() + PATIENCE_S
        while not reached.exists() and time.monotonic() < end:
            time.sleep(0.01)
        board.cut()

    thread = threading.Thread(target=cut)
    thread.start()
    try:
        with pytest.raises(LinkError):
            put(there, made(tmp_path, "cut", 3))
    finally:
        thread.join()
        (board.bin / "sha256sum").unlink()
    assert current(board, "cut") == first.release
    with link.connect(board.destination, board.options) as again:
        assert classify(again, "cut") in small_bundles.LABELS
        second = put(again, made(tmp_path, "cut", 3))
    assert releases(board, "cut") == {first.release, second.release}


def test_a_runtime_that_crashes_there_is_named_and_replaces_nothing(
    board: Sshd, there: Link, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = put(there, made(tmp_path, "crash"))
    test = Installed.test

    def with_another_cpu(root: Any, release: str) -> Any:
        run = board.home / "edgecnn" / "crash" / "releases" / release / "run"
        run.write_text("#!/bin/sh\nkill -ILL $$\n")
        return test(root, release)

    monkeypatch.setattr(Installed, "test", with_another_cpu)
    with pytest.raises(EnvironmentUnfit, match="ended by SIGILL"):
        put(there, made(tmp_path, "crash", 3))
    assert current(board, "crash") == first.release
    assert releases(board, "crash") == {first.release}


def test_what_a_bench_has_sent_is_used(board: Sshd, there: Link, tmp_path: Path) -> None:
    facts = facts_of(board)
    lean, full = provision.archive_path(facts, LEAN), provision.archive_path(facts, remote.packages())
    with zipfile.ZipFile(lean) as source, zipfile.ZipFile(full, "w") as target:
        for entry in source.infolist():
            target.writestr(entry, source.read(entry))
        target.writestr("benched.txt", "sent by a bench")
    try:
        board_cache.BoardCache(there, facts).unpack(full)
        put(there, made(tmp_path, "after"))
    finally:
        full.unlink()
    assert (board.home / "edgecnn" / "after" / "current" / "packages" / "benched.txt").is_file()


def test_an_emptied_cache_takes_nothing_away(board: Sshd, there: Link, tmp_path: Path) -> None:
    put(there, made(tmp_path, "kept"))
    shutil.rmtree(board.cache)
    assert classify(there, "kept") in small_bundles.LABELS


SYSTEMCTL = 'echo "$@" >> {log}\ncase "$*" in *is-active\\ edge*) echo active;; esac'


@pytest.fixture
def systemctl(board: Sshd) -> Iterator[Path]:
    log = board.folder / "systemctl.log"
    board.put_program("systemctl", SYSTEMCTL.format(log=shlex.quote(str(log))))
    board.put_program("loginctl", "exit 1")
    yield log
    for name in ("systemctl", "loginctl"):
        (board.bin / name).unlink()
    log.unlink(missing_ok=True)


def test_the_service_is_installed_started_and_restarted_by_the_next_release(
    board: Sshd, there: Link, tmp_path: Path, systemctl: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert put(there, made(tmp_path, "unit"), with_service=True).service
    assert "sudo loginctl enable-linger" in capsys.readouterr().err
    text = (board.home / ".config/systemd/user/edgecnn-unit.service").read_text()
    assert "ExecStart=%h/edgecnn/unit/run serve" in text
    commands = [line.split()[1] for line in systemctl.read_text().splitlines()]
    assert [word for word in commands if word != "show"][:3] == ["daemon-reload", "enable", "restart"]
    assert put(there, made(tmp_path, "unit", 3)).service
    assert systemctl.read_text().splitlines()[-1] == "--user try-restart edgecnn-unit.service"
    show.show_status(deploy.status("unit", BOARD))
    assert "service: active" in capsys.readouterr().out


def test_without_a_user_manager_nothing_is_changed(board: Sshd, there: Link, tmp_path: Path) -> None:
    board.put_program("systemctl", "echo 'Failed to connect to bus' >&2; exit 1")
    try:
        with pytest.raises(BoardUnfit, match="Failed to connect to bus") as caught:
            put(there, made(tmp_path, "bare"), with_service=True)
        assert "edgecnn/bare/run serve" in (caught.value.hint or "")
        assert not (board.home / "edgecnn" / "bare").exists()
        assert not (board.home / ".config/systemd/user/edgecnn-bare.service").exists()
        (board.home / ".config/systemd/user").mkdir(parents=True, exist_ok=True)
        (board.home / ".config/systemd/user/edgecnn-bare.service").write_text("of an earlier version")
        assert not put(there, made(tmp_path, "bare")).service  # what an earlier version left behind is in nobody's way
        assert classify(there, "bare") in small_bundles.LABELS
    finally:
        (board.bin / "systemctl").unlink()


@pytest.mark.parametrize("step", ["daemon-reload", "enable", "restart", "is-active"])
def test_a_service_that_does_not_start_leaves_everything_as_it_was(
    step: str, board: Sshd, there: Link, tmp_path: Path, systemctl: Path
) -> None:
    name = f"undo-{step}"
    unit = board.home / f".config/systemd/user/edgecnn-{name}.service"
    works = (board.bin / "systemctl").read_text().partition("\n")[2]
    board.put_program("systemctl", f'[ "$2" != {step} ] || {{ echo "no {step} today" >&2; exit 1; }}\n{works}')
    with pytest.raises(BoardUnfit, match=f"no {step} today|The service does not run"):
        put(there, made(tmp_path, name), with_service=True)
    assert not unit.exists()
    assert status_of(there, name).current is None
    first = put(there, made(tmp_path, name))
    with pytest.raises(BoardUnfit):
        put(there, made(tmp_path, name, 3), with_service=True)
    assert (current(board, name), unit.exists()) == (first.release, False)
    board.put_program("systemctl", works)
    put(there, made(tmp_path, name), with_service=True)
    text = unit.read_text()
    board.put_program("systemctl", f'[ "$2" != {step} ] || exit 1\n{works}')
    with pytest.raises(BoardUnfit):
        put(there, made(tmp_path, name, 3), with_service=True)
    assert (current(board, name), unit.read_text()) == (first.release, text)
    assert [path.name for path in unit.parent.glob(f"*{name}*")] == [unit.name]


def test_the_service_serves_with_the_options_that_are_asked_for(
    board: Sshd, there: Link, tmp_path: Path, systemctl: Path
) -> None:
    words = deploy.words_of_serve("--port 8081 --host '::' --unknown off", service=True)
    assert put(there, made(tmp_path, "told"), with_service=True, serve_options=words).service
    text = (board.home / ".config/systemd/user/edgecnn-told.service").read_text()
    assert "\nExecStart=%h/edgecnn/told/run serve --port 8081 --host \\x3a\\x3a --unknown off\n" in text


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ("--port x", "'x' is not a port"),
        ("--unknown never", "'never' does not say when to answer unknown"),
        ("--host '", "No closing quotation"),
        ("--prot 1", "unrecognized arguments: --prot 1"),
        ("--help", "nothing to serve with"),
    ],
)
def test_options_that_serve_would_refuse_are_refused_before_anything_is_sent(options: str, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        deploy.words_of_serve(options, service=True)


def test_options_of_a_service_need_a_service() -> None:
    with pytest.raises(UsageError, match="those of a service") as refused:
        deploy.words_of_serve("--port 8081", service=False)
    assert refused.value.hint == "--service --serve-options '--port 8081'"


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
def test_systemd_finds_nothing_wrong_with_the_unit(tmp_path: Path) -> None:
    unit = tmp_path / "edgecnn-animals.service"
    unit.write_text(
        service.unit("animals", ["--host", "::", "--unknown", "100%"]).replace("%h/edgecnn/animals/run", "/bin/true")
    )
    done = subprocess.run(["systemd-analyze", "verify", "--user", unit], capture_output=True, text=True, check=False)
    assert [line for line in done.stderr.splitlines() if unit.name in line] == []


def test_the_verb_takes_a_run_and_says_what_to_type(
    board: Sshd, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = small_bundles.run_folder(tmp_path / "whole", ["int8", "fp32"])
    done = deploy.deploy(folder, BOARD)
    assert done is not None
    show.show_deployment(done, str(folder))
    first, command = capsys.readouterr().out.splitlines()
    assert first == f"whole {done.release} on {BOARD}: identical, every bit as exported"
    assert command == f"ssh {board.destination} edgecnn/whole/run classify - < picture.jpg"
    show.show_deployment(dataclasses.replace(done, board="emulated:pi4"), str(folder))
    shown = capsys.readouterr()
    assert "ssh" not in shown.out
    assert "that board is switched off again" in shown.err
    other = deploy.deploy(folder, BOARD, precision="fp32")
    assert other is not None
    show.show_deployment(other, str(folder), as_json=True)
    shown = capsys.readouterr()
    assert json.loads(shown.out)["before"] == done.release
    assert f"edgecnn deploy {folder} --board {BOARD} --rollback" in shown.err
    show.show_rollback(deploy.rollback(str(folder), BOARD), as_json=True)
    assert json.loads(capsys.readouterr().out)["current"] == done.release
    show.show_status(deploy.status(str(folder), BOARD), as_json=True)
    table = json.loads(capsys.readouterr().out)
    assert (table["current"], table["model"]) == (done.release, "whole-int8.tflite".replace("whole", "animals"))


def of_run(folder: Path, name: str, run: str | None, seed: int, labels: tuple[str, ...] = LABELS) -> Bundle:
    """A bundle of a run whose weights are told apart by `seed`."""
    digest, place = f"{seed:064x}" if run else None, folder / f"{name}-{seed}"
    made = small_bundles.exported(place, seed=seed, run=run or name, run_sha256=digest, labels=labels)
    return bundle.make(made)


def test_a_new_training_of_a_run_takes_the_place_of_the_one_before_and_that_is_said(
    board: Sshd, there: Link, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = put(there, of_run(tmp_path, "dog", "dog", 1))
    second = put(there, of_run(tmp_path, "dog", "dog", 2))
    assert "It takes the place of animals-int8.tflite of the run dog, weights 000000000000." in capsys.readouterr().err
    assert (current(board, "dog"), second.before) == (second.release, first.release)
    deploy.rollback("dog", BOARD)
    assert current(board, "dog") == first.release


def test_another_runs_model_takes_a_models_place_only_when_that_is_said(
    board: Sshd, there: Link, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cat, stranger = of_run(tmp_path, "cat", "cat", 1), of_run(tmp_path, "other", "cat", 2, LABELS[::-1])
    first = put(there, cat)
    with pytest.raises(UsageError, match=r"is animals-int8\.tflite of the run cat, weights 0{12}; .* another run's"):
        put(there, stranger)
    with pytest.raises(UsageError, match="another run's"):
        put(there, of_run(tmp_path / "foreign", "cat", None, 3, LABELS[::-1]))
    assert current(board, "cat") == first.release
    assert releases(board, "cat") == {first.release}
    second = put(there, stranger, across_runs=True)
    with pytest.raises(UsageError, match=r"the release before is .* another run's") as caught:
        deploy.rollback("cat", BOARD)
    assert "--across-runs" in (caught.value.hint or "")
    assert current(board, "cat") == second.release
    show.show_rollback(deploy.rollback("cat", BOARD, across_runs=True))
    assert current(board, "cat") == first.release
    assert f"{first.release} is animals-int8.tflite of the run cat, weights" in capsys.readouterr().out


def test_the_same_runs_other_file_needs_no_word_and_a_release_without_a_card_can_be_returned_to(
    board: Sshd, there: Link, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = put(there, of_run(tmp_path, "cow", "cow", 1))
    fp32 = small_bundles.exported(tmp_path / "fp32", "fp32", run="cow", run_sha256=f"{1:064x}")
    put(there, bundle.make(fp32))
    (board.home / "edgecnn/cow/releases" / first.release / "animals-int8.tflite.json").unlink()
    show.show_rollback(deploy.rollback("cow", BOARD))
    assert f"{first.release} is animals-int8.tflite of no known run" in capsys.readouterr().out
    assert current(board, "cow") == first.release


def test_a_renamed_run_goes_on_as_the_model_it_was(board: Sshd, tmp_path: Path) -> None:
    """The model called `tiger` is another run's, and nothing of it is touched."""
    with link.connect(board.destination, board.options) as opened:
        tiger = put(opened, of_run(tmp_path / "tiger", "tiger", "tiger", 1))
    (tmp_path / "runs").mkdir()
    renamed = small_bundles.run_folder(tmp_path / "lion", ["int8", "fp32"]).rename(tmp_path / "runs" / "tiger")
    for precision in ("int8", "fp32"):
        deploy.deploy(renamed, BOARD, precision=precision)
    deploy.rollback(str(renamed), BOARD)
    assert current(board, "tiger") == tiger.release
    assert len(releases(board, "tiger")) == 1
    assert len(releases(board, "lion")) == 2


def test_a_server_there_is_told_of_a_deployment_and_of_a_rollback(
    board: Sshd, there: Link, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = put(there, made(tmp_path, "served"))
    run = str(board.home / "edgecnn" / "served" / "run")
    with subprocess.Popen([run, "serve", "--port", "0"], stderr=subprocess.PIPE, text=True) as server:
        try:
            assert server.stderr is not None
            url = server.stderr.readline().split()[-1]

            def model() -> str:
                with urllib.request.urlopen(f"{url}/healthz", timeout=PATIENCE_S) as answer:
                    return str(json.load(answer)["sha256"])

            was = model()
            second = put(there, made(tmp_path, "served", 3))
            assert f"(process {server.pid}) answers with {second.release} now" in capsys.readouterr().err
            assert model() == made(tmp_path, "served", 3).artifact.description.sha256 != was
            show.show_status(deploy.status("served", BOARD))
            assert f"serving: process {server.pid} with {second.release}" in capsys.readouterr().out
            deploy.rollback("served", BOARD)
            assert f"(process {server.pid}) answers with {first.release} now" in capsys.readouterr().err
            assert model() == was
        finally:
            server.kill()


def test_what_is_not_there_has_no_status_and_leaves_no_trace(board: Sshd) -> None:
    with pytest.raises(UsageError, match="There is no 'nothing'"):
        deploy.status("nothing", BOARD)
    with pytest.raises(UsageError, match="no earlier release"):
        deploy.rollback("nothing", BOARD)
    assert not (board.home / "edgecnn" / "nothing").exists()


def test_without_a_board_the_bundle_is_written_and_works(tmp_path: Path) -> None:
    folder = small_bundles.run_folder(tmp_path / "animals", ["int8"])
    assert deploy.deploy(folder, output=tmp_path / "out") is None
    words = [sys.executable, str(tmp_path / "out" / "edgecnn.pyz"), "selftest"]
    assert subprocess.run(words, capture_output=True, check=False).returncode == 0


def test_it_needs_somewhere_to_deploy_to(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nowhere to deploy to"):
        deploy.deploy(tmp_path)


def test_this_machine_is_no_board_to_deploy_to() -> None:
    with pytest.raises(UsageError, match="'local'") as caught:
        deploy.reach("local")
    assert "--output" in (caught.value.hint or "")


def test_what_the_board_must_have_is_asked_before_anything_is_sent(board: Sshd, there: Link, tmp_path: Path) -> None:
    board.put_program("uname", "echo armv7l")
    try:
        with pytest.raises(BoardUnfit, match="32-bit"):
            put(there, made(tmp_path, "old"))
    finally:
        (board.bin / "uname").unlink()
    assert not (board.home / "edgecnn" / "old").exists()
    assert board_facts.read(there).arch != "armv7l"


@pytest.mark.parametrize(
    ("destination", "typed"),
    [
        ("pi@raspberrypi", "ssh pi@raspberrypi"),
        ("pi@raspberrypi:2222", "ssh -p 2222 pi@raspberrypi"),
        ("pi@[fe80::1]:22", "ssh -p 22 pi@fe80::1"),
        ("pi@[fe80::1]", "ssh pi@fe80::1"),
    ],
)
def test_the_command_to_type_is_one_that_ssh_takes(destination: str, typed: str) -> None:
    assert delivery.typed(destination) == typed
