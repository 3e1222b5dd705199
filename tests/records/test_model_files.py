"""A model of several files: read, counted, hashed, cut, packed and sent as one."""

import dataclasses
import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import small_bundles
import small_runs
import sshd
import tiny_models
from jobs import job_of
from lent import lending
from onnx import TensorProto, helper, numpy_helper
from sshd import Sshd, board

from edgecnn import formats
from edgecnn.boards.ssh import remote
from edgecnn.checks.doctor import file
from edgecnn.checks.verify import prefixes
from edgecnn.common import files
from edgecnn.errors import ModelFileError
from edgecnn.formats.onnx import saturation
from edgecnn.onboard import measure, runtimes
from edgecnn.onboard.job import Job, Lowering, Timing
from edgecnn.onboard.runner import contents
from edgecnn.pipeline.deploy import bundle
from edgecnn.records import artifact, model_files
from edgecnn.records.foreign import assumed_preprocessing

__all__ = ["board", "lending"]

SIZE = 8
KERNEL = tiny_models.weights(SIZE, SIZE, 3, 4)
WEIGHT_BYTES = KERNEL.size * 4
QUICK = Timing(warmup_runs=1, num_runs=5, min_secs=0.0)


def apart(target: Path, source: Path, location: str | None = None, least_bytes: int = 0) -> Path:
    """The model `source` with its tensors in another file; in one file each without `location`."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if location is not None:
        (target.parent / location).parent.mkdir(parents=True, exist_ok=True)
    onnx.save(
        onnx.load(source),
        target,
        save_as_external_data=True,
        all_tensors_to_one_file=location is not None,
        location=location,
        size_threshold=least_bytes,
    )
    return target


@pytest.fixture
def inline_model(tmp_path: Path) -> Path:
    """The linear model in one file."""
    return tiny_models.linear_onnx(tmp_path / "inside.onnx", KERNEL)


@pytest.fixture
def split_model(inline_model: Path, tmp_path: Path) -> Path:
    """The same model with its weights beside it."""
    return apart(tmp_path / "apart" / "net.onnx", inline_model, "net.onnx.data")


def changed(path: Path, change: Callable[[Any], None]) -> Path:
    """The model with `change` made to each tensor that lies outside."""
    model = onnx.load(path, load_external_data=False)
    for tensor in model.graph.initializer:
        change(tensor)
    path.write_bytes(model.SerializeToString())
    return path


def entry(key: str, value: str | None) -> Callable[[Any], None]:
    """A change of one entry of a tensor's external data; None takes it away."""

    def change(tensor: Any) -> None:
        for held in [held for held in tensor.external_data if held.key == key]:
            tensor.external_data.remove(held)
        if value is not None:
            tensor.external_data.add(key=key, value=value)

    return change


# What it is


@pytest.mark.parametrize("location", ["net.onnx.data", "weights/all of them/é.bin"])
def test_its_description_is_that_of_the_model_in_one_file_with_all_bytes_counted(
    location: str, inline_model: Path, tmp_path: Path
) -> None:
    path = apart(tmp_path / "apart" / "net.onnx", inline_model, location)
    described, whole = formats.describe(path), formats.describe(inline_model)
    assert model_files.files_beside(path) == (location,)
    assert described.bytes == path.stat().st_size + WEIGHT_BYTES
    assert dataclasses.replace(described, bytes=whole.bytes, sha256=whole.sha256) == whole


def test_a_model_of_one_file_has_that_files_digest(inline_model: Path, tmp_path: Path) -> None:
    lite = tiny_models.linear_tflite(tmp_path / "net.tflite", KERNEL)
    for path in (inline_model, lite):
        assert model_files.files_beside(path) == ()
        assert formats.describe(path).sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
        assert formats.describe(path).bytes == path.stat().st_size


def test_the_digest_changes_with_the_weights_and_not_with_the_models_name(split_model: Path) -> None:
    before = formats.describe(split_model).sha256
    assert formats.describe(split_model.rename(split_model.with_name("other.onnx"))).sha256 == before
    weights = split_model.with_name("net.onnx.data")
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x40")
    assert formats.describe(split_model.with_name("other.onnx")).sha256 != before


def test_a_card_fits_all_files_of_its_model(split_model: Path) -> None:
    file = small_bundles.exported(split_model.parent / "exported", "onnx")
    apart(file.path, file.path, "weights.bin")
    artifact.write_card(dataclasses.replace(file, description=formats.describe(file.path)))
    assert artifact.read_card(file.path) is not None
    weights = file.path.with_name("weights.bin")
    weights.write_bytes(bytes(weights.stat().st_size))
    with pytest.raises(ModelFileError, match="is not the file its card describes"):
        artifact.read_card(file.path)


