"""The main line on real pictures: Fashion-MNIST trained briefly, exported, checked and benched by the command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from edgecnn import data
from edgecnn.errors import EnvironmentUnfit
from edgecnn.records import report
from edgecnn.records.artifact import read_card
from edgecnn.records.recipe import DataPlan

SMALL = {
    "epochs": 1,
    "num_threads": 1,
    "net.width": 8,
    "net.growth": 2.0,
    "net.stem_stride": 2,
    "optim.ema": 0.9,
    "optim.lr": 0.05,
}


@pytest.fixture(scope="module")
def fashion() -> data.Splits:
    try:
        return data.load(DataPlan(name="fashion-mnist", validation=0.05))
    except EnvironmentUnfit as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"{error.sentence} hint: {error.hint}")


def test_fashion_mnist_is_whole(fashion: data.Splits) -> None:
    assert len(fashion.train) == 57_000
    assert len(fashion.validation) == 3_000
    assert len(fashion.test) == 10_000
    assert fashion.train.images.shape[1:] == (28, 28, 1)


def test_one_command_takes_fashion_mnist_to_four_checked_and_benched_files(
    fashion: data.Splits, tmp_path: Path
) -> None:
    settings = [word for key, value in SMALL.items() for word in ("-s", f"{key}={json.dumps(value)}")]
    suite = tmp_path / "short.toml"
    suite.write_text("rounds = 1\nwarmup_runs = 2\nmin_secs = 0.05\n")
    command = ["run", "dscnn-fashion", *settings, "--suite", str(suite), "--output", str(tmp_path), "--json"]
    done = subprocess.run([sys.executable, "-m", "edgecnn", *command], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr

    folder = tmp_path / "dscnn-fashion"
    paths = sorted(path for path in (folder / "artifacts").iterdir() if path.suffix in (".onnx", ".tflite"))
    assert [path.name for path in paths] == [
        f"dscnn-fashion-{precision}.{suffix}" for precision in ("fp32", "int8") for suffix in ("onnx", "tflite")
    ]
    measured = {
        measurement.file: measurement
        for measurement in report.read(next((folder / "bench").glob("*.json"))).measurements
    }
    for path in paths:
        card = read_card(path)
        assert card is not None
        assert card.verdict is not None
        assert card.verdict.passed
        assert card.verdict.n == 10_000
        assert card.verdict.top1_percent > 70
        scored = measured[path.name].accuracy
        assert scored is not None
        assert scored.n == 10_000
        # The bench scores the file in a process of its own and comes to the very same count.
        assert scored.correct == round(card.verdict.top1_percent * 100)
