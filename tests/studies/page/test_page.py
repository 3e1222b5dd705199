"""The report page as a file: what is on it, what is said to be missing, and that it comes out the same again."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import page_samples as samples
import pytest
from page_text import Text

from edgecnn.common import files
from edgecnn.errors import EdgecnnError, ModelFileError, OutputError, RunError, UsageError
from edgecnn.records import environment, isa, measurement, report
from edgecnn.records.report import Failure
from edgecnn.records.summary import summarise
from edgecnn.studies.page import build, render
from edgecnn.studies.page.gather import gather

MACHINE = environment.here()


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory, model: Path) -> Path:
    """A folder with a run `net` and everything that can stand on its page."""
    folder = tmp_path_factory.mktemp("full")
    run = samples.run(folder / "runs" / "net")
    samples.export(run, model, passed=False)
    samples.write_bench(run, samples.bench(run))
    report.write(samples.emulated(run), folder / "pi.json")
    samples.duel(folder / "duel")
    samples.lesson(folder / "lessons")
    return folder


def page(folder: Path, *names: str, output: str = "report.html", **options: object) -> str:
    runs = [folder / "runs" / name for name in names]
    return build.build(runs, folder / output, **options).read_text()  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def html(full: Path) -> str:
    return page(full, "net", duel=full / "duel", lessons=full / "lessons", benches=[full / "pi.json"])


@pytest.fixture(scope="module")
def text(html: str) -> Text:
    return Text(html)


def test_every_section_is_there_with_the_command_for_its_numbers(text: Text) -> None:
    words = " ".join(text.words.split())
    for command in ("edgecnn train", "edgecnn bench", "edgecnn duel dscnn-digits", "edgecnn lesson equivariance"):
        assert command in words
    assert {"in-short", "runs", "files", "benches", "duel", "lessons", "machines"} <= set(text.ids)


def test_the_recipe_is_shown_to_its_last_key(text: Text) -> None:
    recipe = dict(text.tables["recipes-table"][1:])
    assert recipe["net.width"] == "8"
    assert recipe["data.name"] == "digits"
    assert recipe["optim.lr"] == "0.003"


def test_a_number_stands_with_its_interval_its_n_and_its_machine(text: Text) -> None:
    assert text.column("runs-table", "validation top-1 % [95 %]") == ["71.50 [64.9, 77.3]"]
    assert text.column("runs-table", "n") == ["200"]
    assert text.column("runs-table", "on") == ["machine 1"]
    assert text.column("bench-1-times", "p50 [95 %]") == ["2.02 [2.00, 2.05] ms", "1.02 [1.00, 1.05] ms"]
    machine = f"{environment.machine_name(MACHINE)}, fingerprint {environment.fingerprint(MACHINE)}, machine 1"
    assert f"{machine}; 1 thread, batch 1, 6 rounds, 120 timed runs" in text.words
    assert f"candidates on {environment.machine_name(MACHINE)}: the front" in text.words
    assert dict(row[:2] for row in text.tables["machines-table"])["instruction set"] == isa.name(
        MACHINE.arch, MACHINE.features
    )
    assert text.column("duel-contenders", "n") == ["10,000"] * 3
    assert text.column("lesson-1-numbers", "n") == ["–", "32 pictures"]


def test_a_file_that_failed_its_check_is_marked_and_named_first_of_all(text: Text) -> None:
    assert text.column("files-table", "check") == ["FAIL"]
    assert text.column("files-table", "drop pp [95 %]") == ["+1.25 [+0.25, +2.50]"]
    assert "0 of 1 exported files pass their check against their run; net-fp32.onnx do not." in text.words


def test_a_file_whose_check_cannot_tell_is_neither_passed_nor_failed(tmp_path: Path, model: Path) -> None:
    samples.export(samples.run(tmp_path / "runs" / "net"), model, outcome="cannot tell")
    shown = Text(page(tmp_path, "net"))
    assert shown.column("files-table", "check") == ["cannot tell"]
    words = "0 of 1 exported files pass their check against their run; of net-fp32.onnx too few test pictures cannot"
    assert words in shown.words


def test_a_degraded_measurement_carries_its_mark_wherever_it_stands(text: Text, html: str) -> None:
    assert text.column("bench-1-times", "verdict") == ["VALID", "DEGRADED"]
    assert "1 of the 2 measurements of bench 1 are DEGRADED." in text.words
    assert "net-int8.tflite on litert is DEGRADED: it was warm." in text.words
    assert text.column("bench-1-front-1", "latency") == ["2.02 [2.00, 2.05] ms", "1.02 [1.00, 1.05] ms †"]
    assert html.count("net-int8.tflite, DEGRADED") >= 2  # in both pictures that have its latency


def test_an_invalid_latency_is_no_candidate_of_the_front(tmp_path: Path) -> None:
    run = samples.run(tmp_path / "runs" / "net")
    result = samples.bench(run)
    throttled = measurement.Validity(verdict="INVALID", reasons=("under-voltage in window 1",))
    first, second = result.measurements
    samples.write_bench(
        run, dataclasses.replace(result, measurements=(dataclasses.replace(first, validity=throttled), second))
    )
    text = Text(page(tmp_path, "net"))
    assert text.column("bench-1-times", "file") == ["net-fp32.tflite (INVALID)", "net-int8.tflite"]
    assert "place by latency" not in text.tables["bench-1-front-1"][0]
    assert "place by file size" in text.tables["bench-1-front-1"][0]


def test_an_emulated_board_has_instructions_and_no_latency(text: Text, html: str) -> None:
    assert text.column("bench-2-times", "p50 [95 %]") == ["emulated", "emulated"]
    assert text.column("bench-2-times", "instructions") == ["1,000 k ±0.10 %"] * 2
    assert "place by latency" not in text.tables["bench-2-front-1"][0]
    assert text.column("bench-2-front-1", "place by instructions") == ["not told from 2", "not told from 1"]
    assert "bench-2-latency" not in html
    assert "Bench 2: net on emulated:pi4" in text.words


def test_a_board_that_only_answers_has_no_table_of_costs(tmp_path: Path) -> None:
    run = samples.run(tmp_path / "runs" / "net")
    counted = samples.emulated(run)
    answered = [
        dataclasses.replace(measurement, counts=(), summary=summarise((), measurement.accuracy, None))
        for measurement in counted.measurements
    ]
    result = dataclasses.replace(counted, board="emulated:x86-64-v3", measurements=tuple(answered))
    samples.write_bench(run, result)
    text = Text(page(tmp_path, "net"))
    assert text.column("bench-1-answers", "peak MB") == ["-", "-"]
    assert "bench-1-times" not in text.tables
    assert not {"place by memory", "place by instructions"} & set(text.tables["bench-1-front-1"][0])


def test_what_a_claim_came_to_is_said_in_words(text: Text) -> None:
    assert text.column("lesson-1-claims", "outcome") == ["holds", "does not hold", "cannot tell"]
    assert "Of 3 claims of the textbook in 1 lessons 1 hold here, 1 do not, and 1 cannot be told." in text.words


def test_numbers_of_every_size_are_readable(text: Text) -> None:
    assert text.column("lesson-1-numbers", "value") == ["150,528,000", "0.0012"]
    assert text.column("lesson-1-numbers", "95 % interval") == ["–", "[0.001, 0.0015]"]


def test_each_id_is_used_once_and_each_link_leads_somewhere(html: str, text: Text) -> None:
    assert len(text.ids) == len(set(text.ids))
    assert text.links
    assert {link.removeprefix("#") for link in text.links} <= set(text.ids)
    references = re.findall(r'(?:href="#|url\(#|aria-labelledby=")([^")]*)', html)
    assert {name for reference in references for name in reference.split()} <= set(text.ids)


def test_a_picture_says_in_figures_what_it_shows(html: str) -> None:
    descriptions = re.findall(r"<desc[^>]*>(.*?)</desc>", html)
    assert len(descriptions) == html.count("<svg ") == 1 + 1 + 3 + 3 + 2
    assert all(re.search(r"\d", described) for described in descriptions)
    assert "validation top-1 from 55.50 to 71.50 %; its highest is 72.25 % in epoch 2." in descriptions[0]


def test_a_figure_takes_its_colours_from_the_style_sheet(html: str) -> None:
    pictures = "".join(re.findall(r"<svg .*?</svg>", html, flags=re.DOTALL))
    assert "currentColor" in pictures
    assert not re.search(r"(fill|stroke): (#|black|white|rgb)", pictures)
    used = set(re.findall(r"var\((--[\w-]+)\)", html))
    assert used <= set(re.findall(r"^\s+(--[\w-]+):", html, flags=re.MULTILINE)) | {"--width", "--share"}


def test_the_page_asks_for_nothing_and_runs_its_own_script_alone(html: str) -> None:
    (script,) = re.findall(r"<script>(.*?)</script>", html, flags=re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in html
    assert html.count("<script") == 1
    assert not re.search(r'\b(src|href)="(?!#|data:image/(png|jpeg|webp))', html)
    assert not re.search(r"@import|url\((?!#)|fetch|XMLHttp", html)


def test_what_files_say_is_shown_and_never_obeyed(tmp_path: Path, model: Path) -> None:
    name = "<script>alert(1)<"
    run = samples.run(tmp_path / "runs" / name)
    samples.export(run, model)
    samples.write_bench(run, samples.bench(run))
    samples.lesson(tmp_path / "lessons", measured='</td><img src=x onerror="x()">{{ 7 * 7 }}')
    html = page(tmp_path, name, lessons=tmp_path / "lessons")
    assert html.count("<script") == 1  # the page's own
    assert "<img src=x" not in html
    assert "{{ 7 * 7 }}" in html
    assert name in Text(html).words


def test_names_with_signs_of_mathematics_and_other_scripts_are_drawn_as_they_are(tmp_path: Path) -> None:
    run = samples.run(tmp_path / "runs" / "a$x_1$ 猫 #010101 url(#b)")
    samples.write_bench(run, samples.bench(run))
    assert Text(page(tmp_path, run.name)).words.count(f"{run.name}-int8.tflite") > 5


def test_the_same_input_gives_the_same_bytes(full: Path, html: str) -> None:
    assert page(full, "net", duel=full / "duel", lessons=full / "lessons", benches=[full / "pi.json"]) == html


def test_a_run_alone_makes_a_page_that_says_what_is_missing_and_how_to_get_it(tmp_path: Path, model: Path) -> None:
    run = samples.run(tmp_path / "runs" / "net")
    bare = " ".join(Text(page(tmp_path, "net")).words.split())
    assert f"net has no exported files yet: edgecnn export {run}" in bare
    assert "edgecnn duel" in bare
    assert "edgecnn lesson all" in bare
    samples.export(run, model)
    (run / "metrics.csv").unlink()
    (run / "environment.json").unlink()
    exported = " ".join(Text(page(tmp_path, "net")).words.split())
    assert f"The files of net were not measured yet: edgecnn bench {run}" in exported
    assert "net has no metrics.csv" in exported
    assert "No machine is known" in exported


def test_a_file_without_a_card_is_named(tmp_path: Path, model: Path) -> None:
    run = samples.run(tmp_path / "runs" / "net")
    (run / "artifacts").mkdir()
    shutil.copy(model, run / "artifacts" / "x.onnx")
    assert "x.onnx has no card" in Text(page(tmp_path, "net")).words


def test_a_bench_of_an_earlier_export_is_said_to_be_one(full: Path, text: Text) -> None:
    changed = samples.bench(full / "runs" / "net")
    first = dataclasses.replace(changed.measurements[0], file="net-fp32.onnx")
    report.write(dataclasses.replace(changed, measurements=(first,)), full / "old.json")
    html = page(full, "net", output="old.html", benches=[full / "old.json"])
    assert "Measured before it was exported again, so that the file is another now: net-fp32.onnx." in Text(html).words
    assert "Measured before" not in text.words


def test_the_newest_bench_of_the_same_files_stands_for_the_earlier_ones(tmp_path: Path) -> None:
    run = samples.run(tmp_path / "runs" / "net")
    new = samples.bench(run)
    samples.write_bench(run, dataclasses.replace(new, date="2026-11-06T00:00:00+00:00"), "b.json")
    samples.write_bench(run, new, "a.json")
    (tmp_path / "runs" / "bench").mkdir()
    report.write(dataclasses.replace(new, board="another"), tmp_path / "runs" / "bench" / "c.json")
    stranger = dataclasses.replace(new, measurements=tuple(dataclasses.replace(m, run="x") for m in new.measurements))
    report.write(stranger, tmp_path / "runs" / "bench" / "d.json")
    benches = gather([run], None, None, []).benches
    assert [bench.path.name for bench in benches] == ["c.json", "b.json"]
    assert [[path.name for path in bench.older] for bench in benches] == [[], ["a.json"]]
    named = gather([run], None, None, [run / "bench" / "a.json"]).benches
    assert [bench.path.name for bench in named] == ["c.json", "b.json", "a.json"]


def test_something_else_among_the_benches_is_left_out_with_a_word(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = samples.run(tmp_path / "runs" / "net")
    (run / "bench").mkdir()
    (run / "bench" / "other.json").write_text("[]")
    assert gather([run], None, None, []).benches == ()
    assert "It is left out." in capsys.readouterr().err


def test_a_bench_that_measured_nothing_and_one_that_failed_are_still_shown(tmp_path: Path) -> None:
    run = samples.run(tmp_path / "runs" / "net")
    failure = Failure(file="net-fp32.onnx", runtime="onnxruntime", sentence="It crashed.")
    samples.write_bench(run, samples.changed(samples.bench(run), measurements=(), failures=(failure,), warnings=()))
    assert "net-fp32.onnx on onnxruntime failed: It crashed." in Text(page(tmp_path, "net")).words


def test_two_runs_of_one_name_are_refused(tmp_path: Path) -> None:
    runs = [samples.run(tmp_path / folder / "net") for folder in ("a", "b")]
    with pytest.raises(UsageError, match="Two runs are called 'net'"):
        gather(runs, None, None, [])


@pytest.mark.parametrize(
    ("spoil", "kind"),
    [
        (lambda full: (full / "duel" / "duel.json").write_text("{}"), UsageError),
        (lambda full: (full / "duel" / "duel.json").unlink(), UsageError),
        (lambda full: (full / "lessons" / "equivariance.json").unlink(), UsageError),
        (lambda full: (full / "lessons" / "equivariance.png").unlink(), UsageError),
        (lambda full: (full / "lessons" / "equivariance.png").write_text("GIF"), UsageError),
        (lambda full: (full / "pi.json").write_text("{}"), UsageError),
        (lambda full: (full / "runs" / "net" / "run.json").unlink(), RunError),
        (lambda full: (full / "runs" / "net" / "metrics.csv").write_text("epoch,loss\n1,x\n"), RunError),
        (lambda full: (full / "runs" / "net" / "environment.json").write_text("{"), RunError),
        (lambda full: (full / "runs" / "net" / "artifacts" / "net-fp32.onnx").write_bytes(b"other"), ModelFileError),
    ],
)
def test_what_cannot_be_read_is_named_and_no_page_is_left(
    full: Path, tmp_path: Path, spoil: Callable[[Path], object], kind: type[EdgecnnError]
) -> None:
    own = tmp_path / "own"
    shutil.copytree(full, own)
    spoil(own)
    with pytest.raises(kind):
        page(own, "net", output="new.html", duel=own / "duel", lessons=own / "lessons", benches=[own / "pi.json"])
    assert not (own / "new.html").exists()


def test_a_page_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    run = samples.run(tmp_path / "runs" / "net")
    files.write_text(tmp_path / "file", "")
    with pytest.raises(OutputError):
        build.build([run], tmp_path / "file" / "report.html")


def _contrast(first: str, other: str) -> float:
    """WCAG 2.2, contrast ratio: (L1 + 0.05) / (L2 + 0.05) of the relative luminances."""

    def luminance(colour: str) -> float:
        channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    dark, light = sorted((luminance(first), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_text_and_series_stand_out_from_the_paper_in_both_schemes(scheme: int) -> None:
    style = (render.HERE / "style.css").read_text()
    colours = dict(re.findall(r"(--[\w-]+): (#\w{6});", style.split(":root {")[1 + scheme].split("}")[0]))
    for name in ("--ink", "--soft", "--link", "--good", "--bad", "--doubt"):
        for ground in ("--paper", "--band"):
            assert _contrast(colours[name], colours[ground]) >= 4.5, (name, ground)
    for number in range(1, 7):
        assert _contrast(colours[f"--series-{number}"], colours["--paper"]) >= 3, number
