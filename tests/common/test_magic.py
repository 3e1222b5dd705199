"""Files that are no model are named by their content, by every verb alike."""

import gzip
import io
import pickle
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import safetensors.numpy
import small_bundles
import tiny_models
import torch
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper
from PIL import Image

from edgecnn import formats
from edgecnn.checks.doctor import file
from edgecnn.checks.verify import prefixes
from edgecnn.common import magic
from edgecnn.errors import ModelFileError, UsageError
from edgecnn.onboard.runner import cli
from edgecnn.pipeline.bench import candidates
from edgecnn.records import report
from edgecnn.records.plans import Suite

KERNEL = tiny_models.weights(4, 4, 1, 3)


def packed(write: Callable[[io.BytesIO], Any]) -> bytes:
    stream = io.BytesIO()
    write(stream)
    return stream.getvalue()


def zipped(*names: str) -> bytes:
    def write(stream: io.BytesIO) -> None:
        with zipfile.ZipFile(stream, "w") as archive:
            for name in names:
                archive.writestr(name, "content")

    return packed(write)


def tarred(stream: io.BytesIO) -> None:
    with tarfile.open(fileobj=stream, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("net.onnx"))


NO_GRAPH = onnx.ModelProto(ir_version=8, producer_name="somebody", opset_import=[helper.make_opsetid("", 18)])

# What it is -> (its bytes, what of it is said, what to do)
OTHERS: dict[str, tuple[bytes, str, str]] = {
    "nothing": (b"", "it is empty", "download"),
    "zeros": (bytes(5000), "nothing but zeros", "download"),
    "white space": (b"\n\n  \n", "nothing but white space", "download"),
    "a page": (b"\n<!DOCTYPE html><html><body>404</body></html>", "a web page", "download"),
    "a page without a type": (b"<html lang=en>", "a web page", "download"),
    "a pointer": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "a Git LFS pointer", "git lfs pull"),
    "an answer": (b'{"error": "not found"}', 'a text that begins with \'{"error"', "download"),
    "a text": ("Zugriff verweigert: größer\n".encode() * 400, "a text that begins with 'Zugriff", "download"),
    "a text in UTF-16": ("access denied".encode("utf-16"), "a text that begins with 'access denied'", "download"),
    "a zip": (zipped("a/readme.md"), "a zip archive", "unpack"),
    "a zipped model": (zipped("a/net.tflite"), "a zip archive that holds a/net.tflite", "unpack"),
    "half a zip": (zipped("a/net.tflite")[:40], "the first part of a zip archive", "download"),
    "a tar": (packed(tarred), "a tar archive", "unpack"),
    "a gzip": (gzip.compress(b"net"), "packed by gzip", "unpack"),
    "a pickle": (pickle.dumps({"w": np.zeros(3)}), "a Python pickle", "export"),
    "a .pt": (packed(lambda stream: torch.save({"w": torch.zeros(3)}, stream)), "a PyTorch file", "export"),
    "an .h5": (b"\x89HDF\r\n\x1a\n" + bytes(99), "HDF5", "export"),
    "a .keras": (zipped("metadata.json", "config.json", "model.weights.h5"), "a Keras model", "export"),
    "a .safetensors": (safetensors.numpy.save({"w": np.zeros(3)}), "a safetensors file", "export"),
    "an .npy": (packed(lambda stream: np.save(stream, np.zeros(3))), "a NumPy array", "name a model"),
    "an .npz": (packed(lambda stream: np.savez(stream, w=np.zeros(3))), "NumPy arrays", "name a model"),
    "a picture": (small_bundles.picture(np.zeros((4, 4, 3), np.uint8)), "a PNG picture", "name a model"),
    "a photograph": (packed(lambda to: Image.new("RGB", (8, 8)).save(to, "webp")), "a WebP picture", "name a model"),
    "a SavedModel": (b"\x08\x01\x12\x06\x0a\x04\x0a\x02\x2a\x00", "a TensorFlow SavedModel", "export"),
    "a GraphDef": (b"\x0a\x0e\x0a\x01x\x12\x09NoOp\x20\x20\x20\x20\x20", "a TensorFlow graph", "export"),
    "Core ML": (b"\x08\x04\x12\x02\x0a\x00\xa2\x1f\x00", "a Core ML model", "export"),
    "ONNX without a graph": (NO_GRAPH.SerializeToString(), "an ONNX file without a graph", "export"),
    "macOS's other half": (b"\0\x05\x16\x07" + bytes(60), "what macOS keeps", "name the file"),
    "a random file": (np.random.default_rng(0).bytes(4000), "of no format known here", "is it complete"),
}


