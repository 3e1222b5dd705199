"""A chain of train, export, bench and report on 20 sizes of disk each for the runs, the temporary files and the cache.

A command on a disk without room says one sentence that names it, with exit code 2, and leaves nothing half-written:
what lies in the runs folder opens. Once there is room, the same command goes on, and weights and models are, byte for
byte, those of a chain that nothing disturbed. The disks are tmpfs mounts, and where those are not permitted the limit
is that of a file's size (RLIMIT_FSIZE), for the runs alone.
"""

from __future__ import annotations

import contextlib
import csv
import json
import multiprocessing
import os
import resource
import shutil
import subprocess
import tempfile
import zipfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import fuzz
import numpy as np

SIZES = 20
"""The number of sizes of each disk, spread by a factor from the smallest that could matter to a large enough one."""
SMALLEST_KB, LARGEST_KB = 8, 1200
ROOM_KB = 200_000
LONGEST_S = 300.0
PLACES = ("runs", "temporary", "cache")
WARM = (
    "edgecnn.pipeline.train.train",
    "edgecnn.pipeline.export.export",
    "edgecnn.pipeline.bench.bench",
    "torch",
    "litert_torch",
    "matplotlib.figure",
)
RECIPE = """epochs = 2
batch_size = 16
precision = "fp32"
num_threads = 1
[data]
name = "folder"
size = 8
validation = 0.25
[net]
name = "dscnn"
width = 8
stages = 2
depth = 1
"""
SUITE = "rounds = 1\nwarmup_runs = 1\nmin_secs = 0.01\nonly_unseen = false\n"
SAME = ("model.safetensors", "artifacts/r-int8.onnx", "artifacts/r-int8.tflite", "artifacts/labels.txt")


def attack(scratch: Path) -> dict[str, Any]:
    """Try every size of every disk; two chains at a time."""
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    _write_inputs(scratch)
    mounts = _can_mount(scratch)
    sizes = [round(SMALLEST_KB * (LARGEST_KB / SMALLEST_KB) ** (step / (SIZES - 1))) for step in range(SIZES)]
    work = [(scratch, place, size, mounts) for place in (PLACES if mounts else PLACES[:1]) for size in sizes]
    # An executor's processes may have children of their own; a Pool's may not.
    with ProcessPoolExecutor(
        min(2, os.cpu_count() or 1),
        mp_context=multiprocessing.get_context("spawn"),
        initializer=fuzz.warm_up,
        initargs=((*fuzz.WARM, *WARM),),
    ) as pool:
        undisturbed = pool.submit(_undisturbed, scratch).result()
        chains = [pool.submit(_on_a_small_disk, *item, undisturbed) for item in work]
        outcomes = [chain.result() for chain in chains]
    failures = [failure for outcome in outcomes for failure in outcome["not_held"]]
    return {
        "tried": len(work),
        "held": len([outcome for outcome in outcomes if not outcome["not_held"]]),
        "disk": "tmpfs" if mounts else "RLIMIT_FSIZE",
        "sizes_kb": sizes,
        "commands_that_met_a_full_disk": sum(len(outcome["sentences"]) for outcome in outcomes),
        "sentences": sorted({sentence for outcome in outcomes for sentence in outcome["sentences"]})[:10],
        "not_held": failures,
    }


def _write_inputs(scratch: Path) -> None:
    from PIL import Image

    rng = np.random.default_rng(0)
    for label in ("bright", "dark"):
        (scratch / "pictures" / label).mkdir(parents=True)
        for number in range(40):
            pixels = rng.integers(0, 120, (8, 8, 3)) + (120 if label == "bright" else 0)
            Image.fromarray(pixels.astype(np.uint8)).save(scratch / "pictures" / label / f"{number}.png")
    (scratch / "r.toml").write_text(RECIPE, encoding="utf-8")
    (scratch / "suite.toml").write_text(SUITE, encoding="utf-8")


def _can_mount(scratch: Path) -> bool:
    try:
        with _disk(scratch / "try", 64, True):
            return True
    except (OSError, subprocess.CalledProcessError):
        return False


def _commands(scratch: Path, runs: Path) -> list[list[str]]:
    run = str(runs / "r")
    return [
        ["train", str(scratch / "r.toml"), "--data", str(scratch / "pictures"), "--output", str(runs), "--name", "r"],
        ["export", run, "--precision", "int8", "--max-drop", "100"],
        ["bench", run, "--suite", str(scratch / "suite.toml")],
        ["report", run, "--output", str(runs / "report.html")],
    ]


def _undisturbed(scratch: Path) -> dict[str, Any]:
    """The exit codes of a chain with room, and what it made."""
    base = scratch / "undisturbed"
    with _environment(base, scratch):
        ends = [fuzz.run(command, base, LONGEST_S) for command in _commands(scratch, base / "runs")]
    for end in ends:
        if end.outcome != "passed":
            raise RuntimeError(f"{' '.join(end.command)}: {end.said}")
    return {name: (base / "runs" / "r" / name).read_bytes() for name in SAME}


