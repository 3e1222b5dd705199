"""TFLite files held against another reader: LiteRT's own flatbuffer tools."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import island_models
import numpy as np
import pytest
import small_runs
import tiny_models
from ai_edge_litert.tools import flatbuffer_utils as second
from checkout import ROOT

from edgecnn import formats
from edgecnn.formats.tflite import flatbuffer

ZOO = sorted((ROOT / "models" / "zoo").glob("*/artifacts/*.tflite"))


def written(net: str, precision: str) -> Path:
    return small_runs.written(net, "tflite", precision).path


@pytest.fixture(params=[*(path.stem for path in ZOO), "dscnn-fp32", "dscnn-int8", "vit-fp32", "linear", "island"])
def file(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    name: str = request.param
    if name == "linear":
        return tiny_models.linear_tflite(tmp_path / "linear.tflite", tiny_models.weights(4, 4, 1, 3), int8=True)
    if name == "island":
        return island_models.island_tflite(tmp_path / "island.tflite")
    if name.partition("-")[0] in ("dscnn", "vit") and name not in {path.stem for path in ZOO}:
        return written(*name.split("-"))
    return next(path for path in ZOO if path.stem == name)


def tensors_of(graph: Any) -> list[tuple[Any, ...]]:
    """Name, type, shape, scales and zero points of each tensor."""
    listed = []
    for tensor in graph.tensors:
        numbers = tensor.quantization
        scales, zero_points = (numbers.scale, numbers.zeroPoint) if numbers is not None else ((), ())
        listed.append((tensor.name, tensor.type, *map(listing, (tensor.shape, scales, zero_points))))
    return listed


def listing(vector: Any) -> tuple[Any, ...]:
    """The numbers of a vector of the flatbuffer, which may be missing."""
    return () if vector is None else tuple(vector)


def constants_of(model: Any) -> list[bytes]:
    """The content of every tensor of the main graph that has one."""
    stored = [model.buffers[tensor.buffer].data for tensor in model.subgraphs[0].tensors]
    return [np.asarray(data, np.uint8).tobytes() for data in stored if data is not None]


def test_both_see_the_same_operators(file: Path) -> None:
    model = second.read_model(str(file))
    names = Counter(second.opcode_to_name(model, operator.opcodeIndex) for operator in model.subgraphs[0].operators)
    assert names == formats.describe(file).operators


def test_both_see_the_same_tensors_and_weights(file: Path) -> None:
    ours, theirs = flatbuffer.load(file.read_bytes()), second.read_model(str(file))
    assert tensors_of(ours.subgraphs[0]) == tensors_of(theirs.subgraphs[0])
    assert constants_of(ours) == constants_of(theirs)


def test_the_other_reads_what_ours_wrote(file: Path) -> None:
    rewritten = flatbuffer.dump(flatbuffer.load(file.read_bytes()))
    theirs, original = second.read_model_from_bytearray(bytearray(rewritten)), second.read_model(str(file))
    assert tensors_of(theirs.subgraphs[0]) == tensors_of(original.subgraphs[0])
    assert constants_of(theirs) == constants_of(original)


def test_ours_reads_what_the_other_wrote(file: Path, tmp_path: Path) -> None:
    second.write_model(second.read_model(str(file)), str(tmp_path / "theirs.tflite"))
    before, after = formats.describe(file), formats.describe(tmp_path / "theirs.tflite")
    for fact in ("input", "output", "precision", "operators", "macs", "parameters", "planned_activation_peak_bytes"):
        assert getattr(after, fact) == getattr(before, fact)
