"""The description of an ONNX file, made by this tool or another, read from the file alone."""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from edgecnn.common import sizes
from edgecnn.errors import EdgecnnError, ModelFileError
from edgecnn.formats import _describing
from edgecnn.formats.onnx import notes as _onnx_notes
from edgecnn.formats.onnx.absorbed import Absorbed
from edgecnn.formats.onnx.cost import WEIGHTED, attribute, macs, operands, peak_bytes
from edgecnn.formats.onnx.graph import CODERS, NATIVE, Graph, entry, read, stated
from edgecnn.onboard import runtimes
from edgecnn.records import model_files
from edgecnn.records.artifact import Description, TensorSpec, values_per_picture

PASSED_ON = {"Cast", "Identity", "Reshape", "Squeeze", "Unsqueeze", "Flatten", *CODERS}
"""Operators that keep the meaning of an output."""
PACKED = {"MatMulNBits": 1, "GatherBlockQuantized": 0}
"""Index of the packed weights among the inputs of ONNX Runtime's operators on weights of a few bits."""
BOOKKEEPING = {"Shape", "Cast", "Constant", "ConstantOfShape", "Size", "Range", "If", "Loop", "Scan"}
"""Operators on shapes and types, and control flow, which do not count as computing in float."""


def describe(path: Path, input_shape: Sequence[int] = ()) -> Description:
    """Open the file and describe it.

    Raises:
        ModelFileError: It is not ONNX.
        UsageError: `input_shape` contradicts it.
    """
    with _describing.describing(path, "ONNX"):
        description = _describe(path, model_files.whole(path), input_shape)
        return description if all(description.output.shape) else _asked(path, description)


def _describe(path: Path, data: bytes, wanted: Sequence[int]) -> Description:
    import onnx

    model = onnx.load_model_from_string(data)
    if not model.graph.node or not model.graph.input or not model.graph.output:
        raise ModelFileError("its graph is empty.", "export it again")
    constants = {entry.name for entry in model.graph.initializer}
    if all(value.name in constants for value in model.graph.input):
        raise ModelFileError("it takes no input: all of them are constants.", "export it again")
    graph = read(model, _settled(model, wanted))
    _require_numbers(model, "input", graph.inputs[0])
    _require_numbers(model, "output", graph.outputs[0])
    parts = [(part, Absorbed(part)) for part in (graph, *graph.nested)]
    operators = Counter(node.op_type for part, _ in parts for node in part.nodes)
    float_operators = sum(computes_in_float(node, *part) for part in parts for node in part[0].nodes)
    integer_operators, weights = Counter[str](), {}
    for part, absorbed in parts:
        integer_operators += _integer_operators(part, absorbed)
        # by identity, not by name: two branches may reuse a name, and a branch may read a constant around it
        weights.update({id(part.constants[name]): weight for name, weight in _weights(part).items()})
    source, result = _input(model, graph), _output(graph, graph.outputs[0])
    notes = {entry.key: entry.value for entry in model.metadata_props}
    return Description(
        format="onnx",
        format_version=f"{_opset(model)}, IR {model.ir_version}",
        bytes=model_files.size(path),
        sha256=model_files.sha256(path),
        input=source,
        output=result,
        precision=_describing.word(
            float_operators=float_operators,
            integer_operators=integer_operators,
            weights=_by_type(weights),
            io=(source.dtype, result.dtype),
        ),
        operators=dict(sorted(operators.items())),
        float_operators=float_operators,
        transposes=operators["Transpose"],
        quantize_pairs=sum(runs_as_coder(node, *part) for part in parts for node in part[0].nodes),
        planned_activation_peak_bytes=None if source.open else peak_bytes(*parts[0]),
        macs=None if source.open else macs(graph),
        parameters=sum(count for _, count in weights.values()),
        labels=_onnx_notes.labels(notes),
        image=_onnx_notes.image(notes),
        outputs=tuple(_output(graph, name) for name in graph.outputs) if len(graph.outputs) > 1 else (),
    )


