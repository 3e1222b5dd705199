import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgecnn import formats
from edgecnn.checks import inspect
from edgecnn.errors import ModelFileError, PlanError, RunError, UsageError
from edgecnn.records import description_words
from edgecnn.records.artifact import Description, TensorSpec
from edgecnn.records.run import Run


@pytest.fixture
def onnx_file(tmp_path: Path) -> Any:
    """A convolution with 3 filters on 1 x 8 x 8, ReLU, mean and 2 classes, made without this tool."""
    weights = {
        "w": np.ones((3, 1, 3, 3), np.float32),
        "b": np.zeros(3, np.float32),
        "v": np.ones((3, 2), np.float32),
    }
    nodes = [
        helper.make_node("Conv", ["x", "w", "b"], ["c"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c"], ["r"]),
        helper.make_node("GlobalAveragePool", ["r"], ["p"]),
        helper.make_node("Flatten", ["p"], ["f"]),
        helper.make_node("MatMul", ["f", "v"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 1, 8, 8])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 2])],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    path = tmp_path / "tiny.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)
    return path


def printed(
    capsys: pytest.CaptureFixture[str], target: Any, *settings: str, as_json: bool = False, **options: Any
) -> str:
    result = inspect.inspect(str(target), settings=settings, **options)
    print(inspect.to_json(result)) if as_json else inspect.show(result)
    captured = capsys.readouterr()
    assert captured.err == ""
    return captured.out


@pytest.mark.parametrize("recipe", ["dscnn-digits", "mlp-digits", "vit-digits"])
def test_a_recipe_is_shown_layer_by_layer_in_eighty_columns(capsys: pytest.CaptureFixture[str], recipe: str) -> None:
    out = printed(capsys, recipe)
    assert out.startswith(f"{recipe}: {recipe.split('-')[0]}, 8 x 8 x 1 to 10 classes\n")
    assert max(len(line) for line in out.splitlines()) <= 80
    assert out.splitlines()[2].split() == ["layer", "output", "params", "MACs", "share", "field", "stride"]


def test_the_table_adds_up_to_the_totals(capsys: pytest.CaptureFixture[str]) -> None:
    out = printed(capsys, "dscnn-digits", "net.width=8", "net.stages=2", "net.depth=1")
    lines = out.splitlines()
    rows = [line.replace(" %", "%").split() for line in lines[4 : lines.index("", 4)]]
    numbers = [int(row[-5].replace(",", "")) for row in rows if row[-5] != "-"]
    # stem 8 (9 + 1); 8 -> 8 at 64 places: 8 (9 + 1) + 8 (8 + 1); 8 -> 16: 80 + 16 (8 + 1); head 17 * 10
    assert numbers == [80, 80, 72, 80, 144, 170]
    assert f"Together {sum(numbers):,} parameters" in out


def test_a_dense_first_layer_is_priced_for_any_input(capsys: pytest.CaptureFixture[str]) -> None:
    assert "150,528,000 weights" in " ".join(printed(capsys, "dscnn-digits").split())
    out = " ".join(printed(capsys, "dscnn-digits", dense_input=(1, 28, 28)).split())
    assert "28 x 28 x 1 would hold 784,000 weights; a 3x3 convolution holds 9 a filter" in out


def test_json_holds_the_same_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    table = json.loads(printed(capsys, "dscnn-digits", as_json=True))
    assert table["parameters"] == sum(layer["parameters"] for layer in table["layers"])
    assert table["macs"] == sum(layer["macs"] for layer in table["layers"])
    assert table["input_shape"] == [1, 8, 8]
    assert table["dense_weights"] == 150_528_000


def test_a_run_has_the_anatomy_of_its_recipe(capsys: pytest.CaptureFixture[str], digits_run: Run) -> None:
    out = printed(capsys, digits_run.folder)
    assert f"Together {digits_run.params:,} parameters" in out
    assert f"{digits_run.macs:,} MACs" in " ".join(out.split())


