"""A run with all that can stand beside it, of chosen numbers: files with cards, benches, a duel, lessons."""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import bench_samples as samples
import numpy as np
from PIL import Image

from edgecnn import formats
from edgecnn.common import files, stats
from edgecnn.pipeline.bench.profiling import results
from edgecnn.pipeline.bench.profiling.results import Advice, OperatorCost, Profile, ProfileReport, ProfileRow, Total
from edgecnn.records import artifact, environment, evaluation, report, shown_pictures
from edgecnn.records.artifact import Artifact, Parity, Preprocessing, Verdict
from edgecnn.records.evaluation import ClassScore, Evaluation, FileScore, WrongAnswer, packed
from edgecnn.records.gates import Outcome
from edgecnn.records.measurement import Count, Measurement, Validity
from edgecnn.records.recipe import DataPlan, NetPlan, Recipe
from edgecnn.records.report import Report
from edgecnn.records.run import open_run
from edgecnn.records.shown_pictures import ShownPictures
from edgecnn.studies import findings
from edgecnn.studies.findings import (
    Cell,
    Claim,
    Contender,
    Crossover,
    Duel,
    Lesson,
    Number,
    Sweep,
    SweepObjective,
    SweepTrial,
    Trial,
)
from edgecnn.testing.samples import run as write_net
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


def trained(folder: Path, net: str = "dscnn") -> Path:
    """A finished run with weights, of random numbers, which need not be good."""
    made = write_net(net, folder)
    (folder / "metrics.csv").write_text(METRICS)
    files.write_json(folder / "environment.json", environment.to_table(environment.here()))
    return made.folder


def evaluate(folder: Path, wrong: Sequence[int] = (1, 5), n: int = 64, **changes: Any) -> Evaluation:
    """Evaluate the int8 file of a run on pictures of four classes, of which those at `wrong` are called the next."""
    opened = open_run(folder)
    labels, channels = opened.labels, opened.input_shape[0]
    count = len(labels)
    truth = np.arange(n) % count
    answers = truth.copy()
    answers[list(wrong)] = (answers[list(wrong)] + 1) % count
    table = np.bincount(truth * count + answers, minlength=count * count).reshape(count, count)
    score = FileScore(
        file=f"{folder.name}-int8.tflite", sha256="0" * 64, format="tflite", precision="int8", runtime="litert",
        runtime_version="1", n=n, top1=stats.wilson(n - len(wrong), n), top5=None, calibration_error_pp=1.5,
        calibration_error_low_pp=1.0, calibration_error_high_pp=2.0,
        classes=tuple(
            ClassScore(
                label=label,
                recall=stats.wilson(int(table[k, k]), int(table[k].sum())),
                precision=stats.wilson(int(table[k, k]), int(table[:, k].sum())),
            )
            for k, label in enumerate(labels)
        ),
        confusion=tuple(map(tuple, table.tolist())),
        mistakes=tuple(
            WrongAnswer(picture=f"#{i}", index=i, truth=labels[truth[i]], answer=labels[answers[i]], score=0.9,
                        true_score=0.1)
            for i in wrong
        ),
        correct_bits=packed(answers == truth), pictures_sha256="1" * 64,
    )  # fmt: skip
    result = Evaluation(
        command=f"edgecnn eval {folder}", date="2026-11-05T10:11:12+00:00", data="digits",
        environment=environment.here(), files=(dataclasses.replace(score, **changes),), roundings=(),
        folder=folder / "evaluation",
    )  # fmt: skip
    files.make_folder(folder / "evaluation")
    evaluation.write(result, folder / "evaluation")
    kept = np.array([*wrong, *range(8, 8 + count)])
    height, width = opened.input_shape[1:]
    pixels = np.random.default_rng(0).integers(0, 256, (len(kept), height, width, channels), dtype=np.uint8)
    shown_pictures.write(ShownPictures(kept, truth[kept], pixels), folder / "evaluation")
    return result


