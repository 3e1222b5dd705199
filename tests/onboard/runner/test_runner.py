import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import small_bundles
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from edgecnn.errors import EnvironmentUnfit, MissingPackage
from edgecnn.onboard import tensors, unknown
from edgecnn.onboard.runner import asked, selftest
from edgecnn.pipeline.deploy import bundle
from edgecnn.records import artifact, environment

# Runs the program as `python edgecnn.pyz ARGUMENTS` would, then tells what it had to import and to hold.
WATCHED = """
import runpy, sys
sys.argv = sys.argv[1:]
try:
    runpy.run_path(sys.argv[0], run_name="__main__")
finally:
    names = {name.partition(".")[0] for name in sys.modules}
    peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
    print("\\n" + " ".join(sorted(names)) + "\\n" + peak.split()[1], file=sys.stderr)
"""
# Without `site`, as on a board: what a virtual environment's start-up imports is not ours.
WATCHED_S = f"import sys; sys.path.append({str(Path(np.__file__).parent.parent)!r})\n{WATCHED}"
OURS = {"edgecnn", "numpy", "PIL"}
ENGINES = {"int8": "ai_edge_litert", "fp32": "ai_edge_litert", "onnx": "onnxruntime"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_bundles.unpacked(tmp_path_factory.mktemp("runner"))


def call(folder: Path, *words: str, stdin: bytes = b"", prefix: tuple[str, ...] = ()) -> tuple[int, str, str]:
    """(exit code, stdout, stderr) of `python edgecnn.pyz WORDS`."""
    done = subprocess.run(
        [sys.executable, *prefix, str(folder / "edgecnn.pyz"), *words], input=stdin, capture_output=True, check=False
    )
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def lines(stdout: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stdout.splitlines()]


def save(path: Path, count: int = 3) -> Path:
    path.mkdir(parents=True)
    for i, pixels in enumerate(small_bundles.images(count)):
        (path / f"{i}.png").write_bytes(small_bundles.picture(pixels))
    return path


@pytest.mark.parametrize("kind", ["int8", "fp32", "onnx"])
def test_it_imports_numpy_pillow_one_runtime_and_holds_under_100_mb(kind: str, tmp_path: Path) -> None:
    folder = small_bundles.unpacked(tmp_path, kind)
    code, stdout, stderr = call(
        folder, "classify", "-", stdin=small_bundles.picture(small_bundles.images()[0]), prefix=("-S", "-c", WATCHED_S)
    )
    assert code == 0, stderr
    assert len(lines(stdout)) == 1
    *_, names, peak_kb = stderr.splitlines()
    assert set(names.split()) - set(sys.stdlib_module_names) - {"__main__", "__mp_main__"} <= OURS | {ENGINES[kind]}
    assert int(peak_kb) * 1024 < 100_000_000


def test_every_golden_picture_gets_the_label_it_had(folder: Path, tmp_path: Path) -> None:
    shown = save(tmp_path / "shown", 32)
    code, stdout, _ = call(folder, "classify", str(shown))
    with np.load(folder / "golden.npz") as golden:
        expected = golden["outputs"].reshape(32, -1)
    answers = {int(Path(line["picture"]).stem): line["label"] for line in lines(stdout)}
    assert code == 0
    assert len(answers) == 32
    for i, label in answers.items():
        assert expected[i, small_bundles.LABELS.index(label)] == expected[i].max()


def test_a_line_has_the_picture_its_classes_and_the_time(folder: Path, tmp_path: Path) -> None:
    (line,) = lines(call(folder, "classify", str(save(tmp_path / "shown", 1)))[1])
    assert set(line) == {"picture", "label", "score", "top", "ms"}
    assert [line["label"], line["score"]] == [line["top"][0]["label"], line["top"][0]["score"]]
    scores = [answer["score"] for answer in line["top"]]
    assert scores == sorted(scores, reverse=True)
    assert sum(scores) == pytest.approx(1, abs=1e-5)
    assert line["ms"] > 0


def test_file_folder_and_stdin_say_the_same(folder: Path, tmp_path: Path) -> None:
    file = save(tmp_path / "shown", 1) / "0.png"
    answers = [
        lines(call(folder, "classify", *words, stdin=stdin)[1])[0]["top"]
        for words, stdin in [([str(file)], b""), ([str(file.parent)], b""), (["-"], file.read_bytes())]
    ]
    assert answers[0] == answers[1] == answers[2]


def test_one_bad_picture_does_not_stop_the_others(folder: Path, tmp_path: Path) -> None:
    shown = save(tmp_path / "shown", 3)
    (shown / "1.png").write_bytes((shown / "1.png").read_bytes()[:60])
    (shown / "notes.txt").write_text("not a picture by its name")
    code, stdout, _ = call(folder, "classify", str(shown), str(tmp_path / "nothing.png"))
    assert code == 64
    assert ["error" in line for line in lines(stdout)] == [False, True, False, True]
    assert "1.png" in lines(stdout)[1]["error"]


def test_what_is_left_out_of_a_folder_is_counted_beside_the_answers(folder: Path, tmp_path: Path) -> None:
    shown = save(tmp_path / "shown", 2)
    (shown / "IMG_0001.NEF").write_bytes(b"raw")
    code, stdout, stderr = call(folder, "classify", str(shown))
    assert (code, len(lines(stdout))) == (0, 2)
    assert stderr == f"warning: left out 1 .nef (convert them to JPEG) in {shown}\n"


@pytest.mark.parametrize(("width", "height"), [(30_000, 30_000), (12_000, 12_000)])
def test_a_picture_that_declares_too_many_pixels_is_not_unpacked(width: int, height: int, folder: Path) -> None:
    code, stdout, stderr = call(folder, "classify", "-", stdin=small_bundles.bomb(width, height))
    assert code == 64
    assert "pixels" in lines(stdout)[0]["error"]
    assert stderr == ""


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "COMMAND"),
        (["dance"], "invalid choice"),
        (["classify"], "no picture"),
        (["classify", "-", "--num-threads", "0"], "not a whole number"),
        (["serve", "--port", "99999"], "not a port"),
    ],
)
def test_a_wrong_call_gets_one_sentence_and_a_hint(words: list[str], said: str, folder: Path) -> None:
    code, stdout, stderr = call(folder, *words)
    assert (code, stdout) == (64, "")
    assert said in stderr
    assert "hint: " in stderr
    assert "Traceback" not in stderr