def test_a_model_file_tells_about_itself(capsys: pytest.CaptureFixture[str], onnx_file: Path) -> None:
    out = printed(capsys, onnx_file)
    assert max(len(line) for line in out.splitlines()) <= 80
    facts = {line[:16].strip(): line[16:] for line in out.splitlines() if line[:16].strip()}
    assert facts["file"] == "tiny.onnx"
    assert facts["precision"] == "fp32"
    assert facts["input"] == "x: float32 1x1x8x8 NCHW"
    assert facts["MACs"] == f"{64 * 27 + 6:,}"
    assert facts["bytes"] == f"{onnx_file.stat().st_size:,}"
    assert facts["operators"].startswith("5: ")
    assert facts["labels"] == "none inside"


def test_a_model_file_as_json_is_its_description(capsys: pytest.CaptureFixture[str], onnx_file: Path) -> None:
    table = json.loads(printed(capsys, onnx_file, as_json=True))
    assert table["sha256"] == formats.describe(onnx_file).sha256


def test_a_quantised_tensor_says_what_its_numbers_mean() -> None:
    spec = TensorSpec(name="x", shape=(1, 8, 8, 1), dtype="int8", layout="NHWC", scale=0.5, zero_point=-128)
    assert description_words.tensor_words(spec) == "x: int8 1x8x8x1 NHWC, real = 0.5 * (stored + 128)"
    spec = TensorSpec(name="y", shape=(1, 10), dtype="uint8", layout="NK", scale=0.25, zero_point=3)
    assert description_words.tensor_words(spec) == "y: uint8 1x10 NK, real = 0.25 * (stored - 3)"


def test_long_facts_are_wrapped() -> None:
    spec = TensorSpec(name="x", shape=(1, 8), dtype="int8", layout="")
    description = Description(
        format="tflite",
        format_version="schema 3",
        bytes=1,
        sha256="0" * 64,
        input=spec,
        output=spec,
        precision="int8",
        operators={f"AN_OPERATOR_{i}": i for i in range(12)},
        float_operators=0,
        transposes=0,
        quantize_pairs=0,
        planned_activation_peak_bytes=1,
        macs=None,
        parameters=1,
        labels=tuple(f"label {i}" for i in range(30)),
    )
    lines = description_words.lines("x.tflite", description)
    assert max(map(len, lines)) <= 80
    text = " ".join(" ".join(lines).split())
    assert "label 29" in text
    assert f"{sum(range(12))}: AN_OPERATOR_0 0, AN_OPERATOR_1 1" in text
    assert "MACs unknown" in text


@pytest.mark.parametrize(
    ("target", "error", "sentence"),
    [
        ("dscnn-digit", PlanError, "no recipe named 'dscnn-digit'"),
        ("nowhere.toml", PlanError, r"no file nowhere\.toml"),
        ("runs/nowhere", RunError, "no run folder runs/nowhere"),
        ("nowhere.onnx", ModelFileError, r"no file nowhere\.onnx"),
        ("picture.jpg", ModelFileError, r"no file picture\.jpg"),
        (".", RunError, "not a run folder"),
    ],
)
def test_what_is_not_there_is_named(own_folder: Path, target: Any, error: type[Exception], sentence: str) -> None:
    with pytest.raises(error, match=sentence):
        inspect.inspect(target)


def test_a_broken_model_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "broken.onnx"
    path.write_bytes(b"not a model" * 50)
    with pytest.raises(ModelFileError, match=r"broken\.onnx"):
        inspect.inspect(path)


def test_only_a_recipe_takes_settings(onnx_file: Path) -> None:
    with pytest.raises(UsageError, match="nothing in it can be set"):
        inspect.inspect(onnx_file, net={"width": 3})


def test_a_picture_without_pixels_is_refused() -> None:
    with pytest.raises(UsageError, match="at least one pixel"):
        inspect.inspect("dscnn-digits", dense_input=(3, 0, 224))


def test_a_recipe_keeps_its_name_beside_a_folder_of_that_name(
    own_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("dscnn-digits").mkdir()
    assert printed(capsys, "dscnn-digits").startswith("dscnn-digits: dscnn")
