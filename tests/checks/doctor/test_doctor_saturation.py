"""The doctor's findings on sums that some CPUs cut off, and the commands that name them as the cause."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from unittest import mock

import numpy as np
import onnx
import pytest
import small_bundles
import small_runs
import u8s8_files
from bench_samples import measurement
from cpus import AVX2, VNNI, machine, needed
from PIL import Image

from edgecnn import boards, formats
from edgecnn.checks import selftest
from edgecnn.checks.doctor import doctor, saturation
from edgecnn.checks.doctor.finding import Finding
from edgecnn.checks.doctor.saturation import CheckedMachine
from edgecnn.checks.verify import show, verify
from edgecnn.errors import EnvironmentUnfit, GateFailed
from edgecnn.formats.onnx.saturation import fused, rates
from edgecnn.onboard.runner import contents
from edgecnn.onboard.runner import selftest as replay
from edgecnn.pipeline.bench import report_warnings
from edgecnn.pipeline.deploy import bundle
from edgecnn.records import artifact as artifacts
from edgecnn.records.artifact import Artifact
from edgecnn.records.environment import Environment
from edgecnn.records.foreign import assumed_preprocessing
from edgecnn.records.measurement import Golden
from edgecnn.records.recipe import DataPlan


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of `quantize_static`, its defaults but for uint8 activations."""
    folder = tmp_path_factory.mktemp("made")
    return u8s8_files.quantised(u8s8_files.net(folder / "net.onnx"), folder / "quantised.onnx", per_channel=True)


@pytest.fixture(scope="module")
def reduced(made: Path) -> Path:
    source = made.with_name("net.onnx")
    return u8s8_files.quantised(source, made.with_name("net-reduced.onnx"), reduce_range=True)