def test_an_empty_folder_is_said(folder: Path, tmp_path: Path) -> None:
    code, stdout, _ = call(folder, "classify", str(tmp_path))
    assert code == 64
    assert "no pictures" in lines(stdout)[0]["error"]


@pytest.mark.parametrize("kind", ["int8", "fp32", "onnx"])
def test_the_selftest_of_an_untouched_bundle_is_identical(kind: str, tmp_path: Path) -> None:
    code, stdout, _ = call(small_bundles.unpacked(tmp_path, kind), "selftest", "--json")
    (table,) = lines(stdout)
    assert code == 0
    assert (table["verdict"], table["differing"], table["pictures"]) == ("identical", 0, 32)
    assert table["packages"]["numpy"] == np.__version__
    assert table["machine"] == environment.machine_name(environment.here())


def tampered(folder: Path, steps: float) -> Path:
    """A bundle whose golden vectors are `steps` off in one value, its manifest adjusted."""
    import hashlib

    with np.load(folder / "golden.npz") as golden:
        images, outputs = golden["images"], golden["outputs"].copy()
    outputs[3, 1] += outputs.dtype.type(steps)
    np.savez(folder / "golden.npz", images=images, outputs=outputs)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"]["golden.npz"] = hashlib.sha256((folder / "golden.npz").read_bytes()).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


@pytest.mark.parametrize(
    ("steps", "code", "verdict"),
    [(0, 0, "identical"), (1, 2, "within"), (2, 2, "within"), (3, 1, "different")],
)
def test_an_integer_output_may_not_be_a_step_off(steps: int, code: int, verdict: str, tmp_path: Path) -> None:
    returncode, stdout, _ = call(tampered(small_bundles.unpacked(tmp_path), steps), "selftest")
    assert (returncode, stdout.partition(":")[0]) == (code, verdict)
    assert stdout.splitlines()[-1] == f"on {environment.machine_name(environment.here())}"
    if steps:
        assert f"1 of 96 values differ, by up to {steps} LSB" in stdout