@pytest.mark.parametrize("suffix", [".onnx", ".tflite"])
@pytest.mark.parametrize("kind", OTHERS)
def test_what_is_no_model_is_named_with_what_to_do(kind: str, suffix: str, tmp_path: Path) -> None:
    content, words, hint = OTHERS[kind]
    path = tmp_path / f"net{suffix}"
    path.write_bytes(content)
    with pytest.raises(ModelFileError) as caught:
        formats.describe(path)
    assert caught.value.sentence.startswith(f"{path} is no model file: it is ")
    assert words in caught.value.sentence
    assert "\n" not in caught.value.sentence
    assert hint in (caught.value.hint or "")


VERBS: dict[str, Callable[[Path], Any]] = {
    "inspect": formats.describe,
    "bench, verify and selftest": lambda path: candidates.find([path], Suite(name="quick"), None),
    "doctor": file.open_model,
    "deploy": lambda path: formats.choose(path, "onnx", "int8"),
    "layers": prefixes.tensors,
}


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_says_the_same(verb: str, tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    path.write_bytes(OTHERS["a pointer"][0])
    with pytest.raises(ModelFileError, match="is no model file: it is a Git LFS pointer"):
        VERBS[verb](path)


def test_a_file_with_a_card_and_the_runner_say_it_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = small_bundles.unpacked(tmp_path)
    (model,) = folder.glob("*.tflite")
    model.write_bytes(OTHERS["a pointer"][0])
    for command in (["classify", "x.png"], ["bench"], ["selftest"]):
        assert cli.main(folder, command) == ModelFileError.exit_code
        assert "it is a Git LFS pointer" in capsys.readouterr().err
    with pytest.raises(ModelFileError, match="it is a Git LFS pointer"):
        candidates.find([model], Suite(name="quick"), None)


def test_a_report_that_is_a_model_or_a_page_is_named(tmp_path: Path) -> None:
    path = tiny_models.linear_onnx(tmp_path / "net.onnx", KERNEL)
    with pytest.raises(UsageError, match=r"is not a report of `edgecnn bench`: it is a model \(onnx\)"):
        report.read(path)
    path.write_bytes(OTHERS["a page"][0])
    with pytest.raises(UsageError, match="it is a web page"):
        report.read(path)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.999])
def test_a_part_of_an_onnx_file_is_told_with_both_sizes(share: float, tmp_path: Path) -> None:
    path = tiny_models.linear_onnx(tmp_path / "net.onnx", KERNEL)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(ModelFileError, match=rf"the first {int(share * len(whole))} bytes of an ONNX file that has"):
        formats.describe(path)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.999])
def test_a_part_of_a_tflite_file_points_beyond_its_end(share: float, tmp_path: Path) -> None:
    path = tiny_models.linear_tflite(tmp_path / "net.tflite", KERNEL)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(ModelFileError, match="a damaged TFLite file, or a part of one: it points beyond its"):
        formats.describe(path)


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb != "doctor"])
def test_a_model_under_anothers_ending_is_told_its_own(verb: str, tmp_path: Path) -> None:
    onnx_file = tiny_models.linear_onnx(tmp_path / "a.tflite", KERNEL)
    lite = tiny_models.linear_tflite(tmp_path / "b.onnx", KERNEL)
    for path, suffix in ((onnx_file, ".onnx"), (lite, ".tflite")):
        with pytest.raises(ModelFileError, match=f"is a {suffix} file by its content") as caught:
            VERBS[verb](path)
        assert caught.value.hint == f"call it {path.stem}{suffix}"