def _require_numbers(model: Any, side: str, name: str) -> None:
    """Check that an input or output is a tensor of numbers; ModelFileError says what else it is."""
    from onnx import TensorProto

    value = next(value for value in (*model.graph.input, *model.graph.output) if value.name == name)
    kind = value.type.WhichOneof("value")
    if kind == "tensor_type" and value.type.tensor_type.elem_type != TensorProto.STRING:
        return
    words = "text" if kind == "tensor_type" else f"a {(kind or 'value of no type').removesuffix('_type')}"
    if kind == "sequence_type" and value.type.sequence_type.elem_type.WhichOneof("value") == "map_type":
        words = "a sequence of maps"
    is_zip_map = any(node.op_type == "ZipMap" and name in node.output for node in model.graph.node)
    hint = (
        "convert it with skl2onnx's options={'zipmap': False}"
        if is_zip_map
        else f"export it with a tensor as its {side}"
    )
    origin = ", which its ZipMap makes" if is_zip_map else ""
    raise ModelFileError(f"its first {side} {name!r} is {words}{origin}, and no tensor of numbers.", hint)


def _opset(model: Any) -> str:
    """Return ONNX's own opset; for a file that imports only other domains, theirs."""
    versions = {entry.domain or "ai.onnx": entry.version for entry in model.opset_import}
    if "ai.onnx" in versions:
        return f"opset {versions['ai.onnx']}"
    return f"opset {', '.join(f'{version} of {domain}' for domain, version in versions.items()) or 'unknown'}"


def runs_as_coder(node: Any, graph: Graph, absorbed: Absorbed) -> bool:
    """Return whether a node quantises or dequantises an activation as an operator of its own."""
    return node.op_type in CODERS and node.output[0] not in absorbed.inside and node.input[0] not in graph.constants


def computes_in_float(node: Any, graph: Graph, absorbed: Absorbed) -> bool:
    """Return whether a node computes with floats: no int8 kernel replaces it, and it is no bookkeeping."""
    if node.op_type in CODERS | BOOKKEEPING or node.output[0] in absorbed.inside:
        return False
    if node.output[0] in absorbed.operators:
        return False
    if node.op_type in NATIVE:
        return False
    values = [name for name in (*node.input, *node.output) if name and name not in graph.constants]
    return any(graph.is_float(name) for name in values)


def _integer_operators(graph: Graph, absorbed: Absorbed) -> Counter[str]:
    """Count the operators that compute with activations of each quantised type.

    16-bit activations count where they are quantised, as no kernel of ONNX Runtime replaces their operators. int8 that
    is made for a single product and returned as float does not count: that is the "dynamic" way of int8 weights.
    """
    operators = {node.op_type for node in graph.nodes}
    if "DynamicQuantizeLinear" in operators and "QuantizeLinear" not in operators:
        return Counter()
    counts = Counter(graph.types.get(absorbed.storage(name), "uint8") for name in absorbed.operators)
    counts["uint8"] += sum(node.op_type in NATIVE for node in graph.nodes)
    for node in graph.nodes:
        writer = graph.producer.get(node.input[0]) if node.op_type == "DequantizeLinear" else None
        if writer is not None and writer.op_type == "QuantizeLinear":
            dtype = graph.types.get(node.input[0], "uint8")
            counts[dtype] += dtype in _describing.WIDTHS and dtype not in _describing.EIGHT_BIT
    return Counter({dtype: count for dtype, count in counts.items() if dtype in _describing.WIDTHS})


def _by_type(weights: Mapping[int, tuple[str, int]]) -> Counter[str]:
    counts: Counter[str] = Counter()
    for dtype, count in weights.values():
        counts[dtype] += count
    return counts


def _weights(graph: Graph) -> dict[str, tuple[str, int]]:
    """Return (type, number of values) of the learnt constants: float, quantised, or an integer operator's bias.

    A single number counts only as operand of a weighted operator, since elsewhere it belongs to a formula.
    """
    weights = {}
    for node in graph.nodes:
        if node.op_type in CODERS:
            continue
        if node.op_type in PACKED and node.input[PACKED[node.op_type]] in graph.constants:
            name = node.input[PACKED[node.op_type]]
            bits = attribute(node, "bits", 4)
            stored = math.prod(graph.shapes[name]) * np.dtype(graph.types[name]).itemsize * 8 // bits
            weights[name] = (f"int{bits}", stored)
            continue
        for name in operands(node):
            writer = graph.producer.get(name)
            through = writer is not None and writer.op_type == "DequantizeLinear"
            stored = writer is not None and writer.op_type in ("DequantizeLinear", "Cast")
            constant = writer.input[0] if writer is not None and stored else name
            if constant not in graph.constants:
                continue
            bias = graph.types[constant] == "int32" and (through or node.op_type in NATIVE)
            value = graph.is_float(constant) or graph.types[constant] in _describing.EIGHT_BIT
            value |= through and graph.types[constant] in _describing.WIDTHS
            if (value or bias) and (node.op_type in WEIGHTED or math.prod(graph.shapes[constant]) > 1):
                weights[constant] = (graph.types[constant], math.prod(graph.shapes[constant]))
    return weights


