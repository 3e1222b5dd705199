import dataclasses
import itertools
import shlex
import shutil
from pathlib import Path

import pytest
import tiny_models

from edgecnn import boards, data, formats
from edgecnn.errors import DataError, EnvironmentUnfit, GateFailed, ModelFileError, OutputError, RunError, UsageError
from edgecnn.pipeline.bench import bench
from edgecnn.pipeline.bench.candidates import Candidate
from edgecnn.records import artifact, plans, report
from edgecnn.records.artifact import Artifact
from edgecnn.records.foreign import assumed_preprocessing
from edgecnn.records.plans import Suite
from edgecnn.records.recipe import DataPlan
from edgecnn.records.report import Report
from edgecnn.records.run import Run

KERNEL = tiny_models.weights(8, 8, 1, 10)
QUICK = Suite(name="quick", rounds=2, warmup_runs=1, num_runs=20, min_secs=0.0, limit=100)
DIGITS = DataPlan(name="digits")


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    return [
        tiny_models.linear_onnx(tmp_path / "net-fp32.onnx", KERNEL),
        tiny_models.linear_tflite(tmp_path / "net-fp32.tflite", KERNEL),
        tiny_models.linear_tflite(tmp_path / "net-int8.tflite", KERNEL, int8=True),
    ]


def from_the_future(path: Path) -> Path:
    """A file that describes itself well and that the runtime refuses: its opset is not out yet."""
    import onnx

    model = onnx.load(tiny_models.linear_onnx(path, KERNEL))
    model.opset_import[0].version = 99
    onnx.save(model, path)
    return path


def test_loose_files_are_timed_on_random_bytes_and_not_scored(files: list[Path]) -> None:
    result = bench.bench(files, QUICK)
    assert result.path is None
    assert [(measurement.file, measurement.runtime) for measurement in result.measurements] == [
        ("net-fp32.onnx", "onnxruntime"), ("net-fp32.tflite", "litert"), ("net-int8.tflite", "litert"),
    ]  # fmt: skip
    for measurement in result.measurements:
        assert len(measurement.windows) == 2
        assert measurement.summary.samples == 20
        assert measurement.accuracy is measurement.end_to_end is None
        assert measurement.bytes == next(file for file in files if file.name == measurement.file).stat().st_size
    assert result.failures == ()


def test_with_data_they_are_scored_and_timed_end_to_end(files: list[Path]) -> None:
    whole = dataclasses.replace(QUICK, limit=None)
    result = bench.bench(files[:2], whole, DIGITS)
    test = data.load(DIGITS).test
    correct = int((tiny_models.logits(KERNEL, test.load_all()).argmax(axis=1) == test.labels).sum())
    for measurement in result.measurements:
        assert measurement.accuracy is not None
        assert measurement.end_to_end is not None
        assert (measurement.accuracy.correct, measurement.accuracy.n) == (correct, len(test))
        assert len(measurement.end_to_end.times_ms) >= 20
        assert measurement.preprocessing_assumed
    hashes = {measurement.accuracy.outputs_sha256 for measurement in result.measurements if measurement.accuracy}
    assert len(hashes) == 1  # whole numbers: both runtimes are exact
    assert "assumed-preprocessing" in [warning.kind for warning in result.warnings]


@pytest.mark.parametrize("folder", ["report.json", "folder"])
def test_the_report_goes_where_output_says_with_a_page_beside_it(
    folder: str, files: list[Path], tmp_path: Path
) -> None:
    result = bench.bench(files[:1], QUICK, output=tmp_path / "out" / folder)
    path = result.path
    assert path is not None
    assert (path == tmp_path / "out" / folder) == (folder == "report.json")
    assert report.read(path) == result
    assert sorted(entry.suffix for entry in path.parent.iterdir()) == [".json", ".md"]