@given(st.binary(max_size=200))
def test_any_bytes_are_put_into_words(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.mktemp("bytes") / "net.onnx"
    path.write_bytes(data)
    assert magic.words(path)


# ONNX that is no net of tensors, as scikit-learn's converter writes


def of_sklearn(path: Path, outputs: list[str], opsets: list[tuple[str, int]]) -> Path:
    """A tree of two leaves behind ZipMap, with one or both of its outputs."""
    tree = helper.make_node(
        "TreeEnsembleClassifier", ["x"], ["label", "shares"], domain="ai.onnx.ml",
        class_ids=[0, 1], class_nodeids=[1, 2], class_treeids=[0, 0], class_weights=[1.0, 1.0],
        classlabels_int64s=[0, 1], nodes_falsenodeids=[2, 0, 0], nodes_featureids=[0, 0, 0],
        nodes_modes=["BRANCH_LEQ", "LEAF", "LEAF"], nodes_nodeids=[0, 1, 2], nodes_treeids=[0, 0, 0],
        nodes_truenodeids=[1, 0, 0], nodes_values=[0.5, 0.0, 0.0], post_transform="NONE",
    )  # fmt: skip
    zipmap = helper.make_node("ZipMap", ["shares"], ["probability"], domain="ai.onnx.ml", classlabels_int64s=[0, 1])
    number = helper.make_tensor_type_proto(TensorProto.FLOAT, None)
    maps = helper.make_sequence_type_proto(helper.make_map_type_proto(TensorProto.INT64, number))
    known = {
        "label": helper.make_tensor_value_info("label", TensorProto.INT64, [None]),
        "probability": helper.make_value_info("probability", maps),
    }
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 4])
    graph = helper.make_graph([tree, zipmap], "tree", [x], [known[name] for name in outputs])
    imports = [helper.make_opsetid(*opset) for opset in opsets]
    onnx.save(helper.make_model(graph, opset_imports=imports, ir_version=8), path)
    return path


@pytest.mark.parametrize("verb", ["inspect", "bench, verify and selftest", "doctor", "deploy"])
@pytest.mark.parametrize("outputs", [["probability"], ["probability", "label"]])
def test_maps_are_named_with_the_converters_option(outputs: list[str], verb: str, tmp_path: Path) -> None:
    path = of_sklearn(tmp_path / "tree.onnx", outputs, [("ai.onnx.ml", 1), ("", 15)])
    with pytest.raises(
        ModelFileError, match="first output 'probability' is a sequence of maps, which its ZipMap"
    ) as caught:
        VERBS[verb](path)
    assert "zipmap" in (caught.value.hint or "")


def test_text_is_no_output_to_measure(tmp_path: Path) -> None:
    names = helper.make_node(
        "LabelEncoder", ["i"], ["label"], domain="ai.onnx.ml", keys_int64s=[0], values_strings=["cat"]
    )
    graph = helper.make_graph(
        [helper.make_node("Cast", ["x"], ["i"], to=TensorProto.INT64), names],
        "names",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 1])],
        [helper.make_tensor_value_info("label", TensorProto.STRING, [1, 1])],
    )
    path = tmp_path / "names.onnx"
    opsets = [helper.make_opsetid("ai.onnx.ml", 2), helper.make_opsetid("", 15)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), path)
    with pytest.raises(ModelFileError, match="its first output 'label' is text, and no tensor of numbers"):
        file.open_model(path)


def test_a_file_without_onnx_s_own_opset_is_described_by_the_one_it_has(tmp_path: Path) -> None:
    path = of_sklearn(tmp_path / "tree.onnx", ["label"], [("ai.onnx.ml", 1)])
    description, _ = file.open_model(path)
    assert description.format_version == "opset 1 of ai.onnx.ml, IR 8"
    assert "runtime" not in {finding.subject for finding in file.findings(path, description)}
