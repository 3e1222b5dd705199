"""The contract of a reader of operators, on files of this tool and of others, as their runtimes execute them."""

from pathlib import Path

import island_models
import numpy as np
import pytest
import small_runs
from jobs import job_of
from lowered import MADE, lowered, reader

from edgecnn import formats
from edgecnn.formats import CODERS, MOVES, WEIGHTED
from edgecnn.onboard import measure, runtimes


def test_every_reader_is_of_a_format(tmp_path: Path) -> None:
    assert {formats.name_of(make(tmp_path / name)) for name, make in MADE.items()} == {
        name for name in formats.names() if formats.get(name).OPERATORS is not None
    }


@pytest.mark.parametrize("name", MADE)
def test_operators_add_up_to_what_the_file_says(name: str, tmp_path: Path) -> None:
    path = MADE[name](tmp_path / name)
    _, operators, _ = lowered(path, tmp_path)
    assert sum(operator.macs for operator in operators) == formats.describe(path).macs
    for operator in operators:
        assert (operator.macs > 0) == (operator.kind in WEIGHTED)
        assert operator.bytes > 0
        assert operator.label.startswith(operator.kind)


@pytest.mark.parametrize(("net", "precision"), [("dscnn", "fp32"), ("dscnn", "int8")])
@pytest.mark.parametrize("format_name", ["onnx", "tflite"])
def test_so_do_those_of_an_export(net: str, precision: str, format_name: str, tmp_path: Path) -> None:
    made = small_runs.written(net, format_name, precision)
    _, operators, _ = lowered(made.path, tmp_path)
    macs, said = sum(operator.macs for operator in operators), made.description.macs or 0
    assert said <= macs <= 2.5 * said  # ONNX Runtime pads channels to blocks, and pads are executed
    if format_name == "tflite" or precision == "int8":
        assert macs == said
    assert {"conv", "depthwise", "pointwise", "dense"} <= {operator.kind for operator in operators}
    assert any(operator.is_float for operator in operators) == (precision == "fp32")


@pytest.mark.parametrize("name", MADE)
def test_prefixes_grow_by_one_operator_and_the_last_is_the_graph(name: str, tmp_path: Path) -> None:
    path = MADE[name](tmp_path / name)
    data, operators, runtime = lowered(path, tmp_path)
    job = job_of(path, runtimes.for_format(formats.name_of(path))[0])
    x = measure.random_input(job.input, job.preprocessing)
    prefixes = reader(formats.name_of(path)).prefixes(data)
    assert len(prefixes) == len(operators) + 1
    outputs = []
    for place, prefix in enumerate(prefixes):
        part = tmp_path / f"{place}{path.suffix}"
        part.write_bytes(prefix)
        outputs.append(runtime.open_session(part, 1, lowered=True)(x))
    assert outputs[0].tolist() == list(x.shape)  # the call alone
    for output, operator in zip(outputs[1:], operators, strict=True):
        assert output.size == np.prod(operator.output_shape)
    assert np.array_equal(outputs[-1], runtime.open_session(path, 1)(x))


def test_transposes_coders_and_the_float_island_are_found(tmp_path: Path) -> None:
    for name in ("island.onnx", "island.tflite"):
        _, operators, _ = lowered(MADE[name](tmp_path / name), tmp_path)
        kinds = [operator.kind for operator in operators]
        assert sum(kind in MOVES for kind in kinds) >= 1
        assert all(kind in kinds for kind in CODERS)
        assert next(operator for operator in operators if operator.kind in ("elu", "tanh")).is_float


def test_a_branch_stays_alive_until_it_is_read(tmp_path: Path) -> None:
    from onnx import helper, load, save

    model = load(island_models.heavy_onnx(tmp_path / "branch.onnx"))
    model.graph.node.append(helper.make_node("Conv", ["small", "last_w"], ["side"], name="side"))
    model.graph.node.append(helper.make_node("Add", ["last", "side"], ["sum"], name="sum"))
    model.graph.output[0].name = "sum"
    save(model, tmp_path / "branch.onnx")
    first = reader("onnx").prefixes((tmp_path / "branch.onnx").read_bytes())
    counts = []
    for prefix in first:
        (tmp_path / "part.onnx").write_bytes(prefix)
        counts.append(len(load(tmp_path / "part.onnx").graph.output))
    assert counts == [1, 1, 2, 2, 2, 1]