@pytest.fixture
def run_folder(digits_run: Run, tmp_path: Path) -> Path:
    """The trained run with one small file in it, as an export leaves it."""
    folder = tmp_path / "runs" / digits_run.name
    shutil.copytree(digits_run.folder, folder)
    (folder / "artifacts").mkdir(exist_ok=True)
    path = tiny_models.linear_tflite(folder / "artifacts" / "dscnn-digits-int8.tflite", KERNEL, int8=True)
    description = formats.describe(path)
    artifact.write_card(
        Artifact(
            path=path,
            description=description,
            preprocessing=assumed_preprocessing(description.input),
            labels=digits_run.labels,
            run=digits_run.name,
        )
    )
    return folder


def test_a_run_is_scored_on_its_recipes_pictures_and_keeps_its_report(run_folder: Path) -> None:
    result = bench.bench([run_folder], QUICK)
    path = result.path
    (measurement,) = result.measurements
    assert measurement.run == "dscnn-digits"
    assert measurement.accuracy is not None
    assert measurement.accuracy.n == 100
    assert not measurement.preprocessing_assumed
    assert path is not None
    assert path.parent == run_folder / "bench"
    assert path.name.startswith("local-")


def test_several_runs_share_one_report_beside_them(run_folder: Path) -> None:
    second = run_folder.with_name("second")
    shutil.copytree(run_folder, second)
    result = bench.bench([run_folder, second], QUICK)
    path = result.path
    assert path is not None
    assert path.parent == run_folder.parent / "bench"
    names = [measurement.file for measurement in result.measurements]
    assert names == [str(f / "artifacts" / "dscnn-digits-int8.tflite") for f in (run_folder, second)]


