"""A run with all that can stand beside it, of chosen numbers: files with cards, benches, a duel, lessons."""

from __future__ import annotations

import dataclasses
import io
from pathlib import Path
from typing import Any

import bench_samples as samples
import numpy as np
from PIL import Image

from edgecnn import formats
from edgecnn.common import files
from edgecnn.records import artifact, environment, report
from edgecnn.records.artifact import Artifact, Parity, Preprocessing, Verdict
from edgecnn.records.gates import Outcome
from edgecnn.records.measurement import Count, Measurement, Validity
from edgecnn.records.recipe import DataPlan, NetPlan, Recipe
from edgecnn.records.report import Report
from edgecnn.studies import findings
from edgecnn.studies.findings import Cell, Claim, Contender, Crossover, Duel, Lesson, Number, Trial
from edgecnn.testing.samples import write_run

METRICS = """epoch,lr,train_loss,train_top1_percent,validation_loss,validation_top1_percent,seconds,pictures_per_s
1,0.001,1.5,40,1.2,55.5,1.0,1000
2,0.002,0.9,70,0.8,72.25,1.0,1000
3,0.001,0.6,80,0.7,71.5,1.0,1000
"""


def run(folder: Path) -> Path:
    """A finished run that was not exported."""
    recipe = Recipe(name=folder.name, data=DataPlan(name="digits"), net=NetPlan(name="dscnn", options={"width": 8}))
    facts: dict[str, Any] = {
        "params": 3434,
        "macs": 92_224,
        "validation_top1_percent": 71.5,
        "validation_n": 200,
        "train_seconds": 3.0,
    }
    write_run(folder, recipe, input_shape=(1, 8, 8), labels=("0", "1"), **facts)
    (folder / "metrics.csv").write_text(METRICS)
    files.write_json(folder / "environment.json", environment.to_table(environment.here()))
    return folder


def export(folder: Path, model: Path, passed: bool = True, outcome: Outcome | None = None) -> Path:
    """A copy of `model` among the run's files, with the card of a check that went so."""
    path = folder / "artifacts" / f"{folder.name}-fp32{model.suffix}"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(model.read_bytes())
    verdict = Verdict(
        passed=passed, outcome=outcome, reason="so", n=360,
        top1_percent=70.0, top1_low_percent=65.0, top1_high_percent=74.5,
        reference_top1_percent=71.25, drop_pp=1.25, drop_low_pp=0.25, drop_high_pp=2.5, p_value=0.03125,
        agreement_percent=97.5, gained=1, lost=6, max_logit_difference=0.5, max_drop_pp=1.0,
    )  # fmt: skip
    artifact.write_card(
        Artifact(
            path=path,
            description=formats.describe(path),
            preprocessing=Preprocessing(height=8, width=8, channels=1, colour_order="grey", resize="none"),
            labels=("0", "1"),
            run=folder.name,
            verdict=verdict,
            parity=Parity(against="the-other.onnx", n=360, max_lsb=2, differing_percent=7.5, agreement_percent=99.5),
        )
    )
    return path


def bench(folder: Path) -> Report:
    """Two files timed on this machine: the second is quicker, smaller and less accurate."""
    name = folder.name
    fp32 = samples.measurement(
        [2.0, 2.01, 2.02, 2.03, 2.04, 2.05],
        file=f"{name}-fp32.tflite",
        run=name,
        accuracy=samples.accuracy(9000, 10_000),
    )
    int8 = samples.measurement(
        [1.0, 1.01, 1.02, 1.03, 1.04, 1.05], file=f"{name}-int8.tflite", run=name, precision="int8", bytes=30_000,
        accuracy=samples.accuracy(8000, 10_000), validity=Validity(verdict="DEGRADED", reasons=("it was warm",)),
    )  # fmt: skip
    return samples.report(fp32, int8, command=f"edgecnn bench {folder}")


