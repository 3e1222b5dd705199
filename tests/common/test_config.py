"""Plans: TOML in, frozen dataclass out, and a wrong key is named with the nearest right one."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecnn.common import config
from edgecnn.errors import PlanError
from edgecnn.records import plans
from edgecnn.records.plans import ExportPlan, Suite
from edgecnn.records.recipe import AugmentPlan, DataPlan, NetPlan, OptimPlan, Recipe

MINIMAL = {"name": "r", "data": {"name": "digits"}, "net": {"name": "dscnn", "width": 8}}

recipes = st.builds(
    Recipe,
    name=st.text("abc-", min_size=1),
    data=st.builds(
        DataPlan, name=st.just("digits"), validation=st.floats(0.01, 0.99), seed=st.integers(0, 99), options=st.just({})
    ),
    net=st.builds(NetPlan, name=st.just("dscnn"), options=st.dictionaries(st.text("xyz", min_size=1), st.integers())),
    optim=st.builds(OptimPlan, lr=st.floats(1e-6, 1e3), ema=st.floats(0, 0.999)),
    augment=st.builds(AugmentPlan, flip=st.booleans(), shift=st.integers(0, 9)),
    epochs=st.integers(1, 999),
    num_threads=st.just("auto") | st.integers(1, 99),
    seed=st.integers(0, 2**31),
)


@given(recipes)
def test_a_written_recipe_reads_back_equal(recipe: Recipe) -> None:
    import tomllib

    assert config.build(Recipe, tomllib.loads(plans.dump(recipe)), "recipe") == recipe


@pytest.mark.parametrize("kind", [Recipe, ExportPlan, Suite])
def test_every_shipped_plan_loads(kind: type) -> None:
    assert plans.names(kind)
    for name in plans.names(kind):
        assert plans.load(kind, name).name == name


def test_options_of_a_plug_in_are_the_keys_no_field_takes() -> None:
    recipe = config.build(Recipe, MINIMAL, "r.toml")
    assert recipe.net == NetPlan(name="dscnn", options={"width": 8})


@pytest.mark.parametrize(
    ("change", "sentence", "hint"),
    [
        ({"epochz": 3}, "r.toml has an unknown key 'epochz'", "did you mean 'epochs'"),
        ({"optim": {"learning": 1}}, "r.toml: optim has an unknown key 'learning'", "label_smoothing"),
        ({"epochs": "many"}, "epochs should be of type int, not 'many'", None),
        ({"epochs": True}, "epochs should be of type int, not True", None),
        ({"epochs": 0}, "epochs = 0 should be at least 1", None),
        ({"optim": 3}, "optim should be a table, not 3", None),
        ({"optim": {"name": "adamm"}}, "optim: name cannot be 'adamm'", "did you mean 'adam'?"),
        ({"optim": {"lr": -1}}, r"lr = -1.0 should be above 0", None),
        ({"data": {"name": "digits", "validation": 1.5}}, "validation = 1.5 should lie between 0 and 1", None),
        ({"num_threads": "many"}, "num_threads should be of type int or 'auto', not 'many'", None),
        ({"num_threads": 1.5}, "num_threads should be of type int or 'auto', not 1.5", None),
        ({"num_threads": 0}, "num_threads = 0 should be at least 1, or 'auto'", None),
        ({"precision": "fp16"}, "precision cannot be 'fp16'", "nown: auto, bf16, fp32"),
        ({"device": "tpu"}, "device cannot be 'tpu'", "did you mean 'cpu'? Known: auto, cpu, cuda, mps"),
        ({"batch_size": 1}, "batch_size = 1 should be at least 2", None),
    ],
)
def test_a_wrong_value_is_named(change: dict[str, object], sentence: str, hint: str | None) -> None:
    with pytest.raises(PlanError, match=sentence) as caught:
        config.build(Recipe, MINIMAL | change, "r.toml")
    if hint:
        assert hint in str(caught.value.hint)


def test_a_missing_key_is_named() -> None:
    with pytest.raises(PlanError, match="lacks the key 'net'"):
        config.build(Recipe, {"name": "r", "data": {"name": "digits"}}, "r.toml")


def test_overrides_are_toml_or_bare_words_and_leave_the_source_alone() -> None:
    source = {"optim": {"lr": 1.0}}
    changed = config.override(source, ["optim.lr=0.2", "optim.name=sgd", "augment.flip=true", "net.tags=[1, 2]"])
    assert changed == {
        "optim": {"lr": 0.2, "name": "sgd"},
        "augment": {"flip": True},
        "net": {"tags": [1, 2]},
    }
    assert source == {"optim": {"lr": 1.0}}


@pytest.mark.parametrize("assignment", ["epochs", "=3", " =3"])
def test_a_setting_without_key_or_value_is_refused(assignment: str) -> None:
    with pytest.raises(PlanError, match="is not a setting"):
        config.override({}, [assignment])


def test_a_setting_inside_a_value_is_refused() -> None:
    with pytest.raises(PlanError, match="is a value, not a table"):
        config.override({"epochs": 3}, ["epochs.x=1"])


def test_a_file_that_is_not_toml_is_named(tmp_path: Path) -> None:
    path = tmp_path / "broken.toml"
    path.write_text("name = dscnn")
    with pytest.raises(PlanError, match=r"broken\.toml is not valid TOML"):
        plans.load(Recipe, str(path))


def test_plans_cannot_be_changed() -> None:
    recipe = config.build(Recipe, MINIMAL, "r.toml")
    with pytest.raises(dataclasses.FrozenInstanceError):
        recipe.epochs = 3  # type: ignore[misc]


def test_data_replaces_the_data_set_and_keeps_the_validation_cut(tmp_path: Path) -> None:
    recipe = plans.load_recipe("dscnn-digits", data=str(tmp_path))
    assert recipe.data.name == "folder"
    assert recipe.data.options == {"path": str(tmp_path)}
    assert recipe.data.validation == plans.load_recipe("dscnn-digits").data.validation
    assert plans.load_recipe("dscnn-digits", data="fashion-mnist").data.name == "fashion-mnist"
    assert plans.load_recipe("dscnn-digits", ["data.fraction=0.5"], data="fashion-mnist").data.fraction == 0.5


def test_a_sparse_table_lacks_what_is_by_default_and_builds_the_same() -> None:
    recipe = plans.load_recipe("dscnn-digits")
    sparse = config.table_of(recipe, sparse=True)
    assert "head_epochs" not in sparse
    assert "momentum" not in sparse["optim"]
    assert config.build(Recipe, sparse, "a recipe") == recipe
