"""The description of a TFLite file, made by this tool or another, read from the file alone without TensorFlow."""

from __future__ import annotations

import dataclasses
import hashlib
import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edgecnn.common import sizes
from edgecnn.errors import ModelFileError
from edgecnn.formats import _describing
from edgecnn.formats.tflite import notes
from edgecnn.formats.tflite import sizes as _tflite_sizes
from edgecnn.formats.tflite.flatbuffer import constant, dtype_name, load, operator_name, text, values
from edgecnn.formats.tflite.flatbuffer import shape as sizes_of
from edgecnn.records.artifact import Description, TensorSpec, values_per_picture

CODERS = {"QUANTIZE", "DEQUANTIZE"}
PASSED_ON = {"CAST", "RESHAPE", "SQUEEZE", "EXPAND_DIMS", *CODERS}
"""Operators that keep the meaning of an output."""
FLOATS = {"float32", "float16", "float64"}
WEIGHTED = {"CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV", "BATCH_MATMUL"}


def describe(path: Path, input_shape: Sequence[int] = ()) -> Description:
    """Open the file and describe it.

    Raises:
        ModelFileError: It is not TFLite.
        UsageError: `input_shape` contradicts it.
    """
    with _describing.describing(path, "TFLite"):
        return _describe(path.read_bytes(), input_shape)


def _describe(data: bytes, wanted: Sequence[int]) -> Description:
    model = load(data)
    graph = model.subgraphs[0]
    if not graph.operators or len(graph.inputs) == 0 or len(graph.outputs) == 0:
        raise ModelFileError("its graph is empty.", "export it again")
    shape = _settle(model, data, wanted)
    operators = [operator for part in model.subgraphs for operator in part.operators]
    names = Counter(operator_name(model, operator) for operator in operators)
    float_operators, integer_operators = 0, Counter[str]()
    for part in model.subgraphs:
        for operator in part.operators:
            float_operators += computes_in_float(model, part, operator)
            integer_operators.update(_quantised_types(model, part, operator))
    weights, weight_types = _weights(model), Counter[str]()
    for tensor in weights:
        weight_types[dtype_name(tensor)] += math.prod(sizes_of(tensor))
    source, result = _spec(graph.tensors[graph.inputs[0]], shape), _output(model, graph, int(graph.outputs[0]))
    labels, image = notes.read(model, data)
    return Description(
        format="tflite",
        format_version=f"schema {model.version}",
        bytes=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        input=source,
        output=result,
        precision=_describing.word(
            float_operators=float_operators,
            integer_operators=integer_operators,
            weights=weight_types,
            io=(source.dtype, result.dtype),
        ),
        operators=dict(sorted(names.items())),
        float_operators=float_operators,
        transposes=names["TRANSPOSE"],
        quantize_pairs=sum(
            runs_as_coder(model, part, operator) for part in model.subgraphs for operator in part.operators
        ),
        planned_activation_peak_bytes=None if source.open else _peak_bytes(model, graph),
        macs=None if source.open else _all_macs(model),
        parameters=weight_types.total(),
        labels=labels,
        image=image,
        outputs=tuple(_output(model, graph, int(i)) for i in graph.outputs) if len(graph.outputs) > 1 else (),
    )


def runs_as_coder(model: Any, graph: Any, operator: Any) -> bool:
    """Return whether an operator quantises or dequantises an activation."""
    return operator_name(model, operator) in CODERS and not constant(model, graph.tensors[operator.inputs[0]])


def computes_in_float(model: Any, graph: Any, operator: Any) -> bool:
    """Return whether an operator reads or writes float activations and does more than change their type."""
    types = {dtype_name(tensor) for tensor in _activations(model, graph, operator)}
    return operator_name(model, operator) not in CODERS and not types.isdisjoint(FLOATS)


def _quantised_types(model: Any, graph: Any, operator: Any) -> list[str]:
    """List the type of an operator's quantised activations, the output's before the inputs', or nothing.

    An inner state may be wider. A scale distinguishes quantised values from pixels or indices, which are integers
    anyway.
    """
    if operator_name(model, operator) in CODERS:
        return []
    activations = reversed(_activations(model, graph, operator))
    types = [dtype_name(tensor) for tensor in activations if _is_scaled(tensor)]
    return [dtype for dtype in types if dtype in _describing.WIDTHS][:1]


def _is_scaled(tensor: Any) -> bool:
    numbers = tensor.quantization
    if numbers is None:
        return False
    return numbers.details is not None or (numbers.scale is not None and len(numbers.scale) > 0)


def _activations(model: Any, graph: Any, operator: Any) -> list[Any]:
    tensors = [graph.tensors[i] for i in (*operator.inputs, *operator.outputs) if i >= 0]
    return [tensor for tensor in tensors if not constant(model, tensor)]


def _weights(model: Any) -> list[Any]:
    """List the learnt constants: float, 8-bit, or int32 with a scale (the bias of an int8 operator).

    A single number counts only as operand of a weighted operator, since elsewhere it belongs to a formula. Tensors that
    share a buffer count once.
    """
    tensors: dict[int, Any] = {}
    for graph in model.subgraphs:
        for operator in graph.operators:
            for index in operator.inputs:
                if index < 0 or not constant(model, graph.tensors[index]):
                    continue
                tensor = graph.tensors[index]
                kind = dtype_name(tensor)
                integer = kind in _describing.WIDTHS or kind.startswith("int")
                value = kind in FLOATS or (integer and _is_scaled(tensor))
                if value and (operator_name(model, operator) in WEIGHTED or math.prod(sizes_of(tensor)) > 1):
                    tensors[tensor.buffer] = tensor
    return list(tensors.values())


