"""`edgecnn board profile` on this machine: what it writes predicts what files cost, and says how well."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from edgecnn import boards
from edgecnn.checks import inspect
from edgecnn.common import documents
from edgecnn.errors import EnvironmentUnfit, UsageError
from edgecnn.pipeline.costs import profile, show, surveyed
from edgecnn.records import cost_profile, zoo
from edgecnn.records.cost_profile import CostProfile

FILE = Path(__file__).parents[3] / "models" / "zoo" / "fashion-10k" / "artifacts" / "fashion-10k-int8.tflite"


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> tuple[CostProfile, Path]:
    path = tmp_path_factory.mktemp("profile") / "local.json"
    return profile.profile("local", ["int8"], size=0.25, nets=1, output=path), path


def test_a_profile_is_read_as_it_was_written(measured: tuple[CostProfile, Path]) -> None:
    made, path = measured
    read = cost_profile.read(path)
    assert documents.to_json(cost_profile.to_table(read)) == documents.to_json(cost_profile.to_table(made))
    assert (read.board, read.unit, read.models[0].precision) == ("local", "ms", "int8")
    assert {net.net for net in read.models[0].held_out.nets} >= {"dscnn", "resnet", "mlp"}


def test_inspect_tells_what_a_file_costs_and_how_sure_that_is(
    measured: tuple[CostProfile, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    inspected = inspect.inspect(FILE, board=str(measured[1]))
    assert isinstance(inspected, inspect.ModelFile)
    assert inspected.prediction is not None
    assert inspected.prediction.cost > 0
    assert len(inspected.prediction.operators) == sum(inspected.description.operators.values())
    inspect.show(inspected)
    out = capsys.readouterr().out
    assert "Predicted on local (profiled " in out
    assert "nets that nothing was fitted to" in out
    assert '"prediction"' in inspect.to_json(inspected)


def test_the_table_has_a_line_for_each_architecture(
    measured: tuple[CostProfile, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    show.show(measured[0])
    out = capsys.readouterr().out
    assert all(name in out for name in ("all", "dscnn", "mobilenet-v2", "95 % under"))


def test_what_cannot_be_predicted_is_one_sentence(measured: tuple[CostProfile, Path], tmp_path: Path) -> None:
    made, path = measured
    with pytest.raises(UsageError, match="no costs of fp32 files"):
        made.model("fp32")
    with pytest.raises(UsageError, match="is not known"):
        cost_profile.find("a-board-without-profile")
    with pytest.raises(UsageError, match="no profile"):
        cost_profile.find(str(tmp_path / "nowhere.json"))
    with pytest.raises(UsageError, match="predicted from the file"):
        inspect.inspect("dscnn-digits", board=str(path))
    with pytest.raises(UsageError, match="int4"):
        profile.profile("local", ["int4"])
    onnx = next(FILE.parent.glob("*.onnx"))
    with pytest.raises(UsageError, match="TFLite"):
        inspect.inspect(onnx, board=str(path))


def test_a_broken_profile_is_refused(measured: tuple[CostProfile, Path], tmp_path: Path) -> None:
    broken = tmp_path / "broken.json"
    broken.write_text(measured[1].read_text(encoding="utf-8")[:-200], encoding="utf-8")
    with pytest.raises(UsageError, match=r"broken\.json"):
        cost_profile.read(broken)


def test_a_survey_measures_each_file_by_its_name() -> None:
    small, large = (zoo.located(f"zoo:{name}") for name in ("fashion-10k", "fashion-90k"))
    contents = {folder.name: next(folder.glob("artifacts/*int8.tflite")).read_bytes() for folder in (large, small)}
    with boards.open_board("local") as board:
        costs = surveyed.measure(board, contents, "litert", 1)
    assert 0 < costs["fashion-10k"] < costs["fashion-90k"]


def test_an_emulated_core_that_counts_nothing_cannot_be_profiled(monkeypatch: pytest.MonkeyPatch) -> None:
    class Silent:
        keeps_time = False

        def run(self, job: object) -> object:
            raise EnvironmentUnfit("it counts nothing")

    with pytest.raises(EnvironmentUnfit):
        surveyed.measure(Silent(), {"a": FILE.read_bytes()}, "litert", 1)  # type: ignore[arg-type]


def test_errors_are_stated_of_nets_that_were_measured(measured: tuple[CostProfile, Path]) -> None:
    held_out = measured[0].models[0].held_out
    assert held_out.median_percent <= held_out.p95_percent <= held_out.largest_percent
    assert max(net.error_percent for net in held_out.nets) == held_out.largest_percent
    doubled = dataclasses.replace(held_out.nets[0], predicted=2 * held_out.nets[0].measured)
    assert doubled.error_percent == pytest.approx(100)
