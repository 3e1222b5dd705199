import dataclasses
import io

import bench_samples as samples
import pytest

from edgecnn.pipeline.bench import show
from edgecnn.records import environment
from edgecnn.records.measurement import Count, Golden
from edgecnn.records.report import Failure

FOUR = [
    samples.measurement([0.1] * 6, file=f"dscnn-fashion-{precision}.{format_}", precision=precision, format=format_,
                        runtime=runtime, accuracy=samples.accuracy(9312, 10_000))
    for precision in ("fp32", "int8-mixed")
    for format_, runtime in (("onnx", "onnxruntime"), ("tflite", "litert"))
]  # fmt: skip


def shown(*measurements: object, **changes: object) -> str:
    stream = io.StringIO()
    show.show(samples.report(*measurements, **changes), stream=stream)  # type: ignore[arg-type]
    return stream.getvalue()


def test_the_four_files_of_a_run_fit_eighty_columns() -> None:
    text = shown(*FOUR, environment=samples.SAPPHIRE_RAPIDS)
    assert text.startswith("dscnn-fashion-*, litert 2.3.0, onnxruntime 2.3.0\n")
    assert "\non Intel(R) Xeon(R) Processor (AVX-512 VNNI, BF16, AMX)\n" in text
    table = text.splitlines()[3:]
    assert [line.split()[0] for line in table[2:]] == [
        "fp32.onnx", "fp32.tflite", "int8-mixed.onnx", "int8-mixed.tflite",
    ]  # fmt: skip
    assert max(map(len, text.splitlines())) <= 80


def test_every_number_stands_with_its_n_and_interval() -> None:
    text = shown(*FOUR)
    assert "6 rounds, 120 timed runs, top-1 on 10,000 test pictures" in text
    assert "93.12 [92.6, 93.6]" in text
    assert "100 [100, 100] µs" in text
    assert "litert 2.3.0" in text


def test_files_of_several_runs_stand_side_by_side_with_their_check() -> None:
    ours = [dataclasses.replace(row, run="dscnn-fashion") for row in FOUR]
    others = [dataclasses.replace(row, run="mlp", file=row.file.replace("dscnn-fashion", "mlp")) for row in FOUR]
    text = shown(*ours, *others)
    lines = text.splitlines()
    assert "drop" in lines[3]
    assert "agree" in lines[3]
    assert lines[5] == "dscnn-fashion"
    assert lines[6].startswith("fp32.onnx ")
    assert lines[10] == "mlp"
    assert max(map(len, lines[:-1])) <= 80


def test_a_file_on_two_runtimes_gets_a_column_for_them() -> None:
    twice = dataclasses.replace(FOUR[1], runtime="another")
    assert "runtime" in shown(FOUR[1], twice).splitlines()[3]
    assert "runtime" not in shown(*FOUR).splitlines()[3]


def test_what_was_not_measured_is_a_dash() -> None:
    line = shown(samples.measurement([1.0] * 6)).splitlines()[-1]
    assert line.split()[2] == "-"


def test_failures_and_warnings_go_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    failure = Failure(file="a.onnx", runtime="onnxruntime", sentence="It crashed.", hint="try another")
    show.show(samples.report(samples.measurement([1.0, 2.0]), failures=(failure,)))
    out, err = capsys.readouterr()
    assert "net-fp32.tflite" in out
    assert "error: a.onnx on onnxruntime: It crashed.\nhint: try another" in err
    assert err.count("warning: ") == 3  # few rounds, few samples, unstable


def test_the_markdown_page_says_what_where_and_how_to_have_it_again() -> None:
    result = samples.report(*FOUR, samples.measurement([1.0, 2.0]))
    page = show.markdown(result)
    assert "    edgecnn bench runs/net\n" in page
    assert f"\n- {environment.machine_name(result.environment)}, " in page
    assert f"fingerprint {environment.fingerprint(result.environment)}" in page
    assert all(f"onnxruntime {version}" in page for version in [result.environment.packages["onnxruntime"]])
    rows = [line for line in page.splitlines() if line.startswith("| ")]
    assert len(rows) == 2 + 5
    assert len({row.count("|") for row in rows}) == 1
    assert "- unstable: net-fp32.tflite" in page


def test_an_empty_report_is_still_a_page() -> None:
    assert "nothing was measured" in show.markdown(samples.report())


COUNTS = (Count(instructions=(999_500, 1_000_000, 1_001_000), baseline_rss_bytes=0, peak_rss_bytes=3_000_000),)
COUNTED = [
    samples.measurement([], file=f"dscnn-fashion-{precision}.tflite", precision=precision, counts=COUNTS,
                        run="dscnn-fashion", accuracy=samples.accuracy(9312, 10_000))
    for precision in ("fp32", "int8")
]  # fmt: skip


def test_a_board_without_a_clock_shows_instructions_and_never_a_latency() -> None:
    text = shown(*COUNTED)
    assert text.count("emulated") == 2
    assert text.count("1,000 k ±0.10 %") == 2
    assert "3 counts of instructions" in text
    assert max(map(len, text.splitlines())) <= 80
    page = show.markdown(samples.report(*COUNTED))
    assert "so there is no latency" in page
    assert "int8 needs as many instructions as fp32 (+0.0 %) in litert" in page
    assert " ms" not in page
    assert "p99" not in page
    assert "## Warnings" not in page


def test_a_board_that_only_answers_shows_answers_and_says_so() -> None:
    answered = [
        samples.measurement(
            [],
            file=measurement.file,
            run=measurement.run,
            precision=measurement.precision,
            accuracy=measurement.accuracy,
        )
        for measurement in COUNTED
    ]
    text = shown(*answered)
    assert text.splitlines()[2].startswith("1 thread, batch 1, answers alone, top-1 on 10,000")
    assert text.splitlines()[3].split()[0] == "file"
    assert not {"p50", "instructions", "peak"} & set(text.splitlines()[2].split())
    assert text.count(show.ANSWERS_MEAN) == 1
    assert max(map(len, text.splitlines()[2:])) <= 80
    page = show.markdown(samples.report(*answered))
    assert show.ANSWERS_MEAN in page
    assert " ms" not in page


def test_outputs_that_are_not_those_exported_are_shown_and_warned_of() -> None:
    off = Golden(verdict="within", pictures=32, values=320, differing=3, max_lsb=1, max_relative=None)
    page = show.markdown(samples.report(dataclasses.replace(FOUR[0], golden=off), FOUR[1]))
    assert "| 1 LSB |" in page
    measured = samples.measurement([1.0] * 6, golden=off)
    (warning,) = (w for w in samples.report(measured).warnings if w.kind == "differs-from-export")
    assert "3 of 320 output values of 32 pictures" in warning.sentence
    rounding = dataclasses.replace(off, max_lsb=None, max_relative=1e-7)
    assert not [w for w in samples.report(samples.measurement([1.0] * 6, golden=rounding)).warnings
                if w.kind == "differs-from-export"]  # fmt: skip