def _all_macs(model: Any) -> int | None:
    """Sum the MACs; None if branches, loops or other signatures compute too, as how often they run is not known."""
    main, *others = ([_macs(model, part, operator) for operator in part.operators] for part in model.subgraphs)
    return None if any(map(any, others)) else sum(main)


def _macs(model: Any, graph: Any, operator: Any) -> int:
    """Count the multiply-accumulates of a convolution or matrix product; 0 for any other operator."""
    name = operator_name(model, operator)
    if name not in WEIGHTED:
        return 0
    x, weight = sizes_of(graph.tensors[operator.inputs[0]]), sizes_of(graph.tensors[operator.inputs[1]])
    out = sizes_of(graph.tensors[operator.outputs[0]])
    if name == "CONV_2D":
        return math.prod(out) * math.prod(weight[1:])  # weight (K, kh, kw, C / groups)
    if name == "DEPTHWISE_CONV_2D":
        return math.prod(out) * math.prod(weight[1:3])  # weight (1, kh, kw, K)
    if name == "TRANSPOSE_CONV":
        pixels = sizes_of(graph.tensors[operator.inputs[2]])
        return math.prod(pixels) * math.prod(weight[:3])  # weight (K, kh, kw, C)
    if name == "FULLY_CONNECTED":
        return math.prod(out) * weight[-1]  # weight (K, C)
    options = operator.builtinOptions
    return math.prod(out) * (x[-2] if options is not None and options.adjX else x[-1])


def _peak_bytes(model: Any, graph: Any) -> int:
    """Compute the peak of the main graph; weights that a runtime unpacks once, on loading, are no activations."""
    unpacked = {
        int(operator.outputs[0])
        for operator in graph.operators
        if operator_name(model, operator) in CODERS and constant(model, graph.tensors[operator.inputs[0]])
    }
    bytes_of = {}
    for index, tensor in enumerate(graph.tensors):
        if index not in unpacked and not constant(model, tensor):
            kind = dtype_name(tensor)
            width = 1 if kind == "bool" else np.dtype(kind).itemsize if kind in np.sctypeDict else 4
            bytes_of[str(index)] = math.prod(sizes_of(tensor)) * width
    steps = [
        ([str(i) for i in operator.inputs if i >= 0], [str(i) for i in operator.outputs])
        for operator in graph.operators
    ]
    return _describing.peak_bytes(steps, bytes_of, [str(i) for i in graph.inputs], [str(i) for i in graph.outputs])


def _settle(model: Any, data: bytes, wanted: Sequence[int]) -> tuple[int, ...] | None:
    """Settle the sizes of the first input, and with them those of all tensors in `model`.

    Returns:
        The input's sizes, 0 for one that is open; None if the file fixes them all.
    """
    tensor = model.subgraphs[0].tensors[model.subgraphs[0].inputs[0]]
    fixed, layout = _tflite_sizes.stated(tensor), _layout(_tflite_sizes.by_default(tensor))
    shape = sizes.with_batch(_tflite_sizes.by_default(tensor))
    if wanted:
        shape = sizes.require_settled(wanted, fixed, layout)
    if all(fixed):
        return None
    if all(shape) and shape != sizes_of(tensor):
        _tflite_sizes.settle(model, data, shape)
    return shape


def _output(model: Any, graph: Any, index: int) -> TensorSpec:
    """Describe an output, including how it names a class."""
    producer = {int(index): operator for operator in graph.operators for index in operator.outputs}
    spec, writer = _spec(graph.tensors[index]), producer.get(index)
    for _ in graph.operators:  # a bounded loop, as a broken file may have a cycle
        if writer is not None and operator_name(model, writer) in PASSED_ON:
            writer = producer.get(int(writer.inputs[0]))
    if writer is None or values_per_picture(spec) != 1:
        return spec
    kind = operator_name(model, writer)
    if kind == "LOGISTIC":
        return dataclasses.replace(spec, reading="probability")
    if kind == "ARG_MAX" and (axis := values(model, graph.tensors[writer.inputs[1]], np.int32)) is not None:
        return dataclasses.replace(
            spec, reading="number", classes=sizes_of(graph.tensors[writer.inputs[0]])[int(axis[0])]
        )
    return spec


def _spec(tensor: Any, shape: tuple[int, ...] | None = None) -> TensorSpec:
    """Describe a tensor; `shape` replaces its sizes and has 0 for one that is open."""
    numbers, scale, zero_point = tensor.quantization, None, None
    if numbers is not None and numbers.scale is not None and len(numbers.scale) == 1:
        scale, zero_point = float(numbers.scale[0]), int(numbers.zeroPoint[0]) if len(numbers.zeroPoint) else 0
    shape = sizes_of(tensor) if shape is None else shape
    return TensorSpec(
        name=text(tensor.name),
        shape=shape,
        dtype=dtype_name(tensor),
        layout=_layout(shape),
        scale=scale,
        zero_point=zero_point,
        open=tuple(str(place) for place, size in enumerate(shape) if not size),
    )


def _layout(shape: Sequence[int]) -> str:
    if len(shape) == 4:
        return "NCHW" if shape[1] in (1, 3) and shape[3] not in (1, 3) else "NHWC"
    return "NK" if len(shape) == 2 else ""