def _settled(model: Any, wanted: Sequence[int]) -> tuple[int, ...]:
    """Return all sizes of the first input, completed by `wanted`; () if nothing is wanted."""
    value = entry(model)
    if not wanted or value is None:
        return ()
    known = stated(value) if value.type.tensor_type.HasField("shape") else None
    return sizes.require_settled(wanted, known, _layout(known or ()))


def _asked(path: Path, description: Description) -> Description:
    """Fill in output sizes that the file leaves open by asking ONNX Runtime, if it is installed and runs the file."""
    source, result = description.input, description.output
    if source.open or not all(source.shape):
        return description
    try:
        session = runtimes.get("onnxruntime").open_session(path, num_threads=1)
        shape = session(np.zeros(source.shape, source.dtype)).shape
    except (EdgecnnError, TypeError):  # other checks report a missing engine or a file that it refuses
        return description
    return replace(description, output=replace(result, shape=shape, layout=_layout(shape)))


def _input(model: Any, graph: Graph) -> TensorSpec:
    name = graph.inputs[0]
    readers = graph.consumers.get(name, [])
    coder = next((node for node in readers if node.op_type == "DequantizeLinear"), None)
    spec = _spec(graph, name, coder)
    if name not in graph.edges:
        return replace(spec, open=("all of them",))
    names = [dimension.dim_param for dimension in entry(model).type.tensor_type.shape.dim]
    places = [place for place, size in enumerate(spec.shape) if not size]
    return replace(spec, open=tuple(f"{place} ({names[place]})" if names[place] else str(place) for place in places))


def _output(graph: Graph, name: str) -> TensorSpec:
    """Describe an output, including how it names a class."""
    writer = graph.producer.get(name)
    spec = _spec(graph, name, writer if writer is not None and writer.op_type == "QuantizeLinear" else None)
    for _ in graph.nodes:  # a bounded loop, as a broken file may have a cycle
        if writer is not None and writer.op_type in PASSED_ON:
            writer = graph.producer.get(writer.input[0])
    if writer is None or values_per_picture(spec) != 1:
        return spec
    if _ends([graph], name) == {"Sigmoid"}:
        return dataclasses.replace(spec, reading="probability")
    if writer.op_type == "ArgMax" and (scores := graph.shapes.get(writer.input[0])):
        axis = attribute(writer, "axis", 0)
        return dataclasses.replace(spec, reading="number", classes=scores[axis])
    return spec


def _ends(graphs: Sequence[Graph], name: str) -> set[str]:
    """Return the operators that may give a value its meaning; for an If, those that end its branches.

    Args:
        graphs: The graph that holds the value, after the graphs around it.
        name: The value.
    """
    depth = next((place for place in range(len(graphs), 0, -1) if name in graphs[place - 1].producer), 0)
    if not depth:
        return {"nothing known"}
    writer = graphs[depth - 1].producer[name]
    if writer.op_type in PASSED_ON:
        return _ends(graphs[:depth], writer.input[0])
    if writer.op_type != "If":
        return {writer.op_type}
    place = list(writer.output).index(name)
    bodies = graphs[depth - 1].bodies[writer.output[0]]
    return {end for body in bodies for end in _ends([*graphs[:depth], body], body.outputs[place])}


def _spec(graph: Graph, name: str, coder: Any) -> TensorSpec:
    shape, dtype = graph.edges.get(name, ()), graph.types.get(name, "float32")
    numbers = graph.scale(coder) if coder is not None else None
    scale, zero_point = numbers if numbers is not None else (None, None)
    return TensorSpec(name=name, shape=shape, dtype=dtype, layout=_layout(shape), scale=scale, zero_point=zero_point)


def _layout(shape: Sequence[int]) -> str:
    if len(shape) == 4:
        return "NHWC" if shape[3] in (1, 3) and shape[1] not in (1, 3) else "NCHW"
    return "NK" if len(shape) == 2 else ""