def _on_a_small_disk(
    scratch: Path, place: str, size_kb: int, mounts: bool, expected: dict[str, bytes]
) -> dict[str, Any]:
    """One chain, whose every command that finds no room is tried again with more."""
    base = scratch / f"{place}-{size_kb}"
    outcome: dict[str, Any] = {"sentences": [], "not_held": []}

    def failed(what: str, said: str = "") -> None:
        outcome["not_held"].append({"place": place, "size_kb": size_kb, "outcome": what, "said": said[-400:]})

    with _environment(base, scratch), _disk(base / place, size_kb, mounts):
        for command in _commands(scratch, base / "runs"):
            _resize(base / place, size_kb, mounts)
            end = fuzz.run(command, base, LONGEST_S)
            if end.outcome == "passed":
                continue
            if end.outcome != "sentence" or end.code != 2:
                failed(f"{command[0]}: {end.outcome}, exit code {end.code}", end.said)
            sentence = next((line for line in end.said.splitlines() if line.startswith("error: ")), "")
            if not any(words in sentence for words in ("No space left", "File too large", "no room")):
                failed(f"{command[0]}: the disk is not named", end.said)
            outcome["sentences"].append(sentence.replace(str(base), "...")[:160])
            for path, reason in _half_written(base / "runs"):
                failed(f"{command[0]}: {path} is half-written", reason)
            if left := [str(path.relative_to(base)) for path in (base / "temporary").rglob("edgecnn-*")]:
                failed(f"{command[0]}: left {left}")
            _resize(base / place, ROOM_KB, mounts)
            again = fuzz.run(command, base, LONGEST_S)
            if again.code == 64 and command[0] == "train":
                again = fuzz.run([*command, "--resume"], base, LONGEST_S)
            if again.outcome != "passed":
                failed(f"{command[0]} again: {again.outcome}, exit code {again.code}", again.said)
                return outcome
        for name, content in expected.items():
            if (base / "runs" / "r" / name).read_bytes() != content:
                failed(f"{name} differs from that of an undisturbed chain")
    shutil.rmtree(base, ignore_errors=True)
    return outcome


def _half_written(runs: Path) -> Iterator[tuple[Path, str]]:
    """Files that do not open, and temporary ones that were left behind."""
    for path in sorted(runs.rglob("*")):
        if path.is_dir():
            if path.name.startswith("."):
                yield path, "a folder left behind"
            continue
        if path.name.startswith("."):
            yield path, "left behind"
            continue
        try:
            content = path.read_bytes()
            if path.suffix == ".json":
                json.loads(content)
            elif path.suffix == ".npz":
                with np.load(path) as arrays:
                    [arrays[name] for name in arrays]
            elif path.suffix == ".csv":
                assert len({len(row) for row in csv.reader(content.decode().splitlines())}) == 1
            elif path.suffix == ".safetensors":
                from safetensors.numpy import load

                load(content)
            elif path.suffix == ".pt":
                assert zipfile.ZipFile(path).testzip() is None
            else:
                assert content
        except Exception as error:
            yield path, f"{type(error).__name__}: {error}"


@contextlib.contextmanager
def _environment(base: Path, scratch: Path) -> Iterator[None]:
    """The environment of the commands: folders of their own for all that they write."""
    folders = {place: base / place for place in PLACES}
    for folder in folders.values():
        folder.mkdir(parents=True)
    mine = {"TMPDIR": folders["temporary"], "XDG_CACHE_HOME": folders["cache"], "MPLCONFIGDIR": scratch / "matplotlib"}
    before = dict(os.environ)
    os.environ.update({name: str(path) for name, path in mine.items()})
    os.environ.pop("TORCHINDUCTOR_CACHE_DIR", None)
    tempfile.tempdir = None
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
        tempfile.tempdir = None


@contextlib.contextmanager
def _disk(folder: Path, size_kb: int, mounts: bool) -> Iterator[None]:
    folder.mkdir(parents=True, exist_ok=True)
    if not mounts:
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        return
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size_kb}k", "tmpfs", folder], check=True, capture_output=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True, capture_output=True)


def _resize(folder: Path, size_kb: int, mounts: bool) -> None:
    """Make the disk this large, or, if more lies on it, as large as that: then it is full."""
    if mounts:
        used_kb = shutil.disk_usage(folder).used // 1024
        size = f"size={max(size_kb, used_kb, 4)}k"
        subprocess.run(["mount", "-o", f"remount,{size}", folder], check=True, capture_output=True)
        return
    soft = resource.RLIM_INFINITY if size_kb >= ROOM_KB else size_kb * 1024
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
