"""The top of the page: a verdict and three numbers of each run, and runs side by side."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import page_samples as samples
import pytest
import tiny_models

from edgecnn.records import artifact
from edgecnn.records.gates import Gate
from edgecnn.records.measurement import Validity
from edgecnn.records.report import Report
from edgecnn.studies.page import headline, versus
from edgecnn.studies.page.gather import gather
from edgecnn.studies.page.headline import Headline


def top(*runs: Path) -> Headline:
    gathered = gather(runs)
    return headline.headlines(gathered.runs, gathered.benches)[0]


@pytest.fixture
def exported(tmp_path: Path, model: Path) -> Path:
    run = samples.run(tmp_path / "net")
    samples.export(run, model)
    return run


def of_file(run: Path, report: Report) -> Report:
    """The report, with its first measurement one of the run's file."""
    card = gather([run]).runs[0].artifacts[0]
    first = dataclasses.replace(report.measurements[0], file=card.name, sha256=card.description.sha256)
    return dataclasses.replace(report, measurements=(first, *report.measurements[1:]))


def test_a_run_that_was_only_trained_says_what_to_do_next(tmp_path: Path) -> None:
    run = samples.run(tmp_path / "net")
    headline = top(run)
    assert headline.mark == "not exported"
    assert [number.value for number in headline.numbers] == ["71.50 %", "", ""]
    assert [number.command for number in headline.numbers[1:]] == [f"edgecnn bench {run}", f"edgecnn export {run}"]


def test_a_number_that_was_not_measured_is_none_and_names_its_command(exported: Path) -> None:
    accuracy, latency, size = top(exported).numbers
    assert (accuracy.value, accuracy.detail) == ("70.00 %", "95 % interval 65.0 to 74.5, n = 360 test pictures")
    assert (latency.value, latency.command) == ("", f"edgecnn bench {exported}")
    assert size.value.endswith("kB")
    assert "memory not measured" in size.detail


def test_a_latency_carries_its_interval_its_rounds_its_machine_and_its_doubt(exported: Path) -> None:
    report = of_file(exported, samples.bench(exported))
    samples.write_bench(exported, report)
    latency = top(exported).numbers[1]
    assert latency.value == "2.02 ms"
    assert latency.detail.startswith("2.00 to 2.05 ms over 6 rounds, 1 thread on ")
    warm = dataclasses.replace(report.measurements[0], validity=Validity(verdict="DEGRADED", reasons=("it was warm",)))
    samples.write_bench(exported, dataclasses.replace(report, measurements=(warm, *report.measurements[1:])))
    assert top(exported).numbers[1].detail.startswith("DEGRADED: it was warm. ")
    hot = dataclasses.replace(warm, validity=Validity(verdict="INVALID", reasons=("throttled",)))
    samples.write_bench(exported, dataclasses.replace(report, measurements=(hot, *report.measurements[1:])))
    assert top(exported).numbers[1].value == ""


def test_an_emulated_board_gives_instructions_instead(exported: Path) -> None:
    samples.write_bench(exported, of_file(exported, samples.emulated(exported)))
    cost = top(exported).numbers[1]
    assert "no latency" in cost.label
    assert cost.value == "1,000 k"


@pytest.mark.parametrize(("passed", "mark", "title"), [
    (True, "pass", "Keeps the accuracy of its net"),
    (False, "FAIL", "Loses too much accuracy"),
])  # fmt: skip
def test_the_verdict_is_that_of_the_check(tmp_path: Path, model: Path, passed: bool, mark: str, title: str) -> None:
    run = samples.run(tmp_path / "net")
    samples.export(run, model, passed=passed)
    assert (top(run).mark, top(run).title) == (mark, title)


def test_a_limit_of_a_bench_that_is_broken_fails_the_run(exported: Path) -> None:
    report = of_file(exported, samples.bench(exported))
    measurement = report.measurements[0]
    name = f"{measurement.file} on {measurement.runtime}"
    gate = Gate(limit="max-ms", subject=name, outcome="fail", sentence=f"{name} takes 2.02 ms, over 1 ms")
    samples.write_bench(exported, dataclasses.replace(report, gates=(gate,)))
    told = top(exported)
    assert (told.mark, told.title) == ("FAIL", "Breaks a limit of its bench")
    assert "over 1 ms. It keeps 0 of 1 limits of its benches." in told.sentence