@pytest.mark.parametrize("name", ["labels.txt", "animals-int8.tflite", "edgecnn.pyz", "golden.npz"])
def test_the_selftest_names_a_damaged_file(name: str, tmp_path: Path) -> None:
    folder = small_bundles.unpacked(tmp_path)
    data = bytearray((folder / name).read_bytes())
    data[-1] ^= 1 if name != "edgecnn.pyz" else 0
    (folder / name).write_bytes(bytes(data) if name != "edgecnn.pyz" else b"#!/usr/bin/python3\n" + bytes(data))
    code, _, stderr = call(folder, "selftest")
    assert code == 64
    assert name in stderr.splitlines()[0]


def test_the_bench_keeps_every_sample(folder: Path) -> None:
    code, stdout, _ = call(folder, "bench", "--json", "--num-runs", "60", "--min-secs", "0")
    (table,) = lines(stdout)
    assert code == 0
    assert len(table["window"]["times_ms"]) == 60
    assert table["environment"]["packages"]["numpy"] == np.__version__


def test_the_bench_prints_a_row_with_its_n(folder: Path) -> None:
    code, stdout, stderr = call(folder, "bench", "--num-runs", "60", "--min-secs", "0")
    head, row = stdout.splitlines()
    assert code == 0
    assert dict(zip(head.split()[:4], row.split()[:4], strict=True))["n"] == "60"
    assert stderr.startswith(f"on {environment.machine_name(environment.here())}\n")


def test_without_its_runtime_it_says_what_to_install(folder: Path) -> None:
    missing = "import sys; sys.modules['ai_edge_litert'] = None\n" + WATCHED
    code, _, stderr = call(folder, "selftest", prefix=("-c", missing))
    assert code == 2
    assert "hint: pip install ai-edge-litert" in stderr


def test_alone_without_its_bundle_it_says_so(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "edgecnn.pyz").write_bytes((folder / "edgecnn.pyz").read_bytes())
    code, _, stderr = call(tmp_path, "selftest")
    assert code == 64
    assert "is not a bundle" in stderr


