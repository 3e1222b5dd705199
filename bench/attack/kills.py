"""SIGKILL at random moments of train, export, bench, run, duel and repeats: what is left is whole, a rerun gets there.

A chain is killed at a moment drawn evenly from about the time it takes undisturbed, its folder is looked at, and it
is started again until it ends by itself. It holds if nothing half-written was taken for something whole, no process
stayed behind, and the end is the one of an undisturbed chain, byte for byte where no time is in it.
"""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import json
import os
import random
import shutil
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fuzz
import numpy as np
import psutil

from edgecnn.records import artifact, report
from edgecnn.records.run import open_run
from edgecnn.studies import findings
from edgecnn.studies.findings import Duel

SETTINGS = ("-s", "num_threads=1", "-s", "precision=fp32", "-s", "net.width=8", "-s", "net.depth=1")
TRAIN = ("train", "dscnn-digits", *SETTINGS, "--output", "runs", "--name", "run")
REPEATING = (*TRAIN, "-s", "epochs=4", "--repeats", "3")
RUNNING = ("run", "dscnn-digits", *SETTINGS, "-s", "epochs=3", "--output", "runs")
GRACE_S = 10.0
"""How long what a killed command had started may take to go."""
LONGEST_S = 600.0
LATEST = 1.3
"""The latest moment, in undisturbed times: so that a chain may also end by itself."""
TRIES = 20
"""A chain that was killed so often has no chance to end; it is given its time then."""


@dataclass(frozen=True, kw_only=True)
class Chain:
    """A command, how to go on after a kill, and what it should leave."""

    name: str
    kills: int
    first: tuple[str, ...]
    again: Callable[[Path], tuple[str, ...]]
    """The command that goes on, by what is in the folder."""
    whole: Callable[[Path], Any]
    """What lies there after a kill, read as any later step would; it raises what is wrong."""
    end: Callable[[Path], Any]
    """What an undisturbed chain ends in, but for its times."""
    before: tuple[tuple[str, ...], ...] = ()
    """Commands that prepare the folder, once."""


def attack(scratch: Path) -> dict[str, Any]:
    fuzz.warm_up(("torch", "matplotlib.figure", "sklearn.datasets", *fuzz.WARM))  # a fork with a converter hangs
    tried, kills, not_held = 0, 0, []
    by_chain = {}
    for chain in _chains():
        began = time.monotonic()
        ends = _attacked(chain, scratch / chain.name)
        not_held += [{"chain": chain.name, **failure} for failure in ends["not_held"]]
        tried, kills = tried + ends["tried"], kills + ends["kills"]
        by_chain[chain.name] = {
            "kills": ends["kills"],
            "undisturbed_s": ends["undisturbed_s"],
            "seconds": round(time.monotonic() - began),
        }
    return {"tried": tried, "held": tried - len(not_held), "kills": kills, "chains": by_chain, "not_held": not_held}


def _attacked(chain: Chain, folder: Path) -> dict[str, Any]:
    """So many kills of the chain; each is one try, and so is each end."""
    moments = random.Random(chain.name)
    template, undisturbed = folder / "template", folder / "undisturbed"
    template.mkdir(parents=True)
    for command in chain.before:
        _must_pass(fuzz.run(command, template, LONGEST_S))
    shutil.copytree(template, undisturbed)
    began = time.monotonic()
    _must_pass(fuzz.run(chain.first, undisturbed, LONGEST_S))
    undisturbed_s = time.monotonic() - began
    expected = chain.end(undisturbed)
    tried, kills, not_held = 0, 0, []
    while kills < chain.kills:
        place = folder / "killed"
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(template, place)
        command, tries = chain.first, 0
        while True:
            moment_s = moments.random() * LATEST * undisturbed_s if tries < TRIES else LONGEST_S
            code, said, orphans = _killed(command, place, moment_s)
            if orphans:
                not_held.append({"kill": kills, "moment_s": round(moment_s, 2), "orphans": orphans})
            if code is not None:
                tried += 1
                try:
                    if code:
                        raise ValueError(f"exit code {code}: {said[-300:]}")
                    if (end := chain.end(place)) != expected:
                        raise ValueError(f"it ended in {end!r:.300}, undisturbed in {expected!r:.300}")
                except Exception as error:
                    not_held.append({"after": kills, "command": " ".join(command), "end": str(error)})
                break
            kills, tries, tried = kills + 1, tries + 1, tried + 1
            try:
                chain.whole(place)
            except Exception as error:
                not_held.append(
                    {"kill": kills, "moment_s": round(moment_s, 2), "left": f"{type(error).__name__}: {error}"}
                )
                break
            command = chain.again(place)
    return {"tried": tried, "kills": kills, "undisturbed_s": round(undisturbed_s, 1), "not_held": not_held}


