"""The lesson on nonlinearity: a net without activations is the product of its matrices, one with them is not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgecnn import data
from edgecnn.pipeline.export import check
from edgecnn.pipeline.train.train import train
from edgecnn.studies.lessons.topics import nonlinearity


@pytest.mark.parametrize("depth", [1, 4])
def test_the_product_of_the_matrices_gives_the_logits_of_a_linear_net_only(tmp_path: Path, depth: int) -> None:
    errors = {}
    for activation in nonlinearity.ACTIVATIONS:
        recipe = replace(nonlinearity.recipe(activation, depth, True, 0), epochs=1)
        run = train(recipe, tmp_path / activation)
        errors[activation] = nonlinearity.composition_error(run)
        product, offset = nonlinearity.weights(run)
        assert product.shape == (10, 64)
        assert offset.shape == (10,)
    assert errors["none"] < 1e-9 < 0.1 < errors["relu"]


def test_the_single_layer_answers_as_the_net_that_was_trained(tmp_path: Path) -> None:
    run = train(replace(nonlinearity.recipe("none", 2, True, 0), epochs=2), tmp_path / "run")
    product, offset = nonlinearity.weights(run)
    images = data.load(run.recipe.data).test.load_all()
    pixels = ((images.astype(float) - run.mean) / run.std).reshape(len(images), -1)
    assert np.allclose(pixels @ product.T + offset, check.reference_logits(run, images), atol=1e-3)


def test_logistic_regression_is_chosen_on_validation_and_learns(tmp_path: Path) -> None:
    run = train(replace(nonlinearity.recipe("none", 1, True, 0), epochs=1), tmp_path / "run")
    hits, penalty = nonlinearity.logistic_hits(run)
    assert hits.shape == (359,)
    assert hits.mean() > 0.9
    assert penalty in nonlinearity.PENALTIES