def emulated(folder: Path) -> Report:
    """The same two files on a board that keeps no time."""
    counts = (Count(instructions=(999_500, 1_000_000, 1_001_000), baseline_rss_bytes=0, peak_rss_bytes=3_000_000),)

    def one(precision: str, correct: int) -> Measurement:
        accuracy = samples.accuracy(correct, 10_000)
        file = f"{folder.name}-{precision}.tflite"
        return samples.measurement(
            [], file=file, run=folder.name, precision=precision, counts=counts, accuracy=accuracy
        )

    return samples.report(one("fp32", 9000), one("int8", 8990), board="emulated:pi4")


def write_bench(folder: Path, result: Report, name: str = "local.json") -> Path:
    path = folder / "bench" / name
    path.parent.mkdir(exist_ok=True)
    report.write(result, path)
    return path


def duel(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    contenders = [
        Contender(
            family=family, net={"width": 8}, optim={"lr": 0.1}, params=3400, macs=macs,
            trials=(Trial(settings={"optim.lr": 0.1}, validation_top1_percent=88.5),), file=f"{family}-int8.tflite",
            precision=precision, bytes=9000, int8_top1_percent=top1, int8_top1_low_percent=top1 - 1,
            int8_top1_high_percent=top1 + 1, test_n=10_000, p50_ms=macs / 1e5, p50_low_ms=macs / 1.1e5,
            p50_high_ms=macs / 0.9e5, peak_rss_bytes=3_000_000, planned_activation_peak_bytes=5000,
            instructions={"emulated:pi4": 10 * macs},
        )
        for family, precision, macs, top1 in (
            ("dscnn", "int8", 90_000, 93.0), ("mlp", "int8", 3_400, 88.0), ("vit", "int8-mixed", 60_000, 89.0),
        )
    ]  # fmt: skip
    cells = [
        Cell(
            family=one.family, fraction=fraction, pictures=pictures, epochs=8, top1_percents=(mean - 1, mean + 1),
            mean_percent=mean, low_percent=mean - 2, high_percent=mean + 2, train_seconds=10.0,
        )
        for one in contenders
        for fraction, pictures, lost in ((0.01, 600, 15.0), (0.1, 6000, 5.0), (1.0, 60_000, 0.0))
        for mean in [one.int8_top1_percent - lost]
    ]  # fmt: skip
    crossover = Crossover(
        winner_below="mlp", winner_above="vit", status="estimated", pictures=2000.0, low=1500.0, high=2600.0,
        sentence="vit passes mlp at 2,000 training pictures [1,500, 2,600].",
    )  # fmt: skip
    findings.write(
        Duel(
            name="digits-duel", command="edgecnn duel dscnn-digits", date="2026-11-05T10:11:12+00:00",
            environment=environment.here(), data="digits", budget="params", budget_value=3434.0,
            budget_unit="parameters", board="local", repeats=2, contenders=tuple(contenders), cells=tuple(cells),
            crossovers=(crossover,), sentences=("The dscnn leads at every share.",), elapsed_s=600.0,
        ),
        folder / "duel.json",
    )  # fmt: skip
    return folder


def lesson(folder: Path, name: str = "equivariance", measured: str = "The largest error is 0.") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    stream = io.BytesIO()
    Image.fromarray(np.full((40, 80, 3), 200, np.uint8)).save(stream, "PNG")
    (folder / f"{name}.png").write_bytes(stream.getvalue())
    path = folder / f"{name}.json"
    findings.write(
        Lesson(
            name=name, title="Shift the input and the feature maps shift.", command=f"edgecnn lesson {name}",
            date="2026-11-05T10:11:12+00:00", quick=True, environment=environment.here(), elapsed_s=12.0,
            numbers=(
                Number(name="first dense layer", value=150_528_000.0, unit="parameters"),
                Number(name="error", value=0.00123, unit="", low=0.001, high=0.0015, n=32, n_of="pictures"),
            ),
            claims=(
                Claim(expected="Stride 1 is equivariant.", measured=measured, holds=True, exact=True),
                Claim(expected="Stride 2 is.", measured="It is not: 0.5.", holds=False),
                Claim(expected="Pooling helps.", measured="5 of 10 nets.", holds=None),
            ),
            pictures=(f"{name}.png",), captions=("Error against shift.",),
        ),
        path,
    )  # fmt: skip
    return path


def changed(one: Report, **changes: object) -> Report:
    return dataclasses.replace(one, **changes)  # type: ignore[arg-type]
