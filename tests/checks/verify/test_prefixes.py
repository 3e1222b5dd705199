"""Model files cut at their inner tensors: every prefix is a file that runs, and says what the whole computes there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import pytest
import small_runs
import tiny_models
from onnx import TensorProto, helper, numpy_helper

from edgecnn import formats
from edgecnn.checks.verify import prefixes
from edgecnn.errors import ModelFileError, UsageError
from edgecnn.onboard import runtimes, tensors

FILES = [
    (net, format_name, precision)
    for net in ("dscnn", "mlp")
    for format_name in ("onnx", "tflite")
    for precision in ("fp32", "int8")
]


def run(path: Path, x: npt.NDArray[Any]) -> npt.NDArray[Any]:
    (runtime,) = runtimes.for_format(formats.name_of(path))
    return runtimes.get(runtime).open_session(path, 1)(x)


def cut(path: Path, name: str, folder: Path) -> Path:
    target = folder / f"prefix{path.suffix}"
    target.write_bytes(prefixes.prefix(path, name))
    return target


@pytest.mark.parametrize("name", formats.names())
def test_what_can_be_cut_has_its_parts_and_is_read_by_a_runtime(name: str) -> None:
    cutter = formats.get(name).CUTTER
    assert prefixes.can_cut(Path(f"net{formats.get(name).SUFFIX}")) == (cutter is not None)
    if cutter is not None:
        assert runtimes.for_format(name)
        assert all(callable(getattr(cutter, part)) for part in ("tensors", "prefix", "constants"))


def test_a_file_of_another_format_cannot_be_cut(tmp_path: Path) -> None:
    assert not prefixes.can_cut(tmp_path / "net.h")
    assert prefixes.can_cut(tmp_path / "net.onnx")


@pytest.mark.parametrize(("net", "format_name", "precision"), FILES)
def test_every_prefix_runs_and_the_last_is_the_whole(
    net: str, format_name: str, precision: str, tmp_path: Path
) -> None:
    file = small_runs.written(net, format_name, precision)
    image = small_runs.splits(small_runs.SHAPES[net]).test.images[:1]
    x = tensors.encode(image, file.description.input, file.preprocessing)
    inner = prefixes.tensors(file.path)
    known = {file.description.input.name}
    for tensor in inner:
        assert known.issuperset(tensor.inputs)
        known.add(tensor.name)
        output = run(cut(file.path, tensor.name, tmp_path), x)
        assert (output.shape, str(output.dtype)) == (tensor.shape, tensor.dtype)
        assert (tensor.scale is not None) == (precision == "int8")
    assert np.array_equal(output, run(file.path, x))
    assert inner[-1].name == file.description.output.name
    assert inner[-1].scale == file.description.output.scale


def test_of_a_qdq_graph_only_what_is_stored_is_listed() -> None:
    inner = prefixes.tensors(small_runs.written("dscnn", "onnx", "int8").path)
    assert {tensor.dtype for tensor in inner} == {"uint8"}
    assert not {"QuantizeLinear", "DequantizeLinear", "Relu", "Clip"} & {tensor.operator for tensor in inner}
    assert inner[0].operator == "Conv"


def test_in_front_of_a_quantiser_there_are_floats_and_behind_it_their_steps(tmp_path: Path) -> None:
    file = small_runs.written("dscnn", "onnx", "int8")
    image = small_runs.splits((1, 8, 8)).test.images[:1]
    x = tensors.encode(image, file.description.input, file.preprocessing)
    first = prefixes.tensors(file.path)[0]
    (coder,) = (node for node in onnx.load(file.path).graph.node if first.name in node.output)
    real, steps = (run(cut(file.path, name, tmp_path), x) for name in (coder.input[0], first.name))
    assert real.dtype == np.float32
    assert first.scale is not None
    assert first.zero_point is not None
    expected = np.clip(np.rint(real / first.scale) + first.zero_point, 0, 255)
    assert np.abs(expected - steps.astype(int)).max() <= 1


@pytest.mark.parametrize("format_name", ["onnx", "tflite"])
def test_a_file_of_another_maker_can_be_cut(format_name: str, tmp_path: Path) -> None:
    kernel = tiny_models.weights(4, 4, 1, 3)
    write = tiny_models.linear_onnx if format_name == "onnx" else tiny_models.linear_tflite
    path = write(tmp_path / f"linear.{format_name}", kernel)
    image = np.random.default_rng(0).integers(0, 256, (1, 4, 4, 1), dtype=np.uint8)
    x = image.astype(np.float32).transpose(0, 3, 1, 2) if format_name == "onnx" else image.astype(np.float32)
    inner = prefixes.tensors(path)
    assert [tensor.operator for tensor in inner] == (
        ["Flatten", "MatMul"] if format_name == "onnx" else ["FULLY_CONNECTED"]
    )
    assert np.array_equal(run(cut(path, inner[-1].name, tmp_path), x), tiny_models.logits(kernel, image))
    (weights,) = prefixes.constants(path, inner[-1])
    flat = kernel.reshape(3, -1)
    assert np.array_equal(weights, flat.T if format_name == "onnx" else flat)


def test_scales_that_an_operator_carries_itself_are_read(tmp_path: Path) -> None:
    constants = {
        "scale": np.float32(0.5), "zero": np.uint8(3), "w": np.full((4, 2), 2, np.uint8), "w_scale": np.float32(0.25),
        "w_zero": np.uint8(0), "y_scale": np.float32(2.0), "y_zero": np.uint8(7),
    }  # fmt: skip
    names = ["x", "scale", "zero", "w", "w_scale", "w_zero", "y_scale", "y_zero"]
    graph = helper.make_graph(
        [helper.make_node("QLinearMatMul", names, ["y"]), helper.make_node("Reshape", ["y", "shape"], ["z"])],
        "native",
        [helper.make_tensor_value_info("x", TensorProto.UINT8, [1, 4])],
        [helper.make_tensor_value_info("z", TensorProto.UINT8, [2])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()]
        + [numpy_helper.from_array(np.array([2], np.int64), "shape")],
    )
    path = tmp_path / "native.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    product, shuffled = prefixes.tensors(path)
    assert (product.scale, product.zero_point) == (shuffled.scale, shuffled.zero_point) == (2.0, 7)
    x = np.arange(4, dtype=np.uint8)[None]
    assert np.array_equal(run(cut(path, "y", tmp_path), x).ravel(), run(path, x))


def test_a_tensor_that_no_operator_writes_is_named_with_the_nearest() -> None:
    path = small_runs.written("dscnn", "tflite", "int8").path
    with pytest.raises(UsageError, match="no inner tensor 'logit'") as caught:
        prefixes.prefix(path, "logit")
    assert "did you mean 'logits'?" in (caught.value.hint or "")


@pytest.mark.parametrize("suffix", [".onnx", ".tflite"])
def test_a_broken_file_is_named(suffix: str, tmp_path: Path) -> None:
    whole = small_runs.written("mlp", suffix[1:], "fp32").path.read_bytes()
    broken = tmp_path / f"broken{suffix}"
    broken.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ModelFileError, match=r"broken\.(onnx is no model file|tflite cannot be read)"):
        prefixes.tensors(broken)
