"""What files from other makers have that ours have not: each kind once, as bench/foreign_files.py met it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgecnn import formats, runtimes


def saved(
    path: Path,
    nodes: list[Any],
    constants: dict[str, Any] | None = None,
    inputs: dict[str, Any] | None = None,
    output: Any = None,
    opset: int = 17,
    dtype: int = TensorProto.FLOAT,
    **domains: int,
) -> Path:
    """x -> y, with the sizes of the inputs and of the output as they are declared."""
    graph = helper.make_graph(
        nodes,
        "other",
        [helper.make_tensor_value_info(name, dtype, shape) for name, shape in (inputs or {"x": [1, 4]}).items()],
        [helper.make_tensor_value_info("y", dtype, output)],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in (constants or {}).items()],
    )
    opsets = [helper.make_opsetid("", opset), *(helper.make_opsetid(name, 1) for name in domains)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), path)
    return path


@pytest.mark.parametrize("declared", [["n", "m"], [1, 4], ["a", "b", "c"]], ids=["open", "fixed", "of another rank"])
def test_an_output_whose_size_depends_on_what_is_shown_is_read_each_time(declared: list[Any], tmp_path: Path) -> None:
    """As the boxes of a detector are, or what a maker declared wrong: ONNX Runtime only warns of it."""
    nodes = [helper.make_node("NonZero", ["x"], ["places"]), helper.make_node("Cast", ["places"], ["y"], to=1)]
    path = saved(tmp_path / "boxes.onnx", nodes, output=declared)
    session = runtimes.get("onnxruntime").open(path, 1)
    shown = np.array([[[0, 5, 0, 0]], [[1, 2, 3, 4]], [[0, 0, 0, 9]]], np.float32)
    for x in shown:
        assert np.array_equal(session(x), np.array(np.nonzero(x)))
    session.invoke()
    assert session.fetch().tolist() == [[0], [3]]


def test_an_output_of_the_declared_size_is_written_where_it_was(tmp_path: Path) -> None:
    path = saved(tmp_path / "fixed.onnx", [helper.make_node("Relu", ["x"], ["y"])], output=[1, 4])
    session: Any = runtimes.get("onnxruntime").open(path, 1)
    session(np.ones((1, 4), np.float32))
    place = session._binding.get_outputs()[0].data_ptr()
    session(np.full((1, 4), 2, np.float32))
    assert session._binding.get_outputs()[0].data_ptr() == place
    assert session.fetch().tolist() == [[2, 2, 2, 2]]
    assert formats.describe(path).output.shape == (1, 4)