def test_a_link_that_moves_on_does_not_move_a_running_program(folder: Path, tmp_path: Path) -> None:
    """The bundle is found through the link once: next to the real file."""
    (tmp_path / "current").symlink_to(folder)
    assert call(tmp_path / "current", "selftest")[0] == 0
    (tmp_path / "alone.pyz").symlink_to(folder / "edgecnn.pyz")
    done = subprocess.run([sys.executable, str(tmp_path / "alone.pyz"), "selftest"], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_machine_without_picamera2_gets_the_way_to_it() -> None:
    with pytest.raises(MissingPackage) as caught:
        asked.photograph()
    assert caught.value.hint == "sudo apt install python3-picamera2"


CAMERA = """
import io
class Picamera2:
    def __enter__(self): return self
    def __exit__(self, *_): pass
    def create_still_configuration(self): return "still"
    def configure(self, kind): assert kind == "still"
    def start(self): self.on = True
    def capture_file(self, stream, format):
        assert self.on and format == "jpeg"
        from PIL import Image
        Image.new("RGB", (40, 30), (200, 10, 10)).save(stream, "jpeg")
"""


def camera_python(folder: Path, module: str) -> str:
    """An interpreter that has a picamera2, isolated though it is asked to be."""
    (folder / "picamera2.py").write_text(module)
    program = folder / "python"
    program.write_text(f'#!/bin/sh\n[ "$1" = -I ] && shift\nPYTHONPATH={folder} exec {sys.executable} "$@"\n')
    program.chmod(0o755)
    return str(program)


def test_a_camera_gives_one_jpeg(tmp_path: Path) -> None:
    assert asked.photograph(camera_python(tmp_path, CAMERA))[:3] == b"\xff\xd8\xff"


def test_a_camera_that_fails_is_quoted(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentUnfit, match="no cameras available"):
        asked.photograph(camera_python(tmp_path, "raise RuntimeError('no cameras available')"))


LOGITS = arrays.arrays(np.float32, (2, 5), elements=st.floats(-(2.0**99), 2.0**99, width=32, allow_subnormal=False))


@given(LOGITS)
def test_scores_are_a_distribution_in_the_order_of_the_logits(logits: np.ndarray) -> None:
    scores = unknown.softmax(logits)
    assert np.allclose(scores.sum(axis=1), 1)
    order = np.argsort(logits, axis=1, kind="stable")
    assert (np.diff(np.take_along_axis(scores, order, axis=1), axis=1) >= 0).all()


@given(arrays.arrays(np.int8, (4, 3)), arrays.arrays(np.int8, (4, 3)))
def test_integer_outputs_are_compared_without_wrapping(first: np.ndarray, other: np.ndarray) -> None:
    comparison = selftest.compare(first, other)
    assert comparison.max_lsb == max(abs(int(a) - int(b)) for a, b in zip(first.flat, other.flat, strict=True))
    assert (comparison.verdict == "identical") == bool((first == other).all())


@given(LOGITS, st.floats(0, 1e-3))
def test_float_outputs_are_compared_by_the_largest_magnitude(there: np.ndarray, share: float) -> None:
    here = there.copy()
    here[0, 0] += np.float32(share) * np.abs(there).max()
    comparison = selftest.compare(here, there)
    assert comparison.max_relative is not None
    assert comparison.exit_code == (0 if comparison.max_relative <= 1e-5 else 1)


@pytest.mark.parametrize(
    "here",
    [np.zeros((2, 4), np.float32), np.zeros((2, 3), np.int8), np.full((2, 3), np.nan, np.float32)],
    ids=["shape", "dtype", "nan"],
)
def test_outputs_of_another_kind_are_different(here: np.ndarray) -> None:
    assert selftest.compare(here, np.zeros((2, 3), np.float32)).exit_code == 1


@pytest.fixture(scope="module")
def doubting(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle whose card calls about half of all pictures unknown."""
    place = tmp_path_factory.mktemp("doubting")
    file = small_bundles.exported(place / "exported")
    logits = tensors.decode(small_bundles.outputs(file, small_bundles.images()), file.description.output)
    scores = unknown.scores(logits, unknown.Rule(score="max-logit"))
    threshold = float(np.unique(scores)[len(np.unique(scores)) // 2]) - 1e-6
    card = small_bundles.doubtful(file, score="max-logit", least_score=threshold)
    artifact.write_card(card)
    bundle.make(card).write(place / "bundle")
    return place / "bundle"


def test_a_picture_unlike_those_of_training_is_unknown_and_keeps_its_scores(
    doubting: Path, folder: Path, tmp_path: Path
) -> None:
    shown = str(save(tmp_path / "shown", 32))
    answers, plain = (lines(call(place, "classify", shown)[1]) for place in (doubting, folder))
    assert {answer["unknown"] for answer in answers} == {None, "unlike"}
    for answer, before in zip(answers, plain, strict=True):
        assert answer["label"] == ("unknown" if answer["unknown"] else before["label"])
        assert [row["label"] for row in answer["top"]] == [row["label"] for row in before["top"]]
        assert answer["score"] == answer["top"][0]["score"] <= before["score"]  # its temperature is 2
        assert "unknown" not in before


def test_a_user_may_have_every_picture_answered_or_choose_the_least_score(doubting: Path, tmp_path: Path) -> None:
    shown = str(save(tmp_path / "shown", 32))
    off = lines(call(doubting, "classify", shown, "--unknown", "off")[1])
    assert all("unknown" not in answer and answer["label"] == answer["top"][0]["label"] for answer in off)
    for least, expected in (("-1e9", {None}), ("1e9", {"unlike"})):
        assert {a["unknown"] for a in lines(call(doubting, "classify", shown, f"--unknown={least}")[1])} == expected
    code, _, stderr = call(doubting, "classify", shown, "--unknown", "maybe")
    assert code == 64
    assert stderr.startswith("error: 'maybe' does not say when to answer unknown.")


def test_its_selftest_is_exact_all_the_same(doubting: Path) -> None:
    assert json.loads(call(doubting, "selftest", "--json")[1])["verdict"] == "identical"
