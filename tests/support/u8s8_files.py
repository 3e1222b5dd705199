"""ONNX files that multiply uint8 by int8: one layer each, or a net as ONNX Runtime quantises it."""

from __future__ import annotations

import contextlib
import itertools
import logging
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from edgecnn.boards.emulated import tools, user_mode

HIGH = 255
ZERO_POINT = 128
"""The zero point of the inputs."""
STEP = 100
"""What one step of the output stands for, in products."""
SIZE = 12
"""Height and width of the net's pictures."""
CLASSES = 10

Weights = npt.NDArray[np.int8]

ASKING = """
import sys
import numpy, onnxruntime
options = onnxruntime.SessionOptions()
options.intra_op_num_threads, options.log_severity_level = 1, 3
answers = {}
for name, values in numpy.load(sys.argv[1]).items():
    session = onnxruntime.InferenceSession(name, options, providers=["CPUExecutionProvider"])
    entry = session.get_inputs()[0].name
    answers[name] = numpy.concatenate([session.run(None, {entry: x})[0] for x in values])
numpy.savez(sys.argv[2], **answers)
"""


@dataclass(frozen=True)
class Layer:
    """A convolution, or a matrix product where there is no kernel size."""

    operator: str
    """Conv and QLinearConv, Gemm and QGemm, MatMul, QLinearMatMul, MatMulInteger and DynamicQuantizeLinear."""
    inputs: int
    outputs: int
    kernel: tuple[int, ...] = ()
    groups: int = 1
    zero_point: int = ZERO_POINT

    def __str__(self) -> str:
        sizes = "x".join(map(str, self.kernel)) or "dense"
        return f"{self.operator}-{sizes}-{self.inputs}-{self.outputs}-groups{self.groups}-zero{self.zero_point}"

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of its input; wide enough for one window of a filter."""
        return (1, self.inputs, *self.kernel)


def weights(layer: Layer) -> Weights:
    """Every other output channel keeps within 7 bits, the rest take all 8."""
    shape = (layer.outputs, layer.inputs // layer.groups, *layer.kernel)
    rng = np.random.default_rng(layer.inputs * 1000 + layer.outputs)
    drawn = rng.integers(-127, 128, shape)
    drawn[::2] = rng.integers(-64, 65, drawn[::2].shape)
    return drawn.astype(np.int8)


def write(layer: Layer, folder: Path) -> Path:
    """The layer alone: its output is the middle of its range where every input is HIGH, if nothing is cut off."""
    weight = weights(layer)
    rows = weight.reshape(len(weight), -1).astype(np.int64)
    bias = -rows.sum(1) * (HIGH - layer.zero_point)
    numbers: dict[str, Any] = {
        "x_scale": np.float32(1),
        "x_zero": np.uint8(layer.zero_point),
        "w": weight if layer.kernel or layer.operator == "QGemm" else np.ascontiguousarray(weight.T),
        "w_scale": np.ones(len(weight), np.float32),
        "w_zero": np.zeros(len(weight), np.int8),
        "y_scale": np.float32(STEP),
        "y_zero": np.uint8(ZERO_POINT),
        "bias": bias.astype(np.int32),
        "bias_zero": np.zeros(len(weight), np.int32),
    }
    nodes, entry, outcome = _nodes(layer, numbers)
    used = {name for node in nodes for name in node.input}
    graph = helper.make_graph(
        nodes,
        "layer",
        [helper.make_tensor_value_info("x", entry, layer.shape)],
        [helper.make_tensor_value_info("y", outcome, None)],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in numbers.items() if name in used],
    )
    path = folder / f"{layer}.onnx"
    _save(graph, path)
    return path


def _nodes(layer: Layer, numbers: dict[str, Any]) -> tuple[list[Any], int, int]:
    """(nodes, type of the input, type of the output)."""
    x, w, y = ([f"{name}{end}" for end in ("", "_scale", "_zero")] for name in "xwy")
    sizes: dict[str, Any] = {"kernel_shape": layer.kernel, "group": layer.groups} if layer.kernel else {}
    byte = TensorProto.UINT8
    if layer.operator == "QLinearConv":
        return [helper.make_node("QLinearConv", [*x, *w, *y[1:], "bias"], ["y"], "layer", **sizes)], byte, byte
    if layer.operator == "QGemm":
        inputs = [*x, *w, "bias", *y[1:]]
        return [helper.make_node("QGemm", inputs, ["y"], "layer", domain="com.microsoft", transB=1)], byte, byte
    if layer.operator == "MatMulInteger":
        product = helper.make_node("MatMulInteger", ["x", "w", "x_zero"], ["y"], "layer")
        return [product], byte, TensorProto.INT32
    if layer.operator == "DynamicQuantizeLinear":
        numbers |= {"w_scale": np.float32(1), "w_zero": np.int8(0)}
        return [
            helper.make_node("DynamicQuantizeLinear", ["x"], ["xq", "s", "z"]),
            helper.make_node("MatMulInteger", ["xq", "w", "z", "w_zero"], ["sums"], "layer"),
            helper.make_node("Cast", ["sums"], ["real"], to=TensorProto.FLOAT),
            helper.make_node("Mul", ["s", "w_scale"], ["scale"]),
            helper.make_node("Mul", ["real", "scale"], ["y"]),
        ], TensorProto.FLOAT, TensorProto.FLOAT  # fmt: skip
    axis = {"axis": 0 if layer.kernel else 1}
    coders = [
        helper.make_node("DequantizeLinear", x, ["x_real"]),
        helper.make_node("DequantizeLinear", w, ["w_real"], **axis),
        helper.make_node("DequantizeLinear", ["bias", "w_scale", "bias_zero"], ["b_real"], axis=0),
    ]
    if layer.operator == "MatMul":  # its sums come out as real numbers
        return [*coders[:2], helper.make_node("MatMul", ["x_real", "w_real"], ["y"], "layer")], byte, TensorProto.FLOAT
    product = helper.make_node(layer.operator, ["x_real", "w_real", "b_real"], ["real"], "layer", **sizes)
    return [*coders, product, helper.make_node("QuantizeLinear", ["real", *y[1:]], ["y"])], byte, byte


def net(path: Path) -> Path:
    """A float net of convolutions, one of them depthwise, and a dense layer, its weights drawn."""
    rng = np.random.default_rng(0)
    constants: list[Any] = []

    def drawn(*shape: int) -> str:
        name = f"constant_{len(constants)}"
        largest = 2 / np.sqrt(np.prod(shape[1:])) if len(shape) > 1 else 0.1
        constants.append(numpy_helper.from_array(rng.uniform(-largest, largest, shape).astype(np.float32), name))
        return name

    def convolution(name: str, source: str, shape: tuple[int, ...], **options: Any) -> list[Any]:
        inputs = [source, drawn(*shape), drawn(shape[0])]
        conv = helper.make_node("Conv", inputs, [f"{name}_sums"], name, kernel_shape=shape[2:], **options)
        return [conv, helper.make_node("Relu", [f"{name}_sums"], [f"{name}_out"], f"{name}_relu")]

    nodes = [
        *convolution("stem", "x", (16, 3, 3, 3), pads=[1] * 4, strides=[2, 2]),
        *convolution("depthwise", "stem_out", (16, 1, 3, 3), pads=[1] * 4, group=16),
        *convolution("pointwise", "depthwise_out", (24, 16, 1, 1)),
        helper.make_node("GlobalAveragePool", ["pointwise_out"], ["means"], "pool"),
        helper.make_node("Flatten", ["means"], ["row"], "flat"),
        helper.make_node("Gemm", ["row", drawn(CLASSES, 24), drawn(CLASSES)], ["y"], "dense", transB=1),
    ]
    entry = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, SIZE, SIZE])
    outcome = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, CLASSES])
    _save(helper.make_graph(nodes, "net", [entry], [outcome], constants), path)
    return path


def pictures(count: int) -> npt.NDArray[np.float32]:
    """Random ones as the net takes them, (N, 1, C, H, W)."""
    drawn = np.random.default_rng(1).integers(0, 256, (count, 1, 3, SIZE, SIZE))
    return drawn.astype(np.float32)


def quantised(
    source: Path,
    target: Path,
    form: str = "QDQ",
    types: tuple[str, str] = ("QUInt8", "QInt8"),
    per_channel: bool = False,
    reduce_range: bool = False,
) -> Path:
    """Quantise a float file by onnxruntime's `quantize_static`; `types` are of activations and weights."""
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

    class Reader(CalibrationDataReader):  # type: ignore[misc]  # the interface it asks for
        def __init__(self) -> None:
            self.feeds = iter([{"x": x} for x in pictures(8)])

        def get_next(self) -> Any:
            return next(self.feeds, None)

    with _quiet():
        quantize_static(
            source,
            target,
            Reader(),
            quant_format=QuantFormat[form],
            activation_type=QuantType[types[0]],
            weight_type=QuantType[types[1]],
            per_channel=per_channel,
            reduce_range=reduce_range,
        )
    return target