def test_a_file_without_a_check_has_no_verdict(exported: Path) -> None:
    card = gather([exported]).runs[0].artifacts[0]
    artifact.write_card(dataclasses.replace(card, verdict=None))
    told = top(exported)
    assert told.mark == "not checked"
    assert told.numbers[0].command == f"edgecnn eval {exported}"


def pair(tmp_path: Path, model: Path) -> list[Path]:
    """Two runs, each with a file of its own."""
    other = tiny_models.linear_onnx(tmp_path / "y.onnx", 2 * tiny_models.weights(8, 8, 1, 2))
    runs = [samples.trained(tmp_path / name) for name in ("a", "b")]
    for run, file in zip(runs, (model, other), strict=True):
        samples.export(run, file)
    return runs


def rows(runs: list[Path]) -> dict[str, tuple[str, ...]]:
    gathered = gather(runs)
    (table,) = versus.table(gathered.runs, gathered.benches)
    return {row[0]: tuple(row[1:]) for row in table.rows}


def test_one_run_alone_is_compared_with_nothing(exported: Path) -> None:
    gathered = gather([exported])
    assert versus.table(gathered.runs, gathered.benches) == []


def test_two_runs_that_were_shown_the_same_pictures_are_compared_picture_by_picture(
    tmp_path: Path, model: Path
) -> None:
    runs = pair(tmp_path, model)
    digests = [gather([run]).runs[0].artifacts[0].description.sha256 for run in runs]
    samples.evaluate(runs[0], wrong=range(12), sha256=digests[0])
    samples.evaluate(runs[1], wrong=(0,), sha256=digests[1])
    before, after, difference, finding, how = rows(runs)["top-1 %"]
    assert (before, after) == ("81.25 [70.0, 88.9]", "98.44 [91.7, 99.7]")
    assert difference.startswith("+17.19 [+")
    assert finding == "better"
    assert "paired on the same 64 pictures: +11 −0, exact McNemar p = 0.00098" in how


def test_runs_that_saw_other_pictures_are_compared_unpaired_and_the_command_is_named(
    tmp_path: Path, model: Path
) -> None:
    runs = pair(tmp_path, model)
    _, _, difference, finding, how = rows(runs)["top-1 %"]
    assert difference.startswith("+0.00 [-")
    assert finding == "no difference found"
    assert f"edgecnn eval {runs[0]} and edgecnn eval {runs[1]} pair it" in how


def test_latencies_of_one_bench_are_compared_by_their_ratio(tmp_path: Path, model: Path) -> None:
    runs = pair(tmp_path, model)
    cards = [gather([run]).runs[0].artifacts[0] for run in runs]
    report = samples.bench(runs[0])
    both = tuple(
        dataclasses.replace(
            measurement, file=card.name, run=card.run, sha256=card.description.sha256, validity=Validity()
        )
        for measurement, card in zip(report.measurements, cards, strict=True)
    )
    samples.write_bench(runs[0], dataclasses.replace(report, measurements=both))
    before, after, ratio, finding, how = rows(runs)["p50 latency"]
    assert (before, after) == ("2.02 [2.00, 2.05] ms", "1.02 [1.00, 1.05] ms")
    assert ratio.startswith("× 0.51 [0.")
    assert finding == "quicker"
    assert how == "in one bench, turn by turn; n = 6 and 6 rounds"


def test_runs_without_a_file_of_one_kind_have_only_their_nets_to_compare(tmp_path: Path) -> None:
    told = rows([samples.run(tmp_path / name) for name in ("a", "b")])
    assert "edgecnn export" in told["top-1, latency, size"][-1]
    assert told["MACs"] == ("92,224", "92,224", "× 1.00", "equal", "counted")