def profile(folder: Path) -> ProfileReport:
    """A profile of the run's int8 file: two operators, of which the first takes three quarters of the time."""
    cost = OperatorCost(p50=0.003, low=0.0028, high=0.0032)
    rest = OperatorCost(p50=0.001, low=-0.0001, high=0.0012)
    shape: dict[str, Any] = {"input_shape": (1, 8, 8, 1), "stride": 1, "is_float": False, "bytes": 1300, "samples": ()}
    rows = (
        ProfileRow(place=1, names=("a",), operators=("CONV_2D",), kinds=("conv",), kind="conv", label="conv 3x3 1>16",
                   output_shape=(1, 8, 8, 16), channels=(1, 16), macs=9216, cost=cost, share_percent=75.0,
                   macs_percent=100.0, macs_per_unit=3e6, of_best_percent=100.0, **shape),
        ProfileRow(place=2, names=("b",), operators=("ADD",), kinds=("add",), kind="add", label="add <b>",
                   output_shape=(1, 8, 8, 16), channels=None, macs=0, cost=rest, share_percent=25.0, macs_percent=0.0,
                   macs_per_unit=None, of_best_percent=None, **shape),
    )  # fmt: skip
    whole, nothing = OperatorCost(p50=0.004, low=0.0039, high=0.0041), OperatorCost(p50=0.0, low=0.0, high=0.0)
    made = Profile(
        file=f"{folder.name}-int8.tflite", run=folder.name, sha256="0" * 64, format="tflite", precision="int8",
        target=None, input_dtype="int8", runtime="litert", runtime_version="1", num_threads=1, method="prefixes",
        reason="a test", unit="ms", rounds=6, runs=9, whole=whole, sum=whole, off_percent=nothing, own_sum=None,
        call=None, rows=rows, moves=Total(operators=0, cost=nothing), coders=Total(operators=0, cost=nothing),
        threads=(), knee=None, validity=Validity(), advice=(Advice(kind="nothing", sentence="Fewer MACs save time."),),
    )  # fmt: skip
    result = ProfileReport(
        board="local", date="2026-11-05T10:11:12+00:00", command=f"edgecnn bench {folder} --profile",
        environment=environment.here(), suite={}, profiles=(made,), failures=(),
    )  # fmt: skip
    files.make_folder(folder / "bench")
    results.write(result, folder / "bench" / "local-profile.json")
    return result


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

    def counted(precision: str, correct: int) -> Measurement:
        accuracy = samples.accuracy(correct, 10_000)
        file = f"{folder.name}-{precision}.tflite"
        return samples.measurement(
            [], file=file, run=folder.name, precision=precision, counts=counts, accuracy=accuracy
        )

    return samples.report(counted("fp32", 9000), counted("int8", 8990), board="emulated:pi4")


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
            family=contender.family, fraction=fraction, pictures=pictures, epochs=8, top1_percents=(mean - 1, mean + 1),
            mean_percent=mean, low_percent=mean - 2, high_percent=mean + 2, train_seconds=10.0,
        )
        for contender in contenders
        for fraction, pictures, lost in ((0.01, 600, 15.0), (0.1, 6000, 5.0), (1.0, 60_000, 0.0))
        for mean in [contender.int8_top1_percent - lost]
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


def sweep(folder: Path, front: bool = True) -> Path:
    """Three trials for accuracy and MACs, of which one failed; without a front all did."""
    folder.mkdir(parents=True, exist_ok=True)
    points = [{"net.width": width, "augment.<b>": 0.25} for width in (8, 16, 24)]
    done = [
        SweepTrial(
            number=n, point=points[n], outcome="finished", values=values, epochs=2, seconds=3.0, is_on_front=True
        )
        for n, values in enumerate(((80.0, 1e5), (90.0, 2e5)))
    ]
    failed = [
        SweepTrial(number=number, point=points[2], outcome="failed", values=(), epochs=0, seconds=1.0, why="too <wide>")
        for number in range(len(done) if front else 0, 3)
    ]
    findings.write(
        Sweep(
            name="digits-sweep", command="edgecnn sweep dscnn-digits sweep.toml", date="2026-11-05T10:11:12+00:00",
            environment=environment.here(), recipe="dscnn-digits", data="digits", validation_n=200,
            objectives=(
                SweepObjective(name="accuracy", unit="%", direction="maximize"),
                SweepObjective(name="macs", unit="MACs", direction="minimize"),
            ),
            trials=(*(done if front else ()), *failed), best=1 if front else None,
            importances={"accuracy": {"net.width": 0.9, "augment.<b>": 0.1}} if front else {},
        ),
        folder / "sweep.json",
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


def changed(report: Report, **changes: object) -> Report:
    return dataclasses.replace(report, **changes)  # type: ignore[arg-type]
