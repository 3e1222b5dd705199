"""A model of sounds goes the whole way: trained, exported, checked, deployed, and asked about WAV files."""

import dataclasses
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, cast

import data_samples
import made_sounds
import numpy as np
import pytest
import served

from edgecnn import data, formats
from edgecnn.boards.ssh.link import CommandResult
from edgecnn.checks.doctor.doctor import doctor
from edgecnn.checks.verify.verify import verify
from edgecnn.common import plugins
from edgecnn.errors import DataError, GateFailed, ModelFileError, UsageError
from edgecnn.onboard import c_array, wav_files
from edgecnn.onboard.runner import contents, selftest
from edgecnn.onboard.runner.classify import Classifier
from edgecnn.pipeline.bench import test_inputs
from edgecnn.pipeline.calibrate import calibrate
from edgecnn.pipeline.deploy import acceptance, bundle
from edgecnn.pipeline.deploy.installed import Installed
from edgecnn.pipeline.export.export import export
from edgecnn.pipeline.predict import predict
from edgecnn.pipeline.train.train import train
from edgecnn.records import artifact as artifacts
from edgecnn.records.artifact import Artifact
from edgecnn.records.plans import ExportPlan
from edgecnn.records.recipe import AugmentPlan, DataPlan, NetPlan, OptimPlan, Recipe
from edgecnn.records.run import Run
from edgecnn.records.sound import FrontEnd

FRONT_END = FrontEnd(**made_sounds.FRONT_END)  # type: ignore[arg-type]
ZOO = Path(__file__).resolve().parents[2] / "models" / "zoo"
NET = {"width": 24, "stages": 1, "depth": 2, "stem_height": 10, "stem_width": 4, "stem_stride": 2, "residual": False}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_sounds.folder(tmp_path_factory.mktemp("keywords") / "sounds", 50).parent


@pytest.fixture(scope="module")
def run(home: Path) -> Run:
    options = {"path": str(home / "sounds"), "copies": 1, **made_sounds.FRONT_END}
    recipe = Recipe(
        name="sweeps",
        data=DataPlan(name="speech", validation=0.15, options=options),
        net=NetPlan(name="dscnn", options=NET),
        optim=OptimPlan(lr=0.02),
        augment=AugmentPlan(mask_rows=3, mask_columns=1),
        epochs=8,
        batch_size=32,
        precision="fp32",
        num_threads=1,
    )
    return train(recipe, home / "sweeps")


@pytest.fixture(scope="module")
def files(run: Run) -> dict[str, Artifact]:
    plan = ExportPlan(name="test", format=("tflite", "onnx", "c"), precision=("int8",), calib_samples=64, max_drop=100)
    return {artifact.description.format: artifact for artifact in export(run, plan)}


@pytest.fixture(scope="module")
def bundled(files: dict[str, Artifact], home: Path) -> Path:
    bundle.make(files["tflite"]).write(home / "bundle")
    return home / "bundle"


@pytest.fixture
def tone(tmp_path: Path) -> Path:
    return made_sounds.write(tmp_path / "new.wav", made_sounds.sound("tone", np.random.default_rng(99)))


def call(folder: Path, *words: str, stdin: bytes = b"") -> tuple[int, list[dict[str, Any]], str]:
    """(exit code, lines of JSON, stderr) of the runner, in a process that finds nothing of ours but the bundle."""
    env = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    program = [sys.executable, str(folder / "edgecnn.pyz"), *words]
    done = subprocess.run(program, input=stdin, capture_output=True, env=env, check=False)
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()], done.stderr.decode()


