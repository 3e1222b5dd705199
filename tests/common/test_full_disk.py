"""A training on a disk without room: one sentence, nothing half-written, and the same weights once there is room."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import disks

from edgecnn.records import run

TRAIN = ("train", "dscnn-digits", "--epochs", "2", "--precision", "fp32", "--num-threads", "1", "--name", "one")


def edgecnn(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "edgecnn", *words], capture_output=True, text=True)


def test_a_training_that_meets_a_full_disk_goes_on_once_there_is_room(tmp_path: Path) -> None:
    with disks.of_kb(60, tmp_path / "disk") as disk:
        full = edgecnn(*TRAIN, "--output", str(disk))
        assert full.returncode == 2, full.stderr
        assert f"error: Cannot write {disk}/one/" in full.stderr
        assert "No space left on device, it needs" in full.stderr
        assert "Traceback" not in full.stderr
        assert not [path for path in disk.rglob(".*") if path.is_file()]
        disks.resize(disk, 4000)
        again = edgecnn(*TRAIN, "--output", str(disk), "--resume")
        assert again.returncode == 0, again.stderr
        weights = run.open_run(disk / "one").weights.read_bytes()
    undisturbed = edgecnn(*TRAIN, "--output", str(tmp_path))
    assert undisturbed.returncode == 0, undisturbed.stderr
    assert (tmp_path / "one" / "model.safetensors").read_bytes() == weights


def test_output_to_a_full_disk_is_a_sentence() -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "edgecnn", "--version"], stdout=full, stderr=subprocess.PIPE, text=True
        )
    assert done.returncode == 2
    assert "error: Cannot write: No space left on device." in done.stderr