def test_a_run_without_files_says_how_to_get_them(digits_run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "bare"
    shutil.copytree(digits_run.folder, folder)
    shutil.rmtree(folder / "artifacts", ignore_errors=True)
    with pytest.raises(RunError) as caught:
        bench.bench([folder], QUICK)
    assert caught.value.hint == f"edgecnn export {folder}"


def test_a_file_its_card_does_not_describe_is_refused(run_folder: Path) -> None:
    file = next((run_folder / "artifacts").glob("*.tflite"))
    file.write_bytes(file.read_bytes() + b"\0")
    with pytest.raises(ModelFileError, match="not the file its card describes"):
        bench.bench([run_folder], QUICK)


@pytest.mark.parametrize(
    ("name", "content"), [("model.tflite", b"junk"), ("model.onnx", b""), ("model.txt", b"junk"), ("none.onnx", None)]
)
def test_what_is_not_a_model_stops_it_before_anything_is_written(
    name: str, content: bytes | None, files: list[Path], tmp_path: Path
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ModelFileError):
        bench.bench([*files, tmp_path / name], QUICK, output=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_pictures_that_do_not_fit_stop_it(tmp_path: Path) -> None:
    path = tiny_models.linear_onnx(tmp_path / "other.onnx", tiny_models.weights(9, 9, 1, 10))
    with pytest.raises(DataError, match="8 x 8 x 1"):
        bench.bench([path], QUICK, DIGITS)


def test_an_unwritable_output_is_found_before_the_work(files: list[Path], tmp_path: Path) -> None:
    (tmp_path / "wall").write_text("")
    with pytest.raises(OutputError):
        bench.bench(files, QUICK, output=tmp_path / "wall" / "report.json")


def test_runtimes_can_be_chosen_and_must_fit(files: list[Path]) -> None:
    only = dataclasses.replace(QUICK, runtime=("litert",))
    result = bench.bench(files[1:], only)
    assert {measurement.runtime for measurement in result.measurements} == {"litert"}
    with pytest.raises(UsageError, match=r"litert.*reads .*net-fp32\.onnx"):
        bench.bench(files, only)
    with pytest.raises(UsageError, match="no runtime named 'litter'"):
        bench.bench(files, dataclasses.replace(QUICK, runtime=("litter",)))


def test_nothing_to_measure_is_an_error() -> None:
    with pytest.raises(UsageError):
        bench.bench([], QUICK)


def test_a_file_that_fails_does_not_cost_the_others_their_numbers(files: list[Path], tmp_path: Path) -> None:
    future = from_the_future(tmp_path / "future.onnx")
    result = bench.bench([future, files[1]], QUICK, output=tmp_path / "out")
    path = result.path
    assert [measurement.file for measurement in result.measurements] == ["net-fp32.tflite"]
    (failure,) = result.failures
    assert (failure.file, failure.runtime) == ("future.onnx", "onnxruntime")
    assert path is not None
    assert report.read(path).failures == (failure,)
    with pytest.raises(EnvironmentUnfit, match=r"future\.onnx on onnxruntime"):
        bench.judge(result, QUICK)


def test_when_all_fail_the_reason_is_raised_and_nothing_written(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="ONNX Runtime refuses"):
        bench.bench([from_the_future(tmp_path / "future.onnx")], QUICK, output=tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


@pytest.fixture(scope="module")
def scored(tmp_path_factory: pytest.TempPathFactory) -> Report:
    path = tiny_models.linear_tflite(tmp_path_factory.mktemp("scored") / "net.tflite", KERNEL)
    return bench.bench([path], QUICK, DIGITS)


@pytest.mark.parametrize(
    ("gate", "sentence"),
    [
        ({"max_ms": 1e-6}, r"net\.tflite on litert takes .* over"),
        ({"min_acc": 99.9}, r"net\.tflite on litert reaches .* under 99.9 %"),
    ],
)
def test_a_gate_that_says_no_names_the_file_and_both_numbers(
    gate: dict[str, float], sentence: str, scored: Report
) -> None:
    with pytest.raises(GateFailed, match=sentence) as caught:
        bench.judge(scored, dataclasses.replace(QUICK, **gate))  # type: ignore[arg-type]
    assert caught.value.exit_code == 1


def test_gates_that_are_met_say_nothing(scored: Report) -> None:
    bench.judge(scored, dataclasses.replace(QUICK, max_ms=1e6, min_acc=0.0))


def test_an_accuracy_gate_is_not_passed_by_not_being_scored(files: list[Path]) -> None:
    result = bench.bench(files[1:2], QUICK)
    with pytest.raises(GateFailed, match="has no accuracy"):
        bench.judge(result, dataclasses.replace(QUICK, min_acc=0.0))


@pytest.mark.parametrize("n", [1, 2, 5])
def test_over_each_pair_of_rounds_all_candidates_stand_at_the_same_mean_place(n: int, files: list[Path]) -> None:
    description = formats.describe(files[0])
    preprocessing = assumed_preprocessing(description.input)
    file = Artifact(path=files[0], description=description, preprocessing=preprocessing, labels=())
    candidates = [Candidate(str(i), file, "onnxruntime", False, None) for i in range(n)]
    firsts = set()
    for round_ in range(0, 2 * n, 2):
        there, back = ([c.name for c in boards.in_turns(candidates, r)] for r in (round_, round_ + 1))
        assert sorted(there) == sorted(back) == sorted(c.name for c in candidates)
        assert {there.index(name) + back.index(name) for name in there} == {n - 1}
        firsts.add(there[0])
    assert len(firsts) == n


def test_the_command_in_the_report_asks_for_the_same_suite(files: list[Path]) -> None:
    suite = dataclasses.replace(QUICK, runtime=("litert",), max_ms=5.0)
    result = bench.bench(files[1:2], suite, DIGITS)
    words = shlex.split(result.command)
    assert words[:3] == ["edgecnn", "bench", str(files[1])]
    assert words[-2:] == ["--data", "digits"]
    settings = [after for before, after in itertools.pairwise(words) if before == "-s"]
    again = plans.load(Suite, "default", settings)
    assert dataclasses.replace(again, name=suite.name) == suite
