"""The contract of a runtime, and the quirks that each is known for."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tiny_models

from edgecnn import formats
from edgecnn.common import plugins
from edgecnn.errors import ModelFileError, UsageError
from edgecnn.onboard import runtimes, tensors
from edgecnn.testing import model_files

KERNEL = tiny_models.weights(4, 4, 3, 5)
WRITERS = {"c": tiny_models.linear_c, "onnx": tiny_models.linear_onnx, "tflite": tiny_models.linear_tflite}
NAMES = plugins.own_names("edgecnn.onboard.runtimes")


def tiny_file(runtime: str, folder: Path) -> Path:
    kind = runtimes.get(runtime).FORMATS[0]
    return WRITERS[kind](folder / f"linear{formats.get(kind).SUFFIX}", KERNEL)


def encoded(path: Path, images: np.ndarray) -> np.ndarray:
    from edgecnn.records.foreign import assumed_preprocessing

    spec = formats.describe(path).input
    return tensors.encode(images, spec, assumed_preprocessing(spec))


@pytest.fixture
def images() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (3, 4, 4, 3), dtype=np.uint8)


@pytest.mark.parametrize("name", NAMES)
def test_a_runtime_gives_the_logits_the_weights_say(name: str, tmp_path: Path, images: np.ndarray) -> None:
    path = tiny_file(name, tmp_path)
    session = runtimes.get(name).open_session(path, 1)
    outputs = np.concatenate([session(x[None]) for x in encoded(path, images)])
    assert np.array_equal(outputs, tiny_models.logits(KERNEL, images))


@pytest.mark.parametrize("check", model_files.RUNTIME_CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", NAMES)
def test_every_runtime_keeps_its_contract(name: str, check: Callable[[str, Path], None], tmp_path: Path) -> None:
    check(name, tiny_file(name, tmp_path))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("content", [b"", b"not a model", bytes(range(256)) * 8], ids=["empty", "text", "bytes"])
def test_what_is_not_a_model_is_refused_in_one_line(
    name: str, content: bytes, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / f"broken.{runtimes.get(name).FORMATS[0]}"
    path.write_bytes(content)
    with pytest.raises(ModelFileError, match=r"refuses .*broken") as caught:
        runtimes.get(name).open_session(path, 1)
    assert "\n" not in caught.value.sentence
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("name", NAMES)
def test_loading_and_running_says_nothing(
    name: str, tmp_path: Path, images: np.ndarray, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tiny_file(name, tmp_path)
    runtimes.get(name).open_session(path, 1)(encoded(path, images[:1]))
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("name", NAMES)
def test_the_engine_is_imported_only_when_it_is_needed(name: str) -> None:
    package = {"ai-edge-litert": "ai_edge_litert"}.get(runtimes.get(name).PACKAGE, runtimes.get(name).PACKAGE)
    code = (
        f"import sys; from edgecnn.onboard import runtimes; runtimes.get({name!r}); print({package!r} in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


@pytest.mark.parametrize("name", NAMES)
def test_without_its_package_a_runtime_says_how_to_get_it(name: str, tmp_path: Path) -> None:
    package = runtimes.get(name).PACKAGE
    code = (
        f"import sys; sys.modules[{package.replace('-', '_')!r}] = None\n"
        "from edgecnn.onboard import runtimes; from edgecnn import errors\n"
        f"try: runtimes.get({name!r}).import_engine()\n"
        "except errors.MissingPackage as error: print(error.hint)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == f"pip install {package}\n"


def test_a_batch_of_another_size_is_taken_by_a_file_with_an_open_batch(tmp_path: Path) -> None:
    import onnx

    path = tiny_models.linear_onnx(tmp_path / "open.onnx", KERNEL)
    model = onnx.load(path)
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "N"
    onnx.save(model, path)
    images = np.random.default_rng(2).integers(0, 256, (6, 4, 4, 3), dtype=np.uint8)
    x = images.transpose(0, 3, 1, 2).astype(np.float32)
    session = runtimes.get("onnxruntime").open_session(path, 1)
    for n in (1, 4, 6, 2):
        assert np.array_equal(session(x[:n]), tiny_models.logits(KERNEL, images[:n]))


def test_a_file_of_two_inputs_is_not_for_pictures(tmp_path: Path) -> None:
    import onnx
    from onnx import TensorProto, helper

    pair = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 4]) for name in ("a", "b", "c")]
    graph = helper.make_graph([helper.make_node("Add", ["a", "b"], ["c"])], "two", pair[:2], pair[2:])
    path = tmp_path / "two.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    session = runtimes.get("onnxruntime").open_session(path, 1)
    with pytest.raises(ModelFileError, match="it has 2 inputs"):
        session(np.zeros((1, 4), np.float32))


def test_every_format_has_a_runtime_that_reads_it() -> None:
    assert runtimes.for_format("onnx") == ("onnxruntime",)
    assert runtimes.for_format("tflite") == ("litert",)
    assert runtimes.on_boards() == ("litert", "onnxruntime")
    for name in plugins.own_names("edgecnn.formats"):
        assert runtimes.for_format(name)


def test_an_unknown_runtime_names_the_known_ones() -> None:
    with pytest.raises(UsageError) as caught:
        runtimes.get("onnx-runtime")
    assert "onnxruntime" in (caught.value.hint or "")


def test_stderr_is_whole_again_after_loading(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    runtimes.get("litert").open_session(tiny_models.linear_tflite(tmp_path / "a.tflite", KERNEL), 1)
    os.write(2, b"still here")
    assert capfd.readouterr().err == "still here"