@pytest.fixture
def avx2(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Environment:
    return machine(monkeypatch, tmp_path, AVX2)


@pytest.fixture
def vnni(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Environment:
    return machine(monkeypatch, tmp_path, VNNI)


def artifact(path: Path, run: str | None = None) -> Artifact:
    description = formats.describe(path)
    return Artifact(
        path=path, description=description, preprocessing=assumed_preprocessing(description.input), labels=(), run=run
    )


def finding(path: Path, *on: CheckedMachine, run: str | None = None) -> Finding:
    (only,) = saturation.findings(artifact(path, run), on)
    return only


# The weights


def test_a_file_of_quantize_static_is_warned_of_on_any_cpu(made: Path, vnni: Environment) -> None:
    said = finding(made, CheckedMachine(board=None, facts=vnni))
    assert said.level == "warn"
    assert "can pass 16 bits in 3 of 4 layers (stem: " in said.evidence
    assert said.evidence.endswith("x86-64 with AVX2 and no VNNI cuts them off")


def test_it_is_wrong_on_a_cpu_that_does_it(made: Path, avx2: Environment) -> None:
    said = finding(made, CheckedMachine(board=None, facts=avx2))
    assert said.level == "wrong"
    assert said.evidence.endswith("this CPU (AVX2, no VNNI) cuts them off")


def test_a_board_is_meant_before_this_machine(made: Path, vnni: Environment, avx2: Environment) -> None:
    on = saturation.machines("ssh://old", dataclasses.replace(vnni, features=("avx2", "avx512f")))
    said = finding(made, *on)
    assert said.level == "wrong"
    assert said.evidence.endswith("ssh://old (AVX-512, no VNNI) cuts them off")


@pytest.mark.parametrize("name", ["reduced", "ours"])
def test_a_file_whose_sums_have_room_is_well_there_too(name: str, reduced: Path, avx2: Environment) -> None:
    path = reduced if name == "reduced" else small_runs.written("dscnn", "onnx", "int8").path
    said = finding(path, CheckedMachine(board=None, facts=avx2))
    assert said.level == "ok"
    assert "no pair of weights can overflow 16 bits" in said.evidence


def test_uint8_weights_are_well(made: Path, avx2: Environment) -> None:
    types = ("QUInt8", "QUInt8")
    path = u8s8_files.quantised(made.with_name("net.onnx"), made.with_name("net-unsigned.onnx"), types=types)
    said = finding(path, CheckedMachine(board=None, facts=avx2))
    assert (said.level, said.evidence.startswith("its 4 int8 layers never add products in 16 bits")) == ("ok", True)


def test_float_files_are_not_spoken_of(made: Path) -> None:
    with mock.patch.object(fused, "read", side_effect=AssertionError("which takes seconds for a large file")):
        assert not list(saturation.findings(artifact(made.with_name("net.onnx")), ()))


INTEGERS = "QuantizeLinear DequantizeLinear DynamicQuantizeLSTM ConvInteger MatMulIntegerToFloat QGemm QLinearConv"
FLOATS = "Conv MatMul Cast Einsum RotaryEmbedding SequenceAt"


def test_operators_on_integers_are_known_by_name() -> None:
    assert all(saturation.ON_INTEGERS.search(kind) for kind in INTEGERS.split())
    assert not any(saturation.ON_INTEGERS.search(kind) for kind in FLOATS.split())


# What mends it


def test_our_own_file_is_exported_again(made: Path) -> None:
    mend = finding(made, run="animals").mend
    assert mend is not None
    assert mend.startswith("export it again")


def test_another_makers_gets_the_ways_out_and_the_session_option_where_it_works(made: Path) -> None:
    mend = finding(made).mend or ""
    assert "reduce_range=True" in mend
    assert "QuantType.QUInt8" in mend
    assert "load it with the session option session.x64quantprecision=1" in mend


def test_the_session_option_is_no_way_out_where_the_runtime_refuses_the_file_with_it(made: Path) -> None:
    """It cannot make a tensor uint8 twice, such as a zero point that two layers share."""
    model = onnx.load(made)
    shapes = {constant.name: (constant.data_type, list(constant.dims)) for constant in model.graph.initializer}
    alike = (onnx.TensorProto.INT8, [16])  # the zero points of the two convolutions with 16 filters
    coders = [
        node for node in model.graph.node if node.op_type == "DequantizeLinear" and shapes[node.input[2]] == alike
    ]
    assert len(coders) == 2
    coders[1].input[2] = coders[0].input[2]
    path = made.with_name("shared.onnx")
    onnx.save(model, path)
    mend = finding(path).mend or ""
    assert "session.x64quantprecision=1 is no way out" in mend
    assert "refuses this file with it" in mend


# With pictures


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Noisy, bright pictures, four of each class."""
    rng = np.random.default_rng(0)
    for number in range(4 * u8s8_files.CLASSES):
        folder = tmp_path / "pictures" / f"class-{number % u8s8_files.CLASSES}"
        folder.mkdir(parents=True, exist_ok=True)
        size = (u8s8_files.SIZE, u8s8_files.SIZE, 3)
        Image.fromarray(rng.integers(128, 256, size, dtype=np.uint8)).save(folder / f"{number}.png")
    return tmp_path / "pictures"


@needed
def test_with_pictures_it_is_counted_and_the_answers_compared(made: Path, pictures: Path, vnni: Environment) -> None:
    examination = doctor.doctor(made, pictures=pictures)
    with pytest.raises(GateFailed, match="preprocessing"):  # a net of drawn weights knows no class
        doctor.judge(examination)
    findings = [finding for finding in examination.findings if finding.subject == "saturation"]
    weights, counted, answers = (finding.evidence for finding in findings)
    assert "3 of 4 layers" in weights
    assert "% of the sums of two products pass 16 bits in stem" in counted
    assert counted.endswith("n 40")
    assert answers.startswith("on emulated:x86-64-v3 ")
    assert " of 40 answers change: top-1 " in answers


def test_where_this_cpu_does_it_nothing_is_emulated(made: Path, avx2: Environment) -> None:
    """The answers are this machine's own, whatever they are; a test's CPU is only said to be older."""
    pixels = np.random.default_rng(0).integers(128, 256, (3, u8s8_files.SIZE, u8s8_files.SIZE, 3), dtype=np.uint8)
    (_, answers) = saturation.price(artifact(made), pixels, None, (CheckedMachine(board=None, facts=avx2),))
    assert answers.evidence.startswith("on this machine ")
    assert answers.evidence.endswith(" of 3 answers change")


def test_without_an_emulator_it_is_said_what_would_show_the_price(
    made: Path, vnni: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unfit(name: str) -> None:
        raise EnvironmentUnfit("qemu-x86_64 is missing.", "apt install qemu-user")

    monkeypatch.setattr(boards, "open_board", unfit)
    pixels = np.full((2, u8s8_files.SIZE, u8s8_files.SIZE, 3), 255, np.uint8)
    (_, said) = saturation.price(artifact(made), pixels, None, (CheckedMachine(board=None, facts=vnni),))
    assert said.level == "note"
    assert said.evidence == "what it costs in answers, emulated:x86-64-v3 would show: qemu-x86_64 is missing."
    assert said.mend == "apt install qemu-user"


# Who else names it


@needed
def test_selftest_on_such_a_core_names_the_cause(made: Path, tmp_path: Path) -> None:
    exact = tmp_path / "exact.onnx"
    rates.write_exact(made, exact)
    images = np.full((1, u8s8_files.SIZE, u8s8_files.SIZE, 3), 255, np.uint8)
    outputs = u8s8_files.here(exact, images.transpose(0, 3, 1, 2)[:, None].astype(np.float32))
    np.savez(tmp_path / "golden.npz", **{"images": images, made.name: outputs})  # type: ignore[arg-type]
    result = selftest.selftest(made, "emulated:x86-64-v3", tmp_path / "golden.npz")
    with pytest.raises(GateFailed) as caught:
        selftest.judge(result)
    assert "cuts sums of two products off at 16 bits in 3 layers" in (caught.value.hint or "")


@pytest.mark.parametrize("verdict", ["within", "different"])
def test_bench_names_the_cause_beside_the_difference(verdict: str) -> None:
    golden = Golden(verdict=verdict, pictures=4, values=40, differing=3, max_lsb=1, max_relative=None)  # type: ignore[arg-type]
    measured = measurement([1.0] * 6, golden=golden)
    said = report_warnings.warnings([measured], causes={(measured.file, measured.runtime): "It cuts."})
    (differs,) = (warning for warning in said if warning.kind == "differs-from-export")
    assert differs.sentence.endswith("by up to 1 LSB. It cuts.")


def test_a_bundle_knows_how_many_of_its_layers_can_be_cut_off(made: Path, tmp_path: Path) -> None:
    packed = bundle.make(_with_golden(made, tmp_path))
    assert json.loads(packed.files[contents.MANIFEST])["saturating_layers"] == 3
    assert json.loads(small_bundles.made(tmp_path / "other").files[contents.MANIFEST])["saturating_layers"] == 0


def test_a_bundles_own_selftest_names_the_cause_on_the_device(made: Path, tmp_path: Path, avx2: Environment) -> None:
    bundle.make(_with_golden(made, tmp_path)).write(tmp_path / "unpacked")
    opened = contents.open_bundle(tmp_path / "unpacked")
    _, expected = opened.golden()
    same, other = (replay.compare(expected + change, expected) for change in (np.float32(0), np.float32(9)))
    assert replay.table(opened, same)["cause"] is None
    assert replay.table(opened, other)["cause"] == (
        f"{made.name} multiplies uint8 by int8, and AVX2 without VNNI cuts sums of two products off at 16 bits in "
        "3 layers: export it again."
    )


def test_elsewhere_it_does_not(made: Path, tmp_path: Path, vnni: Environment) -> None:
    bundle.make(_with_golden(made, tmp_path)).write(tmp_path / "unpacked")
    opened = contents.open_bundle(tmp_path / "unpacked")
    _, expected = opened.golden()
    assert replay.table(opened, replay.compare(expected + np.float32(9), expected))["cause"] is None


def _with_golden(made: Path, folder: Path) -> Artifact:
    """The file in a folder of its own, with a card and golden vectors."""
    (folder / "artifacts").mkdir()
    path = folder / "artifacts" / made.name
    path.write_bytes(made.read_bytes())
    file = dataclasses.replace(artifact(path), labels=tuple(map(str, range(u8s8_files.CLASSES))))
    artifacts.write_card(file)
    images = np.full((1, u8s8_files.SIZE, u8s8_files.SIZE, 3), 255, np.uint8)
    outputs = small_bundles.outputs(file, images)
    np.savez(path.with_name("golden.npz"), **{"images": images, file.name: outputs})  # type: ignore[arg-type]
    return file


@needed
def test_verify_names_the_cause_behind_the_first_layer_that_differs(
    made: Path,
    pictures: Path,
    vnni: Environment,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    plan = DataPlan(name="folder", options={"path": str(pictures), "size": u8s8_files.SIZE})
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    matrix = verify.verify([made], on=["emulated:x86-64-v3"], data=plan)
    show.show(matrix)
    said = " ".join(capsys.readouterr().out.split())
    assert "first layer that differs:" in said
    assert "cuts sums of two products off at 16 bits in 3 layers: export it again" in said