def _must_pass(ended: fuzz.Ended) -> None:
    if ended.outcome != "passed":
        raise RuntimeError(f"{' '.join(ended.command)} should pass undisturbed: {ended.said[-500:]}")


def _killed(command: tuple[str, ...], folder: Path, moment_s: float) -> tuple[int | None, str, list[str]]:
    """(exit code or None for one that was killed, what it said, what it left running)."""
    out, err = folder / ".stdout", folder / ".stderr"
    ctypes.CDLL(None).prctl(36, 1)  # PR_SET_CHILD_SUBREAPER: orphans become our children, so none escapes
    pid = os.fork()
    if pid == 0:
        fuzz.become(command, folder, out, err)
    end, status = time.monotonic() + moment_s, None
    while status is None and time.monotonic() < end:
        done, code = os.waitpid(pid, os.WNOHANG)
        if done:
            status = code
        else:
            time.sleep(0.002)
    if status is None:
        os.kill(pid, signal.SIGKILL)  # the command alone: what it started must see to itself
        _, status = os.waitpid(pid, 0)
    said = err.read_text(encoding="utf-8", errors="replace") if err.is_file() else ""
    for path in (out, err):
        path.unlink(missing_ok=True)
    code = os.waitstatus_to_exitcode(status)
    return None if code == -signal.SIGKILL else code, said, _left_behind()


def _left_behind() -> list[str]:
    """Command lines of our descendants that are still there after GRACE_S; they are ended then."""
    end = time.monotonic() + GRACE_S
    while True:
        alive = []
        for process in psutil.Process().children(recursive=True):
            with contextlib.suppress(psutil.Error, ChildProcessError):
                if process.status() == psutil.STATUS_ZOMBIE:
                    os.waitpid(process.pid, os.WNOHANG)
                elif "resource_tracker" not in " ".join(process.cmdline()):
                    alive.append(process)
        if not alive or time.monotonic() > end:
            break
        time.sleep(0.05)
    lines = []
    for process in alive:
        with contextlib.suppress(psutil.Error):
            lines.append(" ".join(process.cmdline())[:200])
            process.kill()
    return lines


def _chains() -> list[Chain]:
    exporting = ("export", "runs/run", "--format", "onnx,tflite", "--precision", "int8")
    benching = ("bench", "runs/run", *(word for key in BENCH for word in ("-s", key)))
    duelling = ("duel", "dscnn-digits", *DUEL, "--output", "duel")
    return [
        Chain(
            name="train", kills=35, first=(*TRAIN, "-s", "epochs=12"), again=_resumed, whole=_run_whole, end=_weights,
        ),
        Chain(
            name="export", kills=25, before=((*TRAIN, "-s", "epochs=2"), (*exporting, "-s", "calib_seed=1")),
            first=(*exporting, "-s", "calib_seed=2"), again=lambda _: (*exporting, "-s", "calib_seed=2"),
            whole=_artifacts_whole, end=_artifacts,
        ),
        Chain(
            name="bench", kills=10, before=((*TRAIN, "-s", "epochs=2"), exporting), first=benching,
            again=lambda _: benching, whole=_reports_whole, end=_benched,
        ),
        Chain(
            name="run", kills=15, first=RUNNING, again=_run_on,
            whole=lambda folder: None, end=_ran,
        ),
        Chain(
            name="duel", kills=10, first=duelling, again=lambda _: duelling, whole=lambda folder: None, end=_duelled,
        ),
        Chain(
            name="repeats", kills=10, first=REPEATING, again=_repeated_on, whole=lambda folder: None,
            end=lambda folder: [_digest(path) for path in sorted((folder / "runs/run").glob("*/model.safetensors"))],
        ),
    ]  # fmt: skip


