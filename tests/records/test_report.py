import dataclasses
import json
import typing
from pathlib import Path
from typing import Any

import bench_samples as samples
import jsonschema
import pytest
from checkout import ROOT
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecnn.errors import OutputError, UsageError
from edgecnn.records import measurement, report
from edgecnn.records.artifact import Verdict
from edgecnn.records.environment import Condition, Environment
from edgecnn.records.gates import Gate
from edgecnn.records.measurement import Accuracy, Count, EndToEnd, Golden, Measurement, Summary, Window
from edgecnn.records.report import Failure, Report, ReportWarning

SCHEMA = json.loads((ROOT / "bench" / "report.schema.json").read_text())
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
VERDICT = Verdict(
    passed=True, reason="", n=100, top1_percent=90.0, top1_low_percent=82.0, top1_high_percent=95.0,
    reference_top1_percent=91.0, drop_pp=1.0, drop_low_pp=-1.0, drop_high_pp=3.0, p_value=1.0,
    agreement_percent=99.0, gained=0, lost=1, max_logit_difference=0.1, max_drop_pp=1.0, outcome="pass", exact=True,
)  # fmt: skip
FULL = samples.report(
    samples.measurement(
        [0.07] * 6,
        verdict=VERDICT,
        accuracy=samples.accuracy(90, 100),
        end_to_end=EndToEnd(picture="640 x 480 JPEG", pictures=2, times_ms=(1.0, 2.0), decode_ms=(0.5, 1.5)),
    ),
    samples.measurement([0.2, 0.3], file="net-int8.tflite", precision="int8", run=None, macs=None),
    failures=(Failure(file="net.onnx", runtime="onnxruntime", sentence='It says "no".', hint=None),),
    gates=(Gate(limit="max-ms", subject="net-int8.tflite on litert", outcome="cannot tell", sentence="so"),),
)

COUNT = Count(instructions=(990, 1000, 1010), baseline_rss_bytes=30_000_000, peak_rss_bytes=33_000_000)
UNTIMED = samples.report(
    samples.measurement(
        [],
        counts=(COUNT, COUNT),
        accuracy=dataclasses.replace(samples.accuracy(90, 100), elapsed_s=None),
        golden=Golden(verdict="identical", pictures=32, values=320, differing=0, max_lsb=0, max_relative=None),
    ),
    board="emulated:pi4",
)

floats = st.floats(1e-6, 1e6)


def validate(table: Any) -> None:
    VALIDATOR.validate(table)


def test_a_report_survives_its_file(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    report.write(FULL, path)
    assert report.read(path) == dataclasses.replace(FULL, path=path)


def test_a_report_obeys_the_committed_schema() -> None:
    assert FULL.warnings
    validate(json.loads(report.to_json(FULL)))


def test_what_a_board_without_a_clock_measured_survives_and_tells_no_time(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    report.write(UNTIMED, path)
    assert report.read(path) == dataclasses.replace(UNTIMED, path=path)
    table = json.loads(path.read_text())
    validate(table)
    (row,) = table["measurements"]
    assert not [key for part in (row, row["summary"], row["accuracy"]) for key in part if key.endswith(("_ms", "_s"))]
    assert not measurement.TIMES & (set(row) | set(row["summary"]) | set(row["accuracy"]))
    assert (row["summary"]["instructions_p50"], row["summary"]["instructions_n"]) == (1000, 6)


@pytest.mark.parametrize("part", ["summary", "accuracy", None])
def test_the_schema_refuses_a_time_without_windows_and_windows_without_a_time(part: str | None) -> None:
    table = json.loads(report.to_json(UNTIMED))
    row = table["measurements"][0]
    if part:
        row[part]["elapsed_s" if part == "accuracy" else "p50_ms"] = 1.0
    else:
        row["end_to_end"] = None
    with pytest.raises(jsonschema.ValidationError):
        validate(table)
    table = json.loads(report.to_json(FULL))
    del table["measurements"][0]["summary"]["p50_ms"]
    with pytest.raises(jsonschema.ValidationError):
        validate(table)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.lists(floats, min_size=1, max_size=8), min_size=1, max_size=4), st.text(max_size=20))
def test_any_times_and_any_name_survive_and_obey(rounds: list[list[float]], name: str) -> None:
    measurement = samples.measurement([], windows=tuple(map(samples.window, rounds)), file=name)
    table = json.loads(report.to_json(samples.report(measurement)))
    validate(table)
    assert table["measurements"][0]["file"] == name
    assert [window["times_ms"] for window in table["measurements"][0]["windows"]] == rounds


@pytest.mark.parametrize(
    "cls",
    [
        Report,
        Measurement,
        Summary,
        Window,
        Count,
        Golden,
        Accuracy,
        EndToEnd,
        Failure,
        ReportWarning,
        Environment,
        Condition,
        Verdict,
        Gate,
    ],
)
def test_the_schema_names_every_field_and_no_other(cls: type) -> None:
    part = SCHEMA if cls is Report else SCHEMA["$defs"][cls.__name__]
    fields = {field.name for field in dataclasses.fields(cls)} - ({"path"} if cls is Report else set())
    added = {Report: {"schema_version"}, Environment: {"fingerprint"}}.get(cls, set())
    needless = {Measurement, Summary, Accuracy}  # of what is told only where time is kept
    required = set(part["required"]) | (fields & measurement.TIMES if cls in needless else set())
    later = {Report: {"gates"}, Verdict: {"outcome", "exact"}}.get(cls, set())  # reports from before lack them
    assert set(part["properties"]) == required | later == fields | added
    assert part["additionalProperties"] is False


def test_the_schema_lists_every_warning() -> None:
    kinds = SCHEMA["$defs"]["ReportWarning"]["properties"]["kind"]["enum"]
    assert set(kinds) == set(typing.get_args(report.WarningKind))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda table: table.pop("board"),
        lambda table: table.update(latency=1),
        lambda table: table.update(schema_version=2),
        lambda table: table["measurements"][0]["windows"][0].update(times_ms=[]),
        lambda table: table["measurements"][0]["windows"][0].update(times_ms=["fast"]),
        lambda table: table["measurements"][0].update(sha256="short"),
        lambda table: table["warnings"].append({"kind": "mood"}),
    ],
)
def test_the_schema_refuses_what_is_no_report(spoil: Any) -> None:
    table = json.loads(report.to_json(FULL))
    spoil(table)
    with pytest.raises(jsonschema.ValidationError):
        validate(table)


def test_a_window_stands_on_one_line() -> None:
    lines = report.to_json(FULL).splitlines()
    assert sum('"times_ms": [' in line and line.rstrip(",").endswith("]") for line in lines) == 9
    assert max(map(len, lines)) > 200 > len(lines) / 5


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"schema_version": 1}', '{"schema_version": 99}', "\x00"])
def test_what_is_not_a_report_is_refused(content: str, tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    path.write_text(content)
    with pytest.raises(UsageError, match=r"report\.json"):
        report.read(path)


def test_a_missing_report_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="There is no report"):
        report.read(tmp_path / "none.json")


def test_an_unwritable_place_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(OutputError):
        report.write(FULL, tmp_path / "nowhere" / "report.json")
    assert list(tmp_path.iterdir()) == []
