"""The profiles that come with the package predict what the zoo's models were measured to cost."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgecnn.pipeline.costs import predict
from edgecnn.records import cost_profile, report

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("core", ["pi4", "pi5"])
def test_the_zoo_costs_what_is_predicted(core: str) -> None:
    profile = cost_profile.find(f"emulated:{core}")
    model = profile.model("int8")
    assert len(model.held_out.nets) >= 60
    assert model.held_out.median_percent <= 5
    assert model.held_out.p95_percent <= 15
    checked = 0
    for measurement in report.read(ROOT / "bench" / "results" / f"zoo-{core}.json").measurements:
        if measurement.runtime != "litert" or measurement.precision != "int8" or measurement.run is None:
            continue
        path = ROOT / "models" / "zoo" / measurement.run / "artifacts" / measurement.file
        predicted = predict.of_file(path, profile)
        assert measurement.summary.instructions_p50 is not None
        error_percent = 100 * abs(predicted.cost / measurement.summary.instructions_p50 - 1)
        assert error_percent <= model.held_out.largest_percent, measurement.file
        assert predicted.cost == pytest.approx(
            sum(operator.cost for operator in predicted.operators) + model.call, rel=1e-9
        )
        checked += 1
    assert checked >= 4