class TestFiles:
    def test_a_small_net_tells_the_sounds_apart_in_int8_too(self, files: dict[str, Artifact]) -> None:
        for artifact in files.values():
            assert artifact.verdict is not None
            assert artifact.verdict.n >= 40
            assert artifact.verdict.top1_percent > 90

    def test_the_card_states_the_front_end_and_is_read_as_it_was_written(self, files: dict[str, Artifact]) -> None:
        for artifact in files.values():
            card = artifacts.read_card(artifact.path)
            assert card is not None
            assert card.sound == FRONT_END
        table = json.loads(artifacts.card_path(files["tflite"].path).read_text())["sound"]
        assert {**made_sounds.FRONT_END, "kind": "mfcc", "window_ms": 40.0, "hop_ms": 20.0}.items() <= table.items()
        assert "Hann" in table["rule"]

    def test_a_card_whose_front_end_makes_other_pictures_is_refused(
        self, files: dict[str, Artifact], tmp_path: Path
    ) -> None:
        path = tmp_path / files["tflite"].name
        path.write_bytes(files["tflite"].path.read_bytes())
        other = dataclasses.replace(FRONT_END, coefficients=9)
        artifacts.write_card(dataclasses.replace(files["tflite"], path=path, sound=other))
        with pytest.raises(ModelFileError, match="not those that its front end makes of a sound"):
            artifacts.read_card(path)

    @pytest.mark.parametrize("format", ["tflite", "onnx"])
    def test_a_file_without_its_card_still_hears(
        self, format: str, files: dict[str, Artifact], tone: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        alone = tone.with_name(files[format].name)
        alone.write_bytes(files[format].path.read_bytes())
        model = predict.open_model(alone)
        assert (model.artifact.sound, model(tone).label) == (FRONT_END, "tone")
        assert f"{alone.name} hears mfcc, 0.5 s at 8,000 Hz" in capsys.readouterr().err

    def test_the_c_array_says_how_to_feed_it(self, files: dict[str, Artifact]) -> None:
        text = " ".join(files["c"].path.read_text().replace("\n *", " ").split())
        assert "mfcc, 0.5 s at 8,000 Hz, windows of 40 ms every 20 ms, 20 mel bands from 20 to 3800 Hz: 24 x 10" in text
        assert "periodic Hann window" in text
        assert c_array.read(files["c"].path).labels == made_sounds.CLASSES

    def test_the_golden_sound_is_that_of_its_picture(self, files: dict[str, Artifact]) -> None:
        with np.load(files["tflite"].path.with_name("golden.npz")) as golden:
            heard = Classifier(files["tflite"], "litert")
            picture, outputs = golden["images"][golden["sound_place"]], golden[files["tflite"].name]
            again = heard.outputs(picture[None])
            assert np.array_equal(again[0], outputs[golden["sound_place"]])
            answer = heard(wav_files.write(golden["sound"], FRONT_END.sample_rate_hz))
        assert made_sounds.CLASSES[int(again[0].argmax())] == answer.label

    def test_verify_finds_all_deployments_alike(self, run: Run, files: dict[str, Artifact]) -> None:
        matrix = verify([run.folder])
        assert {files["tflite"].name, files["onnx"].name} <= {Path(answer.name).name for answer in matrix.answers}
        (alike,) = (d for d in matrix.differences if "int8" in d.before and "int8" in d.after)
        assert alike.verdict.agreement_percent == 100

    def test_a_bench_hears_another_folder_as_the_model_does(self, files: dict[str, Artifact], home: Path) -> None:
        plan = DataPlan(name="speech", options={"path": str(home / "sounds")})
        assert data.sound(test_inputs.sized(plan, files["tflite"])) == FRONT_END


class TestPredict:
    def test_a_wav_file_is_classified_and_a_folder_lists_its_sounds(
        self, files: dict[str, Artifact], home: Path, tone: Path
    ) -> None:
        model = predict.open_model(files["tflite"].path)
        assert model(tone).label == model(tone.read_bytes()).label == "tone"
        answers = list(predict.predict(model, [str(home / "sounds" / "hiss")]))
        labels = [prediction.answer.label for prediction in answers if prediction.answer]
        assert len(labels) == len(answers) == 50
        assert labels.count("hiss") > 45

    def test_a_longer_sound_is_heard_in_windows(self, files: dict[str, Artifact]) -> None:
        rng = np.random.default_rng(3)
        two = np.concatenate([made_sounds.sound("hiss", rng), made_sounds.sound("tone", rng)])
        answer = predict.open_model(files["tflite"].path)(wav_files.write(two, made_sounds.RATE_HZ))
        assert [window.start_s for window in answer.windows] == [0.0, 0.25, 0.5]
        assert [answer.windows[0].label, answer.windows[2].label] == ["hiss", "tone"]
        assert sum(score for _, score in answer.top) == pytest.approx(1, abs=1e-4)
        assert [set(window) for window in answer.table()["windows"]] == 3 * [{"start_s", "label", "score"}]

    def test_a_picture_is_no_sound_and_a_sound_no_picture(self, files: dict[str, Artifact], tone: Path) -> None:
        hears = predict.open_model(files["tflite"].path)
        picture = tone.with_name("x.png")
        data_samples.picture(0).save(picture)
        with pytest.raises(DataError, match=r"x\.png: it holds a picture, and this model hears sounds\."):
            hears(picture)
        with pytest.raises(DataError, match=r"hears sounds, and no ndarray is one"):
            hears(np.zeros((24, 10), np.uint8))
        with pytest.raises(UsageError, match="hears sounds, which no camera takes"):
            list(predict.predict(hears, [], camera=True))
        looks = predict.open_model(formats.choose(ZOO / "fashion-10k", "tflite", "int8").path)
        with pytest.raises(DataError, match=r"new\.wav: it holds a sound\.") as caught:
            looks(tone)
        assert caught.value.hint == "ask a model of sounds about it, which --data speech:FOLDER trains"


class TestCalibrated:
    def test_other_sounds_are_asked_about_and_a_long_sound_of_them_is_unknown(
        self, run: Run, files: dict[str, Artifact], home: Path, tmp_path: Path
    ) -> None:
        shutil.copytree(run.folder, tmp_path / "sweeps")
        for index in range(5):
            clicks = np.where(np.arange(4_000) % (500 + index) == 0, 32_000, 0).astype(np.int16)
            made_sounds.write(tmp_path / "clicks" / f"{index}.wav", clicks)
        file = tmp_path / "sweeps" / "artifacts" / files["tflite"].name
        (calibrated,) = calibrate.calibrate(file, calibrate.Wish(keep_percent=80), [tmp_path / "clicks"])
        assert calibrated.certainty is not None
        assert calibrated.certainty.outlook is not None
        assert [other.unknown.n for other in calibrated.certainty.outlook.others] == [5]
        model = predict.open_model(file, unknown="2.0")  # no score reaches that
        answer = model(wav_files.write(np.tile(clicks, 2), made_sounds.RATE_HZ))
        assert answer.label == "unknown"
        assert {window.label for window in answer.windows} == {"unknown"}


class TestDoctor:
    def test_it_knows_that_the_bytes_are_no_pixels(self, files: dict[str, Artifact]) -> None:
        findings = {finding.subject: finding for finding in doctor(files["tflite"].path).findings}
        assert (findings["front end"].level, findings["front end"].evidence) == ("ok", FRONT_END.words())
        assert "input scale" not in findings
        assert not [finding for finding in findings.values() if finding.level == "wrong"]

    def test_pictures_are_not_about_it(self, files: dict[str, Artifact], home: Path) -> None:
        with pytest.raises(DataError, match="hears sounds, so --pictures is not about it"):
            doctor(files["tflite"].path, pictures=home / "sounds")


class TestOnADevice:
    def test_it_needs_neither_torch_nor_the_package(self, bundled: Path, tone: Path) -> None:
        watched = (
            "import runpy, sys; sys.argv = sys.argv[1:]\n"
            "try: runpy.run_path(sys.argv[0], run_name='__main__')\n"
            "finally: print(sorted({'torch', 'scipy', 'litert_torch'} & set(sys.modules)), file=sys.stderr)"
        )
        words = [sys.executable, "-c", watched, str(bundled / "edgecnn.pyz"), "classify", str(tone)]
        env = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        done = subprocess.run(words, capture_output=True, text=True, env=env, check=True)
        assert json.loads(done.stdout)["label"] == "tone"
        assert done.stderr.splitlines()[-1] == "[]"

    def test_file_folder_and_stdin_say_the_same(self, bundled: Path, tone: Path) -> None:
        code, answers, _ = call(bundled, "classify", str(tone), str(tone.parent), "-", stdin=tone.read_bytes())
        assert code == 0
        assert len({json.dumps(answer["top"]) for answer in answers}) == 1
        assert len(answers) == 3

    def test_what_is_no_sound_is_an_error_beside_the_other_answers(self, bundled: Path, tone: Path) -> None:
        data_samples.picture(0).save(tone.with_name("x.png"))
        code, answers, _ = call(bundled, "classify", str(tone.with_name("x.png")), str(tone))
        assert (code, "error" in answers[0], answers[1]["label"]) == (64, True, "tone")
        assert answers[0]["error"].endswith("it holds a picture, and this model hears sounds.")

    def test_the_selftest_hears_the_golden_sound(self, bundled: Path) -> None:
        opened = contents.open_bundle(bundled)
        assert selftest.selftest(opened).verdict == "identical"
        other = dataclasses.replace(opened.artifact, sound=dataclasses.replace(FRONT_END, low_hz=100.0))
        comparison = selftest.selftest(dataclasses.replace(opened, artifact=other))
        assert comparison.verdict == "different"
        assert comparison.sentence.startswith("the front end makes other bytes of a sound: ")

    def test_the_server_answers_sounds(self, bundled: Path, tone: Path) -> None:
        with served.running(bundled, "--max-body-bytes", "20000") as server:
            status, answer = server.classify(tone.read_bytes())
            assert (status, answer["label"]) == (200, "tone")
            assert server.classify(served.PICTURE)[0] == 422
            assert "hears sounds" in server.classify(served.PICTURE)[1]["error"]
            assert server.classify(tone.read_bytes()[:-9])[0] == 422
            assert server.classify(bytes(20_001))[0] == 413

    def test_a_deployment_is_accepted_by_a_sound_that_the_model_knows(
        self, bundled: Path, files: dict[str, Artifact]
    ) -> None:
        made = bundle.make(files["tflite"])

        class Board:
            """Runs the release's program here; `says` replaces its answer."""

            says: dict[str, Any] | None = None

            def run(self, release: str, words: list[str], stdin: bytes) -> CommandResult:
                code, answers, stderr = call(bundled, *words, stdin=stdin)
                return CommandResult(
                    returncode=code, stdout=json.dumps(self.says or answers[0]).encode(), stderr=stderr
                )

        board = Board()
        acceptance.require_same_answer(cast(Installed, board), "r1", made, "pi")
        board.says = {"label": "silence"}
        with pytest.raises(GateFailed, match="calls a golden sound 'silence' on pi"):
            acceptance.require_same_answer(cast(Installed, board), "r1", made, "pi")

    def test_its_readme_speaks_of_sounds(self, bundled: Path) -> None:
        text = (bundled / "README.txt").read_text()
        assert "for sounds of 0.5 s (WAV; mfcc" in text
        assert "classify sound.wav" in text
        assert "camera" not in text


def test_every_picture_data_set_hears_nothing() -> None:
    hearing = [name for name in plugins.own_names("edgecnn.data") if hasattr(data.get(name), "front_end")]
    assert hearing == ["speech"]