def test_whole_it_is_one_file_with_the_same_tensors(split_model: Path, inline_model: Path) -> None:
    whole, plain = onnx.load_model_from_string(model_files.whole(split_model)), onnx.load(inline_model)
    onnx.checker.check_model(whole, full_check=True)
    assert [numpy_helper.to_array(tensor).tolist() for tensor in whole.graph.initializer] == [
        numpy_helper.to_array(tensor).tolist() for tensor in plain.graph.initializer
    ]
    assert whole.graph.node == plain.graph.node


def test_a_tensor_without_a_length_has_the_one_of_its_shape(split_model: Path, inline_model: Path) -> None:
    changed(split_model, entry("length", None))
    weights = split_model.with_name("net.onnx.data")
    weights.write_bytes(weights.read_bytes() + b"behind it")
    (tensor,) = onnx.load_model_from_string(model_files.whole(split_model)).graph.initializer
    assert np.array_equal(
        numpy_helper.to_array(tensor), numpy_helper.to_array(onnx.load(inline_model).graph.initializer[0])
    )


def test_tensors_of_constants_and_of_inner_graphs_lie_outside_too(tmp_path: Path) -> None:
    values = numpy_helper.from_array(np.arange(64, dtype=np.float32), "c")
    constant = helper.make_node("Constant", [], ["c"], value=values)
    branches = [
        helper.make_graph(
            [helper.make_node("Constant", [], [name], value=numpy_helper.from_array(np.full(64, fill, np.float32)))],
            name,
            [],
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, [64])],
        )
        for name, fill in (("a", 1), ("b", 2))
    ]
    graph = helper.make_graph(
        [
            constant,
            helper.make_node("Constant", [], ["yes"], value=numpy_helper.from_array(np.array(True))),
            helper.make_node("If", ["yes"], ["d"], then_branch=branches[0], else_branch=branches[1]),
            helper.make_node("Add", ["x", "c"], ["sum"]),
            helper.make_node("Add", ["sum", "d"], ["y"]),
        ],
        "constants",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 64])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 64])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path = tmp_path / "net.onnx"
    onnx.save(
        model, path, save_as_external_data=True, location="c.bin", size_threshold=100, convert_attribute=True
    )  # fmt: skip
    assert model_files.files_beside(path) == ("c.bin",)
    lone = tmp_path / "lone" / "net.onnx"
    lone.parent.mkdir()
    lone.write_bytes(model_files.whole(path))
    assert model_files.files_beside(lone) == ()
    assert formats.describe(lone).operators == formats.describe(path).operators
    session = runtimes.get("onnxruntime").open_session(lone, num_threads=1)
    assert session(np.zeros((1, 64), np.float32)).tolist() == [[number + 1 for number in range(64)]]


# What it lacks


def test_a_model_without_its_weights_names_the_file_and_what_to_copy(split_model: Path) -> None:
    missing = split_model.with_name("net.onnx.data")
    missing.unlink()
    with pytest.raises(ModelFileError, match=f"and there is no {missing}") as caught:
        formats.describe(split_model)
    assert "copy net.onnx.data there too" in (caught.value.hint or "")


def test_weights_that_are_too_short_are_refused_with_both_sizes(split_model: Path) -> None:
    weights = split_model.with_name("net.onnx.data")
    weights.write_bytes(weights.read_bytes()[:-1])
    with pytest.raises(ModelFileError, match=f"has {WEIGHT_BYTES - 1:,} bytes, and net.onnx reads {WEIGHT_BYTES:,}"):
        formats.describe(split_model)


@pytest.mark.parametrize("location", ["../net.onnx.data", "/etc/hostname", "a/../../b", ""])
def test_weights_outside_the_models_folder_are_refused(location: str, split_model: Path) -> None:
    shutil.copyfile(split_model.with_name("net.onnx.data"), split_model.parent.parent / "net.onnx.data")
    changed(split_model, entry("location", location))
    with pytest.raises(ModelFileError, match="which is not below its own folder"):
        formats.describe(split_model)


@pytest.mark.parametrize("number", ["-4", "many"])
def test_a_place_that_is_no_number_is_damage(number: str, split_model: Path) -> None:
    with pytest.raises(ModelFileError, match="is a damaged ONNX file: a tensor outside has the offset"):
        formats.describe(changed(split_model, entry("offset", number)))