def on_haswell(asked: Sequence[tuple[Path, npt.NDArray[Any]]], folder: Path) -> list[npt.NDArray[Any]]:
    """The outputs of files for their inputs, (N, *shape) each, on a core with AVX2 and no VNNI: all in one process."""
    inputs, outputs = folder / "inputs.npz", folder / "outputs.npz"
    np.savez(inputs, **{str(path): values for path, values in asked})  # type: ignore[arg-type]
    emulator = [tools.path("qemu-x86_64"), "-cpu", user_mode.CORES["x86-64-v3"].model]
    subprocess.run([*emulator, sys.executable, "-c", ASKING, str(inputs), str(outputs)], check=True)
    with np.load(outputs) as held:
        return [held[str(path)] for path, _ in asked]


def here(path: Path, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The same on this machine."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    entry = session.get_inputs()[0].name
    return np.concatenate([np.asarray(session.run(None, {entry: x})[0]) for x in values])


def passing_sums(rows: npt.NDArray[Any], inputs: npt.NDArray[Any]) -> int:
    """Sums of two products beyond 16 bits, of rows (K, n) with rows (M, n), one after the other."""
    count = 0
    for weight, x in itertools.product(rows.astype(int).tolist(), inputs.astype(int).tolist()):
        products = [a * b for a, b in zip(weight, x, strict=True)]
        both = itertools.zip_longest(products[::2], products[1::2], fillvalue=0)
        count += sum(not -(2**15) <= first + second < 2**15 for first, second in both)
    return count


def _save(graph: Any, path: Path) -> None:
    domains = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    onnx.save(helper.make_model(graph, opset_imports=domains, ir_version=8), path)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without the advice that the quantiser logs."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)
