"""The ladder: nets built to break in int8 are mended, every try is priced, and no test picture has a say."""

from __future__ import annotations

import dataclasses
import io
import shlex
from contextlib import redirect_stdout
from pathlib import Path

import broken_nets
import numpy as np
import pytest

from edgecnn import data
from edgecnn.common import files
from edgecnn.errors import GateFailed, PlanError, UsageError
from edgecnn.pipeline.export import check, rungs
from edgecnn.pipeline.export.export import export, judge, show_prices
from edgecnn.pipeline.export.rescue import ladder, price_list, pricing, show
from edgecnn.pipeline.export.rescue.price_list import PLAIN, PriceList
from edgecnn.records import artifact as artifacts
from edgecnn.records import environment, plans
from edgecnn.records.plans import ExportPlan
from edgecnn.records.run import Run, open_run

RESCUE = ExportPlan(name="rescue", format=("onnx",), precision=("int8",), max_drop=0.5, rescue="first", qat_epochs=1)


@pytest.fixture(scope="module", autouse=True)
def one_round() -> None:
    """Prices need only be there; bench tests what six rounds are good for."""
    pricing.ROUNDS = 1


@pytest.fixture(scope="module")
def wide(textures_run: Run, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Channel ranges that differ by 1000 times, rescued: its artifacts and its price list are there."""
    run = broken_nets.broken(textures_run, broken_nets.spread(1000), tmp_path_factory.mktemp("rescue") / "wide")
    export(run, dataclasses.replace(RESCUE, format=("onnx", "tflite")))
    return run


def prices_of(run: Run) -> PriceList:
    return price_list.read(run.artifacts / price_list.FILE)


def require_rescue(prices: PriceList) -> None:
    """It collapses by 10 pp without the ladder, and comes back to 0.5 pp with it, on pictures no choice has seen."""
    assert prices.rows[0].rung == PLAIN
    assert prices.rows[0].drop_pp >= 10
    assert prices.rows[0].n == 1500
    for verdict in prices.verdicts.values():
        assert verdict.n == 2000
        assert verdict.passed
        assert verdict.drop_pp <= 0.5


def test_channel_ranges_that_differ_a_thousandfold_are_mended_by_equalisation(wide: Run) -> None:
    prices = prices_of(wide)
    require_rescue(prices)
    assert list(prices.verdicts) == ["wide-int8.onnx", "wide-int8.tflite"]
    assert list(prices.chosen) == ["equalisation"]
    (taken,) = (row for row in prices.rows if row.taken)
    assert taken.bought_low_pp > 10


def test_the_broken_net_was_the_same_function_in_float(textures_run: Run, wide: Run) -> None:
    images = data.load(wide.recipe.data).test.load_all()
    logits = check.reference_logits(textures_run, images)
    assert np.array_equal(logits, check.reference_logits(wide, images))


def test_an_activation_outlier_is_mended_by_another_observer(textures_run: Run, tmp_path: Path) -> None:
    run = broken_nets.broken(textures_run, broken_nets.activation_outlier, tmp_path / "outlier")
    export(run, RESCUE)
    require_rescue(prices_of(run))
    assert prices_of(run).chosen["calibration-set"]["observer"] == "percentile"


def test_weights_with_one_scale_for_all_are_mended(textures_run: Run, tmp_path: Path) -> None:
    run = broken_nets.broken(textures_run, broken_nets.spread(100), tmp_path / "one-scale")
    export(run, dataclasses.replace(RESCUE, per_channel=False))
    require_rescue(prices_of(run))
    assert list(prices_of(run).chosen) == ["equalisation"]


def test_a_weight_outlier_is_mended_by_leaving_that_layer_in_float(textures_run: Run, tmp_path: Path) -> None:
    run = broken_nets.broken(textures_run, broken_nets.weight_outlier, tmp_path / "huge-weight")
    (made,) = export(run, dataclasses.replace(RESCUE, format=("tflite",)))
    prices = prices_of(run)
    require_rescue(prices)
    assert prices.chosen["mixed"] == {"layers": ["blocks.2.pointwise.conv"]}
    assert (made.name, made.description.precision, made.description.float_operators) == (
        "huge-weight-int8-mixed.tflite",
        "int8-mixed",
        1,
    )
    tried = [row.options["layers"] for row in prices.rows if row.rung == "mixed"]
    assert len(tried) == 6  # every layer that could stay float has its price
    assert all(row.precision == "int8-mixed" for row in prices.rows if row.rung == "mixed")


def test_what_passes_is_not_climbed_for(textures_run: Run, tmp_path: Path) -> None:
    run = broken_nets.broken(textures_run, broken_nets.nothing, tmp_path / "fine")
    chosen, prices = ladder.climb(run, data.load(run.recipe.data), RESCUE, tmp_path)
    assert [row.rung for row in prices.rows] == [PLAIN]
    assert chosen.taken == prices.chosen == {}
    assert "nothing to rescue" in " ".join(show.sentences(prices))


def test_no_test_label_has_a_say(wide: Run, tmp_path: Path) -> None:
    splits = data.load(wide.recipe.data)
    wrong = dataclasses.replace(splits.test, labels=np.roll(splits.test.labels, 1))
    chosen, prices = ladder.climb(wide, dataclasses.replace(splits, test=wrong), RESCUE, tmp_path)
    assert chosen.taken == prices_of(wide).chosen
    assert [row.drop_pp for row in prices.rows] == [row.drop_pp for row in prices_of(wide).rows]


def test_every_row_says_what_it_bought_and_what_it_costs(wide: Run) -> None:
    for row in prices_of(wide).rows:
        assert row.drop_low_pp <= row.drop_pp <= row.drop_high_pp
        assert row.bought_low_pp <= row.bought_pp <= row.bought_high_pp
        assert row.price is not None
        assert row.price.p50_ms is not None
        assert row.bytes > 0
    listed = {row.rung for row in prices_of(wide).rows}
    assert listed == {PLAIN, "calibration-set", "equalisation"}  # what did not help is listed too


def test_the_chosen_command_gives_the_same_bytes_without_climbing(wide: Run, tmp_path: Path) -> None:
    words = shlex.split(prices_of(wide).chosen_command)
    assert words[:3] == ["edgecnn", "export", str(wide.folder)]
    settings = [word for word in words[3:] if word != "-s"]
    plan = plans.load(ExportPlan, "default", settings)
    assert (plan.rescue, dict(plan.rungs)) == ("off", {"equalisation": {}})
    again = broken_nets.broken(wide, broken_nets.nothing, tmp_path / wide.name)
    for file in export(again, plan):
        assert files.sha256(file.path) == files.sha256(wide.artifacts / file.name)


def test_a_card_names_the_rungs_the_file_has_taken(wide: Run) -> None:
    for name in ("wide-int8.onnx", "wide-int8.tflite"):
        card = artifacts.read_card(wide.artifacts / name)
        assert card is not None
        assert card.calibration["rungs"] == {"equalisation": {}}


def test_when_no_rung_passes_the_gate_fails_and_the_list_is_there(
    textures_run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rungs, "in_order", lambda: ("bias-correction",))
    run = broken_nets.broken(textures_run, broken_nets.weight_outlier, tmp_path / "lost")
    made = export(run, RESCUE)
    assert "no rung passed on validation" in " ".join(show.sentences(prices_of(run)))
    with pytest.raises(GateFailed, match="did not pass"):
        judge(made)


def test_what_validation_cannot_tell_is_not_rescued(textures_run: Run, tmp_path: Path) -> None:
    run = broken_nets.broken(textures_run, broken_nets.nothing, tmp_path / "sound")
    export(run, dataclasses.replace(RESCUE, max_drop=0.0))
    prices = prices_of(run)
    (plain,) = prices.rows
    assert (plain.rung, plain.outcome, dict(prices.chosen)) == (PLAIN, "cannot tell", {})
    assert "plain int8 on validation: cannot tell with n 1,500: " in " ".join(show.sentences(prices))


def test_the_table_is_80_columns_wide_and_holds_every_row(wide: Run) -> None:
    text = io.StringIO()
    with redirect_stdout(text):
        show_prices(wide)
    lines = text.getvalue().splitlines()
    assert max(len(line) for line in lines) <= 80
    for row in prices_of(wide).rows:
        marked = f"{'+ ' if row.on else ''}{row.label}{' *' if row.taken else ''}  "
        assert sum(line.startswith(marked) for line in lines) == 1
    beneath = [row.on for row in prices_of(wide).rows if row.on]  # which rungs they are, the machine's numbers decide
    assert beneath
    for on in beneath:
        labels = [rungs.get(name).label(options) for name, options in on.items()]
        assert f"{'+' * len(on)}: on top of {' and '.join(labels)}" in lines


def test_the_picture_and_the_markdown_are_written(wide: Run) -> None:
    assert (wide.artifacts / price_list.PICTURE).read_bytes().startswith(b"\x89PNG")
    page = (wide.artifacts / price_list.PAGE).read_text()
    assert prices_of(wide).chosen_command in page
    assert f"local: {environment.machine_name(environment.here())}, " in page


def test_a_plan_without_a_file_to_time_is_refused(wide: Run, tmp_path: Path) -> None:
    with pytest.raises(PlanError, match="no board runs c"):
        ladder.climb(wide, data.load(wide.recipe.data), dataclasses.replace(RESCUE, format=("c",)), tmp_path)


def test_a_price_list_is_read_back_as_it_was_written(wide: Run, tmp_path: Path) -> None:
    price_list.write(prices_of(wide), tmp_path / "again.json")
    assert price_list.read(tmp_path / "again.json") == prices_of(wide)


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"environment": {}}'])
def test_what_is_no_price_list_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "other.json").write_text(text)
    with pytest.raises(UsageError, match="is not a price list"):
        price_list.read(tmp_path / "other.json")


def test_a_run_without_a_rescue_has_no_price_list(textures_run: Run) -> None:
    with pytest.raises(UsageError, match="There is no price list") as caught:
        show_prices(open_run(textures_run.folder))
    assert "--rescue" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        (["rescue=first", "precision=fp32"], "rescue mends int8"),
        (["rescue=first", "rungs.equalisation={}"], "leave out either rungs or rescue"),
        (["rescue=some"], "rescue cannot be 'some'"),
        (["qat_epochs=-1"], "qat_epochs = -1 should not be negative"),
        (["weight_range=full", "target=dotprod"], "goes with target = "),
    ],
)
def test_a_plan_that_contradicts_itself_is_refused(settings: list[str], sentence: str) -> None:
    with pytest.raises(PlanError, match=sentence):
        plans.load(ExportPlan, "default", settings)
