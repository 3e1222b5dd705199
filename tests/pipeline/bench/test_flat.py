"""`edgecnn bench --csv`: a line for each file on each runtime, as a spreadsheet or a data frame takes it."""

import csv
import dataclasses
import io

import bench_samples as samples

from edgecnn.pipeline.bench import flat
from edgecnn.records import environment
from edgecnn.records.measurement import Count, Summary


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text), strict=True))


def test_every_number_of_the_summary_has_a_column_beside_its_file_and_machine() -> None:
    measured = samples.measurement([0.1] * 6, accuracy=samples.accuracy(93, 100))
    report = samples.report(measured, dataclasses.replace(measured, runtime="another"), environment=samples.PI5)
    first, second = rows(flat.csv(report))
    assert (first["runtime"], second["runtime"]) == ("litert", "another")
    assert first["machine"] == environment.machine_name(samples.PI5)
    assert (first["board"], first["file"], first["bytes"]) == ("local", "net-fp32.tflite", "100000")
    for field in dataclasses.fields(Summary):
        value = getattr(measured.summary, field.name)
        assert first[field.name] == ("" if value is None else str(value)), field.name
    assert (first["check"], first["golden"], first["validity"]) == ("", "", "VALID")


def test_what_an_emulated_board_does_not_measure_is_an_empty_cell() -> None:
    count = Count(instructions=(1000, 1002), baseline_rss_bytes=1, peak_rss_bytes=2)
    (row,) = rows(flat.csv(samples.report(samples.measurement([], counts=(count,)))))
    assert (row["p50_ms"], row["validity"], row["top1_percent"]) == ("", "", "")
    assert row["instructions_p50"] == "1001.0"


def test_names_with_commas_and_control_characters_stay_in_their_cell() -> None:
    (row,) = rows(flat.csv(samples.report(samples.measurement([0.1] * 6, file='a,"b"\x1b.onnx'))))
    assert row["file"] == 'a,"b"\\x1b.onnx'


def test_a_report_without_measurements_has_no_lines() -> None:
    assert flat.csv(samples.report()) == ""