def test_a_link_may_lead_to_where_the_model_lies_and_nowhere_else(split_model: Path, tmp_path: Path) -> None:
    blobs, names = tmp_path / "blobs", tmp_path / "names"
    blobs.mkdir()
    names.mkdir()
    for number, name in enumerate(("net.onnx", "net.onnx.data")):  # as Hugging Face's cache has it
        shutil.copyfile(split_model.with_name(name), blobs / str(number))
        (names / name).symlink_to(blobs / str(number))
    linked = names / "net.onnx"
    assert formats.describe(linked) == formats.describe(split_model)
    card = small_runs.artifact(linked, assumed_preprocessing(formats.describe(linked).input))
    job = Job.for_artifact(card, "onnxruntime", window=QUICK)
    assert measure.run(job).window is not None
    linked.unlink()
    shutil.copyfile(split_model, linked)
    with pytest.raises(ModelFileError, match="which is a link out of its folder"):
        formats.describe(linked)


# Where it goes


def int8_file(path: Path) -> Path:
    """A small net in int8, in one file."""
    shutil.copyfile(small_runs.written("dscnn", "onnx", "int8").path, path)
    return path


@pytest.mark.parametrize("least_bytes", [0, 100])
@pytest.mark.parametrize("location", ["weights/w.bin", None])
def test_doctor_and_the_cutters_see_the_same_model_from_any_folder(
    location: str | None, least_bytes: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside = int8_file(tmp_path / "inside-int8.onnx")
    path = apart(tmp_path / "apart" / "net-int8.onnx", inside, location, least_bytes)
    monkeypatch.chdir(tmp_path)
    for named in (path, Path(os.path.relpath(path))):
        description, _ = file.open_model(named)
        assert description.precision == "int8"
        findings = {finding.subject: finding for finding in file.findings(named, description)}
        if least_bytes:
            assert findings["answers"].level == "ok"
        else:  # of a Reshape whose shape lies outside, ONNX Runtime says so
            assert "size_threshold" in (findings["loading"].mend or "")
        assert set(model_files.files_beside(named)) <= set(findings["weights"].evidence.replace(",", "").split())
        assert prefixes.tensors(named) == prefixes.tensors(inside)
        assert prefixes.prefix(named, prefixes.tensors(inside)[0].name) == prefixes.prefix(
            inside, prefixes.tensors(inside)[0].name
        )
        assert saturation.exposure(named) == saturation.exposure(inside)


def test_what_onnx_runtime_makes_of_it_is_one_file(split_model: Path, inline_model: Path) -> None:
    lowered = [
        measure.run(dataclasses.replace(job_of(path, "onnxruntime"), lower=Lowering(num_runs=1))).lowered
        for path in (split_model, inline_model)
    ]
    kernels = [[kernel.operator for kernel in file.kernels] for file in lowered if file is not None]
    assert kernels[0] == kernels[1] != []


def test_a_bundle_brings_all_of_it_and_runs(tmp_path: Path) -> None:
    exported = small_bundles.exported(tmp_path / "exported", "onnx")
    apart(exported.path, exported.path, "weights/w.bin")
    exported = dataclasses.replace(exported, description=formats.describe(exported.path))
    artifact.write_card(exported)
    made = bundle.make(exported)
    assert "weights/w.bin" in made.files
    for _ in range(2):  # over itself, as a second --output does
        made.write(tmp_path / "bundle")
    there = contents.open_bundle(tmp_path / "bundle")
    contents.verify(there)
    images, outputs = there.golden()
    assert np.array_equal(small_bundles.outputs(there.artifact, images), outputs)


@sshd.needed
def test_a_board_gets_every_file_and_keeps_it_under_the_digest_of_all(
    lending: Sshd, split_model: Path, inline_model: Path
) -> None:
    images = np.random.default_rng(0).integers(0, 256, (4, SIZE, SIZE, 3), dtype=np.uint8)
    np.save(split_model.with_name("images.npy"), images)
    with remote.open_board(lending.destination, lending.options) as there:
        answers = [
            there.run(
                dataclasses.replace(job_of(path, "onnxruntime"), replay=str(split_model.with_name("images.npy")))
            ).replay
            for path in (split_model, inline_model)
        ]
        kept = Path(there.preflight.cache, "files", model_files.sha256(split_model))
    assert np.array_equal(answers[0], answers[1])
    assert np.array_equal(answers[0], tiny_models.logits(KERNEL, images))
    assert {path.name: files.sha256(path) for path in kept.iterdir()} == {
        path.name: files.sha256(path) for path in (split_model, split_model.with_name("net.onnx.data"))
    }