BENCH = ("rounds=1", "num_runs=5", "warmup_runs=1", "min_secs=0", "limit=50")
DUEL = (
    "--families", "dscnn,mlp", "--fractions", "0.1,0.3", "--repeats", "1", "--trials", "1", "--min-steps", "20",
    *SETTINGS,
)  # fmt: skip


def _repeated_on(folder: Path) -> tuple[str, ...]:
    begun = any((folder / "runs/run").glob("*/recipe.toml"))
    return (*REPEATING, "--resume") if begun else REPEATING


def _run_on(folder: Path) -> tuple[str, ...]:
    begun = (folder / "runs/dscnn-digits/recipe.toml").is_file()
    return (*RUNNING, "--resume") if begun else RUNNING


def _resumed(folder: Path) -> tuple[str, ...]:
    if (folder / "runs/run/recipe.toml").is_file():
        return ("train", "runs/run", "--resume")
    return (*TRAIN, "-s", "epochs=12")


def _run_whole(folder: Path) -> None:
    run = folder / "runs/run"
    if (run / "run.json").is_file():
        assert _digest(run / "model.safetensors") == open_run(run).weights_sha256, "run.json is of other weights"
    if (run / "metrics.csv").is_file():
        lines = (run / "metrics.csv").read_text(encoding="utf-8").splitlines()
        assert all(line.count(",") == lines[0].count(",") for line in lines), "metrics.csv is cut short"


def _weights(folder: Path) -> str:
    return _digest(folder / "runs/run/model.safetensors")


def _artifacts_whole(folder: Path) -> dict[str, str]:
    """The files with their digests, once each one's card and golden vectors have been held against it."""
    run = open_run(folder / "runs/run")
    with np.load(run.artifacts / "golden.npz", allow_pickle=False) as golden:
        vectors = {name: golden[name] for name in golden.files}
    models = [path for path in run.exported() if path.suffix in (".onnx", ".tflite")]
    assert len(models) == 2, f"{len(models)} models"
    seeds = set()
    for path in models:
        card = artifact.read_card(path)  # raises if the file is another one than the card's
        assert card is not None, f"{path.name} has no card"
        seeds.add(json.dumps(card.calibration, sort_keys=True))
        from edgecnn.pipeline.export import check

        answers = check.outputs(card, vectors["images"])
        assert np.array_equal(answers, vectors[path.name]), f"{path.name} has another's golden vectors"
    assert len(seeds) == 1, "the two files are of two exports"
    return _artifacts(folder)


def _artifacts(folder: Path) -> dict[str, str]:
    run = open_run(folder / "runs/run")
    return {path.name: _digest(path) for path in run.exported()}


def _reports_whole(folder: Path) -> None:
    for path in (folder / "runs/run/bench").glob("[!.]*.json"):
        report.read(path)


def _benched(folder: Path) -> list[tuple[str, int]]:
    """Return every file of the last report, and how many pictures it gets right."""
    last = max((folder / "runs/run/bench").glob("[!.]*.json"))
    return [(row.file, row.accuracy.correct if row.accuracy else -1) for row in report.read(last).measurements]


def _ran(folder: Path) -> dict[str, str]:
    run = open_run(folder / "runs/dscnn-digits")
    exported = {path.name: _digest(path) for path in run.exported() if path.suffix != ".json"}
    return exported | {"weights": _digest(run.weights)}


def _duelled(folder: Path) -> list[tuple[Any, ...]]:
    """Every cell but for its seconds."""
    (path,) = folder.glob("duel/*/duel.json")
    duel = findings.read(Duel, path)
    return [(cell.family, cell.fraction, cell.epochs, cell.top1_percents) for cell in duel.cells]


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


if sys.platform != "linux":
    raise RuntimeError("this part needs Linux: it adopts what a killed command leaves")
